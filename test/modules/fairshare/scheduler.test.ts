import { describe, expect, it } from 'vitest';
import { Scheduler } from '../../../src/modules/fairshare/scheduler.ts';
import type { Priority } from '../../../src/modules/fairshare/state.ts';
import { type Asked, type Known, tenantOf, World } from './world.ts';

const plain = { pool: 'model', priority: 'NORMAL', caps: [], cost: 10 } as const;

function ask(world: World, keyId: string, more: Partial<Asked> = {}): Known {
  return world.submit({ ...plain, tenantId: tenantOf(keyId), keyId, ...more });
}

function worldOf(capacity: number, scheduler?: Scheduler): World {
  const world = new World(scheduler);
  world.setPool('model', capacity);
  return world;
}

/** Lets what runs end, one by one, and gives who was granted then. */
function order(world: World, pick: (request: Known) => string): string[] {
  const granted: string[] = [];
  world.onGrant = (request) => granted.push(pick(request));
  for (let [first] = world.all('HELD'); first !== undefined; [first] = world.all('HELD'))
    world.settle(first, first.cost);
  return granted;
}

const submission = (id: string, more: Partial<Asked> = {}) => ({ ...plain, id, tenantId: 'a', keyId: 'a.0', ...more });

describe('queues', () => {
  it('refuse what exceeds the bound of the tenant, the pool or the deployment, and say which it was', () => {
    const options = { algorithm: 'HIERARCHICAL', maxQueued: 3, tenantQueue: { maxQueued: 1 } } as const;
    const scheduler = new Scheduler(options);
    scheduler.setPool('model', { capacity: 0, maxQueued: 2 }, 0);
    scheduler.setPool('other', { capacity: 0 }, 0);
    const of = (tenantId: string, pool = 'model') => ({ tenantId, keyId: `${tenantId}.0`, pool });
    expect(scheduler.submit(submission('1', of('a')), 0)).toEqual({ outcome: 'QUEUED' });
    expect(scheduler.submit(submission('2', of('a')), 0)).toEqual({
      outcome: 'REFUSED',
      reason: 'QUEUE_FULL',
      bound: 'TENANT',
      limit: 1,
      queued: 1,
    });
    expect(scheduler.submit(submission('3', of('b')), 0)).toEqual({ outcome: 'QUEUED' });
    expect(scheduler.submit(submission('4', of('c')), 0)).toMatchObject({ bound: 'POOL', limit: 2, queued: 2 });
    expect(scheduler.submit(submission('5', of('c', 'other')), 0)).toEqual({ outcome: 'QUEUED' });
    expect(scheduler.submit(submission('6', of('d', 'other')), 0)).toMatchObject({ bound: 'DEPLOYMENT', limit: 3 });
    expect(scheduler.snapshot(0)).toMatchObject({ queued: 3, totals: { submitted: 6, refused: 3, queued: 3 } });
  });

  it('bound who waits for a cap of their own as well, with slots of the pool free', () => {
    const scheduler = new Scheduler({ algorithm: 'HIERARCHICAL', tenantQueue: { maxQueued: 1 } });
    scheduler.setPool('model', { capacity: 8 }, 0);
    scheduler.setKey('a.0', { tenantId: 'a', weight: 100, maxInFlight: 1 }, 0);
    const answers = ['1', '2', '3'].map((id) => scheduler.submit(submission(id), 0).outcome);
    expect(answers).toEqual(['GRANTED', 'QUEUED', 'REFUSED']);
  });

  it('end at the deadline of a request, or the time bound of its tenant or pool, whichever is first', () => {
    const scheduler = new Scheduler({ algorithm: 'HIERARCHICAL', poolQueue: { maxWaitMs: 50 } });
    scheduler.setPool('model', { capacity: 0 }, 0);
    scheduler.setTenant('b', { groupId: 'g', weight: 1, maxWaitMs: 20 }, 0);
    scheduler.submit(submission('pool'), 0);
    scheduler.submit(submission('own', { deadline: 30 }), 0);
    scheduler.submit(submission('tenant', { tenantId: 'b', keyId: 'b.0', deadline: 30 }), 0);
    expect(scheduler.nextEventAt()).toBe(20);
    expect(scheduler.advance(19)).toEqual({ timedOut: [], expired: [] });
    expect(scheduler.advance(50)).toEqual({ timedOut: ['tenant', 'own', 'pool'], expired: [] });
    expect(scheduler.nextEventAt()).toBeUndefined();
    expect(scheduler.submit(submission('late', { deadline: 60 }), 60)).toEqual({
      outcome: 'REFUSED',
      reason: 'DEADLINE',
    });
  });

  it('refuse for good what a cap of 0 blocks, and what no pool is for', () => {
    const world = worldOf(4);
    world.setTenant('a', 'g', 1, 0);
    world.setKey('b.0', 1, 0);
    world.setCap('team', 0);
    const { scheduler } = world;
    expect(scheduler.submit(submission('1'), 0)).toMatchObject({ reason: 'BLOCKED', by: 'TENANT', id: 'a' });
    expect(scheduler.submit(submission('2', { tenantId: 'b', keyId: 'b.0' }), 0)).toMatchObject({
      by: 'KEY',
      id: 'b.0',
    });
    const ofTeam = { tenantId: 'c', keyId: 'c.0', caps: ['user', 'team'] };
    expect(scheduler.submit(submission('3', ofTeam), 0)).toMatchObject({ by: 'CAP', id: 'team' });
    expect(scheduler.submit(submission('4', { pool: 'none' }), 0)).toMatchObject({ reason: 'UNKNOWN_POOL' });
  });

  it('take a request once, and a key as one tenant’s only', () => {
    const { scheduler } = worldOf(4);
    scheduler.submit(submission('1'), 0);
    expect(() => scheduler.submit(submission('1'), 0)).toThrow('waits or runs already');
    expect(() => scheduler.submit(submission('2', { tenantId: 'b' }), 0)).toThrow('belongs to tenant a');
  });
});

describe('within a tenant', () => {
  it('higher priorities are first, and others are not touched by it', () => {
    const world = worldOf(0);
    for (const tenant of ['a', 'b']) world.setTenant(tenant, 'g', 100);
    for (const priority of ['LOW', 'NORMAL', 'HIGH'] satisfies Priority[]) {
      ask(world, 'a.0', { priority });
      ask(world, 'b.0', { priority: 'LOW' });
    }
    world.setPool('model', 1);
    const first = world.all('HELD').map(({ tenantId, priority }) => `${tenantId} ${priority}`);
    const rest = order(world, ({ tenantId, priority }) => `${tenantId} ${priority}`);
    expect([...first, ...rest]).toEqual(['a HIGH', 'b LOW', 'a NORMAL', 'b LOW', 'a LOW', 'b LOW']);
  });

  it('a key’s requests of one priority are served in the order in which they came, whatever caps they name', () => {
    const world = worldOf(1);
    ask(world, 'a.0');
    const asked = [['x'], [], ['y'], ['x'], []].map((caps) => ask(world, 'a.0', { caps }).id);
    expect(order(world, ({ id }) => id)).toEqual(asked);
  });
});

describe('a full cap', () => {
  it('holds back what names it, and nothing else of the same key', () => {
    const world = worldOf(8);
    world.setCap('user:1', 1);
    const [one, two] = [ask(world, 'a.0', { caps: ['user:1'] }), ask(world, 'a.0', { caps: ['user:1'] })];
    const others = [ask(world, 'a.0', { caps: ['user:2'] }), ask(world, 'a.0'), ask(world, 'b.0')];
    expect([one, two, ...others].map(({ state }) => state)).toEqual(['HELD', 'WAITING', 'HELD', 'HELD', 'HELD']);
    world.setCap('user:1', 2);
    expect(two.state).toBe('HELD');
  });

  it('is shared by weight between the tenants that need it, like a pool', () => {
    const world = worldOf(100);
    world.scheduler.setGroup('heavy', { weight: 300 });
    world.scheduler.setGroup('light', { weight: 100 });
    world.setTenant('h', 'heavy', 100);
    world.setTenant('l', 'light', 100);
    world.setCap('gateway', 1);
    for (let count = 0; count < 60; count += 1)
      for (const key of ['l.0', 'h.0']) ask(world, key, { caps: ['gateway'] });
    const granted = order(world, ({ tenantId }) => tenantId).slice(0, 40);
    expect(Math.abs(granted.filter((tenant) => tenant === 'h').length - 30)).toBeLessThanOrEqual(1);
  });

  it('lets others go on whose tenant has room, when the next in its order is held back by another cap', () => {
    const world = worldOf(8);
    world.setTenant('a', 'g', 100, 1);
    world.setCap('gateway', 2);
    const [first, second] = [ask(world, 'a.0', { caps: ['gateway'] }), ask(world, 'b.0', { caps: ['gateway'] })];
    const [held, free] = [ask(world, 'a.0', { caps: ['gateway'] }), ask(world, 'b.0', { caps: ['gateway'] })];
    world.settle(second, 10);
    expect([first.state, held.state, free.state]).toEqual(['HELD', 'WAITING', 'HELD']);
  });

  it('that many wait for wakes no more of them than can run', () => {
    const world = worldOf(1_000);
    world.setCap('gateway', 1);
    for (let user = 0; user < 2_000; user += 1) ask(world, `t${user % 50}.0`, { caps: [`user:${user}`, 'gateway'] });
    const started = process.cpuUsage();
    expect(order(world, ({ id }) => id)).toHaveLength(1_999);
    const { user, system } = process.cpuUsage(started);
    // Looking at all of them each time would be 2,000,000 moves.
    expect((user + system) / 1_000).toBeLessThan(5_000);
  });
});

describe('leases', () => {
  it('expire unless they are renewed, give their slot to who waits, and are over then', () => {
    const world = worldOf(2);
    const [renewed, silent] = [ask(world, 'a.0', { leaseMs: 100 }), ask(world, 'a.0', { leaseMs: 100 })];
    const waiting = ask(world, 'b.0', { leaseMs: 100 });
    expect(world.scheduler.renew(renewed.id, world.now + 500)).toBe(true);
    expect(world.scheduler.nextEventAt()).toBe(world.now + 100);
    world.advance(100);
    expect([renewed, silent, waiting].map(({ state }) => state)).toEqual(['HELD', 'EXPIRED', 'HELD']);
    expect(world.scheduler.settle(silent.id, 10, world.now)).toBe(false);
  });

  it('that end when a wait does still serve it', () => {
    const world = worldOf(1);
    ask(world, 'a.0', { leaseMs: 100 });
    const waiting = ask(world, 'b.0', { deadline: world.now + 100 });
    world.advance(100);
    expect(waiting.state).toBe('HELD');
  });

  it('of an earlier process are held although they exceed the capacity, which drains', () => {
    const world = worldOf(1);
    for (const nth of [1, 2, 3]) {
      world.perform({ kind: 'adopt', asked: { ...plain, tenantId: 'a', keyId: `a.${nth}` }, lastsMs: 1_000 });
    }
    const waiting = ask(world, 'b.0');
    const [first, second, third] = world.all('HELD');
    for (const request of [first, second]) if (request !== undefined) world.settle(request, 10);
    expect(waiting.state).toBe('WAITING');
    if (third !== undefined) world.settle(third, 10);
    expect(waiting.state).toBe('HELD');
  });

  it.each([
    { waits: 'before it is adopted', first: 'ask' },
    { waits: 'afterwards', first: 'adopt' },
  ])('of an earlier process are charged like those that are given now, of a tenant that waits $waits', ({ first }) => {
    const world = worldOf(1);
    world.perform({ kind: 'setAlgorithm', algorithm: 'WEIGHTED' });
    for (let count = 0; count < 60; count += 1) ask(world, 'a.0');
    const settleFirst = (): void => {
      const [request] = world.all('HELD').filter(({ tenantId }) => tenantId !== 'c');
      if (request !== undefined) world.settle(request, 10);
    };
    // So much that the virtual time has passed by what is adopted.
    for (let count = 0; count < 30; count += 1) settleFirst();
    for (let count = 0; count < 40; count += 1) ask(world, 'a.0');
    const askOfC = (): unknown => ask(world, 'c.0');
    if (first === 'ask') askOfC();
    world.perform({ kind: 'adopt', asked: { ...plain, tenantId: 'c', keyId: 'c.0', cost: 100 }, lastsMs: 1_000 });
    world.setPool('model', 2);
    if (first === 'adopt') askOfC();
    const granted: string[] = [];
    world.onGrant = ({ tenantId }) => granted.push(tenantId);
    for (let count = 0; count < 20; count += 1) settleFirst();
    expect(granted.indexOf('c')).toBeGreaterThanOrEqual(9);
    expect(granted.indexOf('c')).toBeLessThanOrEqual(11);
  });
});

describe('a change while it runs', () => {
  it('of capacity drains when it shrinks and grants at once when it grows', () => {
    const world = worldOf(4);
    const asked = Array.from({ length: 6 }, () => ask(world, 'a.0'));
    world.setPool('model', 2);
    const [first, second] = asked;
    for (const request of [first, second]) if (request !== undefined) world.settle(request, 10);
    expect(world.all('HELD')).toHaveLength(2);
    world.setPool('model', 4);
    expect(world.all('HELD')).toHaveLength(4);
  });

  it('of the algorithm loses nothing that waits or runs, and shares by the new one from then on', () => {
    const world = worldOf(0);
    world.scheduler.setGroup('many', { weight: 100 });
    world.scheduler.setGroup('one', { weight: 100 });
    for (const tenant of ['a', 'b', 'c']) world.setTenant(tenant, 'many', 100);
    world.setTenant('d', 'one', 100);
    for (let count = 0; count < 60; count += 1) for (const key of ['a.0', 'b.0', 'c.0', 'd.0']) ask(world, key);
    world.setPool('model', 1);
    const partOfD = (): number => {
      const granted: string[] = [];
      world.onGrant = ({ tenantId }) => granted.push(tenantId);
      while (granted.length < 40) {
        const [request] = world.all('HELD');
        if (request === undefined) break;
        world.settle(request, 10);
      }
      return granted.filter((tenant) => tenant === 'd').length;
    };
    expect(Math.abs(partOfD() - 20)).toBeLessThanOrEqual(1);
    world.perform({ kind: 'setAlgorithm', algorithm: 'WEIGHTED' });
    expect(world.scheduler.snapshot(world.now)).toMatchObject({
      algorithm: 'WEIGHTED',
      inFlight: 1,
      queued: 199,
    });
    expect(Math.abs(partOfD() - 10)).toBeLessThanOrEqual(1);
    world.perform({ kind: 'setAlgorithm', algorithm: 'HIERARCHICAL' });
    expect(world.scheduler.snapshot(world.now).groups.map(({ id }) => id)).toEqual(['many', 'one']);
  });

  it('of a tenant’s group takes along what it waits for and runs', () => {
    const world = worldOf(1);
    world.setTenant('a', 'old', 100);
    ask(world, 'a.0');
    ask(world, 'a.0');
    world.setTenant('a', 'new', 100);
    const { groups } = world.scheduler.snapshot(world.now);
    expect(groups).toMatchObject([{ id: 'new', inFlight: 1, queued: 1 }]);
  });

  it('of a pool’s percentage scales the weights of its tenants, to no less than 1', () => {
    const world = worldOf(0);
    world.setTenant('a', 'g', 300);
    world.setTenant('b', 'g', 1);
    for (const key of ['a.0', 'b.0']) ask(world, key);
    world.setPool('model', 8, 1);
    expect(world.scheduler.snapshot(world.now).pools[0]?.tenants).toMatchObject([
      { id: 'a', weight: 300, weightShare: 0.75, slotCap: 6 },
      { id: 'b', weight: 1, weightShare: 0.25, slotCap: 2 },
    ]);
  });

  it('that removes a pool, tenant or key says who waited, and lets what runs end', () => {
    const world = worldOf(1);
    const [running, waiting] = [ask(world, 'a.0'), ask(world, 'a.0')];
    world.perform({ kind: 'remove', what: 'tenant', id: 'a' });
    expect([running.state, waiting.state]).toEqual(['HELD', 'GONE']);
    world.perform({ kind: 'remove', what: 'pool', id: 'model' });
    expect(ask(world, 'b.0').state).toBe('GONE');
    world.settle(running, 10);
    expect(world.scheduler.snapshot(world.now)).toMatchObject({ inFlight: 0, pools: [] });
  });
});

describe('what it tells', () => {
  it('a waiter’s position follows the order in which it will be served, and the wait how fast that was lately', () => {
    const world = worldOf(1);
    for (const [tenant, weight] of [
      ['a', 100],
      ['b', 300],
    ] as const)
      world.setTenant(tenant, 'g', weight);
    ask(world, 'a.0');
    const asked = Array.from({ length: 12 }, (_, index) => ask(world, index % 2 === 0 ? 'a.0' : 'b.0'));
    expect(world.scheduler.positionOf(asked[0]?.id ?? '', world.now)).toMatchObject({ estimatedWaitMs: null });
    for (let count = 0; count < 2; count += 1) {
      world.now += 100;
      const [request] = world.all('HELD');
      if (request !== undefined) world.settle(request, 10);
    }
    const estimated = world.all('WAITING').map(({ id }) => ({ id, ...world.scheduler.positionOf(id, world.now) }));
    const served = order(world, ({ id }) => id);
    for (const { id, position } of estimated) {
      expect(Math.abs((position ?? 0) - (served.indexOf(id) + 1)), id).toBeLessThanOrEqual(1);
    }
    expect(estimated.map(({ position, estimatedWaitMs }) => (estimatedWaitMs ?? 0) / (position ?? 1))).toEqual(
      estimated.map(() => expect.closeTo(200 / 3, 0)),
    );
  });

  it('a snapshot has how long the oldest waits, and stays as it was', () => {
    const world = worldOf(1);
    world.setCeiling(5);
    ask(world, 'a.0');
    ask(world, 'b.0');
    world.now += 70;
    ask(world, 'b.1');
    const snapshot = world.scheduler.snapshot(world.now);
    const before = JSON.stringify(snapshot);
    expect(snapshot).toMatchObject({ ceiling: 5, capacity: 1, oldestWaitMs: 70, inFlight: 1, queued: 2 });
    expect(snapshot.tenants).toMatchObject([
      { id: 'a', oldestWaitMs: null },
      { id: 'b', oldestWaitMs: 70, groupId: 'default' },
    ]);
    expect(snapshot.keys.map(({ id, oldestWaitMs }) => [id, oldestWaitMs])).toEqual([
      ['a.0', null],
      ['b.0', 70],
      ['b.1', 0],
    ]);
    order(world, ({ id }) => id);
    expect(JSON.stringify(snapshot)).toBe(before);
  });

  it('tenants that neither wait nor run are in no snapshot and in nobody’s way', () => {
    const scheduler = new Scheduler({ algorithm: 'HIERARCHICAL' });
    scheduler.setPool('model', { capacity: 4 }, 0);
    for (let index = 0; index < 100_000; index += 1)
      scheduler.setTenant(`idle-${index}`, { groupId: 'g', weight: 100 }, 0);
    scheduler.setTenant('a', { groupId: 'g', weight: 1 }, 0);
    scheduler.submit(submission('1'), 0);
    expect(scheduler.snapshot(0).tenants).toMatchObject([{ id: 'a', weightShare: 1, expectedSlots: 4, slotCap: 4 }]);
  });
});
