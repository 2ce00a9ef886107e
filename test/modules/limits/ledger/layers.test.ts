import { describe, expect, it } from 'vitest';
import { Prisma } from '../../../../src/database/generated/client.ts';
import {
  type EffectiveLimit,
  effectiveLimit,
  effectiveLimits,
} from '../../../../src/modules/limits/ledger/effective.ts';
import { layersOf, shareOfCount } from '../../../../src/modules/limits/ledger/layers.ts';
import { Ledger } from '../../../../src/modules/limits/ledger/ledger.ts';
import { ledgerLimits } from '../../../../src/modules/limits/ledger-limits.ts';
import { noLimits } from '../../../../src/modules/limits/limits.ts';
import { amounts, budgetOf, limitsOf, mustReserve, stackOf } from './owners.ts';

const start = Date.parse('2026-11-21T12:00:00.000Z');
const big = Number.MAX_SAFE_INTEGER;

describe('the share of a user in a team', () => {
  it.each([
    [100, 25, 25],
    [10, 33, 3],
    [10, 1, 1],
    [1, 50, 1],
    [0, 50, 0],
    [big, 100, big],
    [big, 1, Math.floor(big / 100)],
  ])(
    'of the limit %d is at %d %% %d: rounded down, but it blocks only where the team does',
    (limit, percent, share) => {
      const budget = budgetOf({ tokens: limit, costNanoUsd: BigInt(limit) });
      const limits = { requestsPerMinute: limit, tokensPerMinute: limit, tokensPerDay: limit, budget };
      const stack = stackOf({ user: {}, team: { ...limits, userSharePercent: percent } });
      expect(stack.layers.find(({ owner }) => owner.type === 'TEAM_USER_SHARE')?.limits).toEqual({
        requestsPerMinute: share,
        tokensPerMinute: share,
        tokensPerDay: share,
        budget: { ...budget, tokens: share, costNanoUsd: BigInt(share) },
      });
      expect(shareOfCount(limit, percent)).toBe(share);
    },
  );

  it('limits nothing that the team does not limit, and is only there for a user of a team that has one', () => {
    const team = { id: 'team', limits: limitsOf({}), userSharePercent: 50 };
    const user = { id: 'user', limits: limitsOf({}) };
    const typesOf = (by: object) => layersOf({ timeZone: 'UTC', ...by }).layers.map(({ owner }) => owner.type);
    const [, share] = layersOf({ timeZone: 'UTC', user, team }).layers;
    expect(share?.limits).toEqual(limitsOf({}));
    expect(typesOf({ user, team })).toEqual(['USER', 'TEAM_USER_SHARE', 'TEAM']);
    expect(typesOf({ user, team: { ...team, userSharePercent: null } })).toEqual(['USER', 'TEAM']);
    expect(typesOf({ team })).toEqual(['TEAM']);
    expect(typesOf({ user })).toEqual(['USER']);
  });
});

describe('effective limits', () => {
  it('show what each layer sets and has left, and which binds: the one with the least left', () => {
    const ledger = new Ledger();
    const tenantWide = { tokensPerDay: 1_000, requestsPerMinute: 60 };
    const stack = stackOf({ key: { tokensPerDay: 500 }, user: {}, team: { tokensPerDay: 400 }, tenant: tenantWide });
    mustReserve(ledger, stack, amounts(100), start);
    mustReserve(ledger, stackOf({ tenant: tenantWide }), amounts(650), start);
    const { tokensPerDay, requestsPerMinute, tokensPerMinute, budgetCostNanoUsd } = effectiveLimits(
      ledger.situations(stack, start + 1),
    );
    const midnight = Date.parse('2026-11-21T00:00:00Z');
    const day = { since: midnight, resetAt: midnight + 86_400_000 };
    const tenant = { owner: { type: 'TENANT', id: 'tenant' }, limit: 1_000, used: 750, remaining: 250, ...day };
    expect(tokensPerDay).toEqual({
      layers: [
        { owner: { type: 'KEY', id: 'key' }, limit: 500, used: 100, remaining: 400, ...day },
        { owner: { type: 'USER', id: 'user' }, limit: null, used: null, remaining: null, since: null, resetAt: null },
        { owner: { type: 'TEAM', id: 'team' }, limit: 400, used: 100, remaining: 300, ...day },
        tenant,
      ],
      binding: tenant,
    });
    expect(requestsPerMinute.binding).toEqual({
      owner: { type: 'TENANT', id: 'tenant' },
      limit: 60,
      used: 2,
      remaining: 58,
      since: start + 1 - 60_000,
      resetAt: start + 60_000,
    });
    expect(tokensPerMinute.binding).toBeNull();
    expect(budgetCostNanoUsd.binding).toBeNull();
    expect(tokensPerMinute.layers.map(({ limit }) => limit)).toEqual([null, null, null, null]);
  });

  it('are bound by the first of several that have the same left, and by 0 where it blocks', () => {
    const ledger = new Ledger();
    const budget = budgetOf({ costNanoUsd: 5n });
    const both = stackOf({ key: { budget }, tenant: { budget, tokensPerMinute: 0 } });
    const read = effectiveLimits(ledger.situations(both, start));
    expect(read.budgetCostNanoUsd.binding).toMatchObject({ owner: { type: 'KEY' }, remaining: 5n });
    expect(read.tokensPerMinute.binding).toMatchObject({ owner: { type: 'TENANT' }, remaining: 0, resetAt: null });
  });
});

it('what is counted elsewhere, as requests in flight are, finds what binds in the same way', () => {
  const of = (id: string, limit: number | null, used: number | null) => {
    const remaining = limit === null || used === null ? null : limit - used;
    return { owner: { type: 'TEAM', id }, limit, used, remaining, since: null, resetAt: null } as const;
  };
  const inFlight: EffectiveLimit<number> = effectiveLimit([of('a', null, null), of('b', 9, 2), of('c', 8, 3)]);
  expect(inFlight.binding?.owner).toEqual({ type: 'TEAM', id: 'c' });
  expect(effectiveLimit([]).binding).toBeNull();
});

describe('limits of a row', () => {
  it.each([
    ['0', 0n],
    ['0.000001', 1_000n],
    ['12.5', 12_500_000_000n],
    ['999999999999.999999', 999_999_999_999_999_999_000n],
  ])('have money to the last digit: %s US dollars are %d nano-dollars', (budgetCostUsd, costNanoUsd) => {
    const row = {
      ...noLimits,
      budgetCostUsd: new Prisma.Decimal(budgetCostUsd),
      budgetPeriod: 'TERM' as const,
      budgetStartedAt: new Date(start),
    };
    expect(ledgerLimits(row).budget).toEqual({ tokens: null, costNanoUsd, period: { startedAt: start } });
  });

  it('are none where the row has none, and count months in the time zone', () => {
    expect(ledgerLimits(noLimits)).toEqual(limitsOf({}));
    const row = { ...noLimits, requestsPerMinute: 0, tokensPerMinute: 1n, tokensPerDay: BigInt(big), budgetTokens: 7n };
    expect(ledgerLimits({ ...row, budgetPeriod: 'MONTHLY' })).toEqual({
      requestsPerMinute: 0,
      tokensPerMinute: 1,
      tokensPerDay: big,
      budget: { tokens: 7, costNanoUsd: null, period: 'MONTH' },
    });
  });
});
