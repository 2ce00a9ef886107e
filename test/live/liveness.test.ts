import { pino } from 'pino';
import { afterEach, describe, expect, it } from 'vitest';
import { decodeId, newId } from '../../src/graph/ids.ts';
import { EventBus } from '../../src/live/event-bus.ts';
import { InvalidatedCache } from '../../src/live/invalidated-cache.ts';
import { announce } from '../../src/live/outbox.ts';
import { startTestApp, type TestApp } from '../testkit/app.ts';
import { Commands } from '../testkit/commands.ts';
import { eventually } from '../testkit/eventually.ts';

import { Seed } from '../testkit/seed.ts';
import { startTcpProxy, type TcpProxy } from '../testkit/tcp-proxy.ts';

const here = await startTestApp();
const there = await startTestApp({ sameDatabaseAs: here });
const { database } = here.app;
const seed = new Seed(here);
const commands = new Commands(here.app.schema);
const log = pino({ level: 'silent' });

const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

/** A bus that finds a dead connection soon, behind a proxy that can make it so. */
async function startBusBehindProxy(everyMs = 50): Promise<{ bus: EventBus; proxy: TcpProxy; happened: string[] }> {
  const proxy = await startTcpProxy(database.url);
  closers.push(() => proxy.close());
  const bus = new EventBus({ ...database, url: proxy.url }, log, { everyMs, answeredWithinMs: 400 });
  closers.push(() => bus.close());
  await bus.start();
  const happened: string[] = [];
  bus.onLost(() => happened.push('lost'));
  bus.onRestored(() => happened.push('restored'));
  return { bus, proxy, happened };
}

const topicOf = (): string => `test.${newId()}`;

const send = (topic: string, n: number) =>
  database.transaction((transaction) => announce(transaction, [{ id: newId(), topic, payload: { n } }]));

describe('an event of this process', () => {
  it('reaches those who have to know at once before its transaction is answered, and not a second time', async () => {
    const topic = topicOf();
    const atOnce: unknown[] = [];
    const inOrder: unknown[] = [];
    here.app.events.onAtOnce(topic, ({ payload }) => atOnce.push(payload.n));
    here.app.events.on(topic, ({ payload }) => inOrder.push(payload.n));
    await send(topic, 1);
    expect(atOnce).toEqual([1]);
    await send(topic, 2);
    expect(atOnce).toEqual([1, 2]);
    await eventually(() => expect(inOrder).toEqual([1, 2]));
    expect(atOnce).toEqual([1, 2]);
  });

  it('reaches those of other processes by notification, likewise once', async () => {
    const topic = topicOf();
    const atOnce: unknown[] = [];
    there.app.events.onAtOnce(topic, ({ payload }) => atOnce.push(payload.n));
    for (const n of [1, 2, 3]) await send(topic, n);
    await eventually(() => expect(atOnce).toEqual([1, 2, 3]));
  });

  it('reaches nobody when its transaction is undone, also after it was announced', async () => {
    const topic = topicOf();
    const atOnce: unknown[] = [];
    here.app.events.onAtOnce(topic, ({ payload }) => atOnce.push(payload.n));
    await expect(
      database.transaction(async (transaction) => {
        await announce(transaction, [{ id: newId(), topic, payload: { n: 1 } }]);
        throw new Error('undone');
      }),
    ).rejects.toThrow('undone');
    await send(topic, 2);
    expect(atOnce).toEqual([2]);
  });
});

describe('what two programs on one database remember of a row', () => {
  /** Remembers the names of tenants, as read from the database. */
  function namesIn(program: TestApp) {
    const cache = new InvalidatedCache<string>(program.app.events, { maxEntries: 10, types: ['Tenant'] });
    closers.push(() => cache.close());
    const nameOf = (id: string) =>
      cache.get(id, async () => {
        const { name } = await program.app.database.prisma.tenant.findUniqueOrThrow({ where: { id } });
        return { value: name, dependsOn: [id] };
      });
    return { cache, nameOf };
  }

  it('is forgotten here before the command that changed it is answered, and there when the event comes', async () => {
    const { id, name } = await seed.tenant();
    const [ours, theirs] = [namesIn(here), namesIn(there)];
    await eventually(async () => {
      expect([await ours.nameOf(decodeId('Tenant', id)), await theirs.nameOf(decodeId('Tenant', id))]).toEqual([
        name,
        name,
      ]);
      expect([ours.cache.size, theirs.cache.size]).toEqual([1, 1]);
    });
    for (let round = 0; round < 5; round += 1) {
      const renamed = seed.name();
      await commands.run(here.operator, 'updateTenant', { tenantId: id, name: renamed });
      expect(await ours.nameOf(decodeId('Tenant', id))).toBe(renamed);
      await eventually(async () => expect(await theirs.nameOf(decodeId('Tenant', id))).toBe(renamed));
    }
  });
});

describe('a connection for events', () => {
  it('is alive from the start until the bus is closed', async () => {
    const { bus, happened } = await startBusBehindProxy();
    expect(bus.isAlive).toBe(true);
    await bus.close();
    expect(bus.isAlive).toBe(false);
    expect(happened).toEqual(['lost']);
  });

  it('that the server ended is lost at once, and alive again when it was made anew', async () => {
    const { bus, happened } = await startBusBehindProxy();
    const topic = topicOf();
    const heard: unknown[] = [];
    bus.on(topic, ({ payload }) => heard.push(payload.n));
    bus.onLost(() => heard.push(bus.isAlive ? 'alive' : 'not alive'));
    bus.onRestored(() => heard.push(bus.isAlive ? 'alive' : 'not alive'));
    await database.pool.query(
      `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'fairlead events' AND datname = current_database()`,
    );
    await eventually(() => expect(happened).toEqual(['lost', 'restored']));
    await send(topic, 1);
    await eventually(() => expect(heard).toEqual(['not alive', 'alive', 1]));
  });

  it('that no longer carries anything is noticed without a word of the server, and replaced', async () => {
    const { bus, proxy, happened } = await startBusBehindProxy();
    const topic = topicOf();
    const heard: unknown[] = [];
    bus.on(topic, ({ payload }) => heard.push(payload.n));
    await send(topic, 1);
    await eventually(() => expect(heard).toEqual([1]));
    proxy.loseEverythingSent();
    await send(topic, 2);
    bus.onRestored(() => heard.push('restored'));
    await eventually(() => expect(happened).toEqual(['lost', 'restored']));
    expect(heard).toEqual([1, 2, 'restored']);
    expect(bus.isAlive).toBe(true);
    await send(topic, 3);
    await eventually(() => expect(heard).toEqual([1, 2, 'restored', 3]));
  });

  it('that no longer carries anything can be closed', async () => {
    const { bus, proxy } = await startBusBehindProxy();
    proxy.loseEverythingSent();
    await bus.close();
    expect(bus.isAlive).toBe(false);
  });

  it('that lives is kept, also when this process was too busy to hear its answers', async () => {
    // One heartbeat after another, so that the process is busy while one is under way.
    const { bus, happened } = await startBusBehindProxy(0);
    for (let round = 0; round < 3; round += 1) {
      const until = performance.now() + 500;
      while (performance.now() < until);
      expect(bus.isAlive).toBe(false);
      await eventually(() => expect(bus.isAlive).toBe(true));
    }
    expect(happened).toEqual([]);
  });

  it('serves no cache while it is lost', async () => {
    const { bus, proxy, happened } = await startBusBehindProxy();
    const cache = new InvalidatedCache<number>(bus, { maxEntries: 10, types: ['Team'] });
    closers.push(() => cache.close());
    let loads = 0;
    const get = () =>
      cache.get('key', async () => {
        loads += 1;
        return { value: loads, dependsOn: ['row'] };
      });
    await eventually(async () => expect(await get()).toBe(await get()));
    const last = loads;
    proxy.loseEverythingSent();
    await eventually(() => expect(happened).toContain('lost'));
    expect(cache.size).toBe(0);
    expect(await get()).toBe(last + 1);
  });
});
