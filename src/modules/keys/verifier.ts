import type { Principal } from '../../access/principal.ts';
import { isWithin } from '../../access/visibility.ts';
import type { Clock } from '../../graph/context.ts';
import type { KeyDirectory, Lookup } from './directory.ts';
import type { KeyRecord } from './record.ts';
import type { UsageRecorder } from './usage.ts';
import { cacheUntil, type Refusal, refusalOf, type Use } from './verification.ts';

declare module '../../graph/context.ts' {
  interface Services {
    keyVerifier: KeyVerifier;
  }
}

export interface KeyUse extends Use {
  readonly key: string;
}

/** The answer to a gateway. */
export interface KeyVerification {
  /** Nothing: the key is accepted. */
  readonly refusal: Refusal | undefined;
  /** What is known of the key; nothing when there is none that the asker may know of. */
  readonly record: KeyRecord | undefined;
  /** Of an accepted key: how long that may be relied on. */
  readonly cacheUntil: Date | undefined;
}

interface Parts {
  readonly directory: KeyDirectory;
  readonly usage: UsageRecorder;
  readonly clock: Clock;
  readonly cacheMs: number;
  readonly onVerified: (refusal: Refusal | undefined) => void;
}

/** Tells gateways whether they may accept a key, and for what. */
export class KeyVerifier {
  readonly #parts: Parts;

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  /** In the same turn when the key is known already. */
  verify(principal: Principal, use: KeyUse): KeyVerification | Promise<KeyVerification> {
    const found = this.#parts.directory.find(use.key);
    return found instanceof Promise
      ? found.then((later) => this.#judge(principal, later, use))
      : this.#judge(principal, found, use);
  }

  #judge(principal: Principal, found: Lookup, use: KeyUse): KeyVerification {
    const { cacheMs, clock, onVerified, usage } = this.#parts;
    // Taken after the look-up: a deadline that passed meanwhile has passed.
    const now = clock.now();
    const verification = decide(principal, found, use, now, cacheMs);
    onVerified(verification.refusal);
    if (verification.refusal === undefined && verification.record !== undefined) {
      usage.note(verification.record, now, use.key);
    }
    return verification;
  }
}

function decide(principal: Principal, found: Lookup, use: KeyUse, now: Date, cacheMs: number): KeyVerification {
  if (typeof found === 'string') return { refusal: found, record: undefined, cacheUntil: undefined };
  if (!isWithin(principal, ownersOf(found))) return { refusal: 'NOT_FOUND', record: undefined, cacheUntil: undefined };
  const refusal = refusalOf(found, use, now);
  return { refusal, record: found, cacheUntil: refusal === undefined ? cacheUntil(found, now, cacheMs) : undefined };
}

/** What a key belongs to, as a principal is bound to it. */
const ownersOf = ({ tenant, user, product, engine, app }: KeyRecord) => ({
  tenantId: tenant?.id ?? null,
  userId: user?.id ?? null,
  productId: product?.id ?? null,
  engineId: engine?.id ?? null,
  appId: app?.id ?? null,
});
