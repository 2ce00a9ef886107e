import { createClient } from 'graphql-ws';
import type { TypedDocumentString } from '../generated/graphql.ts';
import { credential, socketUrl } from './settings.ts';

interface FollowOptions {
  readonly onConnected?: () => void;
  readonly onLost?: () => void;
  /** How often in a row connecting may fail. Default: as often as it does. */
  readonly retryAttempts?: number;
}

const longestWaitMs = 5_000;

/**
 * Follows a subscription over a WebSocket, and goes on after a lost connection until it is told to end, with the
 * credential that is there then. What happens while the connection is lost is not repeated: whoever must not miss
 * anything reads it with a query.
 *
 * @throws when the server refuses the subscription or the credential
 */
export async function* follow<Data, Variables extends Record<string, unknown>>(
  subscription: TypedDocumentString<Data, Variables>,
  variables: Variables,
  { onConnected, onLost, retryAttempts = Number.POSITIVE_INFINITY }: FollowOptions = {},
): AsyncGenerator<Data, void> {
  const client = createClient({
    url: socketUrl,
    connectionParams: () => ({ authorization: `Bearer ${credential()}` }),
    retryAttempts,
    retryWait: (retries) =>
      new Promise((resolve) => {
        // Not all at the same moment, when many had the same server.
        setTimeout(resolve, Math.min(longestWaitMs, 250 * 2 ** retries) * (0.5 + Math.random() / 2));
      }),
    // Whatever closed the connection passes, but for a refused key, at which the client gives up by itself.
    shouldRetry: () => true,
    on: { connected: () => onConnected?.(), closed: () => onLost?.() },
  });
  try {
    for await (const { data, errors } of client.iterate<Data>({ query: subscription.toString(), variables })) {
      if (errors) throw new Error(errors.map(({ message }) => message).join('; '));
      if (data) yield data;
    }
  } catch (error) {
    throw error instanceof Error ? error : new Error(reasonOf(error));
  } finally {
    await client.dispose();
  }
}

/** What the client throws when the server closes the socket for good, or when it refuses the subscription. */
function reasonOf(failure: unknown): string {
  if (Array.isArray(failure)) return failure.map(({ message }) => String(message)).join('; ');
  if (typeof failure === 'object' && failure !== null && 'reason' in failure) {
    return `The server ended the connection: ${failure.reason}`;
  }
  // What a socket says of a connection that could not be made tells nothing.
  return failure instanceof Event ? `${socketUrl} cannot be reached.` : String(failure);
}
