import { getOperationAST } from 'graphql';
import { isAsyncIterable, type Plugin } from 'graphql-yoga';
import type { Metrics } from '../metrics.ts';

/** Times queries and commands, and counts the subscriptions that run. */
export const useMetrics = ({ operationSeconds, subscriptions }: Metrics): Plugin => ({
  onExecute({ args }) {
    const type = getOperationAST(args.document, args.operationName)?.operation ?? 'unknown';
    const stop = operationSeconds.startTimer({ type });
    return {
      onExecuteDone: ({ result }) => {
        stop({ outcome: !isAsyncIterable(result) && result.errors ? 'error' : 'success' });
      },
    };
  },
  onSubscribe: () => ({
    onSubscribeResult: ({ result }) => {
      if (!isAsyncIterable(result)) return undefined;
      subscriptions.inc();
      return { onEnd: () => subscriptions.dec() };
    },
  }),
});
