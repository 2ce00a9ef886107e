import type { Principal } from '../../access/principal.ts';
import { isScope } from '../../access/scopes.ts';
import { isWithin } from '../../access/visibility.ts';
import { Prisma } from '../../database/generated/client.ts';
import type { CommandScope } from '../../graph/commands/definition.ts';
import type { LimitsRow } from '../limits/limits.ts';
import { type ApiKeyRow, apiKeys } from './entity.ts';
import { type Excess, PrivilegeEscalationError } from './errors.ts';

/** What a key can do, as far as it can go beyond something. */
export type Powers = Pick<
  ApiKeyRow,
  | 'id'
  | 'scopes'
  | 'expiresAt'
  | 'allowedModels'
  | 'allowedIpRanges'
  | 'tenantId'
  | 'userId'
  | 'appId'
  | 'productId'
  | 'engineId'
> &
  LimitsRow;

const { sql } = Prisma;

/** The weight of a key of which nothing else was said. */
export const weightDefault = 100;

/**
 * Keeps a command from giving out more than its caller has: whoever gets a new secret of a key, or widens it, must hold
 * everything that the key holds.
 *
 * @param weight the one that the key gets; absent: it does not get more weight
 * @throws {PrivilegeEscalationError} naming each way in which the key goes further
 */
export async function refuseEscalation(
  { principal, transaction }: CommandScope,
  powers: Powers,
  weight?: number,
): Promise<void> {
  const excesses = [...excessOfScopes(principal, powers), ...excessOfOwner(principal, powers)];
  const own =
    principal.keyId === undefined
      ? undefined
      : await transaction.reader.find(apiKeys, [sql`t.id = ${principal.keyId}::uuid`]);
  if (own !== undefined) excesses.push(...excessOfKey(own, powers));
  if (weight !== undefined) excesses.push(...excessOfWeight(principal, own?.weight ?? weightDefault, weight));
  const [first, ...more] = excesses;
  if (first !== undefined) throw new PrivilegeEscalationError([first, ...more]);
}

function excessOfScopes({ scopes }: Principal, powers: Powers): Excess[] {
  // A scope that the registry has no more allows nothing.
  const missing = powers.scopes.filter((scope) => isScope(scope) && !scopes.has(scope));
  return missing.length === 0
    ? []
    : [
        {
          path: ['scopes'],
          message: `You do not hold ${missing.length === 1 ? 'the scope' : 'the scopes'} ${missing.join(', ')}.`,
        },
      ];
}

function excessOfOwner(principal: Principal, { tenantId, userId, appId, productId, engineId }: Powers): Excess[] {
  return isWithin(principal, { tenantId, userId, appId, productId, engineId })
    ? []
    : [{ path: ['kind'], message: 'Keys of this kind reach further than what your credential is bound to.' }];
}

/** The keys of a tenant share what it gets: whoever is bound to less than the tenant takes nothing from the others. */
function excessOfWeight({ userId, appId, productId, engineId }: Principal, most: number, weight: number): Excess[] {
  if ([userId, appId, productId, engineId].every((id) => id === undefined) || weight <= most) return [];
  return [
    { path: ['weight'], message: `weight is at most ${most}: your credential is bound to a part of the tenant.` },
  ];
}

const limitNames = {
  requestsPerMinute: ['limits', 'requestsPerMinute'],
  tokensPerMinute: ['limits', 'tokensPerMinute'],
  tokensPerDay: ['limits', 'tokensPerDay'],
  maxInFlight: ['limits', 'maxInFlight'],
  budgetTokens: ['limits', 'budget', 'tokens'],
  budgetCostUsd: ['limits', 'budget', 'costUsd'],
} as const satisfies Partial<Record<keyof LimitsRow, readonly string[]>>;

function excessOfKey(own: ApiKeyRow, powers: Powers): Excess[] {
  const excesses: Excess[] = [];
  for (const [column, path] of Object.entries(limitNames)) {
    const name = column as keyof typeof limitNames;
    const mine = own[name];
    const wanted = powers[name];
    if (mine !== null && (wanted === null || Number(wanted) > Number(mine))) {
      excesses.push({ path, message: `${path.join('.')} is at most ${mine}, as for your own key.` });
    }
  }
  excesses.push(...excessOfBudget(own, powers));
  if (own.expiresAt !== null && (powers.expiresAt === null || powers.expiresAt > own.expiresAt)) {
    excesses.push({
      path: ['expiresAt'],
      message: `It ends at ${own.expiresAt.toISOString()} at the latest, as your own key.`,
    });
  }
  for (const field of ['allowedModels', 'allowedIpRanges'] as const) {
    const mine = new Set(own[field]);
    const wanted = powers[field];
    if (mine.size > 0 && (wanted.length === 0 || wanted.some((each) => !mine.has(each)))) {
      excesses.push({ path: [field], message: `${field} has no entry but those of your own key.` });
    }
  }
  return excesses;
}

/** The same amount is more when it comes back more often, or when what was used of it is forgotten. */
function excessOfBudget(own: ApiKeyRow, { id, budgetPeriod, budgetStartedAt }: Powers): Excess[] {
  if (own.budgetPeriod === null || budgetPeriod === null) return [];
  const path = ['limits', 'budget', 'period'];
  const isOwn = id === own.id;
  if (budgetPeriod !== own.budgetPeriod && (isOwn || budgetPeriod !== 'LIFETIME')) {
    return [{ path, message: `The period of the budget is ${own.budgetPeriod}, as for your own key.` }];
  }
  return isOwn && budgetStartedAt?.getTime() !== own.budgetStartedAt?.getTime()
    ? [{ path: ['limits', 'budget', 'startedAt'], message: 'A key does not begin its own budget anew.' }]
    : [];
}
