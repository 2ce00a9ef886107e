import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { contenders, plain, shapes, weights } from './contenders.ts';
import type { Known } from './world.ts';

describe('nobody starves', () => {
  it('a joiner has its k-th grant within the turns that weights give the others until then, with one slot and at any weights', () => {
    const joins = fc.record({
      weights: fc.array(weights, { minLength: 2, maxLength: 6 }),
      shape: shapes,
      before: fc.nat({ max: 60 }),
      k: fc.integer({ min: 1, max: 3 }),
    });
    fc.assert(
      fc.property(joins, ({ weights: weightList, shape, before, k }) => {
        const world = contenders(weightList, shape);
        world.setPool('model', 1);
        const ask = (tenant: number): Known =>
          world.submit({ ...plain, tenantId: `t${tenant}`, keyId: `t${tenant}.0` });
        const settle = (): void => {
          const [request] = world.all('HELD');
          if (request === undefined) return;
          world.settle(request, request.cost);
          if (request.tenantId !== 't0') ask(Number(request.tenantId.slice(1)));
        };
        for (let tenant = 1; tenant < weightList.length; tenant += 1)
          for (let count = 0; count < 3; count += 1) ask(tenant);
        for (let count = 0; count < before; count += 1) settle();
        const asked = Array.from({ length: k }, () => ask(0));
        const own = weightList[0] ?? 1;
        const bound = weightList.slice(1).reduce((turns, weight) => turns + Math.ceil(((k - 1) * weight) / own) + 1, k);
        fc.pre(bound < 2_000);
        let turns = 0;
        while (asked.at(-1)?.state === 'WAITING' && turns <= bound) {
          settle();
          turns += 1;
        }
        expect(turns).toBeLessThanOrEqual(bound);
      }),
      { numRuns: 300 },
    );
  });

  it('everybody who waits is served while fewer slots than groups are in use, however unequal they are', () => {
    fc.assert(
      fc.property(fc.array(weights, { minLength: 3, maxLength: 6 }), shapes, (weightList, shape) => {
        const world = contenders(weightList, shape);
        world.setPool('model', 2);
        const first = weightList.map((_, tenant) =>
          Array.from({ length: 3 }, () => world.submit({ ...plain, tenantId: `t${tenant}`, keyId: `t${tenant}.0` })),
        );
        // Everybody's first, in as many turns as there are contenders, and what they hold in advance.
        for (let turn = 0; turn < weightList.length + 4; turn += 1) {
          const [request] = world.all('HELD');
          if (request === undefined) break;
          world.settle(request, request.cost);
          world.submit({ ...plain, tenantId: request.tenantId, keyId: request.keyId });
        }
        expect(first.filter(([request]) => request?.state === 'WAITING')).toEqual([]);
      }),
      { numRuns: 200 },
    );
  });

  it('whose requests cost nothing, or are cancelled as soon as they are granted, do not hold up others', () => {
    for (const end of ['settle', 'cancel'] as const) {
      const world = contenders([100, 100], 'groups');
      world.setPool('model', 1);
      for (let count = 0; count < 30; count += 1) {
        for (const tenant of ['t0', 't1']) world.submit({ ...plain, tenantId: tenant, keyId: `${tenant}.0` });
      }
      for (let count = 0; count < 30; count += 1) {
        const [request] = world.all('HELD');
        if (request === undefined) break;
        if (request.tenantId === 't1') world.settle(request, 10);
        else if (end === 'settle') world.settle(request, 0);
        else world.cancel(request);
      }
      expect(world.all('SETTLED').filter(({ tenantId }) => tenantId === 't1').length).toBeGreaterThanOrEqual(2);
    }
  });
});
