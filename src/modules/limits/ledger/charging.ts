import type { OwnerCounters } from './counters.ts';
import { counts, money } from './kinds.ts';
import { begunBudget, type LedgerLimits } from './layers.ts';
import type { Amounts, Taken } from './reservation.ts';
import { Tally } from './tally.ts';
import { SlidingWindow } from './window.ts';

/** Whether anything is counted of an owner. */
export const hasLimits = ({ requestsPerMinute, tokensPerMinute, tokensPerDay, budget }: LedgerLimits): boolean =>
  requestsPerMinute !== null || tokensPerMinute !== null || tokensPerDay !== null || budget !== null;

/** Whether no limit of an owner refuses a request. */
export function passes(
  limits: LedgerLimits,
  counters: OwnerCounters | undefined,
  request: Amounts,
  now: number,
): boolean {
  const { requestsPerMinute, tokensPerMinute, tokensPerDay } = limits;
  if (requestsPerMinute !== null) {
    if (counts.refuses(requestsPerMinute, counters?.requests?.used(now) ?? 0, request.requests)) return false;
  }
  if (tokensPerMinute !== null) {
    if (counts.refuses(tokensPerMinute, counters?.tokens?.used(now) ?? 0, request.tokens)) return false;
  }
  if (tokensPerDay !== null) {
    const day = counters?.day?.counts('DAY', now) ? counters.day : undefined;
    if (counts.refuses(tokensPerDay, day?.tokens ?? 0, request.tokens)) return false;
  }
  const budget = begunBudget(limits, now);
  if (budget === null) return true;
  const spent = counters?.budget?.counts(budget.period, now) ? counters.budget : undefined;
  if (budget.tokens !== null && counts.refuses(budget.tokens, spent?.tokens ?? 0, request.tokens)) return false;
  return (
    budget.costNanoUsd === null || !money.refuses(budget.costNanoUsd, spent?.costNanoUsd ?? 0n, request.costNanoUsd)
  );
}

/** Takes a request from the counters of an owner, whatever its limits. */
export function take(
  counters: OwnerCounters,
  limits: LedgerLimits,
  timeZone: string,
  request: Amounts,
  now: number,
): Taken {
  const { requestsPerMinute, tokensPerMinute, tokensPerDay } = limits;
  const { requests, tokens, costNanoUsd } = request;
  const budget = begunBudget(limits, now);
  let requestsSecond: number | null = null;
  let tokensSecond: number | null = null;
  if (requestsPerMinute !== null) {
    counters.requests ??= new SlidingWindow();
    requestsSecond = counters.requests.take(requests, now);
  }
  if (tokensPerMinute !== null) {
    counters.tokens ??= new SlidingWindow();
    tokensSecond = counters.tokens.take(tokens, now);
  }
  if (tokensPerDay !== null) {
    counters.day ??= Tally.of('DAY', timeZone, now);
    counters.day.turnTo('DAY', timeZone, now);
    counters.day.add(tokens, 0n);
  }
  if (budget !== null) {
    counters.budget ??= Tally.of(budget.period, timeZone, now);
    counters.budget.turnTo(budget.period, timeZone, now);
    counters.budget.add(tokens, costNanoUsd);
  }
  return {
    key: counters.key,
    requestsSecond,
    tokensSecond,
    tokensPerMinute,
    dayEpoch: tokensPerDay === null ? null : (counters.day?.epoch ?? null),
    tokensPerDay,
    budgetEpoch: budget === null ? null : (counters.budget?.epoch ?? null),
    isBudgetMonthly: budget?.period === 'MONTH',
    budgetTokens: budget?.tokens ?? null,
    budgetCostNanoUsd: budget?.costNanoUsd ?? null,
  };
}

/** Gives back what was not used, where it was taken from. */
export function giveBack(counters: OwnerCounters, taken: Taken, unused: Amounts, now: number): void {
  const { requests, tokens, day, budget } = counters;
  if (taken.requestsSecond !== null) requests?.giveBack(unused.requests, taken.requestsSecond, now);
  if (taken.tokensSecond !== null) tokens?.giveBack(unused.tokens, taken.tokensSecond, now);
  if (taken.dayEpoch !== null) day?.giveBack(taken.dayEpoch, unused.tokens, 0n);
  if (taken.budgetEpoch !== null) budget?.giveBack(taken.budgetEpoch, unused.tokens, unused.costNanoUsd);
}

/** How much of an overrun is charged: what twice the limit has room for. */
const debtOfCount = (limit: number | null, used: number, overrun: number): number =>
  limit === null ? overrun : Math.min(overrun, counts.minus(2 * limit, used));

const debtOfMoney = (limit: bigint | null, used: bigint, overrun: bigint): bigint => {
  if (limit === null) return overrun;
  const room = money.minus(2n * limit, used);
  return overrun < room ? overrun : room;
};

/** Charges what was used beyond the estimate to what counts now. */
export function owe(counters: OwnerCounters, taken: Taken, overrun: Amounts, timeZone: string, now: number): void {
  if (taken.tokensPerMinute !== null) {
    counters.tokens ??= new SlidingWindow();
    counters.tokens.take(debtOfCount(taken.tokensPerMinute, counters.tokens.used(now), overrun.tokens), now);
  }
  if (taken.tokensPerDay !== null) {
    counters.day ??= Tally.of('DAY', timeZone, now);
    counters.day.roll(now);
    counters.day.add(debtOfCount(taken.tokensPerDay, counters.day.tokens, overrun.tokens), 0n);
  }
  if (taken.budgetEpoch !== null) {
    counters.budget ??= Tally.of(taken.isBudgetMonthly ? 'MONTH' : { startedAt: taken.budgetEpoch }, timeZone, now);
    counters.budget.roll(now);
    counters.budget.add(
      debtOfCount(taken.budgetTokens, counters.budget.tokens, overrun.tokens),
      debtOfMoney(taken.budgetCostNanoUsd, counters.budget.costNanoUsd, overrun.costNanoUsd),
    );
  }
}
