import { createHash } from 'node:crypto';
import { graphql } from '../generated/gql.ts';
import type { KeyRefusal, VerifyForGatewayQuery, VerifyKeyInput } from '../generated/graphql.ts';
import { run } from '../support/client.ts';

export type Verification = VerifyForGatewayQuery['verifyKey'];

const verifyForGateway = graphql(`
  query VerifyForGateway($input: VerifyKeyInput!) {
    verifyKey(input: $input) {
      isValid
      reason
      message
      cacheUntil
      keyId
      isSuperseded
      secretValidUntil
      limits {
        requestsPerMinute
        tokensPerMinute
        maxInFlight
      }
      owners {
        tenantName
        teamName
        userExternalId
        appName
      }
    }
  }
`);

const keptMax = 10_000;

/** Verifies keys, and remembers who was accepted for as long as the control plane says. */
export class Verifications {
  readonly #accepted = new Map<string, Verification>();
  readonly #asked = new Map<string, Promise<Verification>>();

  /** @throws when the control plane cannot be asked */
  of(input: VerifyKeyInput): Promise<Verification> {
    // Another use of the same key may have another answer. The map holds no secret.
    const use = createHash('sha256').update(JSON.stringify(input)).digest('base64url');
    const known = this.#accepted.get(use);
    if (known?.cacheUntil && Date.parse(known.cacheUntil) > Date.now()) return Promise.resolve(known);
    this.#accepted.delete(use);
    // Requests that come at the same time wait for one answer.
    const asked = this.#asked.get(use) ?? this.#ask(use, input);
    this.#asked.set(use, asked);
    return asked;
  }

  async #ask(use: string, input: VerifyKeyInput): Promise<Verification> {
    try {
      const { verifyKey } = await run(verifyForGateway, { input });
      // Refusals are asked for anew, so that a key works as soon as it may.
      if (verifyKey.cacheUntil !== null) this.#keep(use, verifyKey);
      return verifyKey;
    } finally {
      this.#asked.delete(use);
    }
  }

  #keep(use: string, verification: Verification): void {
    const [oldest] = this.#accepted.keys();
    if (oldest !== undefined && this.#accepted.size >= keptMax) this.#accepted.delete(oldest);
    this.#accepted.set(use, verification);
  }
}

/** The caller should get another key. Any other refusal is of a key that is known, for this use or at this time. */
const unauthenticated: ReadonlySet<KeyRefusal | null> = new Set([
  'MALFORMED',
  'NOT_FOUND',
  'REVOKED',
  'EXPIRED',
  'SUPERSEDED',
  'DISABLED',
] as const);

export const refusalStatus = (reason: KeyRefusal | null): 401 | 403 => (unauthenticated.has(reason) ? 401 : 403);
