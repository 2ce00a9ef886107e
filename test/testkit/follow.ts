import type { ExecutionResult } from 'graphql';
import { createClient as createSseClient } from 'graphql-sse';
import { createClient as createSocketClient } from 'graphql-ws';
import { expect } from 'vitest';
import type { App } from '../../src/app.ts';
import type { Client, GraphError, Operation } from './client.ts';
import { eventually } from './eventually.ts';

/** A running subscription. */
export interface Following<Data> {
  /** The data of the next result, which must not have errors. */
  next(): Promise<Data>;
  /** The data of as many results. */
  take(count: number): Promise<Data[]>;
  /** The errors that end it. */
  failure(): Promise<readonly GraphError[]>;
  /** Unsubscribes and closes the connection. */
  stop(): Promise<void>;
}

export type Transport = 'WebSocket' | 'SSE';

/** Follows a subscription as a caller with one of the reference clients, from when the server runs it. */
export async function follow<Data, Variables extends Record<string, unknown>>(
  app: App,
  caller: Client,
  operation: Operation<Data, Variables>,
  variables: Variables,
  transport: Transport = 'WebSocket',
): Promise<Following<Data>> {
  const before = await runningSubscriptions(app);
  const { results, dispose } =
    transport === 'SSE' ? overSse<Data>(caller, operation, variables) : overSocket<Data>(caller, operation, variables);
  // The first result is asked for at once, so that the request is sent.
  let asked: Promise<IteratorResult<ExecutionResult<Data>>> | undefined = results.next();
  asked.catch(() => undefined);
  await eventually(async () => expect(await runningSubscriptions(app)).toBe(before + 1));
  const take = async (): Promise<ExecutionResult<Data>> => {
    const result = await (asked ?? results.next());
    asked = undefined;
    if (result.done) throw new Error('The subscription has ended.');
    return result.value;
  };
  const next = async (): Promise<Data> => {
    const { data, errors } = await take();
    expect(errors).toBeUndefined();
    if (data === null || data === undefined) throw new Error('The result has no data.');
    return data;
  };
  return {
    next,
    take: async (count) => {
      const taken: Data[] = [];
      while (taken.length < count) taken.push(await next());
      return taken;
    },
    failure: async () => {
      try {
        while (true) {
          const { errors } = await take();
          // Errors as they travel are plain objects of this shape.
          if (errors !== undefined) return errors as unknown as readonly GraphError[];
        }
      } catch (error) {
        if (Array.isArray(error)) return error;
        throw error;
      }
    },
    stop: async () => {
      // A graphql-sse iterator that waits for a result is ended by its client alone.
      dispose();
      await eventually(async () => expect(await runningSubscriptions(app)).toBeLessThanOrEqual(before));
    },
  };
}

interface Results<Data> {
  readonly results: AsyncIterator<ExecutionResult<Data>>;
  readonly dispose: () => void;
}

function overSocket<Data>(caller: Client, operation: { toString(): string }, variables: Record<string, unknown>) {
  const client = createSocketClient({
    url: `${caller.url.replace('http', 'ws')}/graphql`,
    connectionParams: { ...caller.headers },
    retryAttempts: 0,
  });
  return {
    results: client.iterate<Data>({ query: operation.toString(), variables }) as Results<Data>['results'],
    dispose: () => void client.dispose(),
  };
}

function overSse<Data>(caller: Client, operation: { toString(): string }, variables: Record<string, unknown>) {
  const client = createSseClient({
    url: `${caller.url}/graphql`,
    headers: { ...caller.headers },
    retryAttempts: 0,
  });
  return {
    results: client.iterate<Data>({ query: operation.toString(), variables }) as Results<Data>['results'],
    dispose: () => client.dispose(),
  };
}

/** How many subscriptions run in the program. */
export async function runningSubscriptions({ metrics }: App): Promise<number> {
  const { values } = await metrics.subscriptions.get();
  return values[0]?.value ?? 0;
}
