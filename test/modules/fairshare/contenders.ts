/** Those who stand against each other for the slots of one pool, at any weights. */
import fc from 'fast-check';
import { World } from './world.ts';

/** Small ones often, which have little to differ by. */
export const weights = fc.oneof(fc.integer({ min: 1, max: 20 }), fc.integer({ min: 1, max: 1_000_000 }));

/** A request like all others. */
export const plain = { pool: 'model', priority: 'NORMAL', caps: [], cost: 10 } as const;

/** Tenants of a group each, or all of one group, or without groups. */
export function contenders(weightList: readonly number[], shape: 'groups' | 'tenants' | 'weighted'): World {
  const world = new World();
  if (shape === 'weighted') world.perform({ kind: 'setAlgorithm', algorithm: 'WEIGHTED' });
  for (const [index, weight] of weightList.entries()) {
    const group = shape === 'groups' ? `g${index}` : 'g';
    world.scheduler.setGroup(group, { weight });
    world.setTenant(`t${index}`, group, weight);
  }
  return world;
}

export const shapes = fc.constantFrom('groups', 'tenants', 'weighted');
