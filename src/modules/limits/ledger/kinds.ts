import type { OwnerCounters } from './counters.ts';
import { begunBudget, type LedgerLimits, type LimitOwner } from './layers.ts';
import type { Amounts } from './reservation.ts';
import { boundsOf, type Tally, type TallyPeriod } from './tally.ts';
import { type SlidingWindow, windowMs } from './window.ts';

/** Limits that count requests or tokens. */
export const countLimitNames = ['REQUESTS_PER_MINUTE', 'TOKENS_PER_MINUTE', 'TOKENS_PER_DAY', 'BUDGET_TOKENS'] as const;

export type CountLimitName = (typeof countLimitNames)[number];

/** How far one limit of one owner is used up. */
export interface Reading<Amount> {
  /** Whose limit it is: where the value comes from. */
  readonly owner: LimitOwner;
  /** Null: the owner has none, so that only those of the others count. The fields below are null as well. */
  readonly limit: Amount | null;
  /** What counts against it now, with what running requests are expected to use. More than `limit` after an overrun. */
  readonly used: Amount | null;
  /** What is left; 0 when more than all of it is used. */
  readonly remaining: Amount | null;
  /** From when use counts: 60 seconds ago, the start of the day or month, or the start of the budget. */
  readonly since: number | null;
  /**
   * When all of it is there again if nothing else is used: of days and months, when they end. Null: all of it is there
   * (of what counts in 60 seconds), or it never is by itself, as of the limit 0 and of budgets without end.
   */
  readonly resetAt: number | null;
}

/** Why a request is refused. */
export interface Refused<Amount> {
  readonly owner: LimitOwner;
  readonly limit: Amount;
  /** What the request asked for. */
  readonly requested: Amount;
  readonly used: Amount;
  readonly remaining: Amount;
  readonly since: number;
  readonly resetAt: number | null;
  /**
   * How long until this limit lets the request pass, if nothing else is used: asked exactly then, it does, and a
   * millisecond earlier it does not. Null: never by itself.
   */
  readonly retryAfterMs: number | null;
  /**
   * The limit can never let such a request pass: it asks for more than all of it, or the limit is 0. A budget that is
   * used up for good is not permanent, although `retryAfterMs` is null: a smaller request may pass.
   */
  readonly permanent: boolean;
}

/** A refusal by one limit. */
export type RefusedBy =
  | ({ readonly name: CountLimitName } & Refused<number>)
  | ({ readonly name: 'BUDGET_COST_USD' } & Refused<bigint>);

/** Where and when a limit is asked. */
export interface Situation {
  readonly owner: LimitOwner;
  readonly limits: LedgerLimits;
  readonly counters: OwnerCounters | undefined;
  readonly timeZone: string;
  readonly now: number;
}

/** The little that is computed with amounts, which are numbers or bigints but never both. */
interface Arithmetic<Amount> {
  /** Whether a limit refuses: 0 refuses what asks for nothing as well. */
  refuses(limit: Amount, used: Amount, requested: Amount): boolean;
  /** 0 when there is nothing left. */
  minus(amount: Amount, less: Amount): Amount;
}

export const counts: Arithmetic<number> = {
  refuses: (limit, used, requested) => limit === 0 || used + requested > limit,
  minus: (amount, less) => Math.max(0, amount - less),
};

export const money: Arithmetic<bigint> = {
  refuses: (limit, used, requested) => limit === 0n || used + requested > limit,
  minus: (amount, less) => (less > amount ? 0n : amount - less),
};

/** One kind of limit: where its value is, and what counts against it. */
export interface Kind<Amount> {
  readonly arithmetic: Arithmetic<Amount>;
  readonly nothing: Amount;
  /** Null where there is none, or none yet. */
  limitOf(limits: LedgerLimits, now: number): Amount | null;
  amountOf(request: Amounts): Amount;
  usedOf(situation: Situation): Amount;
  sinceOf(situation: Situation): number;
  resetAtOf(situation: Situation): number | null;
  /** How long until no more than so much is used; null when that is not a matter of time. Only asked when more is. */
  msUntilAtMost(most: Amount, situation: Situation): number | null;
}

const resetAtOf = <Amount>(kind: Kind<Amount>, limit: Amount, situation: Situation): number | null =>
  limit === kind.nothing ? null : kind.resetAtOf(situation);

/** How far a limit is used up. */
export function readLimit<Amount>(kind: Kind<Amount>, situation: Situation): Reading<Amount> {
  const { owner, limits, now } = situation;
  const limit = kind.limitOf(limits, now);
  if (limit === null) return { owner, limit, used: null, remaining: null, since: null, resetAt: null };
  const used = kind.usedOf(situation);
  const remaining = kind.arithmetic.minus(limit, used);
  return { owner, limit, used, remaining, since: kind.sinceOf(situation), resetAt: resetAtOf(kind, limit, situation) };
}

/** Why a limit refuses a request; undefined when it does not. */
export function refusalBy<Amount>(
  kind: Kind<Amount>,
  situation: Situation,
  request: Amounts,
): Refused<Amount> | undefined {
  const { owner, limits, now } = situation;
  const { arithmetic, nothing } = kind;
  const limit = kind.limitOf(limits, now);
  if (limit === null) return undefined;
  const used = kind.usedOf(situation);
  const requested = kind.amountOf(request);
  if (!arithmetic.refuses(limit, used, requested)) return undefined;
  const permanent = arithmetic.refuses(limit, nothing, requested);
  return {
    owner,
    limit,
    requested,
    used,
    remaining: arithmetic.minus(limit, used),
    since: kind.sinceOf(situation),
    resetAt: resetAtOf(kind, limit, situation),
    retryAfterMs: permanent ? null : kind.msUntilAtMost(arithmetic.minus(limit, requested), situation),
    permanent,
  };
}

const windowKind = (
  windowOf: (counters: OwnerCounters) => SlidingWindow | undefined,
  kind: Pick<Kind<number>, 'limitOf' | 'amountOf'>,
): Kind<number> => {
  const windowIn = ({ counters }: Situation) => counters && windowOf(counters);
  return {
    ...kind,
    arithmetic: counts,
    nothing: 0,
    usedOf: (situation) => windowIn(situation)?.used(situation.now) ?? 0,
    sinceOf: ({ now }) => now - windowMs,
    resetAtOf: (situation) => windowIn(situation)?.emptyAt(situation.now) ?? null,
    msUntilAtMost: (most, situation) => windowIn(situation)?.msUntilAtMost(most, situation.now) ?? 0,
  };
};

interface TallySource {
  tallyOf(counters: OwnerCounters): Tally | undefined;
  periodOf(limits: LedgerLimits): TallyPeriod;
}

function tallyKind<Amount>(
  { tallyOf, periodOf }: TallySource,
  kind: Pick<Kind<Amount>, 'arithmetic' | 'nothing' | 'limitOf' | 'amountOf'> & { readOf(tally: Tally): Amount },
): Kind<Amount> {
  const tallyIn = ({ counters }: Situation) => counters && tallyOf(counters);
  const boundsIn = (situation: Situation) => {
    const { limits, timeZone, now } = situation;
    return boundsOf(tallyIn(situation), periodOf(limits), timeZone, now);
  };
  const endIn = (situation: Situation): number | null => {
    const { end } = boundsIn(situation);
    return end === Number.POSITIVE_INFINITY ? null : end;
  };
  return {
    ...kind,
    usedOf: (situation) => {
      const tally = tallyIn(situation);
      return tally?.counts(periodOf(situation.limits), situation.now) ? kind.readOf(tally) : kind.nothing;
    },
    sinceOf: (situation) => boundsIn(situation).start,
    resetAtOf: endIn,
    msUntilAtMost: (_most, situation) => {
      const end = endIn(situation);
      return end === null ? null : end - situation.now;
    },
  };
}

const daily: TallySource = { tallyOf: ({ day }) => day, periodOf: () => 'DAY' };
const budgeted: TallySource = { tallyOf: ({ budget }) => budget, periodOf: ({ budget }) => budget?.period ?? 'MONTH' };

export const countKinds: Readonly<Record<CountLimitName, Kind<number>>> = {
  REQUESTS_PER_MINUTE: windowKind(({ requests }) => requests, {
    limitOf: (limits) => limits.requestsPerMinute,
    amountOf: (request) => request.requests,
  }),
  TOKENS_PER_MINUTE: windowKind(({ tokens }) => tokens, {
    limitOf: (limits) => limits.tokensPerMinute,
    amountOf: (request) => request.tokens,
  }),
  TOKENS_PER_DAY: tallyKind(daily, {
    arithmetic: counts,
    nothing: 0,
    limitOf: (limits) => limits.tokensPerDay,
    amountOf: (request) => request.tokens,
    readOf: (tally) => tally.tokens,
  }),
  BUDGET_TOKENS: tallyKind(budgeted, {
    arithmetic: counts,
    nothing: 0,
    limitOf: (limits, now) => begunBudget(limits, now)?.tokens ?? null,
    amountOf: (request) => request.tokens,
    readOf: (tally) => tally.tokens,
  }),
};

export const costKind: Kind<bigint> = tallyKind(budgeted, {
  arithmetic: money,
  nothing: 0n,
  limitOf: (limits, now) => begunBudget(limits, now)?.costNanoUsd ?? null,
  amountOf: (request) => request.costNanoUsd,
  readOf: (tally) => tally.costNanoUsd,
});
