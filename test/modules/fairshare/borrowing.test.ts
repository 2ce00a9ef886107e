import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { contenders, plain, shapes, weights } from './contenders.ts';
import type { Known } from './world.ts';

describe('borrowing', () => {
  it('an idle share is used at once, and whoever comes back gets the next slots until it has its share', () => {
    const returns = fc.record({
      capacity: fc.integer({ min: 1, max: 12 }),
      weights: fc.tuple(weights, weights),
      shape: shapes,
      wanted: fc.integer({ min: 1, max: 12 }),
      history: fc.nat({ max: 30 }),
    });
    fc.assert(
      fc.property(returns, ({ capacity, weights: pair, shape, wanted, history }) => {
        const world = contenders(pair, shape);
        world.setPool('model', capacity);
        const ask = (tenant: string): Known => world.submit({ ...plain, tenantId: tenant, keyId: `${tenant}.0` });
        for (let count = 0; count < 3 * capacity; count += 1) ask('t0');
        expect(world.all('HELD')).toHaveLength(capacity);
        for (let count = 0; count < history; count += 1) {
          const [request] = world.all('HELD');
          if (request !== undefined) world.settle(request, request.cost);
          ask('t0');
        }
        for (let count = 0; count < wanted; count += 1) ask('t1');
        const owed = Math.min(wanted, Math.floor((capacity * pair[1]) / (pair[0] + pair[1])));
        for (let count = 1; count <= owed; count += 1) {
          const request = world.all('HELD').find(({ tenantId }) => tenantId === 't0');
          if (request !== undefined) world.settle(request, request.cost);
          expect(world.all('HELD').filter(({ tenantId }) => tenantId === 't1')).toHaveLength(count);
        }
      }),
      { numRuns: 300 },
    );
  });

  it('coming and going gains nothing: an advance is made up for', () => {
    const world = contenders([100, 100], 'groups');
    world.setPool('model', 8);
    const served = { t0: 0, t1: 0 };
    world.onGrant = ({ tenantId }) => {
      if (tenantId === 't0' || tenantId === 't1') served[tenantId] += 1;
    };
    const ask = (tenant: string): Known => world.submit({ ...plain, tenantId: tenant, keyId: `${tenant}.0` });
    for (let count = 0; count < 2_000; count += 1) ask('t0');
    for (let round = 0; round < 100; round += 1) {
      // Comes with as much as it is owed, and waits for nothing then.
      if (world.all('WAITING').every(({ tenantId }) => tenantId === 't0'))
        for (let count = 0; count < 4; count += 1) ask('t1');
      for (let count = 0; count < 4; count += 1) {
        const [request] = world.all('HELD');
        if (request !== undefined) world.settle(request, request.cost);
      }
    }
    expect(served.t1).toBeLessThanOrEqual(served.t0 + 8);
  });
});
