import { pino } from 'pino';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { WriteBehind } from '../../src/database/write-behind.ts';

const intervalMs = 1_000;

/** Sums, of which each write is listed; those of the first `failures` fail. */
function collect(failures = 0) {
  const written: Record<string, number>[] = [];
  let attempts = 0;
  const sums = new WriteBehind<{ sum: number }>({
    write: async (entries) => {
      attempts += 1;
      if (attempts <= failures) throw new Error('The database is away.');
      written.push(Object.fromEntries([...entries].map(([key, { sum }]) => [key, sum])));
    },
    merge: (newer, unwritten) => {
      newer.sum += unwritten.sum;
    },
    log: pino({ level: 'silent' }),
    failure: 'sums could not be written',
  });
  const add = (key: string, amount: number): void => {
    const known = sums.get(key);
    if (known === undefined) sums.set(key, { sum: amount });
    else known.sum += amount;
  };
  return { sums, add, written };
}

beforeEach(() => {
  vi.useFakeTimers();
});

afterEach(() => {
  vi.useRealTimers();
});

describe('what is collected', () => {
  it('is written one interval after the first of it came, with all that came until then', async () => {
    const { sums, add, written } = collect();
    sums.start(intervalMs);
    await vi.advanceTimersByTimeAsync(10 * intervalMs + 300);
    add('one', 1);
    await vi.advanceTimersByTimeAsync(intervalMs - 1);
    add('one', 2);
    add('two', 4);
    expect(written).toEqual([]);
    await vi.advanceTimersByTimeAsync(1);
    expect(written).toEqual([{ one: 3, two: 4 }]);
    add('one', 8);
    await vi.advanceTimersByTimeAsync(intervalMs);
    expect(written).toEqual([{ one: 3, two: 4 }, { one: 8 }]);
    await sums.close();
  });

  it('before it is started is written as well', async () => {
    const { sums, add, written } = collect();
    add('one', 1);
    sums.start(intervalMs);
    await vi.advanceTimersByTimeAsync(intervalMs);
    expect(written).toEqual([{ one: 1 }]);
    await sums.close();
  });

  it('is tried again every interval when it cannot be written, also when nothing more comes', async () => {
    const { sums, add, written } = collect(2);
    sums.start(intervalMs);
    add('one', 1);
    await vi.advanceTimersByTimeAsync(intervalMs);
    add('one', 2);
    await vi.advanceTimersByTimeAsync(intervalMs);
    expect(written).toEqual([]);
    await vi.advanceTimersByTimeAsync(intervalMs);
    expect(written).toEqual([{ one: 3 }]);
    await sums.close();
  });

  it('is written when it is closed, and nothing is written by itself after that', async () => {
    const { sums, add, written } = collect();
    sums.start(intervalMs);
    add('one', 1);
    await sums.close();
    expect(written).toEqual([{ one: 1 }]);
    add('one', 2);
    await vi.advanceTimersByTimeAsync(10 * intervalMs);
    expect(written).toEqual([{ one: 1 }]);
  });
});

it('nothing is to be done while there is nothing to write', async () => {
  const { sums, add, written } = collect();
  sums.start(intervalMs);
  expect(vi.getTimerCount()).toBe(0);
  add('one', 1);
  await vi.advanceTimersByTimeAsync(intervalMs);
  expect(written).toEqual([{ one: 1 }]);
  expect(vi.getTimerCount()).toBe(0);
  await sums.close();
});
