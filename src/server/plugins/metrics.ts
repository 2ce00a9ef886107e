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
  onSubscribe: () => {
    let running = false;
    const end = (): void => {
      if (running) subscriptions.dec();
      running = false;
    };
    return {
      onSubscribeResult: ({ result }) => {
        if (!isAsyncIterable(result)) return undefined;
        subscriptions.inc();
        running = true;
        return { onEnd: end };
      },
      onSubscribeError: end,
    };
  },
});
