import { once } from 'node:events';
import { WebSocket } from 'ws';
import type { GraphError } from './client.ts';

export interface Message {
  readonly type: string;
  readonly id?: string;
  readonly payload?: unknown;
}

export interface OperationResult {
  readonly data?: Readonly<Record<string, unknown>> | null;
  readonly errors?: readonly GraphError[];
  readonly extensions?: Readonly<Record<string, unknown>>;
}

interface SocketOptions {
  /** Default: graphql-transport-ws. */
  readonly protocols?: readonly string[];
  readonly headers?: Readonly<Record<string, string>>;
  readonly path?: string;
}

/** A WebSocket without any client library, so that a test sees each message and may send what no client would. */
export class Socket {
  readonly #socket: WebSocket;
  readonly #received: Message[] = [];
  readonly #waiting: ((message: Message) => void)[] = [];
  /** How the server closed it. */
  readonly closed: Promise<{ code: number; reason: string }>;

  private constructor(socket: WebSocket) {
    this.#socket = socket;
    this.closed = once(socket, 'close').then(([code, reason]) => ({ code, reason: String(reason) }));
    socket.on('message', (data) => {
      const message: Message = JSON.parse(String(data));
      const waiting = this.#waiting.shift();
      if (waiting === undefined) this.#received.push(message);
      else waiting(message);
    });
  }

  /** Opens a socket; the handshake has to succeed. */
  static async open(url: string, options: SocketOptions = {}): Promise<Socket> {
    const { protocols = ['graphql-transport-ws'], headers = {}, path = '/graphql' } = options;
    const socket = new WebSocket(url.replace('http', 'ws') + path, [...protocols], { headers });
    const opened = new Socket(socket);
    await once(socket, 'open');
    return opened;
  }

  /** The HTTP status that refuses the handshake. */
  static async refusal(url: string, options: SocketOptions = {}): Promise<number | undefined> {
    const { protocols = ['graphql-transport-ws'], headers = {}, path = '/graphql' } = options;
    const socket = new WebSocket(url.replace('http', 'ws') + path, [...protocols], { headers });
    socket.on('error', () => undefined);
    const refused = new Promise<number | undefined>((resolve) => {
      socket.on('unexpected-response', (request, response) => {
        resolve(response.statusCode);
        request.destroy();
      });
    });
    const opened = once(socket, 'open').then(() => {
      socket.terminate();
      throw new Error('The handshake succeeded.');
    });
    return Promise.race([refused, opened]);
  }

  /** Opens a socket and has it accepted, with these fields in `connection_init`. */
  static async accepted(url: string, fields: object, options: SocketOptions = {}): Promise<Socket> {
    const socket = await Socket.open(url, options);
    socket.send({ type: 'connection_init', payload: fields });
    const { type } = await socket.message();
    if (type !== 'connection_ack') throw new Error(`The first message was ${type}.`);
    return socket;
  }

  /** Sends a message, or text that is none. */
  send(message: Message | string): void {
    this.#socket.send(typeof message === 'string' ? message : JSON.stringify(message));
  }

  subscribe(id: string, query: string, variables?: object, operationName?: string): void {
    this.send({ type: 'subscribe', id, payload: { query, variables, operationName } });
  }

  /** The messages that came and were not asked for. */
  get unread(): readonly Message[] {
    return this.#received;
  }

  /** The next message. Rejects when the socket closes instead. */
  async message(): Promise<Message> {
    const received = this.#received.shift();
    if (received !== undefined) return received;
    return Promise.race([
      new Promise<Message>((resolve) => this.#waiting.push(resolve)),
      this.closed.then(({ code, reason }) => {
        throw new Error(`The socket was closed with ${code} ${reason}.`);
      }),
    ]);
  }

  /** Carries out a query or command, up to `complete`. */
  async run(id: string, query: string, variables?: object): Promise<OperationResult> {
    this.subscribe(id, query, variables);
    const { type, payload } = await this.message();
    if (type === 'error') return { errors: payload as readonly GraphError[] };
    const { type: last } = await this.message();
    if (type !== 'next' || last !== 'complete') throw new Error(`The messages were ${type} and ${last}.`);
    return payload as OperationResult;
  }

  close(code?: number): Promise<{ code: number; reason: string }> {
    this.#socket.close(code);
    return this.closed;
  }

  /** Reads nothing until `resume`, as a client does that cannot keep up. */
  pause(): void {
    this.#socket.pause();
  }

  resume(): void {
    this.#socket.resume();
  }

  /** Vanishes as a client does whose machine lost its power. */
  terminate(): void {
    this.#socket.terminate();
  }
}
