import { randomUUID } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { ExecutionResult } from 'graphql';
import type { GraphQLParams } from 'graphql-yoga';
import type { Authentication, PresentedCredential, RequestOrigin } from '../access/authenticator.ts';
import type { Principal } from '../access/principal.ts';
import type { ClientConnection } from '../graph/context.ts';
import type { RequestInfo } from '../graph/request-info.ts';
import type { SharedResults } from '../live/shared-results.ts';

/** What the HTTP server gives to yoga, and yoga to its plugins and to the context of resolvers. */
export interface ServerContext {
  readonly req: IncomingMessage;
  readonly res: ServerResponse;
  readonly info: RequestInfo;
  /** Set by the authentication plugin before anything is parsed. */
  principal?: Principal;
  /** What the principal was made of. Set with it. */
  credential?: PresentedCredential;
  /** What it came over. */
  readonly connection?: ClientConnection;
  /** Of a live subscription: what it gives. */
  liveResults?: SharedResults;
  /** What was done of the request already. */
  progress?: Progress;
  /** Whether a query or a command was carried out. */
  hasExecuted?: boolean;
}

/** The steps that a request has behind it, none of which may be taken twice: its body can be read once only. */
export interface Progress {
  readonly authentication?: Authentication;
  readonly params?: GraphQLParams;
  readonly result?: ExecutionResult;
  /** Why the step that was next failed. */
  readonly failure?: { readonly reason: unknown };
}

const requestIdPattern = /^[\w.:-]{1,128}$/;

/**
 * What is known of a request.
 *
 * @param trustProxy whether X-Forwarded-For names the client: the last address in it, which the nearest proxy wrote
 */
export function requestInfo(request: IncomingMessage, trustProxy: boolean): RequestInfo {
  const { headers, socket } = request;
  const given = lastOf(headers['x-request-id']);
  const forwarded = trustProxy ? lastOf(headers['x-forwarded-for'])?.split(',').at(-1)?.trim() : undefined;
  return {
    id: given !== undefined && requestIdPattern.test(given) ? given : randomUUID(),
    ipAddress: forwarded || (socket.remoteAddress ?? null),
    userAgent: headers['user-agent'] ?? null,
    idempotencyKey: lastOf(headers['idempotency-key']) ?? null,
  };
}

const lastOf = (value: string | string[] | undefined): string | undefined =>
  Array.isArray(value) ? value.at(-1) : value;

/** What a credential that is bound to pages or addresses is compared with. */
export const requestOrigin = ({ headers }: IncomingMessage, { ipAddress }: RequestInfo): RequestOrigin => ({
  origin: headers.origin,
  ipAddress: ipAddress ?? undefined,
});
