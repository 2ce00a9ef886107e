import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Logger } from 'pino';
import type { Config } from '../config.ts';
import { RequestConnection } from './client-connection.ts';
import { requestInfo } from './context.ts';
import type { Metrics } from './metrics.ts';
import { createPlayground } from './playground.ts';
import { openSockets } from './sockets.ts';
import { createGraphEndpoint, type GraphParts } from './yoga.ts';

export interface HttpParts extends GraphParts {
  readonly log: Logger;
  /** Whether the database can be reached and has every migration. */
  readonly isReady: () => Promise<boolean>;
}

export interface HttpServer {
  readonly port: number;
  /** Takes no new requests, ends subscriptions, lets what is in flight finish, then closes. */
  drain(): Promise<void>;
}

/** The port is taken, or not ours to take. */
export class ListenError extends Error {
  override readonly name = 'ListenError';
}

const idleCheckMs = 20;

/**
 * How long a connection stays open on which nothing is asked. Longer than load balancers and pools of clients keep one,
 * which is a minute mostly: else it would be closed from here just as a request is on its way.
 */
const keepAliveTimeoutMs = 65_000;

/** Whether it is the answer to a subscription, which ends when it is told to. */
const isStream = (response: ServerResponse): boolean =>
  /^(text\/event-stream|multipart\/mixed)/.test(String(response.getHeader('content-type')));

/** Starts to listen. @throws {ListenError} when the address cannot be had */
export async function listen(parts: HttpParts): Promise<HttpServer> {
  const { config, schema, log } = parts;
  const { yoga, lane } = createGraphEndpoint(parts);
  const playground = config.graph.playground
    ? createPlayground({
        endpoint: '/graphql',
        schema: config.graph.introspection ? schema : undefined,
        onError: (error) => log.error({ err: error }, 'the playground failed'),
      })
    : undefined;
  const state = { draining: false, answers: new Set<ServerResponse>() };
  const monitoring = monitoringRoutes(parts, state);

  const answerGraph = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const info = requestInfo(request, config.http.trustProxy);
    const connection = new RequestConnection(response);
    const progress = await lane.answer(request, response, { info, connection });
    if (progress === 'answered') return;
    response.setHeader('x-request-id', info.id);
    state.answers.add(response);
    response.on('close', () => state.answers.delete(response));
    await yoga.handle(request, response, { info, progress, connection });
  };

  const server = createServer({ keepAliveTimeout: keepAliveTimeoutMs }, (request, response) => {
    if (state.draining) response.setHeader('connection', 'close');
    const { url = '/' } = request;
    // Nearly every request; the others are looked at more closely.
    if (url === '/graphql') return void answerGraph(request, response);
    const [path = '/'] = url.split('?');
    const route = monitoring[path];
    if (route !== undefined) return void route(request, response);
    if (path === '/graphql') return void answerGraph(request, response);
    if (playground?.handle(request, response)) return;
    sendJson(response, 404, { error: `There is nothing at ${path}. The graph is at /graphql.` });
  });
  const sockets = openSockets(server, yoga, parts);
  await bind(server, config.http);
  // The address of a TCP server is an object.
  const { port } = server.address() as AddressInfo;
  return {
    port,
    drain: async () => {
      state.draining = true;
      const closed = new Promise((resolve) => server.close(resolve));
      const late = setTimeout(() => {
        log.warn('requests in flight took longer than the drain may; their connections are closed');
        sockets.terminate();
        server.closeAllConnections();
      }, config.http.drainTimeoutMs);
      // A connection that becomes idle from now on would be kept for the client's next request.
      const idle = setInterval(() => server.closeIdleConnections(), idleCheckMs);
      for (const response of state.answers) if (isStream(response)) response.end();
      await Promise.all([sockets.close(), closed]);
      clearInterval(idle);
      clearTimeout(late);
    },
  };
}

async function bind(server: Server, { host, port }: Config['http']): Promise<void> {
  server.listen(port, host);
  try {
    await once(server, 'listening');
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : undefined;
    if (code === 'EADDRINUSE') {
      throw new ListenError(
        `Port ${port} of ${host} is in use by another program. Stop that program, or choose another port: PORT=${port + 1} npm start`,
      );
    }
    if (code === 'EACCES') throw new ListenError(`Port ${port} of ${host} needs rights that this user does not have.`);
    if (code === 'EADDRNOTAVAIL' || code === 'ENOTFOUND') {
      throw new ListenError(`HOST=${host} is not an address of this machine.`);
    }
    throw error;
  }
}

type Route = (request: IncomingMessage, response: ServerResponse) => void | Promise<void>;

function monitoringRoutes(
  { isReady, metrics }: { isReady: () => Promise<boolean>; metrics: Metrics },
  state: { readonly draining: boolean },
): Readonly<Record<string, Route>> {
  return {
    '/health': (_request, response) => sendJson(response, 200, { status: 'ok' }),
    '/ready': async (_request, response) => {
      const reason = state.draining ? 'draining' : (await isReady()) ? undefined : 'database';
      if (reason === undefined) sendJson(response, 200, { status: 'ready' });
      else sendJson(response, 503, { status: 'not ready', reason });
    },
    '/metrics': async (_request, response) => {
      response.setHeader('content-type', metrics.registry.contentType);
      response.end(await metrics.registry.metrics());
    },
  };
}

function sendJson(response: ServerResponse, status: number, body: object): void {
  response.writeHead(status, { 'content-type': 'application/json; charset=utf-8' });
  response.end(JSON.stringify(body));
}
