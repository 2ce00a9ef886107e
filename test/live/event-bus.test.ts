import { pino } from 'pino';
import { afterEach, describe, expect, it } from 'vitest';
import { newId } from '../../src/graph/ids.ts';
import { type Event, EventBus } from '../../src/live/event-bus.ts';
import { announce, type OutboxEvent, outboxChannel } from '../../src/live/outbox.ts';
import { startTestApp } from '../testkit/app.ts';
import { eventually } from '../testkit/eventually.ts';
import { startTcpProxy } from '../testkit/tcp-proxy.ts';

const { app } = await startTestApp();
const { database } = app;
const logged: string[] = [];
const log = pino({ level: 'warn' }, { write: (line: string) => void logged.push(line) });

let ofProgram: readonly number[] = [];
ofProgram = await listeningPids();
const buses: EventBus[] = [];
afterEach(() => Promise.all(buses.splice(0).map((bus) => bus.close())));

async function startBus(parts: Partial<typeof database> = {}): Promise<EventBus> {
  const bus = new EventBus({ ...database, ...parts }, log);
  buses.push(bus);
  await bus.start();
  return bus;
}

/** What a bus heard of one topic, in order. */
function heardBy(bus: EventBus, topic: string): Event[] {
  const heard: Event[] = [];
  bus.on(topic, (event) => heard.push(event));
  return heard;
}

const topicOf = (): string => `test.${newId()}`;

const send = (topic: string, n: number, over: Partial<OutboxEvent> = {}) =>
  database.transaction((transaction) => announce(transaction, [{ id: newId(), topic, payload: { n }, ...over }]));

const numbers = (heard: readonly Event[]) => heard.map(({ payload }) => payload.n);

/** Process ids of the connections that listen on this database, apart from the program's own. */
async function listeningPids(): Promise<readonly number[]> {
  const { rows } = await database.pool.query<{ pid: number }>(
    `SELECT pid FROM pg_stat_activity WHERE application_name = 'fairlead events' AND datname = current_database()`,
  );
  return rows.map(({ pid }) => pid).filter((pid) => !ofProgram.includes(pid));
}

/** Ends connections and waits until they are gone. */
async function terminate(pids: readonly number[]): Promise<void> {
  await database.pool.query('SELECT pg_terminate_backend(pid) FROM unnest($1::int[]) AS pid', [pids]);
  await eventually(async () => expect((await listeningPids()).filter((pid) => pids.includes(pid))).toEqual([]));
}

const notify = (payload: string) => database.pool.query('SELECT pg_notify($1, $2)', [outboxChannel, payload]);

/** The only bus beside the program's, and the process id of its connection. */
async function startKnownBus(parts?: Partial<typeof database>): Promise<{ bus: EventBus; pid: number }> {
  await eventually(async () => expect(await listeningPids()).toEqual([]));
  const bus = await startBus(parts);
  const [pid] = await listeningPids();
  if (pid === undefined) throw new Error('The bus has no connection.');
  return { bus, pid };
}

describe('an event', () => {
  it('is heard by every process, with its topic, tenant and payload, once its transaction has committed', async () => {
    const [one, other] = [await startBus(), await startBus()];
    const topic = topicOf();
    const tenantId = newId();
    const heard = [heardBy(one, topic), heardBy(other, topic)];
    await database.transaction(async (transaction) => {
      await announce(transaction, [{ id: newId(), topic, tenantId, payload: { n: 1, text: 'é', none: null } }]);
      // A later event that was committed before it.
      await send(topic, 0);
      await eventually(() => expect(heard.map(numbers)).toEqual([[0], [0]]));
    });
    await eventually(() =>
      expect(heard.map(numbers)).toEqual([
        [0, 1],
        [0, 1],
      ]),
    );
    expect(heard[1]?.[1]).toMatchObject({ topic, tenantId, payload: { n: 1, text: 'é', none: null } });
  });

  it('is not heard when its transaction was undone', async () => {
    const topic = topicOf();
    const heard = heardBy(await startBus(), topic);
    await database
      .transaction(async (transaction) => {
        await announce(transaction, [{ id: newId(), topic, payload: { n: 1 } }]);
        throw new Error('undone');
      })
      .catch(() => undefined);
    await send(topic, 2);
    await eventually(() => expect(numbers(heard)).toEqual([2]));
  });

  it('is heard by those who listen to its topic, until they stop', async () => {
    const bus = await startBus();
    const [topic, otherTopic] = [topicOf(), topicOf()];
    const [heard, other] = [heardBy(bus, topic), heardBy(bus, otherTopic)];
    const briefly: Event[] = [];
    const stop = bus.on(topic, (event) => briefly.push(event));
    expect(bus.listenerCount(topic)).toBe(2);
    await send(topic, 1);
    await eventually(() => expect(numbers(heard)).toEqual([1]));
    stop();
    await send(topic, 2);
    await eventually(() => expect(numbers(heard)).toEqual([1, 2]));
    expect(numbers(briefly)).toEqual([1]);
    expect(other).toEqual([]);
    expect(bus.listenerCount(topic)).toBe(1);
  });

  it('reaches the other listeners when one of them fails', async () => {
    const bus = await startBus();
    const topic = topicOf();
    bus.on(topic, () => {
      throw new Error('this listener fails');
    });
    const heard = heardBy(bus, topic);
    await send(topic, 1);
    await eventually(() => expect(numbers(heard)).toEqual([1]));
    expect(logged.join()).toContain('this listener fails');
  });
});

it('a bus that has caught up has heard all that was answered before', async () => {
  const proxy = await startTcpProxy(database.url);
  const bus = await startBus({ url: proxy.url });
  const topic = topicOf();
  const heard = heardBy(bus, topic);
  for (let n = 1; n <= 3; n += 1) {
    const release = proxy.hold('fairlead events');
    await send(topic, n);
    const caughtUp = bus.caughtUp();
    expect(heard).toHaveLength(n - 1);
    release();
    await caughtUp;
    expect(heard).toHaveLength(n);
  }
  await bus.close();
  await bus.caughtUp();
  expect(bus.isAlive).toBe(false);
  await proxy.close();
});

describe('an announcement that is no event', () => {
  it.each([
    ['no JSON', 'not JSON at all {'],
    ['nothing', ''],
    ['another shape', '{"id": 1}'],
    ['no object', 'null'],
    ['an id that is none', '{"id":"x","topic":"t","tenantId":null,"payload":{}}'],
  ])('leaves the process as it is: %s', async (_name, payload) => {
    const topic = topicOf();
    const heard = heardBy(await startBus(), topic);
    await notify(payload);
    await send(topic, 1);
    await eventually(() => expect(numbers(heard)).toEqual([1]));
    expect(logged.join()).toContain('no event of ours');
  });
});

describe('a connection that was lost', () => {
  it('is made again, and what was committed meanwhile is heard in order and none twice', async () => {
    const { bus } = await startKnownBus();
    const topic = topicOf();
    const heard = heardBy(bus, topic);
    await send(topic, 0);
    await eventually(() => expect(numbers(heard)).toEqual([0]));
    for (let round = 0; round < 3; round += 1) {
      await terminate(await listeningPids());
      for (const n of [1, 2, 3]) await send(topic, round * 10 + n);
      await eventually(() => expect(heard.at(-1)?.payload.n).toBe(round * 10 + 3));
    }
    await send(topic, 99);
    await eventually(() => expect(heard.at(-1)?.payload.n).toBe(99));
    expect(numbers(heard)).toEqual([0, 1, 2, 3, 11, 12, 13, 21, 22, 23, 99]);
  });

  it('delivers what was missed before what is announced while that is read', async () => {
    const catchUp = Promise.withResolvers<void>();
    const reading = Promise.withResolvers<void>();
    const slow = new Proxy(database.prisma, {
      get: (target, name) =>
        name === '$queryRaw'
          ? async (...parameters: Parameters<typeof target.$queryRaw>) => {
              const rows = await target.$queryRaw(...parameters);
              reading.resolve();
              await catchUp.promise;
              return rows;
            }
          : Reflect.get(target, name),
    });
    const { bus, pid } = await startKnownBus({ prisma: slow });
    const topic = topicOf();
    const heard = heardBy(bus, topic);
    await terminate([pid]);
    await send(topic, 1);
    await reading.promise;
    const witness = heardBy(await startBus(), topic);
    await send(topic, 2);
    // Postgres sends an announcement to all who listen at once: it has come to the bus as well.
    await eventually(() => expect(numbers(witness)).toEqual([2]));
    catchUp.resolve();
    await eventually(() => expect(numbers(heard)).toEqual([1, 2]));
  });

  it('is made again, and once only, after attempts that got half way', async () => {
    const failures = { left: 2 };
    const failing = new Proxy(database.prisma, {
      get: (target, name) =>
        name === '$queryRaw' && failures.left > 0
          ? () => {
              failures.left -= 1;
              return Promise.reject(new Error('the outbox cannot be read'));
            }
          : Reflect.get(target, name),
    });
    const { bus, pid } = await startKnownBus({ prisma: failing });
    const topic = topicOf();
    const heard = heardBy(bus, topic);
    await terminate([pid]);
    await send(topic, 1);
    await eventually(() => expect(numbers(heard)).toEqual([1]));
    expect(failures.left).toBe(0);
    await eventually(async () => expect(await listeningPids()).toHaveLength(1));
  });
});

describe('a bus that is closed', () => {
  it('holds no connection', async () => {
    const { bus, pid } = await startKnownBus();
    await bus.close();
    await eventually(async () => expect(await listeningPids()).not.toContain(pid));
    // Closing again does nothing.
    await bus.close();
  });

  it('holds none either when it is closed while it connects again', async () => {
    const catchUp = Promise.withResolvers<void>();
    const reading = Promise.withResolvers<void>();
    const slow = new Proxy(database.prisma, {
      get: (target, name) =>
        name === '$queryRaw'
          ? async () => {
              reading.resolve();
              await catchUp.promise;
              return [];
            }
          : Reflect.get(target, name),
    });
    const { bus, pid } = await startKnownBus({ prisma: slow });
    await terminate([pid]);
    await reading.promise;
    await bus.close();
    catchUp.resolve();
    await eventually(async () => expect(await listeningPids()).toEqual([]));
  });

  it('does not connect again when it was closed before its next attempt', async () => {
    const { bus, pid } = await startKnownBus();
    await terminate([pid]);
    await bus.close();
    const topic = topicOf();
    const heard = heardBy(bus, topic);
    const witness = heardBy(await startBus(), topic);
    await send(topic, 1);
    await eventually(() => expect(numbers(witness)).toEqual([1]));
    expect(heard).toEqual([]);
    expect(await listeningPids()).toHaveLength(1);
  });
});

describe('a bus that cannot reach the database at its start', () => {
  it('says so and does not go on trying', async () => {
    const url = new URL(database.url);
    url.pathname = '/there_is_no_such_database';
    const bus = new EventBus({ ...database, url: url.href }, log);
    await expect(bus.start()).rejects.toThrow(/there_is_no_such_database/);
    const before = logged.length;
    await bus.close();
    expect(logged).toHaveLength(before);
  });
});
