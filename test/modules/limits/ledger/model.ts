import { type LayerStack, type LedgerLimits, ownerTypes } from '../../../../src/modules/limits/ledger/layers.ts';
import type { Amounts } from '../../../../src/modules/limits/ledger/reservation.ts';

export const limitNames = [
  'REQUESTS_PER_MINUTE',
  'TOKENS_PER_MINUTE',
  'TOKENS_PER_DAY',
  'BUDGET_TOKENS',
  'BUDGET_COST_USD',
] as const;

type LimitName = (typeof limitNames)[number];

/** Something that was taken and what is left of it after what was given back. */
interface Charge {
  readonly counter: string;
  readonly at: number;
  /** What it counts for: a second, a date, a month, or all time from a start on. */
  readonly period: string;
  amount: bigint;
}

export interface ModelReservation {
  readonly request: Amounts;
  readonly charges: readonly { readonly name: LimitName; readonly limit: bigint | null; readonly charge: Charge }[];
  readonly timeZone: string;
}

const windowMs = 60_000;

const formats = new Map<string, Intl.DateTimeFormat>();

/** Such as 2026-11-21. */
function dateIn(timeZone: string, at: number): string {
  const format = formats.get(timeZone) ?? new Intl.DateTimeFormat('en-CA', { timeZone });
  formats.set(timeZone, format);
  return format.format(at);
}

const limitValue = (limits: LedgerLimits, name: LimitName): bigint | null => {
  const value = {
    REQUESTS_PER_MINUTE: limits.requestsPerMinute,
    TOKENS_PER_MINUTE: limits.tokensPerMinute,
    TOKENS_PER_DAY: limits.tokensPerDay,
    BUDGET_TOKENS: limits.budget?.tokens ?? null,
    BUDGET_COST_USD: limits.budget?.costNanoUsd ?? null,
  }[name];
  return value === null ? null : BigInt(value);
};

const amountOf = ({ requests, tokens, costNanoUsd }: Amounts, name: LimitName): bigint =>
  name === 'BUDGET_COST_USD' ? costNanoUsd : BigInt(name === 'REQUESTS_PER_MINUTE' ? requests : tokens);

const isPerMinute = (name: LimitName): boolean => name === 'REQUESTS_PER_MINUTE' || name === 'TOKENS_PER_MINUTE';

/** The same as the ledger, told in the plainest way: a list of everything that ever happened, added up for each question. */
export class NaiveLedger {
  readonly #charges: Charge[] = [];
  /** What each owner's budget was last charged for. */
  readonly #budgetPeriods = new Map<string, 'MONTH' | { readonly startedAt: number }>();

  /** What counts against a limit. */
  used(stack: LayerStack, index: number, name: LimitName, now: number): bigint {
    const layer = stack.layers[index];
    if (layer === undefined) throw new Error(`There is no layer ${index}.`);
    const counter = `${layer.key} ${name}`;
    if (!isPerMinute(name)) return this.#sum(counter, this.#periodOf(layer.limits, name, stack.timeZone, now));
    const seconds = new Set(this.#charges.filter((charge) => charge.counter === counter).map(({ period }) => period));
    let used = 0n;
    for (const second of seconds) {
      const times = this.#charges
        .filter((charge) => charge.counter === counter && charge.period === second)
        .map(({ at }) => at);
      if (Math.max(...times) + windowMs > now) used += this.#sum(counter, second);
    }
    return used;
  }

  /** What was taken in exactly the 60 seconds until now. */
  inLastMinute(key: string, name: LimitName, now: number): bigint {
    const within = this.#charges.filter(
      ({ counter, at }) => counter === `${key} ${name}` && at > now - windowMs && at <= now,
    );
    return within.reduce((total, { amount }) => total + amount, 0n);
  }

  /** The limits that refuse a request, in the order in which they are named. */
  refusing(stack: LayerStack, request: Amounts, now: number): string[] {
    const refusing: { readonly name: string; readonly permanent: boolean }[] = [];
    for (const name of limitNames) {
      for (const type of ownerTypes) {
        for (const [index, { owner, limits }] of stack.layers.entries()) {
          const limit = limitValue(limits, name);
          if (owner.type !== type || limit === null) continue;
          const asked = amountOf(request, name);
          if (limit > 0n && this.used(stack, index, name, now) + asked <= limit) continue;
          refusing.push({ name: `${type} ${name}`, permanent: limit === 0n || asked > limit });
        }
      }
    }
    return refusing.toSorted((one, other) => Number(other.permanent) - Number(one.permanent)).map(({ name }) => name);
  }

  take(stack: LayerStack, request: Amounts, now: number): ModelReservation {
    const { timeZone, layers } = stack;
    const charges = layers.flatMap(({ key, limits }) => {
      if (limits.budget !== null) this.#budgetPeriods.set(key, limits.budget.period);
      return limitNames
        .filter((name) => (name.startsWith('BUDGET') ? limits.budget !== null : limitValue(limits, name) !== null))
        .map((name) => {
          const period = isPerMinute(name) ? second(now) : this.#periodOf(limits, name, timeZone, now);
          const charge = this.#charge(`${key} ${name}`, now, period, amountOf(request, name));
          return { name, limit: limitValue(limits, name), charge };
        });
    });
    return { request, charges, timeZone };
  }

  /** Gives back what was not used, where it still counts, and charges what was used beyond it, to twice the limit. */
  correct({ request, charges, timeZone }: ModelReservation, actual: Amounts, now: number): void {
    for (const { name, limit, charge } of charges) {
      const more = amountOf(actual, name) - amountOf(request, name);
      const key = charge.counter.split(' ')[0] ?? '';
      if (more <= 0n) {
        charge.amount += more;
        continue;
      }
      const budget = { tokens: null, costNanoUsd: null, period: this.#budgetPeriods.get(key) ?? 'MONTH' } as const;
      const limits: LedgerLimits = { requestsPerMinute: null, tokensPerMinute: null, tokensPerDay: null, budget };
      const layer = { key, owner: { type: 'KEY', id: key }, limits } as const;
      const used = this.used({ timeZone, layers: [layer] }, 0, name, now);
      const room = limit === null ? more : 2n * limit - used;
      const period = isPerMinute(name) ? second(now) : this.#periodOf(limits, name, timeZone, now);
      this.#charge(charge.counter, now, period, room < 0n ? 0n : room < more ? room : more);
    }
  }

  #charge(counter: string, at: number, period: string, amount: bigint): Charge {
    const charge = { counter, at, period, amount };
    // Nothing was taken, so no second is the later for it.
    if (amount > 0n) this.#charges.push(charge);
    return charge;
  }

  #sum(counter: string, period: string): bigint {
    const counted = this.#charges.filter((charge) => charge.counter === counter && charge.period === period);
    return counted.reduce((total, { amount }) => total + amount, 0n);
  }

  #periodOf({ budget }: LedgerLimits, name: LimitName, timeZone: string, now: number): string {
    const date = dateIn(timeZone, now);
    if (name === 'TOKENS_PER_DAY') return date;
    const period = budget?.period ?? 'MONTH';
    return period === 'MONTH' ? date.slice(0, 7) : `from ${period.startedAt}`;
  }
}

const second = (at: number): string => `second ${Math.floor(at / 1_000)}`;
