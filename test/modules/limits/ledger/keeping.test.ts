import { describe, expect, it } from 'vitest';
import { type KeptCounters, Ledger } from '../../../../src/modules/limits/ledger/ledger.ts';
import { amounts, budgetOf, mustReserve, stackOf } from './owners.ts';

const start = Date.parse('2026-11-21T12:00:00.000Z');
const minute = 60_000;
const endOfDay = Date.parse('2026-11-22T00:00:00Z');
const endOfMonth = Date.parse('2026-12-01T00:00:00Z');

const endless = budgetOf({ tokens: 100, period: { startedAt: start } });
const ofKey = (limits: NonNullable<Parameters<typeof stackOf>[0]['key']>, id = 'key') =>
  stackOf({ key: limits, ids: { key: id } });

describe('changed counters', () => {
  it('are those that anything was taken from or given back to, each once; a refusal changes none', () => {
    const ledger = new Ledger();
    const stack = stackOf({ key: { tokensPerDay: 10 }, user: {}, tenant: { tokensPerMinute: 10 } });
    expect(ledger.takeChanged()).toEqual([]);
    const reservation = mustReserve(ledger, stack, amounts(6), start);
    mustReserve(ledger, stack, amounts(1), start);
    expect(ledger.takeChanged().map(({ key }) => key)).toEqual(['KEY:key', 'TENANT:tenant']);
    expect(ledger.reserve(stack, amounts(9), start).admitted).toBe(false);
    ledger.check(stack, amounts(1), start);
    expect(ledger.takeChanged()).toEqual([]);
    ledger.settle(reservation, amounts(6), start);
    expect(ledger.takeChanged()).toEqual([]);
    const other = mustReserve(ledger, stack, amounts(1), start);
    ledger.takeChanged();
    ledger.settle(other, amounts(0), start);
    expect(ledger.takeChanged()).toHaveLength(2);
  });

  it('that could not be written are given out again, as they are by then', () => {
    const ledger = new Ledger();
    const stack = ofKey({ tokensPerDay: 10 });
    mustReserve(ledger, stack, amounts(1), start);
    const lost = ledger.takeChanged();
    ledger.putBackChanged([...lost.map(({ key }) => key), 'KEY:forgotten']);
    mustReserve(ledger, stack, amounts(2), start);
    expect(ledger.takeChanged()).toMatchObject([{ key: 'KEY:key', state: { day: { tokens: 3 } } }]);
  });

  it.each([
    ['the last minute', { requestsPerMinute: 9 }, start + minute],
    ['the day', { requestsPerMinute: 9, tokensPerDay: 9 }, endOfDay],
    ['the month', { tokensPerDay: 9, budget: budgetOf({ tokens: 9 }) }, endOfMonth],
    ['a budget without end', { tokensPerDay: 9, budget: endless }, null],
  ])('say how long %s counts', (_what, limits, expiresAt) => {
    const ledger = new Ledger();
    mustReserve(ledger, ofKey(limits), amounts(1), start);
    expect(ledger.takeChanged()).toMatchObject([{ expiresAt }]);
  });

  it('that are none are refused when they are to be restored', () => {
    const ledger = new Ledger();
    for (const state of [null, { day: {} }, { tokens: [['now', 1]] }, { tokens: [[1, -1]] }]) {
      expect(() => ledger.restore({ key: 'KEY:key', state })).toThrow();
    }
  });
});

describe('memory', () => {
  const count = 20_000;
  const used = (limits: Parameters<typeof ofKey>[0]): Ledger => {
    const ledger = new Ledger();
    for (let index = 0; index < count; index++) {
      mustReserve(ledger, ofKey(limits, `key ${index}`), amounts(1), start);
    }
    return ledger;
  };

  /** Sweeps everything once, in small parts. */
  const sweepAll = (ledger: Ledger, now: number): void => {
    for (let looked = 0; looked <= count; looked += 500) ledger.sweep(now, 500);
  };

  it.each([
    ['a minute', { requestsPerMinute: 1, tokensPerMinute: 1 }, start + minute],
    ['the day', { requestsPerMinute: 1, tokensPerDay: 1 }, endOfDay],
    ['the month', { budget: budgetOf({ tokens: 1 }) }, endOfMonth],
  ])('of keys that were used once is free after %s, and not before', (_what, limits, end) => {
    const ledger = used(limits);
    ledger.takeChanged();
    sweepAll(ledger, end - 1);
    expect(ledger.size).toBe(count);
    sweepAll(ledger, end);
    expect(ledger.size).toBe(0);
  });

  it('of budgets without end is named in parts, each once in a round, and nothing that ends by itself', () => {
    const ledger = used({ budget: endless });
    const named: string[] = [];
    for (let part = ledger.endless(100); part.length > 0; part = ledger.endless(100)) named.push(...part);
    expect(named).toHaveLength(count);
    expect(new Set(named).size).toBe(count);
    expect(ledger.endless(1)).toEqual([named[0]]);
    expect(used({ tokensPerDay: 9 }).endless()).toEqual([]);
  });

  it('of budgets without end stays until their owner is forgotten, and so does what is not written', () => {
    const ledger = used({ budget: endless });
    ledger.takeChanged();
    sweepAll(ledger, endOfMonth * 2);
    expect(ledger.size).toBe(count);
    ledger.forget('KEY:key 7');
    expect(ledger.size).toBe(count - 1);
    expect(ledger.check(ofKey({ budget: endless }, 'key 7'), amounts(100), start)).toBeUndefined();

    const cancelled = new Ledger();
    cancelled.cancel(mustReserve(cancelled, ofKey({ tokensPerDay: 9 }), amounts(1), start), start);
    cancelled.sweep(start);
    expect(cancelled.size).toBe(1);
    expect(cancelled.takeChanged()).toMatchObject([{ expiresAt: 0, state: { day: { tokens: 0 } } }]);
    cancelled.sweep(start);
    expect(cancelled.size).toBe(0);
  });

  it('is not taken by owners without limits, and not by refusals and questions', () => {
    const ledger = new Ledger();
    mustReserve(ledger, stackOf({ key: {}, user: {}, tenant: {} }), amounts(1), start);
    ledger.reserve(ofKey({ tokensPerDay: 0 }), amounts(1), start);
    ledger.situations(ofKey({ tokensPerDay: 9 }), start);
    expect(ledger.size).toBe(0);
  });
});

describe('what was used before a limit was there', () => {
  const budget = budgetOf({ tokens: 100, costNanoUsd: 100n });
  const stack = stackOf({ key: { tokensPerMinute: 9 }, tenant: { tokensPerDay: 50, budget } });

  it('is unknown until it is told or the first is taken, and counts once it is told', () => {
    const ledger = new Ledger();
    const [day, month, ...rest] = ledger.unknown(stack, start);
    if (day === undefined || month === undefined) throw new Error('Both are unknown.');
    expect(rest).toEqual([]);
    expect([day.since, month.since]).toEqual([endOfDay - 24 * 60 * minute, Date.parse('2026-11-01T00:00:00Z')]);
    ledger.seed(day, { tokens: 48, costNanoUsd: 0n }, 'UTC', start);
    ledger.seed(month, { tokens: 60, costNanoUsd: 99n }, 'UTC', start);
    expect(ledger.unknown(stack, start)).toEqual([]);
    expect(ledger.check(stack, amounts(3, 2n), start)).toMatchObject({ name: 'TOKENS_PER_DAY', used: 48 });
    expect(ledger.check(stack, amounts(2, 2n), start)).toMatchObject({ name: 'BUDGET_COST_USD', used: 99n });
    expect(ledger.takeChanged()).toHaveLength(1);
    // It was told too late.
    ledger.seed(day, { tokens: 50, costNanoUsd: 0n }, 'UTC', start);
    expect(ledger.check(stack, amounts(2, 1n), start)).toBeUndefined();
    // The next day is known: nothing was used.
    expect(ledger.unknown(stack, endOfDay)).toEqual([]);
  });

  it('is unknown again when a budget begins at another time', () => {
    const ledger = new Ledger();
    mustReserve(ledger, ofKey({ budget: endless }), amounts(5), start);
    expect(ledger.unknown(ofKey({ budget: endless }), start)).toEqual([]);
    const earlier = ofKey({ budget: { ...endless, period: { startedAt: start - minute } } });
    expect(ledger.unknown(earlier, start)).toMatchObject([{ counter: 'BUDGET', since: start - minute }]);
    const [unknown] = ledger.unknown(earlier, start);
    if (unknown) ledger.seed(unknown, { tokens: 97, costNanoUsd: 0n }, 'UTC', start);
    expect(ledger.check(earlier, amounts(4), start)).toMatchObject({ used: 97 });
  });
});

it('counters whose times were kept in pairs with amounts are read as well', () => {
  const ledger = new Ledger();
  const pairs = [
    [start - 2_000, 3],
    [start - 500, 4],
  ];
  ledger.restore({ key: 'KEY:key', state: { requests: pairs } });
  const [kept] = ledger.serialise();
  expect(kept).toMatchObject({ state: { requests: [start - 2_000, 3, 1_500, 4] } });
  expect(ledger.check(ofKey({ requestsPerMinute: 7 }), amounts(1), start)).toMatchObject({ used: 7 });
  expect(ledger.check(ofKey({ requestsPerMinute: 7 }), amounts(1), start + minute - 2_000)).toBeUndefined();
});

it('counters that were kept as JSON are the same in another program', () => {
  const ledger = new Ledger();
  const stack = stackOf({
    key: { requestsPerMinute: 9, tokensPerMinute: 99 },
    tenant: { tokensPerDay: 99, budget: budgetOf({ costNanoUsd: 2n ** 70n }) },
  });
  mustReserve(ledger, stack, amounts(7, 2n ** 69n), start);
  const kept: KeptCounters[] = JSON.parse(JSON.stringify(ledger.serialise()));
  const other = new Ledger();
  for (const counters of kept) other.restore(counters);
  expect(other.serialise()).toEqual(ledger.serialise());
  expect(other.takeChanged()).toEqual([]);
  expect(other.check(stack, amounts(1, 2n ** 69n + 1n), start)).toMatchObject({ used: 2n ** 69n });
});
