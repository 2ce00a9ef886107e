import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ActivityMeter } from '../../../src/modules/admission/activity-meter.ts';
import { TestClock } from '../../testkit/clock.ts';

const tenant = { id: 'acme', name: 'Acme' };
const windowMs = 5_000;
const turnMs = 250;

function setUp() {
  const clock = new TestClock();
  return { clock, meter: new ActivityMeter(clock) };
}

describe('what happens per second', () => {
  it('is, of a steady load, that load, whenever somebody looks', () => {
    const { clock, meter } = setUp();
    const looked: number[] = [];
    for (let ms = 0; ms < 12_000; ms += 5) {
      if (ms % 20 === 0) meter.admitted(tenant, 0);
      clock.advance(5);
      if (ms > windowMs) looked.push(meter.rates().all.admittedPerSecond);
    }
    // 50 each second: one more or less of them in five seconds.
    expect(Math.max(...looked)).toBeLessThanOrEqual(50.2);
    expect(Math.min(...looked)).toBeGreaterThanOrEqual(49.8);
  });

  it('is the count of the last five seconds, but for a part of a quarter of a second at their beginning', () => {
    const step = fc.record({
      afterMs: fc.integer({ min: 0, max: 1_500 }),
      kind: fc.constantFrom('admitted', 'refused', 'settled'),
      ofTenant: fc.boolean(),
    });
    fc.assert(
      fc.property(fc.array(step, { minLength: 1, maxLength: 60 }), (steps) => {
        const { clock, meter } = setUp();
        const events: { at: number; kind: string; tenantId: string }[] = [];
        for (const { afterMs, kind, ofTenant } of steps) {
          clock.advance(afterMs);
          const who = ofTenant ? tenant : { id: 'other', name: 'Other' };
          if (kind === 'admitted') meter.admitted(who, afterMs);
          else if (kind === 'refused') meter.refused(who, 'RATE_LIMITED');
          else meter.settled(who.id, 7);
          events.push({ at: clock.nowMs(), kind, tenantId: who.id });
          const count = (wanted: string, sinceMs: number, id?: string) =>
            events.filter((each) => {
              const isWanted = each.kind === wanted && (id === undefined || each.tenantId === id);
              return isWanted && each.at > clock.nowMs() - sinceMs;
            }).length;
          const { all, tenants } = meter.rates();
          const shown: { rates: typeof all; id?: string }[] = [{ rates: all }];
          for (const [id, rates] of tenants) shown.push({ rates, id });
          for (const { rates, id } of shown) {
            for (const wanted of ['admitted', 'refused', 'settled'] as const) {
              const counted = 5 * rates[`${wanted}PerSecond`];
              expect(counted).toBeGreaterThanOrEqual(count(wanted, windowMs - turnMs, id) - 1e-6);
              expect(counted).toBeLessThanOrEqual(count(wanted, windowMs + turnMs, id) + 1e-6);
            }
            expect(rates.tokensPerSecond).toBeCloseTo(7 * rates.settledPerSecond, 9);
            expect(rates.refusals).toEqual(
              rates.refusedPerSecond === 0 ? [] : [{ reason: 'RATE_LIMITED', perSecond: rates.refusedPerSecond }],
            );
          }
        }
        clock.advance(windowMs + turnMs);
        expect(meter.rates()).toMatchObject({ all: { admittedPerSecond: 0, refusals: [], queueWaitP50Ms: null } });
        expect(meter.rates().tenants.size).toBe(0);
      }),
    );
  });
});

describe('waits', () => {
  it('of those that got a slot lately are told as those of rank 50 and 99 of 100', () => {
    const { clock, meter } = setUp();
    expect(meter.rates().all).toMatchObject({ queueWaitP50Ms: null, queueWaitP99Ms: null });
    for (let waitedMs = 100; waitedMs >= 1; waitedMs -= 1) meter.admitted(tenant, waitedMs);
    clock.advance(100);
    expect(meter.rates().all).toMatchObject({ queueWaitP50Ms: 50, queueWaitP99Ms: 99 });
    // While the first of them leave the window, too.
    clock.advance(windowMs - 1);
    expect(meter.rates().all).toMatchObject({ queueWaitP50Ms: 50, queueWaitP99Ms: 99 });
    clock.advance(turnMs);
    expect(meter.rates().all).toMatchObject({ queueWaitP50Ms: null, queueWaitP99Ms: null });
  });

  it('of more than a second are told to three digits', () => {
    const { meter } = setUp();
    meter.admitted(tenant, 61_234.5);
    expect(meter.rates().tenants.get('acme')).toMatchObject({ queueWaitP50Ms: 61_200, queueWaitP99Ms: 61_200 });
  });
});
