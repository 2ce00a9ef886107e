import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { SnapshotHub, type SnapshotStamp } from '../../src/live/snapshot-hub.ts';
import type { Timers } from '../../src/live/timers.ts';
import { TestClock } from '../testkit/clock.ts';

interface Counted extends SnapshotStamp {
  readonly value: number;
}

function setUp() {
  const clock = new TestClock();
  const state = { value: 0, taken: 0, timersSet: 0, failure: undefined as Error | undefined };
  const failures: unknown[] = [];
  const timers: Timers = {
    nowMs: () => clock.nowMs(),
    after: (delayMs, callback) => {
      state.timersSet += 1;
      return clock.after(delayMs, callback);
    },
  };
  const hub = new SnapshotHub<Counted>({
    take: (stamp) => {
      if (state.failure !== undefined) throw state.failure;
      state.taken += 1;
      return { ...stamp, value: state.value };
    },
    instanceId: 'this process',
    clock,
    timers,
    onFailure: (error) => failures.push(error),
  });
  const start = clock.nowMs();
  const change = () => {
    state.value += 1;
    hub.changed();
  };
  /** Follows and notes what is given, and when. */
  const follow = (minIntervalMs: number) => {
    const given: { at: number; seq: number; value: number }[] = [];
    const follower = hub.follow(minIntervalMs, {
      receive: ({ seq, value }) => given.push({ at: clock.nowMs() - start, seq, value }),
    });
    return { ...follower, given, times: () => given.map(({ at }) => at) };
  };
  return { clock, state, failures, hub, change, follow };
}

describe('a hub', () => {
  it('makes no snapshot while nobody wants one', () => {
    const { clock, state, change } = setUp();
    for (let count = 0; count < 10; count += 1) {
      change();
      clock.advance(1_000);
    }
    expect(state).toMatchObject({ taken: 0, timersSet: 0 });
  });

  it('gives the newest at once, with its moment, its process and a number', () => {
    const { clock, hub, change } = setUp();
    change();
    expect(hub.current()).toEqual({ seq: 1, asOf: clock.now(), instanceId: 'this process', value: 1 });
    clock.advance(100);
    change();
    expect(hub.current()).toMatchObject({ seq: 2, asOf: clock.now(), value: 2 });
  });

  it('makes at most one in 100 ms, whoever asks however often', () => {
    const { clock, state, hub, change, follow } = setUp();
    for (const interval of [100, 100, 130, 250, 1_000]) follow(interval);
    for (let ms = 0; ms < 1_000; ms += 1) {
      change();
      hub.current();
      clock.advance(1);
    }
    expect(state.taken).toBeLessThanOrEqual(11);
    expect(state.taken).toBeGreaterThanOrEqual(10);
  });

  it('makes one anew that is a second old, since ages have changed, and gives it to those who ask alone', () => {
    const { clock, hub, follow } = setUp();
    const { given } = follow(250);
    clock.advance(999);
    expect(hub.current().seq).toBe(1);
    clock.advance(1);
    expect(hub.current().seq).toBe(2);
    clock.advance(5_000);
    expect(given).toHaveLength(1);
  });
});

describe('who follows', () => {
  it('gets the newest at once, and a change as soon as the interval is over, or at once after a pause', () => {
    const { clock, change, follow } = setUp();
    const { given, times } = follow(250);
    expect(given).toEqual([{ at: 0, seq: 1, value: 0 }]);
    change();
    change();
    clock.advance(1_000);
    change();
    clock.advance(1_000);
    expect(given.slice(1)).toEqual([
      { at: 250, seq: 2, value: 2 },
      { at: 1_000, seq: 3, value: 3 },
    ]);
    expect(times()).toEqual([0, 250, 1_000]);
  });

  it('hears something every 10 seconds, with a new moment, also when nothing changes', () => {
    const { clock, follow } = setUp();
    const slow = follow(10_000);
    const quick = follow(100);
    clock.advance(30_000);
    expect(slow.times()).toEqual([0, 10_000, 20_000, 30_000]);
    expect(quick.times()).toEqual([0, 10_000, 20_000, 30_000]);
    expect(slow.given.map(({ seq }) => seq)).toEqual([1, 2, 3, 4]);
  });

  it('hears nothing any more when it stopped, and leaves no timer', () => {
    const { clock, state, change, follow } = setUp();
    const { given, stop } = follow(250);
    stop();
    change();
    const { timersSet } = state;
    clock.advance(60_000);
    expect(given).toHaveLength(1);
    expect(state.timersSet).toBe(timersSet);
  });

  it('shares one timer with all who follow at the same interval', () => {
    const { clock, state, change, follow } = setUp();
    const all = Array.from({ length: 1_000 }, () => follow(250));
    for (let round = 0; round < 4; round += 1) {
      change();
      clock.advance(250);
    }
    expect(all.every(({ given }) => given.length === 5)).toBe(true);
    expect(state.timersSet).toBeLessThan(15);
    expect(state.taken).toBe(5);
  });

  it('gets the next snapshot when one cannot be made', () => {
    const { clock, state, failures, change, follow } = setUp();
    const { given } = follow(250);
    state.failure = new Error('broken');
    change();
    clock.advance(250);
    expect(failures).toEqual([state.failure]);
    state.failure = undefined;
    clock.advance(250);
    expect(given.at(-1)).toMatchObject({ value: 1 });
  });

  it('whose last result went out late gets the next one an interval later', () => {
    const { clock, change, follow } = setUp();
    const { times, delayed } = follow(250);
    change();
    clock.advance(250);
    clock.advance(200);
    delayed();
    for (let count = 0; count < 10; count += 1) {
      change();
      clock.advance(50);
    }
    const sentAt = 450;
    expect(
      times()
        .filter((at) => at > 250)
        .at(0),
    ).toBeGreaterThanOrEqual(sentAt + 250);
  });

  it('is given nothing before its own interval is over, a millisecond after others joined', () => {
    const { clock, change, follow } = setUp();
    const first = follow(100);
    clock.advance(1);
    change();
    const second = follow(100);
    clock.advance(500);
    expect(first.times()).toEqual([0, 100]);
    expect(second.times()).toEqual([1, 200]);
  });

  it('hears something 10 seconds after his last, also when the others were given theirs later', () => {
    const { clock, change, follow } = setUp();
    follow(250);
    clock.advance(100);
    follow(250);
    change();
    const newest = follow(250);
    clock.advance(30_000);
    const times = newest.times();
    expect(times[0]).toBe(100);
    for (const [index, at] of times.slice(1).entries()) expect(at - (times[index] ?? 0)).toBeLessThanOrEqual(10_000);
    expect(times.length).toBeGreaterThan(2);
  });

  it('gets, at any interval and any changes: never too soon, never too late, never an older one, and the last change', () => {
    const step = fc.oneof(
      fc.record({ kind: fc.constant('wait' as const), ms: fc.integer({ min: 1, max: 3_000 }) }),
      fc.record({ kind: fc.constant('change' as const) }),
      fc.record({ kind: fc.constant('ask' as const) }),
      fc.record({ kind: fc.constant('follow' as const), interval: fc.constantFrom(100, 250, 251, 1_000, 10_000) }),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const { clock, state, hub, change, follow } = setUp();
        const followers: (ReturnType<typeof follow> & { interval: number })[] = [];
        for (const each of steps) {
          if (each.kind === 'wait') clock.advance(each.ms);
          else if (each.kind === 'change') change();
          else if (each.kind === 'ask') hub.current();
          else followers.push({ ...follow(each.interval), interval: each.interval });
        }
        // The interval and what a snapshot may take, at the most.
        clock.advance(20_100);
        for (const { given, interval } of followers) {
          for (const [index, { at, seq }] of given.entries()) {
            const before = given[index - 1];
            if (before === undefined) continue;
            expect(at - before.at).toBeGreaterThanOrEqual(interval);
            expect(at - before.at).toBeLessThanOrEqual(10_000 + interval);
            expect(seq).toBeGreaterThan(before.seq);
          }
          expect(given.at(-1)?.value).toBe(state.value);
        }
      }),
    );
  });
});
