import type {
  LayerStack,
  LedgerBudget,
  LedgerLimits,
  LimitedBy,
} from '../../../../src/modules/limits/ledger/layers.ts';
import { layersOf } from '../../../../src/modules/limits/ledger/layers.ts';
import type { Ledger } from '../../../../src/modules/limits/ledger/ledger.ts';
import type { Amounts, Reservation } from '../../../../src/modules/limits/ledger/reservation.ts';

const none: LedgerLimits = { requestsPerMinute: null, tokensPerMinute: null, tokensPerDay: null, budget: null };

/** Limits, of which those that are left out are none. */
export const limitsOf = (limits: Partial<LedgerLimits>): LedgerLimits => ({ ...none, ...limits });

/** A budget, by default of this month. */
export const budgetOf = (budget: Partial<LedgerBudget>): LedgerBudget => ({
  tokens: null,
  costNanoUsd: null,
  period: 'MONTH',
  ...budget,
});

type Owners = {
  readonly [Owner in 'key' | 'user' | 'product' | 'tenant']?: Partial<LedgerLimits>;
} & {
  readonly team?: Partial<LedgerLimits> & { readonly userSharePercent?: number };
  readonly ids?: { readonly [Owner in 'key' | 'user' | 'team']?: string };
  readonly timeZone?: string;
};

/** The limits of a request whose owners have these; each owner that is named is one, and the only one of its type. */
export function stackOf({ key, user, team, product, tenant, ids, timeZone = 'UTC' }: Owners): LayerStack {
  const owner = (id: string, limits: Partial<LedgerLimits> | undefined) =>
    limits === undefined ? null : { id, limits: limitsOf(limits) };
  const by: LimitedBy = {
    timeZone,
    key: owner(ids?.key ?? 'key', key),
    user: owner(ids?.user ?? 'user', user),
    product: owner('product', product),
    tenant: owner('tenant', tenant),
  };
  if (team === undefined) return layersOf(by);
  const { userSharePercent = null, ...limits } = team;
  return layersOf({ ...by, team: { id: ids?.team ?? 'team', limits: limitsOf(limits), userSharePercent } });
}

/** What a request asks for, or used. */
export const amounts = (tokens: number, costNanoUsd = 0n): Amounts => ({ requests: 1, tokens, costNanoUsd });

/** Reserves what must fit. */
export function mustReserve(ledger: Ledger, stack: LayerStack, request: Amounts, now: number): Reservation {
  const decision = ledger.reserve(stack, request, now);
  if (!decision.admitted) throw new Error(`Refused by ${decision.refusal.name} of ${decision.refusal.owner.type}.`);
  return decision.reservation;
}
