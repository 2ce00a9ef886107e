import { isAsyncIterable, type Plugin } from 'graphql-yoga';

/** Ends subscriptions whose callers take no answer that streams: they are told so, and nobody else would end them. */
export const useUnansweredSubscriptions = (): Plugin => ({
  async onResultProcess({ result, resultProcessor }) {
    if (resultProcessor === undefined && isAsyncIterable(result)) await result[Symbol.asyncIterator]().return?.();
  },
});
