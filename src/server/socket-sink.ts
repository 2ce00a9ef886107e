import { frameHead, type LiveResult } from '../live/live-result.ts';
import type { Sink } from '../live/shared-results.ts';
import type { SocketBasis } from './socket-protocol.ts';
import { whenTaken } from './taken.ts';

/**
 * Sends the results of one subscription as frames of its socket: what all subscribers have in common is the same bytes
 * for each of them, behind a few of its own with the id of its subscription.
 */
export class SocketSink implements Sink {
  readonly #socket: SocketBasis['socket'];
  /** `ws` writes each of its frames in one go as well, since nothing is compressed, so that none is cut in two by these. */
  readonly #stream: SocketBasis['request']['socket'];
  readonly #begin: Buffer;

  constructor({ socket, request }: SocketBasis, id: string) {
    this.#socket = socket;
    this.#stream = request.socket;
    this.#begin = Buffer.from(`{"id":${JSON.stringify(id)},"type":"next","payload":`);
  }

  send({ message }: LiveResult, sent: () => void): boolean {
    // The end of the subscription is on its way.
    if (this.#socket.readyState !== this.#socket.OPEN) return false;
    const stream = this.#stream;
    const frame = message.with(this.#begin);
    if (frame !== undefined) {
      stream.write(frame);
      if (whenTaken(stream, sent)) return true;
      message.keep();
      return false;
    }
    const { end } = message;
    stream.cork();
    stream.write(Buffer.concat([frameHead(this.#begin.length + end.length), this.#begin]));
    stream.write(end);
    stream.uncork();
    return whenTaken(stream, sent);
  }
}
