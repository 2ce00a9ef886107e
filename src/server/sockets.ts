import { randomUUID } from 'node:crypto';
import type { IncomingMessage, Server } from 'node:http';
import type { Duplex } from 'node:stream';
import { setImmediate } from 'node:timers/promises';
import { type ExecutionArgs, GraphQLError, getOperationAST } from 'graphql';
import { CloseCode, handleProtocols, makeServer, type SubscribePayload } from 'graphql-ws';
import type { Logger } from 'pino';
import { WebSocketServer } from 'ws';
import type { PresentedCredential } from '../access/authenticator.ts';
import { findCredential, type RejectionReason } from '../access/credentials.ts';
import type { Principal } from '../access/principal.ts';
import { RequestError } from '../graph/errors.ts';
import type { RequestInfo } from '../graph/request-info.ts';
import { refuseUpgrade } from '../live/refuse-upgrade.ts';
import { type SocketOperation, SocketOperations } from './client-connection.ts';
import { requestInfo, requestOrigin, type ServerContext } from './context.ts';
import { Pings } from './pings.ts';
import { rejectionMessages } from './plugins/authentication.ts';
import { formattedError } from './plugins/errors.ts';
import { carry, type SocketBasis } from './socket-protocol.ts';
import { SocketSink } from './socket-sink.ts';
import type { GraphParts, Yoga } from './yoga.ts';

/** What is known of a socket once its `connection_init` was accepted. */
interface SocketExtra extends SocketBasis {
  [other: PropertyKey]: unknown;
  credential?: PresentedCredential;
  info?: RequestInfo;
  readonly operations: SocketOperations;
}

interface EnvelopedArgs extends ExecutionArgs {
  readonly basis: SocketExtra;
  readonly connection: SocketOperation;
  readonly id: string;
  readonly contextValue: Pick<ServerContext, 'liveResults'>;
  readonly run: (args: ExecutionArgs) => unknown;
  readonly follow: (args: ExecutionArgs) => unknown;
  readonly requestId: string;
}

export interface Sockets {
  /** Lets queries and commands finish, then closes every socket with 1001, which makes clients connect again elsewhere. */
  close(): Promise<void>;
  /** Ends those that are still open, without waiting for their clients. */
  terminate(): void;
}

/**
 * Operations over WebSockets, by the protocol graphql-transport-ws. Errors of operations are messages: the reference
 * client gives up for good on some close codes, so only a bad credential gets one of those.
 */
export function openSockets(server: Server, yoga: Yoga, parts: GraphParts & { readonly log: Logger }): Sockets {
  const { authenticator, config, credentialWatch, internal, log, metrics, onRejected, presenter } = parts;
  const socketServer = new WebSocketServer({
    noServer: true,
    handleProtocols,
    maxPayload: config.socket.maxPayloadBytes,
  });
  const pings = new Pings(config.socket.pingIntervalMs);
  /** Queries and commands whose answers are not sent yet. */
  const running = new Set<Promise<never>>();
  const terminated = Promise.withResolvers<void>();

  /** What fails before the first field is an error of the operation, too: thrown, it would end the whole socket. */
  const attempt = async (args: EnvelopedArgs, how: 'run' | 'follow'): Promise<never> => {
    try {
      // The library and the plugins describe the same results by different types.
      return (await args[how](args)) as never;
    } catch (error) {
      return { errors: [presenter.present(error, args.requestId)] } as never;
    }
  };

  /** Whom a socket acts as; one whose credential is not valid is closed. */
  const principalOf = async ({ credential, info, socket }: SocketExtra): Promise<Principal | undefined> => {
    if (credential === undefined || info === undefined) throw new Error('An operation came before connection_init.');
    const result = await credential.authenticate();
    if ('principal' in result) return result.principal;
    onRejected(result.rejected, info);
    socket.close(CloseCode.Unauthorized, closeReason(result.rejected));
    return undefined;
  };

  /** Closes an idle socket, too, once its credential ends. */
  const watchCredential = ({ socket }: SocketExtra, credential: PresentedCredential, principal: Principal): void => {
    const watched = credentialWatch.watch(credential, principal, (end) => {
      // What it may still do, it may still do over the same socket; what it may not do any more ends by itself.
      if (end !== 'PERMISSIONS_REDUCED') socket.close(closeCodeOf(end), closeReason(end));
    });
    socket.once('close', () => watched.release());
  };

  /** What an operation is executed with, or why it is not. */
  const prepare = async (
    extra: SocketExtra,
    id: string,
    params: SubscribePayload,
    connection: SocketOperation,
  ): Promise<EnvelopedArgs | readonly GraphQLError[]> => {
    // A socket lives long: its credential may stand for less by now.
    const principal = await principalOf(extra);
    const { credential, info } = extra;
    if (info === undefined) throw new Error('An operation came before connection_init.');
    if (principal === undefined) return [new RequestError('UNAUTHENTICATED', 'The credential is not valid any more.')];
    // Every operation has an id of its own in the log, the audit log and errors; the headers of the upgrade name no one.
    const operationInfo: RequestInfo = { ...info, id: randomUUID(), idempotencyKey: null };
    try {
      const { request: req } = extra;
      const context = { principal, credential, info: operationInfo, req, params, connection };
      const enveloped = yoga.getEnveloped(context);
      const document = enveloped.parse(params.query);
      if (!getOperationAST(document, params.operationName)) return [unknownOperation()];
      const errors = enveloped.validate(enveloped.schema, document);
      if (errors.length > 0) {
        return errors.map((error: unknown) => presenter.present(error, operationInfo.id));
      }
      const args: EnvelopedArgs = {
        basis: extra,
        id,
        connection,
        schema: enveloped.schema,
        document,
        operationName: params.operationName ?? null,
        variableValues: params.variables ?? {},
        contextValue: await enveloped.contextFactory(),
        requestId: operationInfo.id,
        run: enveloped.execute,
        follow: enveloped.subscribe,
      };
      return args;
    } catch (error) {
      return [presenter.present(error, operationInfo.id)];
    }
  };

  const protocol = makeServer<Record<string, unknown>, SocketExtra>({
    connectionInitWaitTimeout: config.socket.initTimeoutMs,
    onConnect: async ({ connectionParams, extra }) => {
      extra.info = requestInfo(extra.request, config.http.trustProxy);
      const fields = lowerCased(connectionParams ?? {});
      const headers = extra.request.headers;
      const isInFields = findCredential((name) => fields[name]) !== 'MISSING_CREDENTIAL';
      const read = (name: string) => (isInFields ? fields : headers)[name];
      extra.credential = authenticator.present(read, requestOrigin(extra.request, extra.info));
      const principal = await principalOf(extra);
      if (principal === undefined) return false;
      watchCredential(extra, extra.credential, principal);
      return true;
    },
    onSubscribe: async ({ extra }, id, params) => {
      // Before anything is waited for: it may be given up meanwhile.
      const connection = extra.operations.begin(id);
      const prepared = await prepare(extra, id, params, connection);
      if (Array.isArray(prepared)) extra.operations.end(id, connection);
      return prepared;
    },
    // The arguments are those that onSubscribe made.
    execute: (args) => {
      const { basis, connection, id } = args as EnvelopedArgs;
      const result = attempt(args as EnvelopedArgs, 'run');
      running.add(result);
      result.finally(() => {
        running.delete(result);
        basis.operations.end(id, connection);
      });
      return result;
    },
    subscribe: async (args) => {
      const { basis, connection, id, contextValue } = args as EnvelopedArgs;
      basis.operations.end(id, connection);
      const results = await attempt(args as EnvelopedArgs, 'follow');
      // Asked for once, for their end: what comes until then is sent past the library, which would write each by itself.
      contextValue.liveResults?.pushTo(new SocketSink(basis, id));
      return results;
    },
    onNext: (_context, _id, _payload, _args, { data, errors, extensions }) =>
      errors && {
        errors: errors.map(formattedError),
        ...(data === undefined ? {} : { data }),
        ...(extensions === undefined ? {} : { extensions }),
      },
    onError: (_context, _id, _payload, errors) => errors.map(formattedError),
  });

  const onUpgrade = (request: IncomingMessage, socket: Duplex, head: Buffer): void => {
    const path = request.url?.split('?')[0] ?? '';
    if (Object.hasOwn(internal, path)) {
      internal[path]?.(request, socket, head);
      return;
    }
    if (path !== '/graphql') {
      refuseUpgrade(socket, '404 Not Found');
      return;
    }
    if (!originIsAllowed(request, config.http.allowedOrigins)) {
      refuseUpgrade(socket, '403 Forbidden');
      return;
    }
    socketServer.handleUpgrade(request, socket, head, (webSocket) => {
      metrics.sockets.inc();
      webSocket.once('close', () => metrics.sockets.dec());
      const operations = new SocketOperations();
      webSocket.once('close', () => operations.leaveAll());
      carry(
        protocol,
        { socket: webSocket, request, operations },
        {
          log,
          pings,
          onLeft: (id) => operations.leave(id),
        },
      );
    });
  };
  server.on('upgrade', onUpgrade);

  return {
    close: async () => {
      server.off('upgrade', onUpgrade);
      await Promise.race([Promise.all(running), terminated.promise]);
      // The library sends an answer in the turn in which it is there.
      await setImmediate();
      for (const socket of socketServer.clients) socket.close(1001, 'Going away');
      await new Promise((resolve) => socketServer.close(resolve));
    },
    terminate: () => {
      terminated.resolve();
      for (const socket of socketServer.clients) socket.terminate();
    },
  };
}

/**
 * The reference client gives up on 4401. After 4403 it connects again, and asks for its connection parameters anew:
 * whoever gives them by a function, and has a new token by then, goes on by itself.
 */
const closeCodeOf = (end: RejectionReason): CloseCode =>
  end === 'EXPIRED_CREDENTIAL' ? CloseCode.Forbidden : CloseCode.Unauthorized;

/** At most 123 bytes, of which none of these messages has more than one to a letter. */
const closeReason = (reason: RejectionReason): string => rejectionMessages[reason].slice(0, 120);

const unknownOperation = (): GraphQLError =>
  new GraphQLError('Could not determine what operation to execute.', {
    extensions: { code: 'OPERATION_RESOLUTION_FAILURE' },
  });

/** A page may open sockets to its own server, and others to those that list them. Programs send no Origin. */
function originIsAllowed({ headers }: IncomingMessage, allowed: readonly string[]): boolean {
  const { origin, host } = headers;
  if (origin === undefined || allowed.includes('*') || allowed.includes(origin)) return true;
  return URL.canParse(origin) && new URL(origin).host === host;
}

/** The fields of `connection_init` are named as the headers are, whose case does not matter. */
const lowerCased = (fields: Readonly<Record<string, unknown>>): Record<string, unknown> =>
  Object.fromEntries(Object.entries(fields).map(([name, value]) => [name.toLowerCase(), value]));
