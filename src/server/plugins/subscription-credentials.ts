import type { Plugin } from 'graphql-yoga';
import type { GraphContext } from '../../graph/context.ts';
import { RequestError } from '../../graph/errors.ts';
import type { ServerContext } from '../context.ts';

/**
 * Looks at the credential of a subscription before each of its results: one that was revoked, has expired or may do less
 * by now ends it, and nothing more is sent.
 */
export const useSubscriptionCredentials = (): Plugin<GraphContext & ServerContext> => ({
  onSubscribe: ({ args }) => ({
    onSubscribeResult: () => ({
      onNext: async () => {
        const { principal, principalNow } = args.contextValue;
        const now = await principalNow?.();
        if (now !== undefined && principal.scopes.isSubsetOf(now.scopes)) return;
        throw new RequestError('UNAUTHENTICATED', 'The credential is not valid any more, or may do less than before.');
      },
    }),
  }),
});
