import type { Plugin } from 'graphql-yoga';
import type { Authentication, Authenticator, PresentedCredential } from '../../access/authenticator.ts';
import type { RejectionReason } from '../../access/credentials.ts';
import type { RequestInfo } from '../../graph/request-info.ts';
import { requestOrigin, type ServerContext } from '../context.ts';

/** What a caller without a valid credential is told. */
export const rejectionMessages: Readonly<Record<RejectionReason, string>> = {
  MISSING_CREDENTIAL: 'A credential is needed: send it as Authorization: Bearer <key>, or X-Admin-Key: <key>.',
  AMBIGUOUS_CREDENTIAL: 'More than one credential was sent; send one of them.',
  MALFORMED_CREDENTIAL: 'The credential is not well formed: Authorization takes "Bearer <key>".',
  UNKNOWN_CREDENTIAL: 'The credential is not valid.',
  EXPIRED_CREDENTIAL: 'The credential has expired; get a new one.',
  REVOKED_CREDENTIAL: 'The credential was revoked.',
  DISABLED_CREDENTIAL: 'The credential is disabled.',
  OWNER_NOT_ACTIVE: 'The credential belongs to something that is not active at the moment.',
  ORIGIN_NOT_ALLOWED: 'The credential is not accepted from pages of this origin.',
  ADDRESS_NOT_ALLOWED: 'The credential is not accepted from this address.',
  INVALID_TOKEN: 'The access token is not accepted: check its issuer, audience, algorithm and claims.',
  ISSUER_UNAVAILABLE: "The access token cannot be checked: its issuer's keys cannot be read now. Try again in a while.",
};

interface Options {
  readonly authenticator: Authenticator;
  /** Told of every attempt that is turned away. */
  readonly onRejected: (reason: RejectionReason, info: RequestInfo) => void;
}

type Request = Pick<ServerContext, 'req' | 'info'>;

/** The credential in a request's headers. */
const presentedBy = (authenticator: Authenticator, { req, info }: Request): PresentedCredential =>
  authenticator.present((name) => req.headers[name], requestOrigin(req, info));

/** Whom the credential in a request's headers stands for now. */
export const authenticateRequest = (
  authenticator: Authenticator,
  { req: { headers }, req, info }: Request,
): Authentication | Promise<Authentication> =>
  authenticator.authenticate((name) => headers[name], requestOrigin(req, info));

/** Turns a request without a valid credential away with 401, before its body is read. */
export const useAuthentication = ({ authenticator, onRejected }: Options): Plugin<object, ServerContext> => ({
  async onRequest({ request, serverContext, fetchAPI, endResponse }) {
    // A preflight carries no credential; CORS answers it.
    if (request.method === 'OPTIONS') return;
    const { info, progress } = serverContext;
    if (progress?.failure !== undefined) return;
    let result = progress?.authentication;
    try {
      result ??= await authenticateRequest(authenticator, serverContext);
    } catch (reason) {
      // Thrown here, it would be shown to the caller, with its stack.
      serverContext.progress = { failure: { reason } };
      return;
    }
    if ('principal' in result) {
      serverContext.principal = result.principal;
      serverContext.credential = presentedBy(authenticator, serverContext);
      return;
    }
    onRejected(result.rejected, info);
    const accepted = request.headers.get('accept') ?? '';
    const type = accepted.includes('application/graphql-response+json')
      ? 'application/graphql-response+json'
      : 'application/json';
    const error = {
      message: rejectionMessages[result.rejected],
      extensions: { code: 'UNAUTHENTICATED', reason: result.rejected, requestId: info.id },
    };
    endResponse(
      new fetchAPI.Response(JSON.stringify({ errors: [error] }), {
        status: 401,
        headers: { 'content-type': `${type}; charset=utf-8`, 'www-authenticate': 'Bearer realm="fairlead"' },
      }),
    );
  },
});
