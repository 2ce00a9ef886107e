import { frameHead } from '../live/live-result.ts';
import type { Sink } from '../live/shared-results.ts';
import type { SocketBasis } from './socket-protocol.ts';
import { whenTaken } from './taken.ts';

/**
 * Sends the results of one subscription as frames of its socket: what all subscribers have in common is the same bytes
 * for each of them, behind a few of its own with the id of its subscription.
 */
export function socketSink({ socket, request }: SocketBasis, id: string): Sink {
  const begin = Buffer.from(`{"id":${JSON.stringify(id)},"type":"next","payload":`);
  // `ws` writes each of its frames in one go as well, since nothing is compressed, so that none is cut in two by these.
  const stream = request.socket;
  return ({ message }, sent) => {
    // The end of the subscription is on its way.
    if (socket.readyState !== socket.OPEN) return false;
    const frame = message.with(begin);
    if (frame !== undefined) {
      stream.write(frame);
      if (whenTaken(stream, sent)) return true;
      message.keep();
      return false;
    }
    const { end } = message;
    stream.cork();
    stream.write(Buffer.concat([frameHead(begin.length + end.length), begin]));
    stream.write(end);
    stream.uncork();
    return whenTaken(stream, sent);
  };
}
