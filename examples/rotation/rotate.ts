import { graphql } from '../generated/gql.ts';
import { run } from '../support/client.ts';
import { payloadOf } from '../support/refusal.ts';
import type { DueKey } from './due.ts';

export interface Rotated {
  readonly keyId: string;
  readonly name: string;
  readonly kind: string;
  /** Null when it was shown too long ago. */
  readonly secret: string | null;
  /** The older secret is refused from this time on. */
  readonly retiringUntil: string;
}

const rotateKey = graphql(`
  mutation RotateDueKey($input: RotateKeyInput!) {
    rotateKey(input: $input) {
      ... on RotateKeyPayload {
        secret {
          value
        }
        retiringUntil
      }
      ... on UserError {
        code
        message
      }
    }
  }
`);

/**
 * Gives a key a new secret. Nobody else's rotation is overtaken; this program's own of today is answered again, since
 * it has the same idempotency key.
 */
export async function rotate({ id, name, kind }: DueKey, overlapSeconds: number | undefined): Promise<Rotated> {
  const idempotencyKey = `rotate-keys:${new Date().toISOString().slice(0, 10)}:${id}`;
  const overlap = overlapSeconds === undefined ? {} : { overlapSeconds };
  const input = { keyId: id, duringOverlap: 'REFUSE', idempotencyKey, ...overlap } as const;
  const { secret, retiringUntil } = payloadOf((await run(rotateKey, { input })).rotateKey);
  return { keyId: id, name, kind, secret: secret?.value ?? null, retiringUntil };
}
