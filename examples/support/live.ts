import { createClient } from 'graphql-ws';
import type { TypedDocumentString } from '../generated/graphql.ts';
import { credential, socketUrl } from './settings.ts';

/**
 * Follows a subscription over a WebSocket, and goes on after a lost connection until it is told to end. What happens
 * while the connection is lost is not repeated: whoever must not miss anything reads it with a query.
 */
export async function* follow<Data>(
  subscription: TypedDocumentString<Data, Record<string, never>>,
  onConnected: () => void = () => undefined,
): AsyncGenerator<Data, void> {
  const client = createClient({
    url: socketUrl,
    connectionParams: { authorization: `Bearer ${credential}` },
    retryAttempts: Number.POSITIVE_INFINITY,
    // Whatever closed the connection passes, but for a refused key, at which the client gives up by itself.
    shouldRetry: () => true,
    on: { connected: onConnected },
  });
  for await (const { data, errors } of client.iterate<Data>({ query: subscription.toString() })) {
    if (errors) throw new Error(errors.map(({ message }) => message).join('; '));
    if (data) yield data;
  }
}
