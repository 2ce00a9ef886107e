import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { SlidingWindow, windowMs } from '../../../../src/modules/limits/ledger/window.ts';

const start = Date.parse('2026-03-01T12:00:00.000Z');

/** Everything that ever happened to a window, and what follows from it by adding up. */
class Log {
  readonly #takes: { readonly at: number; readonly second: number; amount: number }[] = [];

  take(at: number, amount: number): void {
    if (amount > 0) this.#takes.push({ at, second: Math.floor(at / 1_000), amount });
  }

  giveBack(second: number, amount: number, now: number): number {
    let left = amount;
    for (const take of this.#takes) {
      if (take.second !== second || this.#leavesAt(second) <= now) continue;
      const given = Math.min(left, take.amount);
      take.amount -= given;
      left -= given;
    }
    return amount - left;
  }

  used(now: number): number {
    return this.#sum(({ second }) => this.#leavesAt(second) > now);
  }

  /** What was taken in exactly 60 seconds, without rounding to seconds. */
  within(from: number, until: number): number {
    return this.#sum(({ at }) => at > from && at <= until);
  }

  #leavesAt(second: number): number {
    return Math.max(...this.#takes.filter((take) => take.second === second).map(({ at }) => at)) + windowMs;
  }

  #sum(counts: (take: { readonly at: number; readonly second: number }) => boolean): number {
    return this.#takes.filter(counts).reduce((total, { amount }) => total + amount, 0);
  }
}

const steps = fc.oneof(fc.constantFrom(0, 1, 999, 1_000, 59_000, 59_999, 60_000, 61_000), fc.nat({ max: 20_000 }));
const actions = fc.array(
  fc.record({ step: steps, amount: fc.nat({ max: 6 }), gives: fc.nat({ max: 5 }), kept: fc.boolean() }),
  { maxLength: 80 },
);

/** Takes what there is room for, and gives some of it back later; calls `look` after each action. */
function play(
  trace: readonly { step: number; amount: number; gives: number; kept: boolean }[],
  limit: number,
  look: (window: SlidingWindow, log: Log, now: number) => void,
): void {
  let window = new SlidingWindow();
  const log = new Log();
  const open: { second: number; amount: number }[] = [];
  let now = start;
  for (const { step, amount, gives, kept } of trace) {
    now += step;
    if (window.used(now) + amount <= limit) {
      open.push({ second: window.take(amount, now), amount });
      log.take(now, amount);
      expect(log.within(now - windowMs, now)).toBeLessThanOrEqual(limit);
    }
    const back = gives < 3 ? open.splice(gives, 1)[0] : undefined;
    if (back !== undefined) {
      const expected = log.giveBack(back.second, back.amount, now);
      expect(window.giveBack(back.amount, back.second, now)).toBe(expected);
    }
    if (kept) window = SlidingWindow.of(window.steps());
    look(window, log, now);
  }
}

describe('the window', () => {
  it('has at any time what a log of everything adds up to, also when it was kept in between', () => {
    fc.assert(
      fc.property(actions, fc.integer({ min: 1, max: 12 }), steps, (trace, limit, later) => {
        play(trace, limit, (window, log, now) => {
          expect(window.used(now)).toBe(log.used(now));
          const copy = SlidingWindow.of(window.steps());
          expect(copy.used(now + later)).toBe(log.used(now + later));
        });
      }),
    );
  });

  it('says to the millisecond when there is room for so much, and when nothing counts any more', () => {
    fc.assert(
      fc.property(actions, fc.nat({ max: 12 }), (trace, most) => {
        play(trace, 12, (window, log, now) => {
          const wait = window.msUntilAtMost(most, now);
          expect(log.used(now + wait)).toBeLessThanOrEqual(most);
          if (wait > 0) expect(log.used(now + wait - 1)).toBeGreaterThan(most);
          const emptyAt = window.emptyAt(now);
          if (emptyAt === null) expect(log.used(now)).toBe(0);
          else expect([log.used(emptyAt), log.used(emptyAt - 1) > 0]).toEqual([0, true]);
        });
      }),
    );
  });

  it('gives nothing back that has left it, and never more than a second has', () => {
    const window = new SlidingWindow();
    const second = window.take(5, start);
    expect(window.giveBack(9, second, start + windowMs - 1)).toBe(5);
    window.take(5, start);
    expect(window.giveBack(5, second, start + windowMs)).toBe(0);
    expect(window.giveBack(5, second + 7, start)).toBe(0);
  });

  it('lets a clock that goes back by up to a minute gain nothing', () => {
    const minute = fc.integer({ min: -59_999, max: 20_000 });
    fc.assert(
      fc.property(fc.array(minute, { maxLength: 60 }), fc.integer({ min: 1, max: 5 }), (moves, limit) => {
        const window = new SlidingWindow();
        let now = start;
        // Of the times that the window was told.
        let latest = Number.NEGATIVE_INFINITY;
        const admittedAt: number[] = [];
        for (const move of moves) {
          // The clock is set back from the latest time that it ever showed, and never by more than a minute.
          now = Math.max(now + move, latest - windowMs + 1);
          latest = Math.max(latest, now);
          if (window.used(now) + 1 > limit) continue;
          window.take(1, now);
          admittedAt.push(latest);
        }
        // By the time that really passed, which is what the latest times show.
        for (const at of admittedAt) {
          const count = admittedAt.filter((other) => other > at - windowMs && other <= at).length;
          expect(count).toBeLessThanOrEqual(limit);
        }
      }),
    );
  });

  it('forgets what a clock wrote that was a window ahead', () => {
    const window = new SlidingWindow();
    window.take(3, start + 3_600_000);
    expect(window.used(start)).toBe(0);
    window.take(2, start);
    expect(window.used(start)).toBe(2);
  });

  it('takes nothing off twice when a clock is set back before what has left it', () => {
    const window = new SlidingWindow();
    window.take(5, start);
    window.take(7, start + 40_000);
    expect(window.used(start + 70_000)).toBe(7);
    expect(window.used(start - 100_000)).toBe(0);
    window.take(2, start - 100_000);
    expect(window.used(start - 100_000)).toBe(2);
    expect(window.used(start)).toBe(0);
  });

  it('has an entry for each of its seconds at most, however much is taken', () => {
    const window = new SlidingWindow();
    for (let at = start; at < start + 600_000; at += 17) window.take(1, at);
    expect(window.steps().length).toBeLessThanOrEqual(2 * 61);
    expect(window.used(start + 600_000)).toBeGreaterThanOrEqual(Math.floor(windowMs / 17));
  });
});
