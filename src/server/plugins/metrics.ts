import { isAsyncIterable, type Plugin } from 'graphql-yoga';
import type { Metrics } from '../metrics.ts';

/** Counts the subscriptions that run. */
export const useMetrics = ({ subscriptions }: Metrics): Plugin => ({
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
