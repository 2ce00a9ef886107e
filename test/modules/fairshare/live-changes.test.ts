/** What is guaranteed also when the algorithm, a cap or a capacity changes with requests waiting and running. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { plain, weights } from './contenders.ts';
import { live, traces } from './traces.ts';
import { type Known, type Operation, World } from './world.ts';

const shapes = fc.constantFrom<'HIERARCHICAL' | 'WEIGHTED'>('HIERARCHICAL', 'WEIGHTED');

const submissions: fc.Arbitrary<Operation> = fc.record({
  kind: fc.constant('submit'),
  asked: fc
    .record({
      pool: fc.constantFrom('p0', 'p1'),
      tenantId: fc.constantFrom('t0', 't1', 't2'),
      priority: fc.constantFrom('HIGH', 'NORMAL'),
      cost: fc.integer({ min: 1, max: 100 }),
      caps: fc.subarray(['team', 'user']),
    })
    .map((each) => ({ ...each, keyId: `${each.tenantId}.0` })),
  waitMs: fc.constant(undefined),
});
const settlements: fc.Arbitrary<Operation> = fc.record({
  kind: fc.constant('settle'),
  nth: fc.nat(),
  tokens: fc.integer({ min: 0, max: 200 }),
});
const lowered = fc.integer({ min: 1, max: 2 });
const changes: fc.Arbitrary<Operation> = fc.oneof(
  fc.record({ kind: fc.constant('setAlgorithm'), algorithm: shapes }),
  fc.record({
    kind: fc.constant('setPool'),
    pool: fc.constantFrom('p0', 'p1'),
    capacity: lowered,
    weightPercent: fc.constant(100),
  }),
  fc.record({
    kind: fc.constant('setTenant'),
    tenantId: fc.constantFrom('t0', 't1', 't2'),
    groupId: fc.constantFrom('g0', 'g1'),
    weight: weights,
    maxInFlight: lowered,
  }),
  fc.record({
    kind: fc.constant('setKey'),
    keyId: fc.constantFrom('t0.0', 't1.0'),
    weight: weights,
    maxInFlight: lowered,
  }),
  fc.record({ kind: fc.constant('setCap'), cap: fc.constantFrom('team', 'user'), max: lowered }),
  fc.record({ kind: fc.constant('setCeiling'), ceiling: lowered }),
);

/** Many wait and run when the first change comes, and others follow while they end. */
const crowded: fc.Arbitrary<Operation[]> = fc
  .tuple(
    fc.array(submissions, { minLength: 20, maxLength: 40, size: 'max' }),
    fc.array(fc.oneof(changes, settlements, submissions), { minLength: 10, maxLength: 60, size: 'max' }),
  )
  .map(([before, after]) => [
    ...['p0', 'p1'].map((pool): Operation => ({ kind: 'setPool', pool, capacity: 6, weightPercent: 100 })),
    ...before,
    ...after,
  ]);

const runs = { numRuns: 150 };

/** Tenants in groups of their own, or sharing the pool, all with requests that wait. */
function backlogOf(weightList: readonly number[], costs: readonly number[], capacity: number): World {
  const world = new World();
  world.setPool('model', 0);
  for (const [index, weight] of weightList.entries()) {
    world.scheduler.setGroup(`g${index % 2}`, { weight: 1 + (index % 2) });
    world.setTenant(`t${index}`, `g${index % 2}`, weight);
    for (let count = 0; count < 60; count += 1) {
      const cost = costs[(index + count) % costs.length] ?? 1;
      world.submit({ ...plain, tenantId: `t${index}`, keyId: `t${index}.0`, cost });
    }
  }
  world.setPool('model', capacity);
  return world;
}

function settleFirst(world: World): void {
  const [request] = world.all('HELD');
  if (request === undefined) throw new Error('requests wait, and nothing runs');
  world.settle(request, request.cost);
}

describe('whatever changes while requests wait and run', () => {
  it('1: no slot is free that somebody who waits could use', () => {
    fc.assert(
      fc.property(crowded, (trace) => {
        live(trace, (world) => {
          expect(world.all('WAITING').filter((request) => world.roomFor(request))).toEqual([]);
        });
      }),
      runs,
    );
  });

  it('2: after a change of the algorithm, tokens / weight of those who keep waiting differ by no more than a request of each', () => {
    const scenes = fc.record({
      weights: fc.array(weights, { minLength: 2, maxLength: 5 }),
      costs: fc.array(fc.integer({ min: 1, max: 500 }), { minLength: 1, maxLength: 7 }),
      capacity: fc.integer({ min: 1, max: 6 }),
      before: fc.nat({ max: 40 }),
      changes: fc.integer({ min: 0, max: 2 }),
    });
    fc.assert(
      fc.property(scenes, ({ weights: weightList, costs, capacity, before, changes: times }) => {
        const world = backlogOf(weightList, costs, capacity);
        // An odd number of changes, so that tenants share the pool at last.
        for (let change = 0; change <= 2 * times; change += 1) {
          for (let count = 0; count < before / (times + 1); count += 1) settleFirst(world);
          world.perform({ kind: 'setAlgorithm', algorithm: change % 2 === 0 ? 'WEIGHTED' : 'HIERARCHICAL' });
        }
        const served = weightList.map(() => 0);
        const indexOf = ({ tenantId }: Known): number => Number(tenantId.slice(1));
        world.onGrant = (request) => {
          served[indexOf(request)] = (served[indexOf(request)] ?? 0) + request.cost;
        };
        const waiting = (): Set<number> => new Set(world.all('WAITING').map(indexOf));
        const most = Math.max(...costs);
        while (waiting().size === weightList.length) {
          for (const [a, ofA] of weightList.entries()) {
            for (const [b, ofB] of weightList.entries()) {
              const difference = (served[a] ?? 0) / ofA - (served[b] ?? 0) / ofB;
              expect(difference).toBeLessThanOrEqual((most / ofA + most / ofB) * (1 + 1e-9));
            }
          }
          settleFirst(world);
        }
      }),
      { numRuns: 60 },
    );
  });

  it('3: everybody who waits is served in the end', () => {
    fc.assert(
      fc.property(crowded, (trace) => {
        const world = live(trace);
        for (let left = world.all('WAITING').length + world.all('HELD').length; left > 0; left -= 1) settleFirst(world);
        expect([...world.all('WAITING'), ...world.all('HELD')]).toEqual([]);
      }),
      runs,
    );
  });

  it('4: nothing is granted beyond a cap or capacity as it is now, also while more runs than it allows', () => {
    let drained = 0;
    fc.assert(
      fc.property(crowded, (trace) => {
        live(
          trace,
          (world) => {
            for (const [name, running] of world.running) if (running > (world.bounds.get(name) ?? 1_000)) drained += 1;
          },
          (world, request) => {
            for (const name of world.boundsOf(request)) {
              expect(world.running.get(name), name).toBeLessThanOrEqual(world.bounds.get(name) ?? 1_000);
            }
          },
        );
      }),
      runs,
    );
    expect(drained).toBeGreaterThan(1_000);
  });

  it('5: whoever comes back after a capacity shrank gets the next slots until it has its share of the smaller one', () => {
    const scenes = fc.record({
      capacity: fc.integer({ min: 2, max: 12 }),
      smaller: fc.integer({ min: 1, max: 12 }),
      weights: fc.tuple(weights, weights),
      algorithm: shapes,
    });
    fc.assert(
      fc.property(scenes, ({ capacity, smaller, weights: [ofLender, ofBorrower], algorithm }) => {
        fc.pre(smaller < capacity);
        const world = new World();
        world.setPool('model', capacity);
        for (const [tenant, weight] of [
          ['borrower', ofBorrower],
          ['lender', ofLender],
        ] as const) {
          world.scheduler.setGroup(tenant, { weight });
          world.setTenant(tenant, tenant, weight);
        }
        const ask = (tenantId: string): Known => world.submit({ ...plain, tenantId, keyId: `${tenantId}.0` });
        for (let count = 0; count < 3 * capacity; count += 1) ask('borrower');
        world.setPool('model', smaller);
        world.perform({ kind: 'setAlgorithm', algorithm });
        for (let count = 0; count < capacity; count += 1) ask('lender');
        const ofTenant = (tenant: string): Known[] => world.all('HELD').filter(({ tenantId }) => tenantId === tenant);
        const endOne = (): void => {
          const [request] = ofTenant('borrower');
          if (request === undefined) throw new Error('the borrower has nothing left');
          world.settle(request, request.cost);
        };
        // It drains first.
        while (world.all('HELD').length > smaller) endOne();
        expect(ofTenant('lender')).toEqual([]);
        const owed = Math.floor((smaller * ofLender) / (ofLender + ofBorrower));
        for (let count = 1; count <= owed; count += 1) {
          endOne();
          expect(ofTenant('lender')).toHaveLength(count);
        }
      }),
      { numRuns: 200 },
    );
  });

  it('6: slots are conserved, and nothing that waits or runs is lost', () => {
    fc.assert(
      fc.property(crowded, (trace) => {
        live(trace, (world) => {
          const { totals, inFlight, queued } = world.scheduler.snapshot(world.now);
          const held = world.all('HELD').length;
          expect(totals.granted + totals.adopted).toBe(totals.settled + totals.released + totals.expired + held);
          expect([inFlight, queued]).toEqual([held, world.all('WAITING').length]);
        });
      }),
      { numRuns: 60 },
    );
  });

  it('7: the same trace gives the same decisions', () => {
    fc.assert(
      fc.property(fc.oneof(crowded, traces), (trace) => {
        expect(live(trace).log).toEqual(live(trace).log);
      }),
      { numRuns: 60 },
    );
  });
});
