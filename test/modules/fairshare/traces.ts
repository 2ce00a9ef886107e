/** Traces of anything that can happen, and the world that they happen in. */
import fc from 'fast-check';
import type { Bounds, Priority } from '../../../src/modules/fairshare/state.ts';
import { type Decides, type Known, type Operation, tenantOf, World } from './world.ts';

const pools = ['p0', 'p1'];
const groups = ['g0', 'g1', 'g2'];
const tenants = ['t0', 't1', 't2', 't3'];
const keys = tenants.flatMap((tenant) => [`${tenant}.0`, `${tenant}.1`]);
const caps = ['gateway', 'team', 'user'];

const weights = fc.oneof(fc.integer({ min: 1, max: 1_000 }), fc.constantFrom(1, 1_000_000));
const costs = fc.oneof(fc.integer({ min: 1, max: 100 }), fc.constantFrom(1, 10_000));
const few = fc.integer({ min: 1, max: 4 });
const many = fc.nat({ max: 1_000 });
const maybe = <Value>(values: fc.Arbitrary<Value>): fc.Arbitrary<Value | null> => fc.option(values, { freq: 2 });

/** Mostly none, so that most of what is asked for waits. */
const queueBounds: fc.Arbitrary<Bounds> = fc.record({
  maxQueued: fc.option(fc.nat({ max: 12 }), { freq: 2, nil: undefined }),
  maxWaitMs: fc.option(fc.nat({ max: 300 }), { freq: 2, nil: undefined }),
});

const asked = fc
  .record({
    pool: fc.constantFrom(...pools),
    keyId: fc.constantFrom(...keys),
    priority: fc.constantFrom<Priority>('HIGH', 'NORMAL', 'LOW'),
    cost: costs,
    caps: fc.subarray(caps),
    leaseMs: fc.option(fc.integer({ min: 1, max: 500 }), { nil: undefined }),
  })
  .map((each) => ({ ...each, tenantId: tenantOf(each.keyId) }));

const submissions: fc.Arbitrary<Operation> = fc.record({
  kind: fc.constant('submit'),
  asked,
  waitMs: fc.option(fc.nat({ max: 500 }), { nil: undefined }),
});
const settlements: fc.Arbitrary<Operation> = fc.record({
  kind: fc.constant('settle'),
  nth: many,
  tokens: fc.oneof(costs, fc.constant(0)),
});
const changes: fc.Arbitrary<Operation> = fc.oneof(
  fc.record({ kind: fc.constant('cancel'), nth: many }),
  fc.record({ kind: fc.constant('renew'), nth: many, byMs: fc.nat({ max: 500 }) }),
  fc.record({ kind: fc.constant('advance'), byMs: fc.nat({ max: 200 }) }),
  fc.record({
    kind: fc.constant('setPool'),
    pool: fc.constantFrom(...pools),
    capacity: fc.nat({ max: 6 }),
    weightPercent: fc.constantFrom(1, 50, 100, 300),
    bounds: queueBounds,
  }),
  fc.record({ kind: fc.constant('setCeiling'), ceiling: maybe(fc.nat({ max: 8 })) }),
  fc.record({ kind: fc.constant('setGroup'), groupId: fc.constantFrom(...groups), weight: weights }),
  fc.record({
    kind: fc.constant('setTenant'),
    tenantId: fc.constantFrom(...tenants),
    groupId: fc.constantFrom(...groups),
    weight: weights,
    maxInFlight: maybe(few),
    bounds: queueBounds,
  }),
  fc.record({ kind: fc.constant('setKey'), keyId: fc.constantFrom(...keys), weight: weights, maxInFlight: maybe(few) }),
  fc.record({ kind: fc.constant('setCap'), cap: fc.constantFrom(...caps), max: maybe(few) }),
  fc.record({ kind: fc.constant('setAlgorithm'), algorithm: fc.constantFrom('HIERARCHICAL', 'WEIGHTED') }),
  fc.record({ kind: fc.constant('adopt'), asked, lastsMs: fc.nat({ max: 500 }) }),
  fc.oneof(
    fc.record({ kind: fc.constant('remove'), what: fc.constant('pool'), id: fc.constantFrom(...pools) }),
    fc.record({ kind: fc.constant('remove'), what: fc.constant('group'), id: fc.constantFrom(...groups) }),
    fc.record({ kind: fc.constant('remove'), what: fc.constant('tenant'), id: fc.constantFrom(...tenants) }),
    fc.record({ kind: fc.constant('remove'), what: fc.constant('key'), id: fc.constantFrom(...keys) }),
  ),
);

/** Anything that can happen, in any order. */
export const traces: fc.Arbitrary<Operation[]> = fc.array(
  fc.oneof(
    { weight: 6, arbitrary: submissions },
    { weight: 4, arbitrary: settlements },
    { weight: 3, arbitrary: changes },
  ),
  { minLength: 1, maxLength: 150, size: 'max' },
);

/** A world with two pools, in which the trace happens; `check` is called after every operation. */
export function live(
  trace: readonly Operation[],
  check: (world: World) => void = () => undefined,
  onGrant: (world: World, request: Known) => void = () => undefined,
  decides?: Decides,
): World {
  const world = new World(undefined, decides);
  world.onGrant = (request) => onGrant(world, request);
  for (const pool of pools) world.setPool(pool, 3);
  for (const [index, tenant] of tenants.entries()) world.setTenant(tenant, groups[index % 2] ?? '', 100);
  for (const operation of trace) {
    world.perform(operation);
    check(world);
  }
  return world;
}
