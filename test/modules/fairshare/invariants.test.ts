import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { live, traces } from './traces.ts';

const runs = { numRuns: 300 };

describe('whatever happens', () => {
  it('leaves no slot free that somebody who waits could use', () => {
    fc.assert(
      fc.property(traces, (trace) => {
        live(trace, (world) => {
          expect(world.all('WAITING').filter((request) => world.roomFor(request))).toEqual([]);
        });
      }),
      runs,
    );
  });

  it('grants nothing beyond the cap of a pool, the deployment, a tenant, a key, or any other that a request names', () => {
    fc.assert(
      fc.property(traces, (trace) => {
        live(trace, undefined, (world, request) => {
          for (const name of world.boundsOf(request)) {
            expect(world.running.get(name), name).toBeLessThanOrEqual(
              world.bounds.get(name) ?? Number.POSITIVE_INFINITY,
            );
          }
        });
      }),
      runs,
    );
  });

  it('conserves slots: granted = settled + released + expired + held, and everything ends once', () => {
    fc.assert(
      fc.property(traces, (trace) => {
        const wasHeld = new Set<string>();
        const world = live(
          trace,
          (each) => {
            for (const { id } of each.all('HELD')) wasHeld.add(id);
            const held = each.all('HELD').length;
            const { totals, inFlight, queued, pools } = each.scheduler.snapshot(each.now);
            expect(totals).toMatchObject({
              settled: each.all('SETTLED').length,
              released: each.all('RELEASED').length,
              expired: each.all('EXPIRED').length,
              held,
            });
            expect(totals.granted + totals.adopted).toBe(totals.settled + totals.released + totals.expired + held);
            expect([inFlight, queued]).toEqual([held, each.all('WAITING').length]);
            for (const pool of pools) expect(pool.inFlight).toBe(each.running.get(`pool:${pool.name}`) ?? 0);
          },
          (_, { id }) => wasHeld.add(id),
        );
        const ended = (['SETTLED', 'RELEASED', 'EXPIRED', 'HELD'] as const).flatMap((state) => world.all(state));
        expect(new Set(ended.map(({ id }) => id))).toEqual(wasHeld);
        for (const { id } of ended.filter(({ state }) => state !== 'HELD')) {
          expect(world.scheduler.settle(id, 1, world.now)).toBe(false);
          expect(world.scheduler.renew(id, world.now + 1)).toBe(false);
          expect(world.scheduler.cancel(id, world.now)).toBeUndefined();
        }
      }),
      { numRuns: 100 },
    );
  });

  it('decides the same in the same situation, however often it is repeated', () => {
    fc.assert(
      fc.property(traces, (trace) => {
        expect(live(trace).log).toEqual(live(trace).log);
      }),
      { numRuns: 100 },
    );
  });

  it('forgets everything that nobody asked to remember, once nobody waits or runs', () => {
    fc.assert(
      fc.property(traces, (trace) => {
        const world = live(trace);
        for (const request of [...world.all('WAITING'), ...world.all('HELD')]) {
          if (request.state === 'WAITING' || request.state === 'HELD') world.cancel(request);
        }
        const { groups, tenants, keys, inFlight, queued } = world.scheduler.snapshot(world.now);
        expect({ groups, tenants, keys, inFlight, queued }).toEqual({
          groups: [],
          tenants: [],
          keys: [],
          inFlight: 0,
          queued: 0,
        });
      }),
      runs,
    );
  });

  it('says for everybody who waits a position among those who wait', () => {
    fc.assert(
      fc.property(traces, (trace) => {
        live(trace, (world) => {
          const waiting = world.all('WAITING');
          for (const { id, pool } of waiting) {
            const position = world.scheduler.positionOf(id, world.now)?.position ?? 0;
            expect(position).toBeGreaterThanOrEqual(1);
            expect(position).toBeLessThanOrEqual(waiting.filter((other) => other.pool === pool).length);
          }
        });
      }),
      { numRuns: 100 },
    );
  });
});
