import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Submission, TenantSettings } from '../../../src/modules/fairshare/api.ts';
import type { Outlook, Prospect } from '../../../src/modules/fairshare/outlook.ts';
import { Scheduler } from '../../../src/modules/fairshare/scheduler.ts';
import { type Decides, traces, World } from './world.ts';

const bounds = { maxQueued: 4, maxWaitMs: 400 };

/** A world that keeps what it was told of everybody, as admission does, and looks ahead at each request before it is made. */
class Foreseen {
  readonly scheduler = new Scheduler({ algorithm: 'HIERARCHICAL', maxQueued: 9, poolQueue: { maxQueued: 6 } });
  readonly world: World;
  readonly #tenants = new Map<string, TenantSettings>();
  readonly #keys = new Map<string, Prospect['key']>();
  readonly #caps = new Map<string, number | null>();
  readonly #judge: (foreseen: Outlook, submission: Submission, now: number) => ReturnType<Scheduler['submit']>;

  constructor(judge: (foreseen: Outlook, submission: Submission, now: number) => ReturnType<Scheduler['submit']>) {
    this.#judge = judge;
    const { scheduler } = this;
    const decides: Decides = {
      submit: (submission, now) => this.#submit(submission, now),
      setTenant: (id, settings, now) => {
        this.#tenants.set(id, { ...settings, ...bounds });
        scheduler.setTenant(id, { ...settings, ...bounds }, now);
      },
      setKey: (id, settings, now) => {
        this.#keys.set(id, settings);
        scheduler.setKey(id, settings, now);
      },
      settle: (...given) => scheduler.settle(...given),
      cancel: (...given) => scheduler.cancel(...given),
      renew: (...given) => scheduler.renew(...given),
      advance: (...given) => scheduler.advance(...given),
      takeGrants: () => scheduler.takeGrants(),
      setAlgorithm: (...given) => scheduler.setAlgorithm(...given),
      setCeiling: (...given) => scheduler.setCeiling(...given),
      setPool: (...given) => scheduler.setPool(...given),
      setGroup: (...given) => scheduler.setGroup(...given),
    };
    this.world = new World(scheduler, decides);
    for (const pool of ['p0', 'p1']) this.world.setPool(pool, 3);
  }

  live(trace: Parameters<World['perform']>[0][]): void {
    for (const operation of trace) {
      // Whether a removed tenant keeps its group depends on what still runs; admission removes those alone that are idle.
      if (operation.kind === 'remove' && operation.what === 'tenant') continue;
      this.world.perform(operation);
      if (operation.kind === 'remove') this.#keys.delete(operation.id);
      if (operation.kind === 'setCap') this.#caps.set(operation.cap, operation.max);
    }
  }

  prospectOf({ pool, tenantId, keyId, priority, deadline, caps = [] }: Submission): Prospect {
    return {
      pool,
      tenantId,
      keyId,
      priority,
      deadline,
      tenant: this.#tenants.get(tenantId) ?? { groupId: 'default', weight: 100 },
      key: this.#keys.get(keyId) ?? { weight: 100 },
      caps: caps.map((id) => ({ id, max: this.#caps.get(id) ?? null })),
    };
  }

  #submit(submission: Submission, now: number): ReturnType<Scheduler['submit']> {
    return this.#judge(this.scheduler.outlook(this.prospectOf(submission), now), submission, now);
  }
}

describe('looking ahead at a request', () => {
  it('says what becomes of it when it is made: a slot, a wait, or the same refusal', () => {
    const seen = new Set<string>();
    fc.assert(
      fc.property(traces, (trace) => {
        const foreseen = new Foreseen((outlook, submission, now) => {
          const answer = foreseen.scheduler.submit(submission, now);
          expect(outlook.submitted).toEqual(answer);
          expect(outlook.position === undefined).toBe(answer.outcome !== 'QUEUED');
          seen.add('reason' in answer ? answer.reason : answer.outcome);
          return answer;
        });
        foreseen.live(trace);
      }),
      { numRuns: 300 },
    );
    expect([...seen].sort()).toEqual(['DEADLINE', 'GRANTED', 'QUEUED', 'QUEUE_FULL', 'UNKNOWN_POOL']);
  });

  it('gives the place that it then has, and the slots that its tenant is then expected to have', () => {
    fc.assert(
      fc.property(traces, (trace) => {
        const foreseen = new Foreseen((outlook, submission, now) => {
          const { scheduler } = foreseen;
          const answer = scheduler.submit(submission, now);
          if (answer.outcome !== 'QUEUED') return answer;
          const row = scheduler
            .snapshot(now)
            .pools.find(({ name }) => name === submission.pool)
            ?.tenants.find(({ id }) => id === submission.tenantId);
          expect(outlook.expectedSlots).toBeCloseTo(row?.expectedSlots ?? Number.NaN, 6);
          // One that waits for a cap of its own is not in the order of the pool until that is free.
          const request = { ...submission, priority: submission.priority ?? 'NORMAL', caps: submission.caps ?? [] };
          const own = foreseen.world.boundsOf(request).slice(2);
          const { running, bounds: maxima } = foreseen.world;
          if (own.every((name) => (running.get(name) ?? 0) < (maxima.get(name) ?? Number.POSITIVE_INFINITY))) {
            expect(outlook.position).toEqual(scheduler.positionOf(submission.id, now));
          }
          return answer;
        });
        foreseen.live(trace);
      }),
      { numRuns: 300 },
    );
  });

  it('changes nothing: whatever is looked at, everything goes on as if it had not been', () => {
    const logOf = (trace: Parameters<World['perform']>[0][], looks: boolean): readonly string[] => {
      const foreseen = new Foreseen((_outlook, submission, now) => {
        const prospect = foreseen.prospectOf(submission);
        for (const keyId of looks ? [submission.keyId, 't9.0', 't0.9'] : []) {
          for (const pool of ['p0', 'p1', 'none']) foreseen.scheduler.outlook({ ...prospect, keyId, pool }, now);
        }
        return foreseen.scheduler.submit(submission, now);
      });
      foreseen.live(trace);
      return [...foreseen.world.log, JSON.stringify(foreseen.scheduler.snapshot(foreseen.world.now))];
    };
    fc.assert(
      fc.property(traces, (trace) => {
        expect(logOf(trace, true)).toEqual(logOf(trace, false));
      }),
      { numRuns: 100 },
    );
  });
});
