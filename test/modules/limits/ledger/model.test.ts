import { isDeepStrictEqual } from 'node:util';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { effectiveLimits } from '../../../../src/modules/limits/ledger/effective.ts';
import type { LayerStack, LedgerLimits } from '../../../../src/modules/limits/ledger/layers.ts';
import { layersOf } from '../../../../src/modules/limits/ledger/layers.ts';
import { Ledger } from '../../../../src/modules/limits/ledger/ledger.ts';
import {
  type Amounts,
  packReservation,
  type Reservation,
  unpackReservation,
} from '../../../../src/modules/limits/ledger/reservation.ts';
import { limitNames, type ModelReservation, NaiveLedger } from './model.ts';

const hour = 3_600_000;

/** Small, so that they are met often; now and then 0, and none in half of the cases. */
const count = fc.option(fc.oneof({ weight: 9, arbitrary: fc.integer({ min: 1, max: 30 }) }, fc.constant(0)), {
  freq: 2,
});
const limits: fc.Arbitrary<LedgerLimits> = fc.record({
  requestsPerMinute: count,
  tokensPerMinute: count,
  tokensPerDay: count,
  budget: fc.option(
    fc.record({
      tokens: count,
      costNanoUsd: count.map((value) => (value === null ? null : BigInt(value))),
      period: fc.oneof(fc.constant('MONTH' as const), fc.constant({ startedAt: 0 })),
    }),
    { freq: 2 },
  ),
});

const ownerNames = ['key', 'user', 'team', 'product', 'tenant'] as const;
type Limits = Record<(typeof ownerNames)[number], LedgerLimits>;

const amount = fc.nat({ max: 12 });
const steps = fc.oneof(
  fc.constantFrom(0, 1, 999, 1_000, 59_999, 60_000, hour, 11 * hour, 24 * hour),
  fc.nat({ max: 30_000 }),
);

/** Which of two keys and users asks, and for what. */
const request = fc.record({ key: fc.nat({ max: 1 }), user: fc.nat({ max: 1 }), tokens: amount, cost: amount });

const action = fc.oneof(
  { weight: 6, arbitrary: fc.record({ type: fc.constant('reserve' as const), step: steps, request }) },
  {
    weight: 4,
    arbitrary: fc.record({
      type: fc.constant('settle' as const),
      step: steps,
      which: fc.nat({ max: 9 }),
      tokens: fc.nat({ max: 40 }),
      cost: fc.nat({ max: 40 }),
    }),
  },
  { weight: 2, arbitrary: fc.record({ type: fc.constant('cancel' as const), step: steps, which: fc.nat({ max: 9 }) }) },
  {
    weight: 1,
    arbitrary: fc.record({ type: fc.constant('limit' as const), owner: fc.constantFrom(...ownerNames), limits }),
  },
  { weight: 1, arbitrary: fc.record({ type: fc.constant('term' as const), owner: fc.constantFrom(...ownerNames) }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant('restart' as const) }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant('sweep' as const) }) },
);

const scenario = fc.record({
  start: fc.constantFrom('2026-11-30T22:59:30.250Z', '2026-03-28T22:59:59.000Z', '2026-10-24T21:59:00.500Z'),
  timeZone: fc.constantFrom('UTC', 'Europe/Berlin', 'America/New_York'),
  userSharePercent: fc.option(fc.constantFrom(1, 34, 50, 100)),
  limits: fc.record({ key: limits, user: limits, team: limits, product: limits, tenant: limits }),
  actions: fc.array(action, { maxLength: 60 }),
});

type Scenario = typeof scenario extends fc.Arbitrary<infer Value> ? Value : never;

/** Plays a scenario on the ledger and on the model, and compares what both say after every action. */
class Play {
  ledger = new Ledger();
  readonly model = new NaiveLedger();
  readonly open: { reservation: Reservation; model: ModelReservation }[] = [];
  readonly #scenario: Scenario;
  readonly limits: Limits;
  now: number;

  constructor(of: Scenario) {
    this.#scenario = of;
    this.limits = { ...of.limits };
    this.now = Date.parse(of.start);
  }

  stack(key: number, user: number): LayerStack {
    const { timeZone, userSharePercent } = this.#scenario;
    const { limits } = this;
    return layersOf({
      timeZone,
      key: { id: `k${key}`, limits: limits.key },
      user: { id: `u${user}`, limits: limits.user },
      team: { id: 't', limits: limits.team, userSharePercent },
      product: { id: 'p', limits: limits.product },
      tenant: { id: 'n', limits: limits.tenant },
    });
  }

  run(check: { refused?(play: Play, stack: LayerStack, request: Amounts): void } = {}): void {
    for (const step of this.#scenario.actions) {
      if ('step' in step) this.now += step.step;
      if (step.type === 'reserve') this.#reserve(step.request, check);
      else if (step.type === 'settle') this.#settle(step.which, step.tokens, step.cost);
      else if (step.type === 'cancel') this.#cancel(step.which);
      else if (step.type === 'limit') this.#limit(step.owner, step.limits);
      else if (step.type === 'term') this.#term(step.owner);
      else if (step.type === 'restart') this.#restart();
      else {
        this.ledger.takeChanged();
        this.ledger.sweep(this.now);
      }
      this.compare();
    }
  }

  /** Both count the same for every owner and limit. */
  compare(): void {
    for (const [key, user] of [[0, 0] as const, [1, 1] as const]) {
      const stack = this.stack(key, user);
      const byLimit = effectiveLimits(this.ledger.situations(stack, this.now));
      for (const [index, name] of limitNames.entries()) {
        const { layers, binding } = Object.values(byLimit)[index] ?? { layers: [], binding: null };
        for (const [layer, { limit, used, remaining }] of layers.entries()) {
          if (limit === null || used === null || remaining === null) continue;
          const expected = this.model.used(stack, layer, name, this.now);
          expect([name, layer, BigInt(used)]).toEqual([name, layer, expected]);
          expect(BigInt(remaining)).toBe(expected > BigInt(limit) ? 0n : BigInt(limit) - expected);
          expect(binding?.remaining ?? Number.POSITIVE_INFINITY).toBeLessThanOrEqual(remaining);
        }
      }
    }
  }

  #reserve(
    { key, user, tokens, cost }: { key: number; user: number; tokens: number; cost: number },
    { refused }: { refused?(play: Play, stack: LayerStack, request: Amounts): void },
  ): void {
    const stack = this.stack(key, user);
    const asked = { requests: 1, tokens, costNanoUsd: BigInt(cost) };
    const expected = this.model.refusing(stack, asked, this.now);
    const refusing = this.ledger.refusals(stack, asked, this.now);
    expect(refusing.map(({ owner, name }) => `${owner.type} ${name}`)).toEqual(expected);
    this.ledger.takeChanged();
    const decision = this.ledger.reserve(stack, asked, this.now);
    if (!decision.admitted) {
      const { owner, name } = decision.refusal;
      expect(`${owner.type} ${name}`).toBe(expected[0]);
      // No counter changed; that none of them counts anything else is compared below.
      expect(this.ledger.takeChanged()).toEqual([]);
      refused?.(this, stack, asked);
      return;
    }
    expect(expected).toEqual([]);
    const model = this.model.take(stack, asked, this.now);
    this.open.push({ reservation: decision.reservation, model });
    for (const { key: layer, limits } of stack.layers) {
      const { requestsPerMinute, tokensPerMinute } = limits;
      for (const [name, limit] of [
        ['REQUESTS_PER_MINUTE', requestsPerMinute],
        ['TOKENS_PER_MINUTE', tokensPerMinute],
      ] as const) {
        if (limit !== null) expect(this.model.inLastMinute(layer, name, this.now)).toBeLessThanOrEqual(BigInt(limit));
      }
    }
  }

  #settle(which: number, tokens: number, cost: number): void {
    const [of] = this.open.splice(which, 1);
    if (of === undefined) return;
    const actual = { requests: 1, tokens, costNanoUsd: BigInt(cost) };
    this.ledger.settle(of.reservation, actual, this.now);
    this.model.correct(of.model, actual, this.now);
  }

  #cancel(which: number): void {
    const [of] = this.open.splice(which, 1);
    if (of === undefined) return;
    this.ledger.cancel(of.reservation, this.now);
    this.model.correct(of.model, { requests: 0, tokens: 0, costNanoUsd: 0n }, this.now);
  }

  /** Other limits; the period of a budget stays. */
  #limit(owner: keyof Limits, limits: LedgerLimits): void {
    const { budget } = this.limits[owner];
    this.limits[owner] = { ...limits, budget: limits.budget && budget && { ...limits.budget, period: budget.period } };
  }

  /** Its budget begins anew. */
  #term(owner: keyof Limits): void {
    const { budget } = this.limits[owner];
    if (budget === null || budget.period === 'MONTH') return;
    this.now += 1;
    this.limits[owner] = { ...this.limits[owner], budget: { ...budget, period: { startedAt: this.now } } };
  }

  /** The program ends and starts again: what was kept, as JSON, is all that there is. */
  #restart(): void {
    const kept: ReturnType<Ledger['serialise']> = JSON.parse(JSON.stringify(this.ledger.serialise()));
    this.ledger = new Ledger();
    for (const counters of kept) this.ledger.restore(counters);
    for (const of of this.open) {
      of.reservation = unpackReservation(JSON.parse(JSON.stringify(packReservation(of.reservation))));
    }
  }
}

/** A ledger that counts the same and can be asked what does not happen. */
function copyOf(ledger: Ledger): Ledger {
  const copy = new Ledger();
  for (const counters of ledger.serialise()) copy.restore(counters);
  return copy;
}

describe('the ledger', () => {
  it('decides and counts as a log of everything does: all or nothing, refunds, debts, restarts, in any order', () => {
    fc.assert(
      fc.property(scenario, (of) => new Play(of).run()),
      { numRuns: 300 },
    );
  });

  it('admits a refused request exactly when it says, and the limit that it names not a millisecond earlier', () => {
    fc.assert(
      fc.property(scenario, (of) => {
        new Play(of).run({
          refused: ({ ledger, now }, stack, asked) => {
            const refusal = ledger.check(stack, asked, now);
            if (refusal === undefined) throw new Error('It was refused.');
            const { name, owner, retryAfterMs, passesAfterMs, permanent } = refusal;
            const names = (later: Ledger, at: number) =>
              later
                .refusals(stack, asked, at)
                .some((other) => other.name === name && isDeepStrictEqual(other.owner, owner));
            if (permanent) expect(retryAfterMs).toBeNull();
            if (retryAfterMs !== null) {
              expect(names(copyOf(ledger), now + retryAfterMs)).toBe(false);
              expect(names(copyOf(ledger), now + retryAfterMs - 1)).toBe(true);
            }
            if (passesAfterMs !== null) {
              expect(copyOf(ledger).check(stack, asked, now + passesAfterMs)).toBeUndefined();
              expect(copyOf(ledger).check(stack, asked, now + passesAfterMs - 1)).toBeDefined();
            } else {
              expect(copyOf(ledger).check(stack, asked, now + 400 * 24 * hour)).toBeDefined();
            }
          },
        });
      }),
      { numRuns: 200 },
    );
  });

  it('conserves: with everything settled or cancelled, exactly what was used is counted, and nothing else stays', () => {
    const all = { requestsPerMinute: 1_000, tokensPerMinute: 1_000, tokensPerDay: 1_000 };
    const budget = { tokens: 1_000, costNanoUsd: 1_000n, period: 'MONTH' as const };
    const requests = fc.array(
      fc.record({ tokens: amount, cost: amount, used: fc.option(fc.double({ min: 0, max: 1, noNaN: true })) }),
      { minLength: 1, maxLength: 30 },
    );
    fc.assert(
      fc.property(requests, fc.infiniteStream(fc.nat()), (made, order) => {
        const ledger = new Ledger();
        const start = Date.parse('2026-11-21T12:00:00Z');
        const stack = layersOf({ timeZone: 'UTC', tenant: { id: 'n', limits: { ...all, budget } } });
        const open = made.map(({ tokens, cost, used }, index) => {
          const decision = ledger.reserve(stack, { requests: 1, tokens, costNanoUsd: BigInt(cost) }, start + index);
          if (!decision.admitted) throw new Error('There is room for all of them.');
          const actual = {
            tokens: Math.floor(tokens * (used ?? 0)),
            costNanoUsd: BigInt(Math.floor(cost * (used ?? 0))),
          };
          return { ...decision, actual, isCancelled: used === null };
        });
        let tokens = 0;
        let cost = 0n;
        let count = 0;
        for (const pick of order) {
          const [of] = open.splice(pick % Math.max(1, open.length), 1);
          if (of === undefined) break;
          if (of.isCancelled) {
            ledger.cancel(of.reservation, start + 5_000);
            continue;
          }
          ledger.settle(of.reservation, of.actual, start + 5_000);
          count += 1;
          tokens += of.actual.tokens;
          cost += of.actual.costNanoUsd;
        }
        const read = effectiveLimits(ledger.situations(stack, start + 5_000));
        expect(Object.values(read).map(({ binding }) => binding?.used)).toEqual([count, tokens, tokens, tokens, cost]);
        ledger.takeChanged();
        ledger.sweep(start + 5_000);
        expect(ledger.size).toBe(count === 0 && tokens === 0 && cost === 0n ? 0 : 1);
      }),
    );
  });
});
