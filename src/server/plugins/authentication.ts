import type { Plugin } from 'graphql-yoga';
import type { Authenticator } from '../../access/authenticator.ts';
import type { RejectionReason } from '../../access/credentials.ts';
import type { RequestInfo } from '../../graph/request-info.ts';
import type { ServerContext } from '../context.ts';

/** What a caller without a valid credential is told. */
export const rejectionMessages: Readonly<Record<RejectionReason, string>> = {
  MISSING_CREDENTIAL: 'A credential is needed: send it as Authorization: Bearer <key>, or X-Admin-Key: <key>.',
  AMBIGUOUS_CREDENTIAL: 'More than one credential was sent; send one of them.',
  MALFORMED_CREDENTIAL: 'The credential is not well formed: Authorization takes "Bearer <key>".',
  UNKNOWN_CREDENTIAL: 'The credential is not valid.',
};

interface Options {
  readonly authenticator: Authenticator;
  /** Told of every attempt that is turned away. */
  readonly onRejected: (reason: RejectionReason, info: RequestInfo) => void;
}

/** Turns a request without a valid credential away with 401, before its body is read. */
export const useAuthentication = ({ authenticator, onRejected }: Options): Plugin<object, ServerContext> => ({
  async onRequest({ request, serverContext, fetchAPI, endResponse }) {
    // A preflight carries no credential; CORS answers it.
    if (request.method === 'OPTIONS') return;
    const { req, info } = serverContext;
    const result = await authenticator.authenticate((name) => req.headers[name]);
    if ('principal' in result) {
      serverContext.principal = result.principal;
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
