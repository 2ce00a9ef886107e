/**
 * The least HTTP/1.1 client that can keep a connection busy: one request at a time, bodies of known length or chunked.
 * The load generator shares the machine's few cores with what it measures, and a general client takes several times
 * the CPU of this one.
 */
import { connect, type Socket } from 'node:net';

export interface Target {
  readonly port: number;
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
}

export interface Answer {
  readonly status: number;
  readonly body: Buffer;
}

const headEnd = Buffer.from('\r\n\r\n');

/** Everything of a request but its body; the body's length comes last. */
export function requestHead({ path, port, headers }: Target): string {
  const all = { host: `127.0.0.1:${port}`, accept: 'application/json', 'content-type': 'application/json', ...headers };
  const lines = Object.entries(all).map(([name, value]) => `${name}: ${value}\r\n`);
  return `POST ${path} HTTP/1.1\r\n${lines.join('')}content-length: `;
}

/** The body of a chunked message, or undefined while its end has not arrived. */
function joinChunks(buffer: Buffer, start: number): Buffer | undefined {
  const parts: Buffer[] = [];
  let position = start;
  for (;;) {
    const lineEnd = buffer.indexOf('\r\n', position);
    if (lineEnd === -1) return undefined;
    const length = Number.parseInt(buffer.toString('latin1', position, lineEnd), 16);
    const next = lineEnd + 2 + length + 2;
    if (buffer.length < next) return undefined;
    if (length === 0) return parts.length === 1 ? parts[0] : Buffer.concat(parts);
    parts.push(buffer.subarray(lineEnd + 2, lineEnd + 2 + length));
    position = next;
  }
}

export class KeepAliveClient {
  readonly #socket: Socket;
  readonly #head: string;
  #received: Buffer | undefined;
  /** Known once the head has arrived; null when the body is chunked. */
  #body: { readonly status: number; readonly start: number; readonly length: number | null } | undefined;
  #settle: { resolve: (answer: Answer) => void; reject: (error: Error) => void } | undefined;
  #failure: Error | undefined;

  private constructor(socket: Socket, head: string) {
    this.#socket = socket;
    this.#head = head;
    socket.setNoDelay(true);
    socket.on('data', (data) => this.#onData(data));
    socket.on('error', (error) => this.#fail(error));
    socket.on('close', () => this.#fail(new Error('the server closed the connection')));
  }

  static open(target: Target): Promise<KeepAliveClient> {
    return new Promise((resolve, reject) => {
      const socket = connect({ host: '127.0.0.1', port: target.port });
      socket.once('error', reject);
      socket.once('connect', () => {
        socket.off('error', reject);
        resolve(new KeepAliveClient(socket, requestHead(target)));
      });
    });
  }

  /** Whether the connection is gone: servers close those that nothing was asked on for a while. */
  get isClosed(): boolean {
    return this.#failure !== undefined;
  }

  /**
   * @param body must be ASCII, so that its length in characters is its length in bytes
   * @param head another one than that of the target
   */
  send(body: string, head = this.#head): Promise<Answer> {
    if (this.#failure !== undefined) return Promise.reject(this.#failure);
    return new Promise((resolve, reject) => {
      this.#settle = { resolve, reject };
      this.#socket.write(`${head}${body.length}\r\n\r\n${body}`, 'latin1');
    });
  }

  close(): void {
    this.#settle = undefined;
    this.#socket.destroy();
  }

  #onData(data: Buffer): void {
    this.#received = this.#received === undefined ? data : Buffer.concat([this.#received, data]);
    const received = this.#received;
    if (this.#body === undefined) {
      const end = received.indexOf(headEnd);
      if (end === -1) return;
      const head = received.toString('latin1', 0, end);
      const length = /^content-length: *(\d+)/im.exec(head)?.[1];
      const status = Number(head.slice(9, 12));
      this.#body = { status, start: end + headEnd.length, length: length === undefined ? null : Number(length) };
    }
    const { status, start, length } = this.#body;
    let body: Buffer | undefined;
    if (length === null) body = joinChunks(received, start);
    else if (received.length >= start + length) body = received.subarray(start, start + length);
    if (body === undefined) return;
    this.#received = undefined;
    this.#body = undefined;
    const settle = this.#settle;
    this.#settle = undefined;
    settle?.resolve({ status, body });
  }

  #fail(error: Error): void {
    this.#failure ??= error;
    const settle = this.#settle;
    this.#settle = undefined;
    settle?.reject(error);
  }
}
