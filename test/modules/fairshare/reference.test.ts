/** The scheduler beside its rules written down without any of its machinery. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Scheduler } from '../../../src/modules/fairshare/scheduler.ts';
import { ReferenceScheduler } from './reference.ts';
import { live, traces } from './traces.ts';

it('decides every trace, one decision after the other, as the plain rules do', () => {
  fc.assert(
    fc.property(traces, (trace) => {
      const ours = live(trace);
      const theirs = live(trace, undefined, undefined, new ReferenceScheduler());
      expect(ours.log).toEqual(theirs.log);
    }),
    { numRuns: 150 },
  );
});

describe('what the plain rules showed', () => {
  it('a key that nobody has set does not get rid of what it took in advance by leaving', () => {
    const scheduler = new Scheduler({ algorithm: 'WEIGHTED' });
    scheduler.setPool('model', { capacity: 2 }, 0);
    const submit = (id: string, keyId: string): void => {
      scheduler.submit({ id, pool: 'model', tenantId: 'a', keyId, cost: 1 }, 0);
    };
    scheduler.submit({ id: 'stays', pool: 'model', tenantId: 'a', keyId: 'other', priority: 'HIGH', cost: 1 }, 0);
    submit('dear', 'first');
    scheduler.settle('dear', 50, 0);
    scheduler.submit({ id: 'between', pool: 'model', tenantId: 'b', keyId: 'of b', cost: 1 }, 0);
    submit('back', 'first');
    submit('later', 'second');
    scheduler.settle('between', 1, 0);
    expect(scheduler.takeGrants().map(({ id }) => id)).toEqual(['later']);
  });

  it('whoever waited for a cap is owed nothing when it may go on: it was not idle', () => {
    const scheduler = new Scheduler({ algorithm: 'HIERARCHICAL' });
    for (const pool of ['one', 'two']) scheduler.setPool(pool, { capacity: 3 }, 0);
    scheduler.setTenant('a', { groupId: 'default', weight: 1, maxInFlight: 1 }, 0);
    const submit = (id: string, pool: string, tenantId: string, cost: number): void => {
      scheduler.submit({ id, pool, tenantId, keyId: `of ${tenantId}`, cost }, 0);
    };
    submit('1', 'one', 'a', 1);
    submit('2', 'two', 'a', 10_000);
    scheduler.settle('1', 1, 0);
    submit('3', 'one', 'a', 1);
    submit('4', 'one', 'a', 1);
    submit('5', 'two', 'b', 1);
    submit('6', 'two', 'a', 1);
    scheduler.takeGrants();
    scheduler.settle('2', 1, 0);
    expect(scheduler.takeGrants().map(({ id }) => id)).toEqual(['3']);
  });
});
