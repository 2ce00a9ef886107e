import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { newId } from '../../src/graph/ids.ts';
import type { Event } from '../../src/live/event-bus.ts';
import { InvalidatedCache, type Loaded } from '../../src/live/invalidated-cache.ts';
import { Listeners } from '../../src/live/listeners.ts';

/** What a cache needs of the bus, moved by the test. */
class Events {
  isAlive = true;
  readonly #listeners = new Listeners<Event>();

  readonly onAtOnce = (topic: string, listener: (event: Event) => void) => this.#listeners.add(topic, listener);
  readonly onLost = (listener: () => void) => this.#listeners.add('lost', listener);

  tell(topic: string, payload: Event['payload'] = {}): void {
    this.#listeners.tell({ id: newId(), topic, tenantId: null, payload }, (error) => {
      throw error;
    });
  }

  changed(id: string): void {
    this.tell('Team.changed', { id });
  }

  lose(): void {
    this.isAlive = false;
    this.tell('lost');
  }

  listenerCount(): number {
    return ['Team.changed', 'Team.changedInBulk', 'User.changed', 'User.changedInBulk', 'lost'].reduce(
      (sum, topic) => sum + this.#listeners.count(topic),
      0,
    );
  }
}

const options = { maxEntries: 100, types: ['Team', 'User'] };

function startCache(over: Partial<typeof options> = {}) {
  const events = new Events();
  const cache = new InvalidatedCache<number>(events, { ...options, ...over });
  const loads = { count: 0 };
  /** Gives the number of the load, which depends on the rows. */
  const get = (key: string, ...dependsOn: string[]) =>
    cache.get(key, async () => {
      loads.count += 1;
      return { value: loads.count, dependsOn };
    });
  return { events, cache, get, loads };
}

/** A load that ends when the test says so. */
function pending(): { load: () => Promise<Loaded<string>>; end: (value: string, ...dependsOn: string[]) => void } {
  const { promise, resolve } = Promise.withResolvers<Loaded<string>>();
  return { load: () => promise, end: (value, ...dependsOn) => resolve({ value, dependsOn }) };
}

describe('a value that was loaded', () => {
  it('is given from memory', async () => {
    const { get, loads, cache } = startCache();
    expect([await get('a', 'x'), await get('a', 'x'), await get('b', 'x')]).toEqual([1, 1, 2]);
    expect([loads.count, cache.size]).toEqual([2, 2]);
  });

  it.each([
    ['one of its rows changes', 'Team.changed', { id: 'y' }],
    ['a row of another type that it depends on changes', 'User.changed', { id: 'x' }],
    ['many rows of a type change at once', 'User.changedInBulk', {}],
    ['a row changes that is not named', 'Team.changed', {}],
  ])('is loaded again after %s', async (_name, topic, payload) => {
    const { events, get } = startCache();
    await get('a', 'x', 'y');
    events.tell(topic, payload);
    expect(await get('a', 'x', 'y')).toBe(2);
  });

  it('stays when another row changes, or a row of a type that it does not depend on', async () => {
    const { events, get } = startCache();
    await get('a', 'x', 'y');
    events.changed('z');
    events.tell('Tenant.changed', { id: 'x' });
    events.tell('Tenant.changedInBulk');
    expect(await get('a', 'x', 'y')).toBe(1);
  });

  it('is not kept when it depends on nothing', async () => {
    const { get, cache } = startCache();
    expect([await get('a'), await get('a'), cache.size]).toEqual([1, 2, 0]);
  });

  it('leaves when there are too many, the one that was not asked for the longest first', async () => {
    const { get, cache } = startCache({ maxEntries: 2 });
    await get('a', 'x');
    await get('b', 'x');
    await get('a', 'x');
    await get('c', 'x');
    expect(cache.size).toBe(2);
    expect([await get('a', 'x'), await get('b', 'x')]).toEqual([1, 4]);
  });

  it('is loaded again after everything was forgotten', async () => {
    const { get, cache } = startCache();
    await get('a', 'x');
    cache.clear();
    expect([cache.size, await get('a', 'x')]).toEqual([0, 2]);
  });
});

describe('a load that fails', () => {
  it('fails for all who wait for it, and is tried again by the next', async () => {
    const { cache, get } = startCache();
    const failing = () => Promise.reject(new Error('no'));
    const both = [cache.get('a', failing), cache.get('a', failing)];
    await Promise.all(both.map((each) => expect(each).rejects.toThrow('no')));
    expect(await get('a', 'x')).toBe(1);
  });
});

describe('a load that is under way', () => {
  const start = () => {
    const events = new Events();
    return { events, cache: new InvalidatedCache<string>(events, options), first: pending(), second: pending() };
  };

  it('is shared by all who ask for the key', async () => {
    const { cache, first, second } = start();
    const both = Promise.all([cache.get('a', first.load), cache.get('a', second.load)]);
    first.end('one', 'x');
    expect(await both).toEqual(['one', 'one']);
  });

  it('is given to those who asked before a row of it changed, not to those who asked after, and not kept', async () => {
    const { events, cache, first, second } = start();
    const before = cache.get('a', first.load);
    events.changed('x');
    const after = cache.get('a', second.load);
    first.end('read before', 'x');
    expect(await before).toBe('read before');
    expect(cache.size).toBe(0);
    second.end('read after', 'x');
    expect(await after).toBe('read after');
    expect(await cache.get('a', pending().load)).toBe('read after');
  });

  it('is not kept either when nobody asked after the change', async () => {
    const { events, cache, first, second } = start();
    const before = cache.get('a', first.load);
    events.changed('x');
    first.end('read before', 'y', 'x');
    await before;
    second.end('read after', 'x');
    expect(await cache.get('a', second.load)).toBe('read after');
  });

  it('does not take the place of a younger one that ended before it', async () => {
    const { events, cache, first, second } = start();
    const before = cache.get('a', first.load);
    events.changed('something else');
    const after = cache.get('a', second.load);
    second.end('younger', 'x');
    await after;
    first.end('older', 'x');
    await before;
    expect(await cache.get('a', pending().load)).toBe('younger');
  });

  it('is kept when only other rows changed', async () => {
    const { events, cache, first } = start();
    const value = cache.get('a', first.load);
    events.changed('z');
    first.end('one', 'x');
    await value;
    expect(cache.size).toBe(1);
  });

  it.each([
    ['everything was forgotten', ({ cache }: ReturnType<typeof start>) => cache.clear()],
    ['many rows changed at once', ({ events }: ReturnType<typeof start>) => events.tell('User.changedInBulk')],
    ['the cache was closed', ({ cache }: ReturnType<typeof start>) => cache.close()],
    [
      'the connection was lost and restored',
      ({ events }: ReturnType<typeof start>) => {
        events.lose();
        events.isAlive = true;
      },
    ],
    [
      'the connection stopped answering',
      ({ events }: ReturnType<typeof start>) => {
        events.isAlive = false;
      },
    ],
  ])('is not kept when meanwhile %s', async (_name, happen) => {
    const parts = start();
    const value = parts.cache.get('a', parts.first.load);
    happen(parts);
    parts.first.end('one', 'x');
    expect(await value).toBe('one');
    expect(parts.cache.size).toBe(0);
  });
});

describe('while it is not known whether changes are heard of', () => {
  it('every caller loads, and nothing is kept', async () => {
    const { events, get, cache } = startCache();
    await get('a', 'x');
    events.isAlive = false;
    expect([await get('a', 'x'), await get('a', 'x'), await get('b', 'x')]).toEqual([2, 3, 4]);
    expect(cache.size).toBe(1);
    events.isAlive = true;
    expect(await get('a', 'x')).toBe(1);
  });

  it('and everything is forgotten when the connection was lost', async () => {
    const { events, get, cache } = startCache();
    await get('a', 'x');
    events.lose();
    events.isAlive = true;
    expect(cache.size).toBe(0);
    expect(await get('a', 'x')).toBe(2);
  });
});

describe('a cache that is closed', () => {
  it('listens to nothing, keeps nothing and still loads', async () => {
    const { events, get, cache } = startCache();
    await get('a', 'x');
    cache.close();
    expect([events.listenerCount(), cache.size]).toEqual([0, 0]);
    expect([await get('a', 'x'), await get('a', 'x')]).toEqual([2, 3]);
  });
});

/** What can happen, in any order: to the rows, to the events about them, to the connection, and to loads. */
const step = fc.oneof(
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('get' as const), key: fc.nat(2) }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('read' as const), load: fc.nat(5) }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('end' as const), load: fc.nat(5) }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('write' as const), row: fc.nat(3) }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('hear' as const) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constantFrom('lose' as const, 'restore' as const, 'clear' as const) }) },
);

describe('whatever happens in whatever order', () => {
  it('nobody is given a value that is older than the last change that was heard of when he asked', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(step, { minLength: 20, maxLength: 60, size: 'max' }),
        fc.integer({ min: 1, max: 3 }),
        async (steps, maxEntries) => {
          const events = new Events();
          const cache = new InvalidatedCache<number[]>(events, { maxEntries, types: ['Team'] });
          // Row n has a version; key k is made of the rows k and k + 1. Changes are heard of later, in order.
          const versions = [0, 0, 0, 0];
          const heard = [0, 0, 0, 0];
          const unheard: { row: number; version: number }[] = [];
          const rowsOf = (key: number): number[] => [key, key + 1];
          const loads: { read: () => void; end: () => void }[] = [];
          const answers: Promise<void>[] = [];
          const ask = (key: number): void => {
            // Who asks while nothing is heard is given what is read for him.
            const known = rowsOf(key).map((row) => (events.isAlive ? heard : versions)[row] ?? 0);
            const value = cache.get(`key ${key}`, () => {
              const { promise, resolve } = Promise.withResolvers<Loaded<number[]>>();
              let seen: number[] | undefined;
              const read = (): void => {
                seen ??= rowsOf(key).map((row) => versions[row] ?? 0);
              };
              const end = (): void => {
                read();
                resolve({ value: seen ?? [], dependsOn: rowsOf(key).map((row) => `row ${row}`) });
              };
              loads.push({ read, end });
              return promise;
            });
            answers.push(
              Promise.resolve(value).then((given) => {
                for (const [index, version] of given.entries())
                  expect(version).toBeGreaterThanOrEqual(known[index] ?? 0);
              }),
            );
          };
          const hear = (): void => {
            const change = events.isAlive ? unheard.shift() : undefined;
            if (change === undefined) return;
            heard[change.row] = change.version;
            events.changed(`row ${change.row}`);
          };
          for (const happening of steps) {
            switch (happening.kind) {
              case 'get':
                ask(happening.key);
                break;
              case 'read':
                loads[loads.length - 1 - happening.load]?.read();
                break;
              case 'end':
                loads[loads.length - 1 - happening.load]?.end();
                break;
              case 'write':
                {
                  const version = (versions[happening.row] ?? 0) + 1;
                  versions[happening.row] = version;
                  unheard.push({ row: happening.row, version });
                }
                break;
              case 'hear':
                hear();
                break;
              case 'lose':
                events.lose();
                break;
              case 'restore':
                // What was missed is delivered first.
                for (const { row, version } of unheard.splice(0)) {
                  heard[row] = version;
                  events.changed(`row ${row}`);
                }
                events.isAlive = true;
                break;
              case 'clear':
                cache.clear();
                break;
            }
            await Promise.resolve();
            await Promise.resolve();
            await Promise.resolve();
            expect(cache.size).toBeLessThanOrEqual(maxEntries);
          }
          for (const load of loads) load.end();
          await Promise.all(answers);
          cache.close();
        },
      ),
      { numRuns: 500 },
    );
  });
});
