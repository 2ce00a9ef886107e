import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Calls, stateOf, takeCall } from '../../../src/modules/engines/window.ts';
import { windowMs } from '../../../src/modules/limits/ledger/window.ts';

const start = Date.parse('2026-03-01T12:00:00.000Z');
/** How much longer than the window a call may count: it counts for the last one within its second. */
const roundingMs = 1_000;

/** Makes calls at these times, and gives the times of those that were admitted. */
function callsAt(times: readonly number[], limit: number, before: Calls = {}): { calls: Calls; admitted: number[] } {
  let calls = before;
  const admitted: number[] = [];
  for (const time of times) {
    const taken = takeCall(calls, limit, time);
    if (taken === undefined) continue;
    calls = taken;
    admitted.push(time);
  }
  return { calls, admitted };
}

const limits = fc.integer({ min: 1, max: 7 });
/** Times that come close to the bounds of seconds and of the window, in order. */
const times = fc
  .array(fc.oneof(fc.constantFrom(0, 1, 999, 1_000, 59_000, 59_999, 60_000), fc.nat({ max: 20_000 })), {
    maxLength: 60,
  })
  .map((steps) => {
    let at = start;
    return steps.map((step) => {
      at += step;
      return at;
    });
  });
/** The same, as replicas whose clocks differ a little tell them. */
const skewedTimes = fc
  .tuple(times, fc.array(fc.integer({ min: -300, max: 300 }), { minLength: 60, maxLength: 60 }))
  .map(([ordered, skews]) => ordered.map((time, index) => time + (skews[index] ?? 0)));

const countWithin = (admitted: readonly number[], from: number, until: number): number =>
  admitted.filter((time) => time > from && time <= until).length;

describe('the sliding window', () => {
  it('admits as many calls as the limit, and the next one exactly when the first is 60 s old', () => {
    const { calls, admitted } = callsAt(
      [0, 0, 0, 0].map(() => start),
      3,
    );
    expect(admitted).toHaveLength(3);
    expect(takeCall(calls, 3, start + windowMs - 1)).toBeUndefined();
    expect(takeCall(calls, 3, start + windowMs)).toBeDefined();
  });

  it('never has more calls than the limit within any 60 s', () => {
    fc.assert(
      fc.property(times, limits, (made, limit) => {
        const { admitted } = callsAt(made, limit);
        for (const time of admitted) expect(countWithin(admitted, time - windowMs, time)).toBeLessThanOrEqual(limit);
      }),
    );
  });

  it('never has more either when the clocks of replicas differ, as each of them sees it', () => {
    fc.assert(
      fc.property(skewedTimes, limits, (made, limit) => {
        const { admitted } = callsAt(made, limit);
        // Between the clocks that are furthest apart, 600 ms of a window are seen differently.
        for (const time of admitted) {
          expect(countWithin(admitted, time - windowMs + 600, time)).toBeLessThanOrEqual(limit);
        }
      }),
    );
  });

  it('refuses no call that there is room for', () => {
    fc.assert(
      fc.property(times, limits, (made, limit) => {
        let calls: Calls = {};
        const admitted: number[] = [];
        for (const time of made) {
          const taken = takeCall(calls, limit, time);
          if (taken === undefined) {
            expect(countWithin(admitted, time - windowMs - roundingMs, time)).toBeGreaterThanOrEqual(limit);
          } else {
            calls = taken;
            admitted.push(time);
          }
        }
      }),
    );
  });

  it('says truly how many calls are left, when the next is admitted and when all are there again', () => {
    fc.assert(
      fc.property(times, limits, fc.nat({ max: 70_000 }), (made, limit, later) => {
        const { calls } = callsAt(made, limit);
        const now = (made.at(-1) ?? start) + later;
        const { remaining, retryAfterMs, resetAt } = stateOf(calls, limit, now);
        expect(
          callsAt(
            Array.from({ length: limit + 1 }, () => now),
            limit,
            calls,
          ).admitted,
        ).toHaveLength(remaining);
        expect(retryAfterMs === 0).toBe(remaining > 0);
        if (retryAfterMs !== null && retryAfterMs > 0) {
          expect(takeCall(calls, limit, now + retryAfterMs - 1)).toBeUndefined();
          expect(takeCall(calls, limit, now + retryAfterMs)).toBeDefined();
        }
        if (resetAt === null) expect(remaining).toBe(limit);
        else {
          expect(stateOf(calls, limit, resetAt.getTime()).remaining).toBe(limit);
          expect(stateOf(calls, limit, resetAt.getTime() - 1).remaining).toBeLessThan(limit);
        }
      }),
    );
  });

  it('gives nothing back when the limit is lowered or raised: the calls that were made count', () => {
    fc.assert(
      fc.property(times, limits, limits, (made, limit, next) => {
        const { calls, admitted } = callsAt(made, limit);
        const now = made.at(-1) ?? start;
        const used = countWithin(admitted, now - windowMs, now);
        expect(stateOf(calls, next, now).remaining).toBeLessThanOrEqual(Math.max(0, next - used));
      }),
    );
  });

  it('admits nothing at the limit 0, and says that no waiting helps', () => {
    expect(takeCall({}, 0, start)).toBeUndefined();
    expect(stateOf({}, 0, start)).toEqual({ limit: 0, remaining: 0, resetAt: null, retryAfterMs: null });
    const { calls } = callsAt([start], 1);
    expect(stateOf(calls, 0, start)).toEqual({ limit: 0, remaining: 0, resetAt: null, retryAfterMs: null });
  });

  it('keeps a value for each of its seconds at most, however many calls there are', () => {
    const every17Ms = Array.from({ length: 10_000 }, (_, index) => start + index * 17);
    const { calls, admitted } = callsAt(every17Ms, 1_000_000);
    expect(admitted).toHaveLength(10_000);
    expect(Object.keys(calls).length).toBeLessThanOrEqual(61);
  });

  it('forgets calls of a clock that was set back by more than a window', () => {
    const { calls } = callsAt([start + 3_600_000], 1);
    expect(takeCall(calls, 1, start)).toBeDefined();
  });
});
