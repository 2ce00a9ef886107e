import { describe, expect, it } from 'vitest';
import type { LayerStack, LedgerLimits } from '../../../../src/modules/limits/ledger/layers.ts';
import { Ledger, type Refusal } from '../../../../src/modules/limits/ledger/ledger.ts';
import { amounts, budgetOf, mustReserve, stackOf } from './owners.ts';

const start = Date.parse('2026-11-21T12:00:00.000Z');
const minute = 60_000;
const hour = 60 * minute;
const at = (iso: string): number => Date.parse(iso);

/** Who refuses, and what; undefined when nobody does. */
const refuser = (refusal: Refusal | undefined) => refusal && `${refusal.owner.type} ${refusal.name}`;

/** How many requests of so many tokens are admitted one after the other at this time. */
function admittedAt(ledger: Ledger, stack: LayerStack, tokens: number, now: number): number {
  for (let count = 0; ; count++) if (!ledger.reserve(stack, amounts(tokens), now).admitted) return count;
}

const limitOf = {
  REQUESTS_PER_MINUTE: { requestsPerMinute: 1 },
  TOKENS_PER_MINUTE: { tokensPerMinute: 10 },
  TOKENS_PER_DAY: { tokensPerDay: 10 },
  BUDGET_TOKENS: { budget: budgetOf({ tokens: 10 }) },
  BUDGET_COST_USD: { budget: budgetOf({ costNanoUsd: 10n }) },
} satisfies Record<Refusal['name'], Partial<LedgerLimits>>;

describe('a refusal', () => {
  it('names the first limit of the order that refuses, and within one limit the key before the user and so on', () => {
    const all: Partial<LedgerLimits> = {
      requestsPerMinute: 1,
      tokensPerMinute: 10,
      tokensPerDay: 10,
      budget: budgetOf({ tokens: 10, costNanoUsd: 10n }),
    };
    const owners = { key: all, user: all, team: { ...all, userSharePercent: 100 }, product: all, tenant: all };
    const ledger = new Ledger();
    mustReserve(ledger, stackOf(owners), amounts(10, 10n), start);
    const named: (string | undefined)[] = [];
    // One limit after the other is lifted, the first in the order first.
    for (const lifted of [
      { requestsPerMinute: null },
      { tokensPerMinute: null },
      { tokensPerDay: null },
      { budget: budgetOf({ costNanoUsd: 10n }) },
    ]) {
      named.push(refuser(ledger.check(stackOf(owners), amounts(1, 1n), start)));
      const { key, user, product, tenant } = owners;
      for (const limits of [key, user, owners.team, product, tenant]) Object.assign(limits, lifted);
    }
    named.push(refuser(ledger.check(stackOf(owners), amounts(1, 1n), start)));
    expect(named).toEqual(Object.keys(limitOf).map((name) => `KEY ${name}`));

    const rates = { requestsPerMinute: 1 };
    const rated = { key: rates, user: rates, team: { ...rates, userSharePercent: 50 }, product: rates, tenant: rates };
    const order = Array.from(['key', 'user', 'share', 'team', 'product', 'tenant'] as const, (owner) => {
      const refusal = refuser(ledger.check(stackOf(rated), amounts(0), start));
      if (owner === 'share') Object.assign(rated.team, { userSharePercent: undefined });
      else Object.assign(rated, { [owner]: owner === 'user' ? {} : undefined });
      return refusal?.split(' ')[0];
    });
    expect(order).toEqual(['KEY', 'USER', 'TEAM_USER_SHARE', 'TEAM', 'PRODUCT', 'TENANT']);
  });

  it('says limit, use, what is left, when it is reset and when to ask again, of the limit that it names', () => {
    const ledger = new Ledger();
    const stack = stackOf({ key: { tokensPerMinute: 100 }, tenant: { tokensPerDay: 150 } });
    mustReserve(ledger, stack, amounts(60), start);
    mustReserve(ledger, stack, amounts(30), start + 1_500);
    expect(ledger.check(stack, amounts(70), start + 2_000)).toEqual({
      name: 'TOKENS_PER_MINUTE',
      owner: { type: 'KEY', id: 'key' },
      limit: 100,
      requested: 70,
      used: 90,
      remaining: 10,
      since: start + 2_000 - minute,
      resetAt: start + 1_500 + minute,
      retryAfterMs: minute - 2_000,
      permanent: false,
      // The day has no room for it either.
      passesAfterMs: at('2026-11-22T00:00:00Z') - start - 2_000,
    });
  });

  it.each(Object.keys(limitOf) as Refusal['name'][])(
    'is permanent where the estimate is more than the limit, and at the limit 0: %s',
    (name) => {
      const ledger = new Ledger();
      const stack = stackOf({ tenant: limitOf[name] });
      const request = { requests: 2, tokens: 11, costNanoUsd: 11n };
      const never = { name, permanent: true, retryAfterMs: null, passesAfterMs: null };
      expect(ledger.check(stack, request, start)).toMatchObject(never);
      const zero = {
        ...stack,
        layers: stack.layers.map((layer) => ({
          ...layer,
          limits: {
            requestsPerMinute: layer.limits.requestsPerMinute && 0,
            tokensPerMinute: layer.limits.tokensPerMinute && 0,
            tokensPerDay: layer.limits.tokensPerDay && 0,
            budget: layer.limits.budget && {
              ...layer.limits.budget,
              tokens: layer.limits.budget.tokens && 0,
              costNanoUsd: layer.limits.budget.costNanoUsd && 0n,
            },
          },
        })),
      };
      const refusal = ledger.check(zero, { requests: 0, tokens: 0, costNanoUsd: 0n }, start);
      expect(refusal).toMatchObject({ ...never, remaining: name === 'BUDGET_COST_USD' ? 0n : 0, resetAt: null });
    },
  );

  it('names what never passes before what passes later, so that nobody waits in vain', () => {
    const ledger = new Ledger();
    const stack = stackOf({ key: { requestsPerMinute: 1 }, tenant: { tokensPerDay: 10 } });
    mustReserve(ledger, stack, amounts(1), start);
    expect(refuser(ledger.check(stack, amounts(11), start))).toBe('TENANT TOKENS_PER_DAY');
    expect(refuser(ledger.check(stack, amounts(10), start))).toBe('KEY REQUESTS_PER_MINUTE');
  });

  it('by a budget without end gives no time, and is not permanent: less may pass', () => {
    const ledger = new Ledger();
    const stack = stackOf({ key: { budget: budgetOf({ tokens: 10, period: { startedAt: start } }) } });
    mustReserve(ledger, stack, amounts(8), start);
    const refusal = ledger.check(stack, amounts(3), start);
    expect(refusal).toMatchObject({ permanent: false, retryAfterMs: null, passesAfterMs: null, resetAt: null });
    expect(ledger.check(stack, amounts(2), start)).toBeUndefined();
  });
});

describe('a user and its team', () => {
  const team = { tokensPerDay: 100, requestsPerMinute: 10 };
  const ada = (userSharePercent?: number) =>
    stackOf({ user: {}, team: { ...team, ...(userSharePercent && { userSharePercent }) }, ids: { user: 'ada' } });
  const bob = (userSharePercent?: number) =>
    stackOf({ user: {}, team: { ...team, ...(userSharePercent && { userSharePercent }) }, ids: { user: 'bob' } });

  it('without a share, one user can drain the team', () => {
    const ledger = new Ledger();
    expect(admittedAt(ledger, ada(), 10, start)).toBe(10);
    expect(refuser(ledger.check(bob(), amounts(1), start + minute))).toBe('TEAM TOKENS_PER_DAY');
  });

  it('with a share, each user has that much of every limit at most, and all together the limit', () => {
    const ledger = new Ledger();
    expect(admittedAt(ledger, ada(40), 1, start)).toBe(4);
    expect(refuser(ledger.check(ada(40), amounts(1), start))).toBe('TEAM_USER_SHARE REQUESTS_PER_MINUTE');
    expect(ledger.check(ada(40), amounts(41), start)).toMatchObject({
      owner: { type: 'TEAM_USER_SHARE', teamId: 'team', userId: 'ada' },
      limit: 40,
      permanent: true,
    });
    expect(admittedAt(ledger, bob(40), 10, start + minute)).toBe(4);
    expect(refuser(ledger.check(bob(40), amounts(1), start + 2 * minute))).toBe('TEAM_USER_SHARE TOKENS_PER_DAY');
    expect(ledger.check(ada(40), amounts(36), start + 2 * minute)).toBeUndefined();
  });

  it('a user that moves takes its own use along and leaves that of the team; the new team begins to count', () => {
    const ledger = new Ledger();
    const of = (id: string) => stackOf({ user: { tokensPerDay: 70 }, team: { tokensPerDay: 100 }, ids: { team: id } });
    mustReserve(ledger, of('first'), amounts(60), start);
    expect(refuser(ledger.check(of('second'), amounts(11), start))).toBe('USER TOKENS_PER_DAY');
    const reservation = mustReserve(ledger, of('second'), amounts(10), start);
    const others = (id: string) => stackOf({ user: {}, team: { tokensPerDay: 100 }, ids: { team: id, user: 'other' } });
    expect(admittedAt(ledger, others('first'), 1, start)).toBe(40);
    expect(admittedAt(ledger, others('second'), 1, start)).toBe(90);
    // What was reserved before another move comes back where it was taken.
    ledger.settle(reservation, amounts(4), start + 1_000);
    expect(admittedAt(ledger, others('second'), 1, start + 2_000)).toBe(6);
    expect(admittedAt(ledger, others('first'), 1, start + 2_000)).toBe(0);
  });
});

describe('a change of limits', () => {
  it.each(['tokensPerMinute', 'tokensPerDay'] as const)('down gives nothing back, and up acts at once: %s', (limit) => {
    const ledger = new Ledger();
    const of = (tokens: number) => stackOf({ tenant: { [limit]: tokens } });
    mustReserve(ledger, of(1_000), amounts(1_000), start);
    expect(ledger.check(of(999), amounts(1), start)).toMatchObject({ limit: 999, used: 1_000, remaining: 0 });
    expect(ledger.check(of(1_001), amounts(1), start)).toBeUndefined();
  });

  it('of the start of a budget begins a new count, and one to come limits nothing yet', () => {
    const ledger = new Ledger();
    const of = (startedAt: number) => stackOf({ key: { budget: budgetOf({ tokens: 10, period: { startedAt } }) } });
    const first = mustReserve(ledger, of(start), amounts(10), start);
    expect(refuser(ledger.check(of(start), amounts(1), start))).toBe('KEY BUDGET_TOKENS');
    mustReserve(ledger, of(start + 1), amounts(10), start + 1);
    // What the old count had reserved does not come back to the new one.
    ledger.settle(first, amounts(0), start + 2);
    expect(refuser(ledger.check(of(start + 1), amounts(1), start + 2))).toBe('KEY BUDGET_TOKENS');
    expect(admittedAt(new Ledger(), of(start + hour), 1_000, start + hour)).toBe(0);
    expect(new Ledger().check(of(start + hour), amounts(1_000), start + hour - 1)).toBeUndefined();
  });

  it('of the time zone moves the end of the day and forgets nothing', () => {
    const ledger = new Ledger();
    const of = (timeZone: string) => stackOf({ tenant: { tokensPerDay: 10 }, timeZone });
    const now = at('2026-11-21T22:30:00Z');
    const reservation = mustReserve(ledger, of('UTC'), amounts(10), now);
    // It is the 22nd in Berlin already half an hour later.
    const berlin = ledger.check(of('Europe/Berlin'), amounts(1), now);
    expect(berlin).toMatchObject({ used: 10, retryAfterMs: hour / 2 });
    expect(ledger.check(of('America/New_York'), amounts(1), now)).toMatchObject({ used: 10, retryAfterMs: 6.5 * hour });
    const other = ledger.reserve(of('America/New_York'), amounts(0), now);
    expect(other.admitted).toBe(true);
    expect(refuser(ledger.check(of('America/New_York'), amounts(1), now + 6 * hour))).toBe('TENANT TOKENS_PER_DAY');
    ledger.settle(reservation, amounts(7), now + 6 * hour);
    expect(ledger.check(of('America/New_York'), amounts(3), now + 6 * hour)).toBeUndefined();
  });
});

describe('what is reserved', () => {
  const every = {
    requestsPerMinute: 10,
    tokensPerMinute: 100,
    tokensPerDay: 100,
    budget: budgetOf({ tokens: 100, costNanoUsd: 100n }),
  };
  const stack = stackOf({ key: every, tenant: every });
  const readings = (ledger: Ledger, now: number) =>
    ledger.check(stack, { ...amounts(101, 101n), requests: 11 }, now)?.used;

  it('comes back as far as it was not used, and altogether when nothing was started', () => {
    const ledger = new Ledger();
    const used = mustReserve(ledger, stack, amounts(60, 60n), start);
    ledger.settle(used, amounts(20, 20n), start + 1);
    expect(admittedAt(ledger, stackOf({ key: { tokensPerMinute: 100 } }), 10, start + 1)).toBe(8);
    const failed = mustReserve(new Ledger(), stack, amounts(1), start);
    const other = new Ledger();
    const cancelled = mustReserve(other, stack, amounts(100, 100n), start);
    expect(readings(other, start)).toBe(1);
    other.cancel(cancelled, start + 30_000);
    expect(readings(other, start + 30_000)).toBe(0);
    expect(failed.taken).toHaveLength(2);
  });

  it('before midnight and settled after it stays in its day, and so with months', () => {
    const ledger = new Ledger();
    const daily = stackOf({ tenant: { tokensPerDay: 100, budget: budgetOf({ tokens: 100 }) } });
    const before = at('2026-11-30T23:59:59.999Z');
    const reservation = mustReserve(ledger, daily, amounts(60), before);
    mustReserve(ledger, daily, amounts(90), before + 1);
    ledger.settle(reservation, amounts(10), before + 2);
    expect(admittedAt(ledger, daily, 1, before + 2)).toBe(10);
  });

  it('gives its second back until that has left the window, and the day after that as well', () => {
    const ledger = new Ledger();
    const both = stackOf({ tenant: { tokensPerMinute: 100, tokensPerDay: 1_000 } });
    const early = mustReserve(ledger, both, amounts(100), start);
    ledger.settle(early, amounts(40), start + minute - 1);
    const late = mustReserve(ledger, both, amounts(60), start + minute - 1);
    ledger.settle(late, amounts(0), start + 2 * minute);
    mustReserve(ledger, both, amounts(100), start + 2 * minute);
    expect(ledger.check(both, amounts(100), start + 3 * minute)).toBeUndefined();
    expect(admittedAt(ledger, stackOf({ tenant: { tokensPerDay: 1_000 } }), 10, start + 3 * minute)).toBe(86);
  });

  it('and exceeded is a debt from now on, of one limit at most', () => {
    const ledger = new Ledger();
    const both = stackOf({ tenant: { tokensPerMinute: 100, tokensPerDay: 1_000 } });
    const reservation = mustReserve(ledger, both, amounts(10), start);
    const settledAt = start + 5 * minute;
    ledger.settle(reservation, amounts(700), settledAt);
    expect(ledger.check(both, amounts(1), settledAt)).toMatchObject({ used: 200, remaining: 0, retryAfterMs: minute });
    expect(admittedAt(ledger, stackOf({ tenant: { tokensPerDay: 1_000 } }), 1, settledAt)).toBe(300);
  });

  it.each([
    ['day', { tokensPerDay: 100 }],
    ['month', { budget: budgetOf({ tokens: 100 }) }],
  ])('and exceeded after its %s is charged to the new one', (_period, limits) => {
    const ledger = new Ledger();
    const stack = stackOf({ tenant: limits });
    const reservation = mustReserve(ledger, stack, amounts(60), at('2026-11-30T23:59:00Z'));
    ledger.settle(reservation, amounts(90), at('2026-12-01T00:01:00Z'));
    expect(admittedAt(ledger, stack, 1, at('2026-12-01T00:01:00Z'))).toBe(70);
  });

  it('and exceeded is charged also when nothing was reserved for it and its counters were forgotten', () => {
    const ledger = new Ledger();
    const budget = budgetOf({ tokens: 100, costNanoUsd: 100n, period: { startedAt: start } });
    const limited = stackOf({ tenant: { tokensPerMinute: 100, tokensPerDay: 100, budget } });
    const reservation = mustReserve(ledger, limited, amounts(0), start);
    ledger.takeChanged();
    ledger.sweep(start);
    expect(ledger.size).toBe(0);
    ledger.settle(reservation, amounts(30, 40n), start + 1);
    for (const limits of [{ tokensPerMinute: 100 }, { tokensPerDay: 100 }, { budget }]) {
      expect(ledger.check(stackOf({ tenant: limits }), amounts(71), start + 1)).toMatchObject({ used: 30 });
    }
    expect(ledger.check(limited, amounts(1, 61n), start + 1)).toMatchObject({ used: 40n });
  });

  it('is exact in nano-dollars beyond 2^53', () => {
    const ledger = new Ledger();
    const limit = 20_000_000n * 1_000_000_000n;
    const rich = stackOf({ tenant: { budget: budgetOf({ costNanoUsd: limit }) } });
    mustReserve(ledger, rich, amounts(0, limit - 1n), start);
    expect(ledger.check(rich, amounts(0, 2n), start)).toMatchObject({ used: limit - 1n, remaining: 1n });
    mustReserve(ledger, rich, amounts(0, 1n), start);
    expect(ledger.check(rich, amounts(0, 1n), start)).toMatchObject({ used: limit, remaining: 0n });
  });

  it('is no amount that cannot be counted', () => {
    const ledger = new Ledger();
    const reservation = mustReserve(ledger, stack, amounts(1), start);
    for (const tokens of [-1, 0.5, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 53]) {
      expect(() => ledger.reserve(stack, amounts(tokens), start)).toThrow(RangeError);
      expect(() => ledger.settle(reservation, amounts(tokens), start)).toThrow(RangeError);
    }
    expect(() => ledger.reserve(stack, amounts(1, -1n), start)).toThrow(RangeError);
  });
});

describe('minutes, days and months', () => {
  it.each([
    ['2026-11-21T23:59:59.999Z', 'UTC', '2026-11-22T00:00:00Z'],
    ['2026-03-29T21:59:59.999Z', 'Europe/Berlin', '2026-03-29T22:00:00Z'],
    ['2026-10-25T22:59:59.999Z', 'Europe/Berlin', '2026-10-25T23:00:00Z'],
  ])('a day that ends after %s in %s begins anew to the millisecond', (before, timeZone, after) => {
    const ledger = new Ledger();
    const stack = stackOf({ tenant: { tokensPerDay: 10 }, timeZone });
    expect(admittedAt(ledger, stack, 5, at(before))).toBe(2);
    expect(ledger.check(stack, amounts(1), at(before))).toMatchObject({ retryAfterMs: 1, resetAt: at(after) });
    expect(admittedAt(ledger, stack, 5, at(after))).toBe(2);
  });

  it('the minute slides: around a full minute there is no second burst', () => {
    const ledger = new Ledger();
    const stack = stackOf({ tenant: { requestsPerMinute: 5 } });
    expect(admittedAt(ledger, stack, 0, at('2026-11-21T12:00:59.999Z'))).toBe(5);
    expect(admittedAt(ledger, stack, 0, at('2026-11-21T12:01:00.000Z'))).toBe(0);
    expect(admittedAt(ledger, stack, 0, at('2026-11-21T12:01:59.998Z'))).toBe(0);
    expect(admittedAt(ledger, stack, 0, at('2026-11-21T12:01:59.999Z'))).toBe(5);
  });

  it('a clock that goes back over midnight begins no day anew, also when the zone changes at that moment', () => {
    const ledger = new Ledger();
    const of = (timeZone: string) => stackOf({ tenant: { tokensPerDay: 10 }, timeZone });
    const midnight = at('2026-11-22T00:00:00Z');
    expect(admittedAt(ledger, of('UTC'), 10, midnight)).toBe(1);
    expect(ledger.reserve(of('Europe/London'), amounts(0), midnight - 1_000).admitted).toBe(true);
    expect(admittedAt(ledger, of('Europe/London'), 10, midnight)).toBe(0);
  });

  it('a clock that goes back begins no day anew; one that was wrong by days does not stop it', () => {
    const ledger = new Ledger();
    const stack = stackOf({ tenant: { tokensPerDay: 10 } });
    const midnight = at('2026-11-22T00:00:00Z');
    expect(admittedAt(ledger, stack, 10, midnight - 1_000)).toBe(1);
    expect(admittedAt(ledger, stack, 10, midnight)).toBe(1);
    expect(admittedAt(ledger, stack, 10, midnight - 1_000)).toBe(0);
    expect(ledger.check(stack, amounts(1), midnight - 1_000)).toMatchObject({ retryAfterMs: 24 * hour + 1_000 });
    expect(admittedAt(ledger, stack, 10, midnight)).toBe(0);
    expect(admittedAt(ledger, stack, 10, midnight + 400 * 24 * hour)).toBe(1);
    expect(admittedAt(ledger, stack, 10, midnight + 24 * hour)).toBe(1);
  });
});
