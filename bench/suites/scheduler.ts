/** What a decision of the scheduler costs, by how many tenants wait for it. */
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { Scheduler } from '../../src/modules/fairshare/scheduler.ts';
import { ratio, table, whole } from '../harness/report.ts';
import { median } from '../harness/statistics.ts';

const tenantCounts = [10, 1_000, 100_000] as const;
const capacity = 256;
const groupCount = 10;
const keysOfTenant = 2;
/** At any time. */
const waitingOfTenant = 3;
const priorities = ['NORMAL', 'NORMAL', 'NORMAL', 'NORMAL', 'HIGH', 'LOW'] as const;
const pool = 'model';
const zero = '0'.charCodeAt(0);
const dash = '-'.charCodeAt(0);
/** So many requests later the id of one is used again: where it was looked up is forgotten by then. */
const spareIds = 10_000;
/** As a server settles what came in at once, and then answers those who have slots now. */
const pairsOfTurn = 8;
/** Between two clocks, so that looking at them costs nothing. */
const turnsAtOnce = 250;

/** Numbers that look random, and are the same in every run. */
function makeRandom(): (below: number) => number {
  let state = 1;
  return (below) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

interface Work {
  /** Settles requests that run; their slots go to those who wait, who then ask again. */
  turn(): void;
}

interface Load extends Work {
  readonly scheduler: Scheduler;
  /** What the scheduler remembers, without the ids that it was told. */
  readonly bytesPerTenant: number;
}

/** What the process holds once everything is gone that nobody needs. */
function bytesHeld(): number {
  setFlagsFromString('--expose-gc');
  const collect: unknown = runInNewContext('gc');
  if (typeof collect === 'function') collect();
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  return heapUsed + arrayBuffers;
}

/**
 * What memory alone costs: a bare binary heap of as many numbers as requests wait, of which the least is taken out and
 * another one put in. A scheduler does this at every level, and has to remember what the numbers are for.
 */
function bareHeap(tenantCount: number): Work {
  const random = makeRandom();
  const size = tenantCount * waitingOfTenant;
  // Ascending, so that it is a heap from the start.
  const keys = Float64Array.from({ length: size }, (_, index) => index * 1_000);
  const rows = Int32Array.from(keys, (_, index) => index);
  const keyAt = (index: number): number => keys[index] ?? Number.POSITIVE_INFINITY;
  const replaceLeast = (by: number): void => {
    const key = keyAt(0) + by;
    const row = rows[0] ?? 0;
    let index = 0;
    for (;;) {
      const left = 2 * index + 1;
      const least = keyAt(left + 1) < keyAt(left) ? left + 1 : left;
      if (left >= size || key <= keyAt(least)) break;
      keys[index] = keyAt(least);
      rows[index] = rows[least] ?? 0;
      index = least;
    }
    keys[index] = key;
    rows[index] = row;
  };
  return {
    turn: () => {
      for (let count = 0; count < pairsOfTurn; count += 1) replaceLeast(random(1_000 * size));
    },
  };
}

/** In one piece, as ids are that were read from a message or a row, and not a tree of what it was put together from. */
const idOf = (text: string): string => Buffer.from(text, 'latin1').toString('latin1');

/** That an id begins with: digits and what ends them. */
function numberOf(id: string): number {
  let number = 0;
  for (let index = 0; id.charCodeAt(index) !== dash; index += 1) number = 10 * number + id.charCodeAt(index) - zero;
  return number;
}

/**
 * Tenants in groups that have requests waiting at all times, each of any of their keys and of any priority. All ids are
 * made before, and of what a request is for only numbers are remembered here, so that as little as can be of what is
 * measured is the load itself.
 */
function backlog(tenantCount: number): Load {
  const random = makeRandom();
  /** Of a tenant, and of its keys. */
  const owners = Array.from({ length: tenantCount * (1 + keysOfTenant) }, (_, index) => {
    const key = index % (1 + keysOfTenant);
    const tenantId = `tenant-${Math.floor(index / (1 + keysOfTenant))}`;
    return idOf(key === 0 ? tenantId : `${tenantId}-key-${key}`);
  });
  const ownerAt = (tenant: number, key: number): string => owners[tenant * (1 + keysOfTenant) + key] ?? '';
  const requestCount = tenantCount * waitingOfTenant + capacity;
  const requestIds = Array.from({ length: requestCount + spareIds }, (_, request) => idOf(`${request}-request`));
  /** By the number that the id of a request begins with. */
  const tenantOf = new Int32Array(requestIds.length);
  const bytesBefore = bytesHeld();
  const scheduler = new Scheduler({ algorithm: 'HIERARCHICAL', ceiling: 10 * capacity });
  scheduler.setPool(pool, { capacity, maxQueued: 10_000_000, maxWaitMs: 60_000 }, 0);
  for (let group = 0; group < groupCount; group += 1) scheduler.setGroup(`group-${group}`, { weight: 50 + 50 * group });
  for (let tenant = 0; tenant < tenantCount; tenant += 1) {
    const tenantId = ownerAt(tenant, 0);
    const groupId = `group-${tenant % groupCount}`;
    const weight = 1 + random(1_000);
    scheduler.setTenant(tenantId, { groupId, weight, maxInFlight: capacity, maxQueued: 1_000 }, 0);
    for (let key = 1; key <= keysOfTenant; key += 1) {
      scheduler.setKey(ownerAt(tenant, key), { tenantId, weight: 1 + random(1_000), maxInFlight: capacity }, 0);
    }
  }
  let now = 0;
  const running: string[] = [];
  const spares = requestIds.slice(requestCount);
  let nextSpare = 0;
  const submit = (id: string, tenant: number): void => {
    tenantOf[numberOf(id)] = tenant;
    const tenantId = ownerAt(tenant, 0);
    const keyId = ownerAt(tenant, 1 + random(keysOfTenant));
    const priority = priorities[random(priorities.length)];
    const cost = 100 + random(2_000);
    const { outcome } = scheduler.submit({ id, pool, tenantId, keyId, priority, cost, leaseMs: 300_000 }, now);
    if (outcome === 'GRANTED') running.push(id);
    else if (outcome === 'REFUSED') throw new Error('the load is more than the scheduler takes');
  };
  for (let request = 0; request < requestCount; request += 1) submit(requestIds[request] ?? '', request % tenantCount);

  /** In the order of their grants. */
  const tenants = new Int32Array(pairsOfTurn);
  const ended: string[] = [];
  const turn = (): void => {
    const from = random(capacity);
    const placeOf = (count: number): number => (from + (count * capacity) / pairsOfTurn) % capacity;
    for (let count = 0; count < pairsOfTurn; count += 1) {
      now += 0.003;
      const id = running[placeOf(count)] ?? '';
      ended[count] = id;
      scheduler.settle(id, 50 + random(2_500), now);
    }
    const grants = scheduler.takeGrants();
    if (grants.length !== pairsOfTurn) throw new Error('a free slot was given to nobody');
    for (let count = 0; count < pairsOfTurn; count += 1) {
      const id = grants[count]?.id ?? '';
      running[placeOf(count)] = id;
      tenants[count] = tenantOf[numberOf(id)] ?? -1;
    }
    for (let count = 0; count < pairsOfTurn; count += 1) {
      const id = spares[nextSpare] ?? '';
      spares[nextSpare] = ended[count] ?? '';
      nextSpare = (nextSpare + 1) % spareIds;
      submit(id, tenants[count] ?? -1);
    }
  };
  return { turn, scheduler, bytesPerTenant: (bytesHeld() - bytesBefore) / tenantCount };
}

interface Measured {
  readonly cpuUs: number;
  readonly wallUs: number;
}

/** Per pair. */
function measure({ turn }: Work, milliseconds: number): Measured {
  const startedAt = performance.now();
  const cpuBefore = process.cpuUsage();
  let pairs = 0;
  while (performance.now() - startedAt < milliseconds) {
    for (let count = 0; count < turnsAtOnce; count += 1) turn();
    pairs += turnsAtOnce * pairsOfTurn;
  }
  const { user, system } = process.cpuUsage(cpuBefore);
  return { cpuUs: (user + system) / pairs, wallUs: ((performance.now() - startedAt) * 1_000) / pairs };
}

function measureSnapshot({ scheduler }: Load): number {
  const times: number[] = [];
  for (let count = 0; count < 200; count += 1) {
    const startedAt = performance.now();
    scheduler.snapshot(0);
    times.push(performance.now() - startedAt);
  }
  return median(times.slice(100));
}

export interface SchedulerOptions {
  readonly rounds: number;
  readonly measureSeconds: number;
  readonly firstWarmUpSeconds: number;
}

/** Gives the table. */
export function runSchedulerSuite(options: SchedulerOptions, say: (line: string) => void): string {
  const rows = tenantCounts.map((tenantCount) => {
    const load = backlog(tenantCount);
    const floor = bareHeap(tenantCount);
    for (const work of [load, floor]) measure(work, options.firstWarmUpSeconds * 1_000);
    const rounds: (Measured & { readonly floorUs: number })[] = [];
    for (let round = 1; round <= options.rounds; round += 1) {
      const measured = measure(load, options.measureSeconds * 1_000);
      const { cpuUs: floorUs } = measure(floor, options.measureSeconds * 1_000);
      rounds.push({ ...measured, floorUs });
      say(
        `round ${round}/${options.rounds}  ${whole(tenantCount)} tenants  ${measured.cpuUs.toFixed(2)} µs CPU, ` +
          `${measured.wallUs.toFixed(2)} µs a pair; a bare heap ${floorUs.toFixed(2)} µs CPU`,
      );
    }
    return {
      tenantCount,
      cpuUs: median(rounds.map(({ cpuUs }) => cpuUs)),
      wallUs: median(rounds.map(({ wallUs }) => wallUs)),
      floorUs: median(rounds.map(({ floorUs }) => floorUs)),
      bytesPerTenant: load.bytesPerTenant,
    };
  });
  const snapshotMs = measureSnapshot(backlog(100));
  const middle = rows[1]?.cpuUs;
  const heads = [
    'backlogged tenants',
    'pairs/s of CPU',
    'pairs/s by the clock',
    'µs of CPU',
    'relative to 1,000',
    'bare heap µs of CPU',
    'bytes a tenant',
  ];
  const cells = rows.map(({ tenantCount, cpuUs, wallUs, floorUs, bytesPerTenant }) => [
    whole(tenantCount),
    whole(1_000_000 / cpuUs),
    whole(1_000_000 / wallUs),
    cpuUs.toFixed(2),
    ratio(middle, cpuUs),
    floorUs.toFixed(2),
    whole(bytesPerTenant),
  ]);
  return `${table([heads, ...cells])}\n\nA snapshot with 100 backlogged tenants takes ${snapshotMs.toFixed(2)} ms.`;
}
