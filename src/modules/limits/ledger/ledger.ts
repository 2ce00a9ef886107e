import { giveBack, hasLimits, owe, passes, take } from './charging.ts';
import { type CountersState, OwnerCounters, restoreCounters, serialiseCounters } from './counters.ts';
import {
  costKind,
  countKinds,
  countLimitNames,
  counts,
  money,
  type RefusedBy,
  refusalBy,
  type Situation,
} from './kinds.ts';
import { begunBudget, type Layer, type LayerStack } from './layers.ts';
import type { Amounts, Reservation, Taken } from './reservation.ts';
import { Rounds } from './rounds.ts';
import { Tally } from './tally.ts';

/** Why a request is refused: the limit that is named, and when all limits let it pass. */
export type Refusal = RefusedBy & {
  /**
   * How long until every limit lets the request pass, if nothing else is used: the longest `retryAfterMs` of all that
   * refuse it now. Null: never by itself.
   */
  readonly passesAfterMs: number | null;
};

export type Decision =
  | { readonly admitted: true; readonly reservation: Reservation }
  | { readonly admitted: false; readonly refusal: Refusal };

/** The counters of one owner, for keeping. */
export interface KeptCounters {
  readonly key: string;
  readonly state: CountersState;
  /** From when they are as if they had never been; null: not by themselves. */
  readonly expiresAt: number | null;
}

/** A counter that a decision would compare with a limit, and of which nothing is known. */
export interface UnknownUse {
  readonly layer: Layer;
  readonly counter: 'DAY' | 'BUDGET';
  /** Use since this time counts. */
  readonly since: number;
}

/**
 * Counts what is used of limits, and decides whether a request fits into all of those that it meets. Counters count
 * use and nothing else; limits come with each request and are only compared. So raising a limit acts at once, and
 * lowering it gives nothing back.
 *
 * Only what has a limit is counted, so an owner without limits costs no memory. Of the others those stay that could
 * still refuse something: a window for 60 seconds, a day's and a month's count to its end, and that of a budget without
 * end as long as the budget. `sweep` forgets what is over.
 */
export class Ledger {
  readonly #owners = new Map<string, OwnerCounters>();
  readonly #changed = new Set<OwnerCounters>();
  readonly #sweepRounds = new Rounds(() => this.#owners.values());
  readonly #endlessRounds = new Rounds(() => this.#owners.values());
  #onChanged: () => void = () => undefined;

  /** How many owners have counters. */
  get size(): number {
    return this.#owners.size;
  }

  /** Why a request would be refused now; undefined when it would not. Takes nothing. */
  check(stack: LayerStack, request: Amounts, now: number): Refusal | undefined {
    requireAmounts(request);
    for (const { key, limits } of stack.layers) {
      if (!passes(limits, this.#owners.get(key), request, now)) {
        return nameFirst(this.refusals(stack, request, now));
      }
    }
    return undefined;
  }

  /**
   * Every limit that refuses a request now: what never passes before what passes later, so that nobody waits in vain,
   * and then in the order of the limits and, within one, of the layers. Takes nothing.
   */
  refusals(stack: LayerStack, request: Amounts, now: number): RefusedBy[] {
    const situations = this.situations(stack, now);
    const refused: RefusedBy[] = [];
    for (const name of countLimitNames) {
      for (const situation of situations) {
        const refusal = refusalBy(countKinds[name], situation, request);
        if (refusal !== undefined) refused.push({ name, ...refusal });
      }
    }
    for (const situation of situations) {
      const refusal = refusalBy(costKind, situation, request);
      if (refusal !== undefined) refused.push({ name: 'BUDGET_COST_USD', ...refusal });
    }
    return [...refused.filter(({ permanent }) => permanent), ...refused.filter(({ permanent }) => !permanent)];
  }

  /** Takes a request from all limits, or nothing from any of them. */
  reserve(stack: LayerStack, request: Amounts, now: number): Decision {
    const refusal = this.check(stack, request, now);
    if (refusal !== undefined) return { admitted: false, refusal };
    const taken: Taken[] = [];
    for (const { key, limits } of stack.layers) {
      if (!hasLimits(limits)) continue;
      const counters = this.#hold(key);
      taken.push(take(counters, limits, stack.timeZone, request, now));
      this.#touch(counters);
    }
    const { requests, tokens, costNanoUsd } = request;
    return { admitted: true, reservation: { requests, tokens, costNanoUsd, timeZone: stack.timeZone, taken } };
  }

  /**
   * Corrects a reservation to what was used. What was not goes back to where it was taken from: to nowhere when that
   * second, day or month is over. What was used beyond it is charged now, as a debt of one limit's worth at most, so
   * that no counter has more than twice its limit. The request itself stays counted.
   *
   * Once for a reservation: the ledger does not know which were settled. A reservation that is never settled stays
   * charged, as one that used what was estimated; it can still be settled later.
   */
  settle(reservation: Reservation, actual: Omit<Amounts, 'requests'>, now: number): void {
    const { requests } = reservation;
    this.#correct(reservation, { requests, tokens: actual.tokens, costNanoUsd: actual.costNanoUsd }, now);
  }

  /** Gives everything back, the request as well, for one that was never started. Instead of `settle`. */
  cancel(reservation: Reservation, now: number): void {
    this.#correct(reservation, { requests: 0, tokens: 0, costNanoUsd: 0n }, now);
  }

  /** Where each layer of limits stands, for `effectiveLimits`. */
  situations({ layers, timeZone }: LayerStack, now: number): Situation[] {
    return layers.map(({ key, owner, limits }) => ({
      owner,
      limits,
      counters: this.#owners.get(key),
      timeZone,
      now,
    }));
  }

  /**
   * Counters that would be compared with a limit, and that the ledger does not have: nothing was used, or it was used
   * while there was no such limit. Whoever knows the past tells it with `seed`, before the request is decided.
   */
  unknown({ layers, timeZone }: LayerStack, now: number): UnknownUse[] {
    return layers.flatMap((layer): UnknownUse[] => {
      const { key, limits } = layer;
      const counters = this.#owners.get(key);
      const budget = begunBudget(limits, now);
      const unknown: UnknownUse[] = [];
      if (limits.tokensPerDay !== null && counters?.day === undefined) {
        unknown.push({ layer, counter: 'DAY', since: Tally.of('DAY', timeZone, now).epoch });
      }
      if (budget !== null && !counters?.budget?.isOf(budget.period)) {
        unknown.push({ layer, counter: 'BUDGET', since: Tally.of(budget.period, timeZone, now).epoch });
      }
      return unknown;
    });
  }

  /** Says what was used before the ledger began to count. Nothing changes when it has begun meanwhile. */
  seed({ layer, counter }: UnknownUse, used: Omit<Amounts, 'requests'>, timeZone: string, now: number): void {
    requireAmounts({ ...used, requests: 0 });
    const counters = this.#hold(layer.key);
    const budget = begunBudget(layer.limits, now);
    if (counter === 'DAY') {
      if (counters.day !== undefined) return;
      counters.day = Tally.of('DAY', timeZone, now);
      counters.day.add(used.tokens, 0n);
    } else {
      if (budget === null || counters.budget?.isOf(budget.period)) return;
      counters.budget = Tally.of(budget.period, timeZone, now);
      counters.budget.add(used.tokens, used.costNanoUsd);
    }
    if (used.tokens > 0 || used.costNanoUsd > 0n) this.#touch(counters);
  }

  /** A ledger of its own with what these layers have, in which that can be tried out which this one is not to know. */
  copyOf({ layers }: LayerStack): Ledger {
    const copy = new Ledger();
    for (const { key } of layers) {
      const counters = this.#owners.get(key);
      if (counters !== undefined) copy.restore({ key, state: serialiseCounters(counters) });
    }
    return copy;
  }

  /** Calls back whenever a counter changes while there is none that `takeChanged` did not give. */
  whenChanged(onChanged: () => void): void {
    this.#onChanged = onChanged;
  }

  /** How many counters changed since `takeChanged` gave them. */
  get changedCount(): number {
    return this.#changed.size;
  }

  /** The counters that changed since they were last asked for here, those first that changed first. */
  takeChanged(atMost = Number.POSITIVE_INFINITY): KeptCounters[] {
    const kept: KeptCounters[] = [];
    for (const counters of this.#changed) {
      if (kept.length >= atMost) break;
      kept.push(keep(counters));
      this.#changed.delete(counters);
    }
    return kept;
  }

  /** Has counters given out again by `takeChanged`, for when they could not be written. */
  putBackChanged(keys: Iterable<string>): void {
    for (const key of keys) {
      const counters = this.#owners.get(key);
      if (counters !== undefined) this.#touch(counters);
    }
  }

  /** All counters, for keeping. */
  serialise(): KeptCounters[] {
    return Array.from(this.#owners.values(), keep);
  }

  /** Takes counters back that were kept, in place of those that it has of the same owner. */
  restore({ key, state }: Pick<KeptCounters, 'key'> & { readonly state: unknown }): void {
    this.forget(key);
    this.#owners.set(key, restoreCounters(key, state));
  }

  /**
   * Looks at so many owners, from where the last call stopped.
   *
   * @returns those whose counters never end by themselves: they stay until somebody says that their owner is no more
   */
  endless(atMost = 1_000): string[] {
    const found: string[] = [];
    for (const counters of this.#endlessRounds.next(atMost)) {
      if (counters.lastEnd === null) found.push(counters.key);
    }
    return found;
  }

  /** Drops the counters of an owner that is no more. */
  forget(key: string): void {
    const counters = this.#owners.get(key);
    if (counters === undefined) return;
    this.#owners.delete(key);
    this.#changed.delete(counters);
  }

  /**
   * Looks at so many owners, from where the last call stopped, and forgets those whose use is over or was given back.
   * Changes are written first: otherwise what was given back would be used again after a restart.
   *
   * @returns the names of those that were forgotten
   */
  sweep(now: number, atMost = 1_000): string[] {
    const forgotten: string[] = [];
    for (const counters of this.#sweepRounds.next(atMost)) {
      const { lastEnd } = counters;
      if (lastEnd === null || lastEnd > now || this.#changed.has(counters)) continue;
      this.forget(counters.key);
      forgotten.push(counters.key);
    }
    return forgotten;
  }

  #touch(counters: OwnerCounters): void {
    const isFirst = this.#changed.size === 0;
    this.#changed.add(counters);
    if (isFirst) this.#onChanged();
  }

  #hold(key: string): OwnerCounters {
    const known = this.#owners.get(key);
    if (known !== undefined) return known;
    const counters = new OwnerCounters(key);
    this.#owners.set(key, counters);
    return counters;
  }

  #correct(reservation: Reservation, actual: Amounts, now: number): void {
    requireAmounts(actual);
    const unused: Amounts = {
      requests: reservation.requests - actual.requests,
      tokens: counts.minus(reservation.tokens, actual.tokens),
      costNanoUsd: money.minus(reservation.costNanoUsd, actual.costNanoUsd),
    };
    const overrun: Amounts = {
      requests: 0,
      tokens: counts.minus(actual.tokens, reservation.tokens),
      costNanoUsd: money.minus(actual.costNanoUsd, reservation.costNanoUsd),
    };
    const gives = unused.requests > 0 || unused.tokens > 0 || unused.costNanoUsd > 0n;
    const owes = overrun.tokens > 0 || overrun.costNanoUsd > 0n;
    if (!gives && !owes) return;
    for (const taken of reservation.taken) {
      // What was forgotten is over, and has nothing that could get anything back.
      const counters = owes ? this.#hold(taken.key) : this.#owners.get(taken.key);
      if (counters === undefined) continue;
      if (gives) giveBack(counters, taken, unused, now);
      if (owes) owe(counters, taken, overrun, reservation.timeZone, now);
      this.#touch(counters);
    }
  }
}

/** The refusal that is named, of all of them. */
function nameFirst(refused: readonly RefusedBy[]): Refusal {
  const [named] = refused;
  if (named === undefined) throw new Error('A request was refused that no limit refuses.');
  let passesAfterMs: number | null = 0;
  for (const { retryAfterMs } of refused) {
    passesAfterMs = passesAfterMs === null || retryAfterMs === null ? null : Math.max(passesAfterMs, retryAfterMs);
  }
  return { ...named, passesAfterMs };
}

const isCount = (amount: number): boolean => Number.isSafeInteger(amount) && amount >= 0;

function requireAmounts({ requests, tokens, costNanoUsd }: Amounts): void {
  if (isCount(requests) && isCount(tokens) && costNanoUsd >= 0n) return;
  throw new RangeError(`No amounts that can be counted: ${requests} requests, ${tokens} tokens, ${costNanoUsd} nUSD.`);
}

const keep = (counters: OwnerCounters): KeptCounters => ({
  key: counters.key,
  state: serialiseCounters(counters),
  expiresAt: counters.lastEnd,
});
