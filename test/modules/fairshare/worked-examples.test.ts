/** Numbers that operators of shared slots know, and what they rely on. */
import { describe, expect, it } from 'vitest';
import type { Asked, Known } from './world.ts';
import { tenantOf, World } from './world.ts';

const plain = { pool: 'model', priority: 'NORMAL', caps: [], cost: 10 } as const;

function ask(world: World, keyId: string, count = 1, more: Partial<Asked> = {}): Known[] {
  return Array.from({ length: count }, () => world.submit({ ...plain, tenantId: tenantOf(keyId), keyId, ...more }));
}

/** Tenants of a group each, which have the weights given here, and one pool. */
function worldOf(capacity: number, groupWeights: Readonly<Record<string, number>>): World {
  const world = new World();
  world.setPool('model', capacity);
  for (const [name, weight] of Object.entries(groupWeights)) {
    world.scheduler.setGroup(`of ${name}`, { weight });
    world.setTenant(name, `of ${name}`, 100);
  }
  return world;
}

const heldBy = (world: World, tenantId: string): Known[] =>
  world.all('HELD').filter((each) => each.tenantId === tenantId);

function settle(world: World, request: Known | undefined): void {
  if (request !== undefined) world.settle(request, request.cost);
}

/** Lets what runs end, in order, until so many were granted; gives them. */
function grants(world: World, count: number): Known[] {
  const granted = world.all('HELD');
  world.onGrant = (request) => granted.push(request);
  while (granted.length < count && world.all('HELD').length > 0) settle(world, world.all('HELD')[0]);
  return granted.slice(0, count);
}

const byId = <Row extends { readonly id: string }>(rows: readonly Row[], id: string): Row | undefined =>
  rows.find((row) => row.id === id);

describe('worked examples', () => {
  it('one slot at 1 : 3 is given as L H H H, over and over, so that 16 grants are 40 : 120 tokens', () => {
    const world = new World();
    world.perform({ kind: 'setAlgorithm', algorithm: 'WEIGHTED' });
    world.setTenant('L', 'default', 1);
    world.setTenant('H', 'default', 3);
    world.setPool('model', 0);
    for (let count = 0; count < 20; count += 1) for (const key of ['L.0', 'H.0']) ask(world, key);
    world.setPool('model', 1);
    const order = grants(world, 16);
    expect(order.map(({ tenantId }) => tenantId).join('')).toBe('LHHH'.repeat(4));
    const { tenants } = world.scheduler.snapshot(world.now);
    expect([byId(tenants, 'L')?.servedTokens, byId(tenants, 'H')?.servedTokens]).toEqual([40, 120]);
  });

  it('one slot at 500 : 50 is given 10 : 1', () => {
    const world = worldOf(0, { heavy: 500, light: 50 });
    for (let count = 0; count < 120; count += 1) for (const key of ['heavy.0', 'light.0']) ask(world, key);
    world.setPool('model', 1);
    const order = grants(world, 110).map(({ tenantId }) => tenantId);
    expect(order.filter((tenant) => tenant === 'light')).toHaveLength(10);
  });

  it('1,000 tokens are a score of 2 at weight 500, and of 20 at weight 50', () => {
    const world = worldOf(8, { heavy: 500, light: 50 });
    ask(world, 'heavy.0', 1, { cost: 1_000 });
    ask(world, 'light.0', 1, { cost: 1_000 });
    const { groups } = world.scheduler.snapshot(world.now);
    expect(groups.map(({ id, shareScore, slotCap }) => ({ id, shareScore, slotCap }))).toEqual([
      { id: 'of heavy', shareScore: 2, slotCap: 7 },
      { id: 'of light', shareScore: 20, slotCap: 1 },
    ]);
  });

  it('an idle pool grants at once, and a full one does not delay another', () => {
    const world = worldOf(1, { a: 100 });
    world.setPool('other', 1);
    const [first, second] = ask(world, 'a.0', 2);
    const [elsewhere] = ask(world, 'a.0', 1, { pool: 'other' });
    expect([first?.state, second?.state, elsewhere?.state]).toEqual(['HELD', 'WAITING', 'HELD']);
  });

  it.each([
    { capacity: 1, group: 'of each', requests: 40, considered: 40 },
    { capacity: 8, group: 'one', requests: 60, considered: 48 },
  ])(
    'at 1 : 3 and $capacity slots the heavy one is served at least twice as often',
    ({ capacity, group, requests, considered }) => {
      const world = new World();
      for (const [tenant, weight] of [
        ['low', 1],
        ['high', 3],
      ] as const) {
        const name = group === 'one' ? 'one' : `of ${tenant}`;
        if (group !== 'one') world.scheduler.setGroup(name, { weight });
        world.setTenant(tenant, name, weight);
      }
      world.setPool('model', 0);
      for (let count = 0; count < requests; count += 1) for (const key of ['low.0', 'high.0']) ask(world, key);
      world.setPool('model', capacity);
      const order = grants(world, considered).map(({ tenantId }) => tenantId);
      const low = order.filter((tenant) => tenant === 'low').length;
      expect(order.length - low).toBeGreaterThanOrEqual(2 * low);
      expect(low).toBeGreaterThan(0);
    },
  );

  it('one group alone has all 8 slots, and the next one that is freed goes to the other', () => {
    const world = worldOf(8, { heavy: 500, light: 50 });
    ask(world, 'heavy.0', 20);
    expect(heldBy(world, 'heavy')).toHaveLength(8);
    const [waiter] = ask(world, 'light.0');
    settle(world, heldBy(world, 'heavy')[0]);
    expect(waiter?.state).toBe('HELD');
  });

  it('two equal tenants come to 4 and 4 of 8 slots, and the next slot goes to whoever is below half', () => {
    const world = new World();
    world.setPool('model', 8);
    for (const tenant of ['a', 'b']) world.setTenant(tenant, 'default', 100);
    ask(world, 'a.0', 30);
    ask(world, 'b.0', 30);
    for (let count = 0; count < 4; count += 1) settle(world, heldBy(world, 'a')[0]);
    expect([heldBy(world, 'a').length, heldBy(world, 'b').length]).toEqual([4, 4]);
    settle(world, heldBy(world, 'a')[0]);
    expect([heldBy(world, 'a').length, heldBy(world, 'b').length]).toEqual([4, 4]);
  });

  it('one slot and two equal tenants with 4 requests each: all are served', () => {
    const world = worldOf(1, { a: 100, b: 100 });
    ask(world, 'a.0', 4);
    ask(world, 'b.0', 4);
    expect(grants(world, 8)).toHaveLength(8);
  });

  it('500 holds 1 of 8 and 50 borrows 6: charged as always, and the next slots go back to the lender', () => {
    const world = worldOf(8, { heavy: 500, light: 50 });
    ask(world, 'heavy.0', 1, { cost: 100 });
    ask(world, 'light.0', 10, { cost: 100 });
    const { groups, inFlight, borrowed } = world.scheduler.snapshot(world.now);
    expect(groups).toMatchObject([
      { id: 'of heavy', slotCap: 7, inFlight: 1, borrowed: 0 },
      { id: 'of light', slotCap: 1, inFlight: 7, borrowed: 6, servedTokens: 700, queued: 3 },
    ]);
    expect({ inFlight, borrowed }).toEqual({ inFlight: 8, borrowed: 6 });
    const returned = ask(world, 'heavy.0', 3, { cost: 100 });
    for (const request of returned) {
      settle(world, heldBy(world, 'light')[0]);
      expect(request.state).toBe('HELD');
    }
    expect(heldBy(world, 'light')).toHaveLength(4);
  });

  it('what is served in one pool leaves nothing in another', () => {
    const world = worldOf(4, { a: 100 });
    world.setPool('other', 4);
    ask(world, 'a.0', 3);
    const [model, other] = world.scheduler.snapshot(world.now).pools;
    expect(model?.tenants).toMatchObject([{ id: 'a', servedTokens: 30 }]);
    expect(other).toMatchObject({ name: 'other', inFlight: 0, groups: [], tenants: [], keys: [] });
  });

  it('a ceiling of 2 over two pools of 4 makes the third wait', () => {
    const world = worldOf(4, { a: 100 });
    world.setPool('other', 4);
    world.setCeiling(2);
    const states = [...ask(world, 'a.0', 1), ...ask(world, 'a.0', 1, { pool: 'other' }), ...ask(world, 'a.0')];
    expect(states.map(({ state }) => state)).toEqual(['HELD', 'HELD', 'WAITING']);
  });

  it('when the ceiling is 1, no pool has all of the first 3 grants', () => {
    const world = worldOf(4, { a: 100 });
    world.setPool('other', 4);
    world.setCeiling(0);
    ask(world, 'a.0', 3);
    ask(world, 'a.0', 3, { pool: 'other' });
    world.setCeiling(1);
    expect(new Set(grants(world, 3).map(({ pool }) => pool)).size).toBe(2);
  });

  it('keys of 100 and 200: of 9 grants the second has at least twice as many', () => {
    const world = worldOf(0, { a: 100 });
    world.setKey('a.0', 100);
    world.setKey('a.1', 200);
    for (let count = 0; count < 12; count += 1) for (const key of ['a.0', 'a.1']) ask(world, key);
    world.setPool('model', 1);
    const order = grants(world, 9).map(({ keyId }) => keyId);
    expect(order.filter((key) => key === 'a.1')).toHaveLength(6);
  });

  it('a key with one slot waits with others free, and holds up neither its siblings nor other tenants', () => {
    const world = worldOf(8, { a: 100, b: 100 });
    world.setKey('a.0', 100, 1);
    const [first, second] = ask(world, 'a.0', 2);
    const others = [...ask(world, 'a.1'), ...ask(world, 'b.0')];
    expect([first, second, ...others].map((each) => each?.state)).toEqual(['HELD', 'WAITING', 'HELD', 'HELD']);
    settle(world, first);
    expect(second?.state).toBe('HELD');
  });

  it('a tenant never has more than its 2 slots, over all its keys and pools', () => {
    const world = worldOf(8, { a: 100 });
    world.setPool('other', 8);
    world.setTenant('a', 'of a', 100, 2);
    const asked = [...ask(world, 'a.0'), ...ask(world, 'a.1', 1, { pool: 'other' }), ...ask(world, 'a.1')];
    expect(asked.map(({ state }) => state)).toEqual(['HELD', 'HELD', 'WAITING']);
  });

  it('keys of 100 and 300 have a quarter and three quarters of their tenant', () => {
    const world = worldOf(8, { a: 100 });
    world.setKey('a.0', 100);
    world.setKey('a.1', 300);
    ask(world, 'a.0');
    ask(world, 'a.1');
    const { keys } = world.scheduler.snapshot(world.now);
    expect(keys).toMatchObject([
      { id: 'a.0', weightShare: 0.25, expectedSlots: 2 },
      { id: 'a.1', weightShare: 0.75, expectedSlots: 6 },
    ]);
  });

  it('a waiter that went away is not granted and releases nothing', () => {
    const world = worldOf(1, { a: 100 });
    const [first, gone, last] = ask(world, 'a.0', 3);
    if (gone !== undefined) world.cancel(gone);
    settle(world, first);
    expect(last?.state).toBe('HELD');
    expect(world.scheduler.cancel(gone?.id ?? '', world.now)).toBeUndefined();
    expect(world.scheduler.snapshot(world.now)).toMatchObject({ inFlight: 1, queued: 0 });
  });
});
