import type { ServerResponse } from 'node:http';
import type { LiveResult } from '../live/live-result.ts';
import type { Sink } from '../live/shared-results.ts';
import { whenTaken } from './taken.ts';

/** Sends the results of one subscription as events of its HTTP answer: the same bytes for all who get the same. */
export class EventSink implements Sink {
  readonly #response: ServerResponse;
  #isBegun = false;

  constructor(response: ServerResponse) {
    this.#response = response;
  }

  send(result: LiveResult, sent: () => void): boolean {
    const response = this.#response;
    // The end of the subscription is on its way.
    if (response.writableEnded || response.destroyed) return false;
    if (!this.#isBegun) response.flushHeaders();
    this.#isBegun = true;
    const { socket } = response;
    // To a client of HTTP/1.0; or behind the answer to an earlier request.
    if (socket === null || !response.chunkedEncoding) {
      response.write(result.event, () => sent());
      return false;
    }
    // Whatever else is sent, such as signs of life, is sent in chunks of its own, too.
    socket.write(result.eventChunk);
    return whenTaken(socket, sent);
  }
}
