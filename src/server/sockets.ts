import type { IncomingMessage, Server } from 'node:http';
import type { Duplex } from 'node:stream';
import type { ExecutionArgs } from 'graphql';
import { CloseCode, handleProtocols } from 'graphql-ws';
import { type Extra, useServer } from 'graphql-ws/use/ws';
import { WebSocketServer } from 'ws';
import type { Principal } from '../access/principal.ts';
import type { RequestInfo } from '../graph/request-info.ts';
import { requestInfo } from './context.ts';
import { rejectionMessages } from './plugins/authentication.ts';
import type { GraphParts, Yoga } from './yoga.ts';

/** What is known of a socket once its `connection_init` was accepted. */
interface SocketExtra extends Extra {
  [other: PropertyKey]: unknown;
  principal?: Principal;
  info?: RequestInfo;
}

interface EnvelopedArgs extends ExecutionArgs {
  readonly run: (args: ExecutionArgs) => unknown;
  readonly follow: (args: ExecutionArgs) => unknown;
}

export interface Sockets {
  /** Closes every socket with 1001, which makes clients connect again elsewhere. */
  close(): Promise<void>;
}

/**
 * Operations over WebSockets, by the protocol graphql-transport-ws. Errors of operations are messages: the reference
 * client gives up for good on some close codes, so only a bad credential gets one of those.
 */
export function openSockets(server: Server, yoga: Yoga, parts: GraphParts): Sockets {
  const { authenticator, config, metrics, onRejected, presenter } = parts;
  const socketServer = new WebSocketServer({
    noServer: true,
    handleProtocols,
    maxPayload: config.socket.maxPayloadBytes,
  });
  socketServer.on('connection', (socket) => {
    metrics.sockets.inc();
    socket.on('close', () => metrics.sockets.dec());
  });

  const onUpgrade = (request: IncomingMessage, socket: Duplex, head: Buffer): void => {
    const path = request.url?.split('?')[0];
    if (path !== '/graphql') {
      refuseUpgrade(socket, '404 Not Found');
      return;
    }
    if (!originIsAllowed(request, config.http.allowedOrigins)) {
      refuseUpgrade(socket, '403 Forbidden');
      return;
    }
    socketServer.handleUpgrade(request, socket, head, (webSocket) => {
      socketServer.emit('connection', webSocket, request);
    });
  };
  server.on('upgrade', onUpgrade);

  const disposable = useServer<Record<string, unknown>, SocketExtra>(
    {
      connectionInitWaitTimeout: config.socket.initTimeoutMs,
      onConnect: async ({ connectionParams, extra }) => {
        extra.info = requestInfo(extra.request, config.http.trustProxy);
        const fields = lowerCased(connectionParams ?? {});
        const headers = extra.request.headers;
        const hasFields = Object.keys(fields).length > 0;
        const result = await authenticator.authenticate((name) => (hasFields ? fields[name] : headers[name]));
        if ('principal' in result) {
          extra.principal = result.principal;
          return true;
        }
        onRejected(result.rejected, extra.info);
        extra.socket.close(CloseCode.Unauthorized, rejectionMessages[result.rejected].slice(0, 120));
        return false;
      },
      onSubscribe: async ({ extra }, _id, params) => {
        const { principal, info } = extra;
        if (principal === undefined || info === undefined) throw new Error('An operation came before connection_init.');
        // Every operation has an id of its own in the log, the audit log and errors.
        const operationInfo: RequestInfo = {
          ...requestInfo(extra.request, config.http.trustProxy),
          ipAddress: info.ipAddress,
        };
        try {
          const context = { principal, info: operationInfo, req: extra.request, params };
          const enveloped = yoga.getEnveloped(context);
          const document = enveloped.parse(params.query);
          const errors = enveloped.validate(enveloped.schema, document);
          if (errors.length > 0) {
            return errors.map((error: unknown) => presenter.present(error, operationInfo.id));
          }
          const args: EnvelopedArgs = {
            schema: enveloped.schema,
            document,
            operationName: params.operationName ?? null,
            variableValues: params.variables ?? {},
            contextValue: await enveloped.contextFactory(),
            run: enveloped.execute,
            follow: enveloped.subscribe,
          };
          return args;
        } catch (error) {
          return [presenter.present(error, operationInfo.id)];
        }
      },
      // The arguments are those that onSubscribe made.
      execute: (args) => (args as EnvelopedArgs).run(args) as never,
      subscribe: (args) => (args as EnvelopedArgs).follow(args) as never,
    },
    socketServer,
    config.socket.pingIntervalMs,
  );

  return {
    close: async () => {
      server.off('upgrade', onUpgrade);
      await disposable.dispose();
    },
  };
}

/** A page may open sockets to its own server, and others to those that list them. Programs send no Origin. */
function originIsAllowed({ headers }: IncomingMessage, allowed: readonly string[]): boolean {
  const { origin, host } = headers;
  if (origin === undefined || allowed.includes('*') || allowed.includes(origin)) return true;
  return URL.canParse(origin) && new URL(origin).host === host;
}

function refuseUpgrade(socket: Duplex, status: string): void {
  socket.end(`HTTP/1.1 ${status}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`);
}

/** The fields of `connection_init` are named as the headers are, whose case does not matter. */
const lowerCased = (fields: Readonly<Record<string, unknown>>): Record<string, unknown> =>
  Object.fromEntries(Object.entries(fields).map(([name, value]) => [name.toLowerCase(), value]));
