import { once } from 'node:events';
import { type IncomingMessage, request as openRequest, type RequestOptions } from 'node:http';
import { connect, type Socket } from 'node:net';
import { text } from 'node:stream/consumers';

export interface RawAnswer {
  readonly status: number | undefined;
  readonly statusText: string | undefined;
  /** In the order of their names, without those that are about the transfer. */
  readonly headers: readonly (readonly [name: string, value: string])[];
  readonly body: string;
}

const transferHeaders: ReadonlySet<string> = new Set(['date', 'content-length', 'transfer-encoding']);

/** Posts a body as it is, and gives the answer as it is. */
export async function post(url: string, body: string, options: RequestOptions = {}): Promise<RawAnswer> {
  const outgoing = openRequest(url, { method: 'POST', ...options });
  const answered: Promise<IncomingMessage[]> = once(outgoing, 'response');
  outgoing.end(body);
  const [response] = await answered;
  if (response === undefined) throw new Error('There was no response.');
  const headers = Object.entries(response.headers)
    .filter(([name]) => !transferHeaders.has(name))
    .map(([name, value]) => [name, String(value)] as const)
    .sort(([a], [b]) => (a < b ? -1 : 1));
  return {
    status: response.statusCode,
    statusText: response.statusMessage,
    headers,
    body: await text(response),
  };
}

export interface OpenConnection {
  readonly socket: Socket;
  /** What has come so far. */
  readonly received: () => string;
}

/** A connection on which a test writes HTTP itself. */
export async function openConnection(url: string): Promise<OpenConnection> {
  const socket = connect(Number(new URL(url).port), '127.0.0.1');
  let received = '';
  socket.setEncoding('utf8').on('data', (more: string) => {
    received += more;
  });
  socket.on('error', () => undefined);
  await once(socket, 'connect');
  return { socket, received: () => received };
}

/** A POST to the graph, as it is written on such a connection. */
export function writtenPost(headers: Readonly<Record<string, string>>, body: string, version = '1.1'): string {
  const lines = Object.entries({ host: 'here', ...headers, 'content-length': Buffer.byteLength(body) });
  return `POST /graphql HTTP/${version}\r\n${lines.map(([name, value]) => `${name}: ${value}\r\n`).join('')}\r\n${body}`;
}
