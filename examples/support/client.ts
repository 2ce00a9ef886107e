import { setTimeout as delay } from 'node:timers/promises';
import type { TypedDocumentString } from '../generated/graphql.ts';
import { credential, serverUrl } from './settings.ts';

interface Answer<Data> {
  readonly data?: Data | null;
  readonly errors?: readonly { readonly message: string; readonly extensions?: { readonly retryAfterMs?: number } }[];
}

const attemptsMax = 5;

/**
 * Sends an operation and gives its data. When the network fails or the server asks to wait, it is sent again: that does
 * no harm, as long as commands carry an idempotency key.
 *
 * @throws when the server refuses the operation, or after five attempts
 */
export async function run<Data, Variables>(
  operation: TypedDocumentString<Data, Variables>,
  variables: Variables,
): Promise<Data> {
  for (let attempt = 1; ; attempt += 1) {
    const result = await send(operation, variables);
    if ('data' in result) return result.data;
    if (!result.mayBeRepeated || attempt === attemptsMax) throw new Error(result.message);
    await delay(result.waitMs ?? 250 * 2 ** attempt);
  }
}

type Result<Data> =
  | { readonly data: Data }
  | { readonly message: string; readonly mayBeRepeated: boolean; readonly waitMs?: number | undefined };

async function send<Data, Variables>(
  operation: TypedDocumentString<Data, Variables>,
  variables: Variables,
): Promise<Result<Data>> {
  let response: Response;
  let answer: Answer<Data>;
  try {
    response = await fetch(`${serverUrl}/graphql`, {
      method: 'POST',
      headers: { authorization: `Bearer ${credential}`, 'content-type': 'application/json' },
      body: JSON.stringify({ query: operation.toString(), variables }),
    });
    // The types of the operations are made from the server's schema.
    answer = (await response.json()) as Answer<Data>;
  } catch (error) {
    return { message: `${serverUrl} cannot be reached: ${String(error)}`, mayBeRepeated: true };
  }
  const [error] = answer.errors ?? [];
  if (error === undefined && answer.data) return { data: answer.data };
  return {
    message: error?.message ?? `The server answered with status ${response.status} and no data.`,
    mayBeRepeated: response.status === 429 || response.status >= 500,
    waitMs: error?.extensions?.retryAfterMs,
  };
}
