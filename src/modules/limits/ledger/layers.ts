/**
 * What may be used, in the units that the ledger counts in. Null: no limit here; 0 blocks.
 *
 * Tokens are safe integers. Money is whole nano-dollars as bigint: prices go down to fractions of a micro-dollar a
 * token, so that coarser units would round small requests to nothing, and 2^53 nano-dollars are nine million dollars,
 * which budgets exceed.
 */
export interface LedgerLimits {
  readonly requestsPerMinute: number | null;
  readonly tokensPerMinute: number | null;
  readonly tokensPerDay: number | null;
  readonly budget: LedgerBudget | null;
}

export interface LedgerBudget {
  readonly tokens: number | null;
  readonly costNanoUsd: bigint | null;
  /** The calendar month, or all time from a start on; before its start, it neither counts nor refuses. */
  readonly period: 'MONTH' | { readonly startedAt: number };
}

/** Whose limits they are, in the order in which they are asked within one limit. */
export const ownerTypes = ['KEY', 'USER', 'TEAM_USER_SHARE', 'TEAM', 'PRODUCT', 'TENANT'] as const;

type OwnerType = (typeof ownerTypes)[number];

/** A row that has limits, or the part of a team's limits that one user can take. */
export type LimitOwner =
  | { readonly type: Exclude<OwnerType, 'TEAM_USER_SHARE'>; readonly id: string }
  | { readonly type: 'TEAM_USER_SHARE'; readonly teamId: string; readonly userId: string };

/** The limits of one owner. */
export interface Layer {
  /** Names its counters. */
  readonly key: string;
  readonly owner: LimitOwner;
  readonly limits: LedgerLimits;
}

/**
 * All limits that a request meets, in the order in which they are asked. Made when they change and kept with the key,
 * not made for each request.
 */
export interface LayerStack {
  /** IANA, of the tenant: when its days and months begin. */
  readonly timeZone: string;
  readonly layers: readonly Layer[];
}

interface Owner {
  readonly id: string;
  readonly limits: LedgerLimits;
}

/** Who a request is charged to; whoever it has not is absent. */
export interface LimitedBy {
  readonly timeZone: string;
  readonly key?: Owner | null;
  readonly user?: Owner | null;
  readonly team?: (Owner & { readonly userSharePercent: number | null }) | null;
  readonly product?: Owner | null;
  readonly tenant?: Owner | null;
}

const partOf = <Amount>(amount: Amount | null, shareOfOne: (amount: Amount) => Amount): Amount | null =>
  amount === null ? null : shareOfOne(amount);

/** So much of a limit, rounded down, but not to 0: that would block. */
export const shareOfCount = (limit: number, percent: number): number =>
  // In bigint, since a hundred times a limit may not be a safe integer.
  limit === 0 ? 0 : Math.max(1, Number((BigInt(limit) * BigInt(percent)) / 100n));

const shareOfMoney = (limit: bigint, percent: number): bigint => {
  const share = (limit * BigInt(percent)) / 100n;
  return share === 0n && limit > 0n ? 1n : share;
};

/** How much of each limit one of several may take. */
function shareOf(
  { requestsPerMinute, tokensPerMinute, tokensPerDay, budget }: LedgerLimits,
  percent: number,
): LedgerLimits {
  const ofCount = (limit: number) => shareOfCount(limit, percent);
  return {
    requestsPerMinute: partOf(requestsPerMinute, ofCount),
    tokensPerMinute: partOf(tokensPerMinute, ofCount),
    tokensPerDay: partOf(tokensPerDay, ofCount),
    budget: budget && {
      ...budget,
      tokens: partOf(budget.tokens, ofCount),
      costNanoUsd: partOf(budget.costNanoUsd, (limit) => shareOfMoney(limit, percent)),
    },
  };
}

const layerOf = (type: Exclude<OwnerType, 'TEAM_USER_SHARE'>, { id, limits }: Owner): Layer => ({
  key: `${type}:${id}`,
  owner: { type, id },
  limits,
});

/** The limits that all of these have, in the order in which they are asked. */
export function layersOf({ timeZone, key, user, team, product, tenant }: LimitedBy): LayerStack {
  const layers: Layer[] = [];
  if (key) layers.push(layerOf('KEY', key));
  if (user) layers.push(layerOf('USER', user));
  if (user && team && team.userSharePercent !== null) {
    layers.push({
      key: `TEAM_USER_SHARE:${team.id}:${user.id}`,
      owner: { type: 'TEAM_USER_SHARE', teamId: team.id, userId: user.id },
      limits: shareOf(team.limits, team.userSharePercent),
    });
  }
  if (team) layers.push(layerOf('TEAM', team));
  if (product) layers.push(layerOf('PRODUCT', product));
  if (tenant) layers.push(layerOf('TENANT', tenant));
  return { timeZone, layers };
}

const amounts = ({ requestsPerMinute, tokensPerMinute, tokensPerDay, budget }: LedgerLimits) => [
  requestsPerMinute,
  tokensPerMinute,
  tokensPerDay,
  budget?.tokens ?? null,
  budget?.costNanoUsd ?? null,
];

/** Whether any limit is set that was not, or is lower than it was. */
export const isTighter = (now: LayerStack, before: LayerStack): boolean =>
  now !== before &&
  now.layers.some(({ key, limits }) => {
    const earlier = before.layers.find((layer) => layer.key === key);
    const amountsBefore = earlier && amounts(earlier.limits);
    return amounts(limits).some((limit, index) => {
      const was = amountsBefore?.[index] ?? null;
      return limit !== null && (was === null || limit < was);
    });
  });

/** The budget that counts now: one whose start is still to come limits nothing yet. */
export const begunBudget = ({ budget }: LedgerLimits, now: number): LedgerBudget | null =>
  budget !== null && (budget.period === 'MONTH' || budget.period.startedAt <= now) ? budget : null;
