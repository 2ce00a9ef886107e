import type { Socket } from 'node:net';
import type { WebSocket } from 'ws';

interface Pinged {
  readonly socket: WebSocket;
  readonly stream: Pick<Socket, 'write'>;
  hasAnswered: boolean;
}

/** A ping without content, as a whole frame: `ws` writes its frames in one go as well, and none is cut in two by it. */
const pingFrame = Buffer.from([0x89, 0]);

/** So many are pinged in one turn; others want to be served meanwhile. */
const batchMax = 100;

/** Sockets that opened within this part of the interval are pinged together. */
const partOfInterval = 1 / 12;

/**
 * Finds out which clients are gone: one that has not answered a ping by the time of the next. Sockets are pinged in
 * batches, since to be woken up for each by itself takes several times as long as its ping.
 */
export class Pings {
  readonly #intervalMs: number;
  #newest: { readonly batch: Set<Pinged>; readonly beganAtMs: number } | undefined;

  constructor(intervalMs: number) {
    this.#intervalMs = intervalMs;
  }

  /** Pings a socket until the returned function is called. */
  keepAlive({ socket, request }: { readonly socket: WebSocket; readonly request: { readonly socket: Socket } }) {
    const pinged: Pinged = { socket, stream: request.socket, hasAnswered: true };
    socket.on('pong', () => {
      pinged.hasAnswered = true;
    });
    const batch = this.#batch();
    batch.add(pinged);
    return (): void => {
      batch.delete(pinged);
    };
  }

  /** The one that is being filled. */
  #batch(): Set<Pinged> {
    const now = performance.now();
    const newest = this.#newest;
    const isYoung = newest !== undefined && now - newest.beganAtMs < this.#intervalMs * partOfInterval;
    if (isYoung && newest.batch.size < batchMax) return newest.batch;
    const batch = new Set<Pinged>();
    this.#newest = { batch, beganAtMs: now };
    const timer = setInterval(() => {
      for (const pinged of batch) ping(pinged);
      if (batch.size > 0) return;
      clearInterval(timer);
      if (this.#newest?.batch === batch) this.#newest = undefined;
    }, this.#intervalMs).unref();
    return batch;
  }
}

function ping(pinged: Pinged): void {
  const { socket, stream } = pinged;
  if (!pinged.hasAnswered) {
    socket.terminate();
    return;
  }
  pinged.hasAnswered = false;
  if (socket.readyState === socket.OPEN) stream.write(pingFrame);
}
