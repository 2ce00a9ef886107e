import type { IncomingMessage } from 'node:http';
import { CloseCode, type Server } from 'graphql-ws';
import type { Logger } from 'pino';
import type { RawData, WebSocket } from 'ws';
import type { Pings } from './pings.ts';

/** What every socket starts with. */
export interface SocketBasis {
  readonly socket: WebSocket;
  readonly request: IncomingMessage;
}

interface Options {
  readonly log: Logger;
  readonly pings: Pings;
  /** Told of each operation that its client gives up. The library ends subscriptions then, and lets all else go on. */
  readonly onLeft: (operationId: string) => void;
}

/**
 * Carries the protocol over one socket. The library brings the same for the package `ws`, but writes its failures to
 * the console, also those that any client can cause, and their causes to the client.
 */
export function carry<Extra extends SocketBasis>(protocol: Server<Extra>, extra: Extra, options: Options): void {
  const { log, onLeft, pings } = options;
  const { socket } = extra;
  // What breaks the rules of WebSockets or is too long: ws closes the socket with the code for it.
  socket.on('error', (error) => log.debug({ err: error }, 'a socket broke'));

  const fail = (error: unknown): void => {
    if (socket.readyState !== socket.OPEN) return;
    log.error({ err: error }, 'a message of a socket could not be handled');
    socket.close(CloseCode.InternalServerError, 'Internal server error');
  };

  const closed = protocol.opened(
    {
      protocol: socket.protocol,
      send: (text) =>
        new Promise((resolve, reject) => {
          if (socket.readyState === socket.OPEN) socket.send(text, (error) => (error ? reject(error) : resolve()));
          else resolve();
        }),
      close: (code, reason) => socket.close(code, reason),
      onMessage: (receive) => {
        // Not waited for here: what is received ends with the subscription that it begins, and would be kept until then.
        socket.on('message', (data: RawData) => {
          const text = String(data);
          const left = operationLeft(text);
          if (left !== undefined) onLeft(left);
          receive(text).catch(fail);
        });
      },
    },
    extra,
  );

  const stopPinging = pings.keepAlive(extra);
  socket.once('close', (code, reason) => {
    stopPinging();
    closed(code, String(reason)).catch((error: unknown) => log.error({ err: error }, 'a subscription did not end'));
  });
}

/** The operation that a message gives up; most messages do not, and are not read here. */
function operationLeft(text: string): string | undefined {
  if (!text.includes('"complete"')) return undefined;
  try {
    const message: unknown = JSON.parse(text);
    if (typeof message !== 'object' || message === null) return undefined;
    const { type, id } = message as Readonly<Record<string, unknown>>;
    return type === 'complete' && typeof id === 'string' ? id : undefined;
  } catch {
    // The library closes the socket for it.
    return undefined;
  }
}
