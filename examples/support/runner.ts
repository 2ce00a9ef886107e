import { setTimeout as delay } from 'node:timers/promises';
import type { TypedDocumentString } from '../generated/graphql.ts';

interface Answer<Data> {
  readonly data?: Data | null;
  readonly errors?: readonly { readonly message: string; readonly extensions?: { readonly retryAfterMs?: number } }[];
}

interface SendOptions {
  /** Ends the request, and the attempts at it. */
  readonly signal?: AbortSignal;
  /** Default: 5. */
  readonly attemptsMax?: number;
}

/**
 * Sends an operation and gives its data. When the network fails or the server asks to wait, it is sent again: that does
 * no harm, as long as commands carry an idempotency key, or an id of their own.
 *
 * @throws when the server refuses the operation, or after as many attempts
 */
export type Run = <Data, Variables>(
  operation: TypedDocumentString<Data, Variables>,
  variables: Variables,
  options?: SendOptions,
) => Promise<Data>;

interface Server {
  readonly url: string;
  /** Asked for with each request, as it may be another one by then. */
  readonly credential: () => string;
}

const longestWaitMs = 5_000;

export function runnerFor(server: Server): Run {
  return async (operation, variables, { signal, attemptsMax = 5 } = {}) => {
    for (let attempt = 1; ; attempt += 1) {
      const result = await send(server, operation, variables, signal);
      if ('data' in result) return result.data;
      if (!result.mayBeRepeated || attempt >= attemptsMax) throw new Error(result.message);
      const waitMs = result.waitMs ?? Math.min(longestWaitMs, 250 * 2 ** attempt);
      await delay(waitMs, undefined, signal && { signal });
    }
  };
}

type Result<Data> =
  | { readonly data: Data }
  | { readonly message: string; readonly mayBeRepeated: boolean; readonly waitMs?: number | undefined };

async function send<Data, Variables>(
  { url, credential }: Server,
  operation: TypedDocumentString<Data, Variables>,
  variables: Variables,
  signal: AbortSignal | undefined,
): Promise<Result<Data>> {
  let response: Response;
  let answer: Answer<Data>;
  try {
    response = await fetch(`${url}/graphql`, {
      method: 'POST',
      headers: { authorization: `Bearer ${credential()}`, 'content-type': 'application/json' },
      body: JSON.stringify({ query: operation.toString(), variables }),
      ...(signal && { signal }),
    });
    // The types of the operations are made from the server's schema.
    answer = (await response.json()) as Answer<Data>;
  } catch (error) {
    signal?.throwIfAborted();
    return { message: `${url} cannot be reached: ${String(error)}`, mayBeRepeated: true };
  }
  const [error] = answer.errors ?? [];
  if (error === undefined && answer.data) return { data: answer.data };
  return {
    message: error?.message ?? `The server answered with status ${response.status} and no data.`,
    mayBeRepeated: response.status === 429 || response.status >= 500,
    waitMs: error?.extensions?.retryAfterMs,
  };
}
