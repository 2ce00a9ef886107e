import { Prisma } from '../../database/generated/client.ts';
import type { ApiKeyRow, ApiKeySecretRow } from './entity.ts';

const { sql, join } = Prisma;

/** How long before its end a key counts as expiring. */
const expiringDays = 7;
const expiringMs = expiringDays * 24 * 60 * 60 * 1000;

/** The states of a key. Where several are true, the first of this list is the one that is shown. */
export const keyStates = {
  REVOKED: { description: 'Refused for good.' },
  EXPIRED: { description: 'Refused since its `expiresAt`.' },
  DISABLED: { description: 'Refused until it is enabled again.' },
  NO_SECRET: {
    description: 'Refused, since each of its secrets was revoked or is over; rotate it to give it another.',
  },
  ROTATING: { description: 'Accepted, for a while with an older secret as well.' },
  EXPIRING: { description: `Accepted, for ${expiringDays} more days at most.` },
  ACTIVE: { description: 'Accepted.' },
} as const;

export type KeyState = keyof typeof keyStates;

type StateColumns = Pick<ApiKeyRow, 'revokedAt' | 'expiresAt' | 'disabledAt' | 'retiringUntil' | 'secretsUntil'>;

export function stateOf(key: StateColumns, now: Date): KeyState {
  const { revokedAt, expiresAt, disabledAt, retiringUntil, secretsUntil } = key;
  if (revokedAt !== null) return 'REVOKED';
  if (expiresAt !== null && expiresAt <= now) return 'EXPIRED';
  if (disabledAt !== null) return 'DISABLED';
  if (secretsUntil !== null && secretsUntil <= now) return 'NO_SECRET';
  if (retiringUntil !== null && retiringUntil > now) return 'ROTATING';
  if (expiresAt !== null && expiresAt.getTime() <= now.getTime() + expiringMs) return 'EXPIRING';
  return 'ACTIVE';
}

/** The same in SQL: the condition under which a key is in a state. */
function stateCondition(state: KeyState, now: Date): Prisma.Sql {
  const soon = new Date(now.getTime() + expiringMs);
  const notRevoked = sql`t.revoked_at IS NULL`;
  const alive = sql`${notRevoked} AND t.expires_order > ${now}`;
  const enabled = sql`${alive} AND t.disabled_at IS NULL`;
  const usable = sql`${enabled} AND (t.secrets_until IS NULL OR t.secrets_until > ${now})`;
  const settled = sql`${usable} AND (t.retiring_until IS NULL OR t.retiring_until <= ${now})`;
  const conditions: Readonly<Record<KeyState, Prisma.Sql>> = {
    REVOKED: sql`t.revoked_at IS NOT NULL`,
    EXPIRED: sql`${notRevoked} AND t.expires_order <= ${now}`,
    DISABLED: sql`${alive} AND t.disabled_at IS NOT NULL`,
    NO_SECRET: sql`${enabled} AND t.secrets_until <= ${now}`,
    ROTATING: sql`${usable} AND t.retiring_until > ${now}`,
    EXPIRING: sql`${settled} AND t.expires_order <= ${soon}`,
    ACTIVE: sql`${settled} AND t.expires_order > ${soon}`,
  };
  return sql`(${conditions[state]})`;
}

/** The states that few keys are in, however old a deployment is. */
const rareStates: ReadonlySet<KeyState> = new Set(['REVOKED', 'DISABLED', 'NO_SECRET', 'ROTATING', 'EXPIRING']);

/** The condition under which a key is in any of these states. */
export function anyStateCondition(states: readonly KeyState[], now: Date): Prisma.Sql {
  if (states.length === 0) return sql`false`;
  const any = join(
    states.map((state) => stateCondition(state, now)),
    ' OR ',
  );
  // No index has such keys together in the order of a list, and where few of those that come first are among them,
  // Postgres would read most of the table to fill a page. So they are found first and sorted then.
  const areFew = states.length > 1 && states.every((state) => rareStates.has(state));
  return areFew ? sql`t.id = ANY(ARRAY(SELECT t.id FROM api_key AS t WHERE ${any}))` : sql`(${any})`;
}

export const secretStates = {
  CURRENT: { description: 'Accepted; the newest of its key.' },
  RETIRING: { description: 'A newer secret took its place; accepted until `validUntil`.' },
  RETIRED: { description: 'A newer secret took its place, and its overlap is over.' },
  REVOKED: { description: 'Refused for good.' },
} as const;

export type SecretState = keyof typeof secretStates;

export function secretStateOf(
  { revokedAt, supersededAt, validUntil }: Pick<ApiKeySecretRow, 'revokedAt' | 'supersededAt' | 'validUntil'>,
  now: Date,
): SecretState {
  if (revokedAt !== null) return 'REVOKED';
  if (validUntil !== null && validUntil <= now) return 'RETIRED';
  return supersededAt === null ? 'CURRENT' : 'RETIRING';
}
