import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { KeySettings, Submission, Submitted, TenantSettings } from '../../../src/modules/fairshare/api.ts';
import type { Outlook, Prospect } from '../../../src/modules/fairshare/outlook.ts';
import { Scheduler } from '../../../src/modules/fairshare/scheduler.ts';
import { traces } from './traces.ts';
import { type Operation, World } from './world.ts';

/** What is said of a request before it is made, and how it is made then. */
type Judge = (foreseen: Foreseen, submission: Submission, submit: () => Submitted) => Submitted;

const bounds = { maxQueued: 4, maxWaitMs: 400 };

/** Keeps what it was told of everybody, as admission does, and looks ahead at each request before it is made. */
class Foreseen extends Scheduler {
  readonly #tenants = new Map<string, TenantSettings>();
  readonly #keys = new Map<string, KeySettings>();
  readonly #caps = new Map<string, number | null>();
  readonly #judge: Judge;

  constructor(judge: Judge) {
    super({ algorithm: 'HIERARCHICAL', maxQueued: 9, poolQueue: { maxQueued: 6 } });
    this.#judge = judge;
  }

  override submit(submission: Submission, now: number): Submitted {
    return this.#judge(this, submission, () => super.submit(submission, now));
  }

  override setTenant(id: string, settings: TenantSettings, now: number): void {
    this.#tenants.set(id, { ...settings, ...bounds });
    super.setTenant(id, { ...settings, ...bounds }, now);
  }

  override setKey(id: string, settings: KeySettings, now: number): void {
    this.#keys.set(id, settings);
    super.setKey(id, settings, now);
  }

  override removeKey(id: string, now: number): readonly string[] {
    this.#keys.delete(id);
    return super.removeKey(id, now);
  }

  override setCap(id: string, max: number | null, now: number): void {
    this.#caps.set(id, max);
    super.setCap(id, max, now);
  }

  lookAt({ pool, tenantId, keyId, priority, deadline, caps = [] }: Submission, now: number): Outlook {
    const prospect: Prospect = {
      pool,
      tenantId,
      keyId,
      priority,
      deadline,
      tenant: this.#tenants.get(tenantId) ?? { groupId: 'default', weight: 100 },
      key: this.#keys.get(keyId) ?? { weight: 100 },
      caps: caps.map((id) => ({ id, max: this.#caps.get(id) ?? null })),
    };
    return this.outlook(prospect, now);
  }
}

/** Has everything happen, and calls `judge` at each request. */
function live(
  trace: readonly Operation[],
  judge: (
    given: { readonly world: World; readonly foreseen: Foreseen; readonly submission: Submission },
    submit: () => Submitted,
  ) => Submitted,
): World {
  const world: World = new World(
    new Foreseen((foreseen, submission, submit) => judge({ world, foreseen, submission }, submit)),
  );
  for (const pool of ['p0', 'p1']) world.setPool(pool, 3);
  for (const operation of trace) {
    // Whether a removed tenant keeps its group depends on what still runs; admission removes those alone that are idle.
    if (operation.kind !== 'remove' || operation.what !== 'tenant') world.perform(operation);
  }
  return world;
}

describe('looking ahead at a request', () => {
  it('says what becomes of it when it is made: a slot, a wait, or the same refusal', () => {
    const seen = new Set<string>();
    fc.assert(
      fc.property(traces, (trace) => {
        live(trace, ({ world, foreseen, submission }, submit) => {
          const outlook = foreseen.lookAt(submission, world.now);
          const answer = submit();
          expect(outlook.submitted).toEqual(answer);
          expect(outlook.position === undefined).toBe(answer.outcome !== 'QUEUED');
          seen.add('reason' in answer ? answer.reason : answer.outcome);
          return answer;
        });
      }),
      { numRuns: 300 },
    );
    expect([...seen]).toEqual(expect.arrayContaining(['DEADLINE', 'GRANTED', 'QUEUED', 'QUEUE_FULL', 'UNKNOWN_POOL']));
  });

  it('gives the place that it then has, and the slots that its tenant is then expected to have', () => {
    fc.assert(
      fc.property(traces, (trace) => {
        live(trace, ({ world, foreseen, submission }, submit) => {
          const { now, running, bounds: maxima } = world;
          const outlook = foreseen.lookAt(submission, now);
          // One that waits for a cap of its own, or behind others who do, is not in the order of the pool until then.
          const request = { ...submission, priority: submission.priority ?? 'NORMAL', caps: submission.caps ?? [] };
          const own = world.boundsOf(request).filter((name) => !name.startsWith('pool:') && name !== 'ceiling');
          const isInOrder =
            own.every((name) => (running.get(name) ?? 0) < (maxima.get(name) ?? Number.POSITIVE_INFINITY)) &&
            !world
              .all('WAITING')
              .some(({ pool, caps }) => pool === request.pool && caps.some((cap) => request.caps.includes(cap)));
          const answer = submit();
          if (answer.outcome !== 'QUEUED') return answer;
          const row = foreseen
            .snapshot(now)
            .pools.find(({ name }) => name === submission.pool)
            ?.tenants.find(({ id }) => id === submission.tenantId);
          expect(outlook.expectedSlots).toBeCloseTo(row?.expectedSlots ?? Number.NaN, 6);
          if (isInOrder) expect(outlook.position).toEqual(foreseen.positionOf(submission.id, now));
          return answer;
        });
      }),
      { numRuns: 300 },
    );
  });

  it('changes nothing: whatever is looked at, everything goes on as if it had not been', () => {
    const logOf = (trace: readonly Operation[], looks: boolean): readonly string[] => {
      const { log, scheduler, now } = live(trace, ({ world, foreseen, submission }, submit) => {
        for (const keyId of looks ? [submission.keyId, 't9.0', 't0.9'] : []) {
          for (const pool of ['p0', 'p1', 'none']) foreseen.lookAt({ ...submission, keyId, pool }, world.now);
        }
        return submit();
      });
      return [...log, JSON.stringify(scheduler.snapshot(now))];
    };
    fc.assert(
      fc.property(traces, (trace) => {
        expect(logOf(trace, true)).toEqual(logOf(trace, false));
      }),
      { numRuns: 100 },
    );
  });
});
