import type { Logger } from 'pino';
import { type RawData, WebSocket } from 'ws';
import { fromWire, toWire } from './wire.ts';

interface ChannelOptions {
  readonly log: Logger;
  readonly onMessage: (message: unknown) => void;
  /** Called once, however it came to its end. */
  readonly onEnd: () => void;
}

/** The other one has this long to answer; after that it counts as gone. */
const pingEveryMs = 2_000;

/** Messages both ways over one socket. Whatever is sent in one turn of the event loop travels together. */
export class Channel {
  readonly #socket: WebSocket;
  #unsent: unknown[] = [];

  constructor(socket: WebSocket, { log, onMessage, onEnd }: ChannelOptions) {
    this.#socket = socket;
    socket.on('error', (error) => log.debug({ err: error }, 'a connection between servers broke'));
    socket.on('message', (data: RawData) => {
      try {
        const messages = fromWire(String(data));
        if (!Array.isArray(messages)) throw new TypeError('Messages come in lists.');
        for (const message of messages) onMessage(message);
      } catch (error) {
        log.error({ err: error }, 'a message of another server could not be read');
        socket.close(1003);
      }
    });
    const stopPinging = keepAlive(socket);
    socket.once('close', () => {
      stopPinging();
      onEnd();
    });
  }

  send(message: unknown): void {
    this.#unsent.push(message);
    if (this.#unsent.length === 1) setImmediate(() => this.#flush());
  }

  /** After what was sent. */
  close(): void {
    setImmediate(() => {
      this.#flush();
      this.#socket.close(1001);
    });
  }

  /** Without waiting for anybody. */
  terminate(): void {
    this.#socket.terminate();
  }

  #flush(): void {
    const messages = this.#unsent;
    this.#unsent = [];
    if (messages.length > 0 && this.#socket.readyState === WebSocket.OPEN) this.#socket.send(toWire(messages));
  }
}

function keepAlive(socket: WebSocket): () => void {
  let hasAnswered = true;
  socket.on('pong', () => {
    hasAnswered = true;
  });
  const timer = setInterval(() => {
    // Where this process was busy, the answer has come and is read first.
    setImmediate(() => {
      if (!hasAnswered) return socket.terminate();
      hasAnswered = false;
      if (socket.readyState === WebSocket.OPEN) socket.ping();
    });
  }, pingEveryMs).unref();
  return () => clearInterval(timer);
}
