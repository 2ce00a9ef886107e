import type { ObservedListedKey } from '../harness/keys.ts';
import { normaliseInstant, requireId } from './contender.ts';

/** What every server says of a key in a list. */
export interface ListedKeyAnswer extends ObservedListedKey {
  readonly id: string;
  readonly tenantId: string;
  readonly createdAt: string;
}

export function readListedKey({ id, tenantId, createdAt, expiresAt, ...key }: ListedKeyAnswer): ObservedListedKey {
  for (const each of [id, tenantId]) requireId(each);
  // Keys are seeded relative to the time of the run: that it is a time is what can be said of it.
  normaliseInstant(createdAt);
  const { name, kind, state, scopes } = key;
  return { name, kind, state, scopes, expiresAt: normaliseInstant(expiresAt) };
}
