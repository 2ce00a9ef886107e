import type { ObservedKey } from '../harness/keys.ts';
import { normaliseInstant, requireId } from './contender.ts';

/** What every server says of a key. */
export interface KeyAnswer {
  readonly isValid: boolean;
  readonly reason: string | null;
  readonly keyId: string;
  readonly kind: string;
  readonly name: string;
  readonly scopes: readonly string[];
  readonly expiresAt: string;
  readonly cacheUntil: string;
  readonly owners: {
    readonly tenantId: string;
    readonly tenantName: string;
    readonly userId: string;
    readonly userExternalId: string;
  };
}

export function readKey({ keyId, owners, cacheUntil, expiresAt, ...key }: KeyAnswer): ObservedKey {
  for (const id of [keyId, owners.tenantId, owners.userId]) requireId(id);
  if (!(Date.parse(cacheUntil) > Date.now())) throw new Error(`cacheUntil is missing or over: ${cacheUntil}`);
  const { isValid, reason, kind, name, scopes } = key;
  const { tenantName, userExternalId } = owners;
  return {
    isValid,
    reason,
    kind,
    name,
    scopes,
    expiresAt: normaliseInstant(expiresAt),
    tenantName,
    userExternalId,
  };
}
