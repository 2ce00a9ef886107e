import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { afterAll, expect, it } from 'vitest';
import { decodeId } from '../../../src/graph/ids.ts';
import { startTestApp } from '../../testkit/app.ts';
import { eventually } from '../../testkit/eventually.ts';
import { callerOf, Gate, modelWith } from '../../testkit/gate.ts';
import { Program } from '../../testkit/program.ts';
import { Seed } from '../../testkit/seed.ts';

const closers: (() => Promise<unknown>)[] = [];
afterAll(async () => {
  for (const close of closers.toReversed()) await close();
});

it('one process decides at a time; the next one takes over its leases, with their slots, and its counters', async () => {
  const first = await startTestApp();
  const second = await startTestApp({ sameDatabaseAs: first, clock: first.clock });
  const seed = new Seed(first);
  const [gate, other] = [new Gate(first.operator), new Gate(second.operator)];
  const model = await modelWith(first, seed, 2);
  const { keyId } = await callerOf(seed, {}, { limits: { requestsPerMinute: 3 } });
  const wanted = { keyId, model: model.name, leaseSeconds: 100 };
  const leases = [await gate.admit({ ...wanted, requestId: 'kept' }), await other.admit(wanted)];
  const waiting = gate.ask({ ...wanted, requestId: 'waits' });
  await other.whenQueued('waits');

  await first.app.close();
  // What waits is not left hanging, and is asked for again.
  expect(await waiting).toMatchObject({ code: 'NOT_READY', retryable: true });
  await eventually(async () => expect(await other.leaseIds()).toEqual(leases.map(({ id }) => id)));
  expect((await other.admit({ ...wanted, requestId: 'kept' })).id).toBe(leases[0]?.id);
  const third = other.ask({ ...wanted, requestId: 'third' });
  await eventually(async () => expect(await other.queued('third')).toMatchObject({ position: 1 }));
  expect(await other.refused(wanted)).toMatchObject({ code: 'RATE_LIMITED', limit: { used: '3' } });
  expect(await other.renew({ leaseId: leases[1]?.id ?? '' })).toMatchObject({ lease: { id: leases[1]?.id } });
  expect(await other.settle(leases[0]?.id ?? '')).toMatchObject({ usageRecord: { settlement: 'SETTLED' } });
  expect(await third).toMatchObject({ admission: 'QUEUED' });
  second.clock.advance(100_000);
  await eventually(async () => expect(await other.leaseIds()).toEqual([]));
});

it('kill -9 under load loses no settlement that was acknowledged and doubles none, counts all of it, and what ran can still be settled', async () => {
  const prepared = await startTestApp();
  const seed = new Seed(prepared);
  const model = await modelWith(prepared, seed, 64);
  const { keyId } = await callerOf(
    seed,
    { limits: { budget: { tokens: 1_000_000, period: 'LIFETIME' } } },
    { limits: { tokensPerDay: 9_000_000 } },
  );
  await prepared.app.close();
  const home = await mkdtemp(join(tmpdir(), 'fairlead-restart-'));
  closers.push(() => rm(home, { recursive: true, force: true }));
  const start = () => {
    const program = new Program(home, {
      DATABASE_URL: prepared.databaseUrl,
      FAIRLEAD_COST_CAPACITY: '1000000000',
      FAIRLEAD_COST_PER_SECOND: '1000000000',
    });
    closers.push(() => program.stop('SIGKILL'));
    return program;
  };
  const program = start();
  const gate = new Gate(await program.client());
  const admitted = new Set<string>();
  const settled = new Set<string>();
  const work = async (): Promise<void> => {
    for (;;) {
      const { id } = await gate.admit({ keyId, model: model.name, leaseSeconds: 600 });
      admitted.add(id);
      await gate.settle(id);
      settled.add(id);
    }
  };
  const workers = Promise.allSettled(Array.from({ length: 16 }, work));
  await eventually(() => expect(settled.size).toBeGreaterThan(200));
  await program.stop('SIGKILL');
  await workers;

  const next = new Gate(await start().client());
  // The lock of the process that was killed may still be known for a moment.
  await eventually(async () => expect(await next.ask({ keyId })).toMatchObject({ __typename: 'AdmitRequestPayload' }));
  const client = new pg.Client({ connectionString: prepared.databaseUrl });
  await client.connect();
  closers.push(() => client.end());
  const { rows: used } = await client.query<{ tokens: string }>(`
    SELECT 30 * ((SELECT count(*) FROM usage_record) + (SELECT count(*) FROM lease)) AS tokens
  `);
  for (const [name, estimatedInputTokens] of [
    ['BUDGET_TOKENS', 5_000_000],
    ['TOKENS_PER_DAY', 9_999_999],
  ] as const) {
    expect(await next.refused({ keyId, estimatedInputTokens })).toMatchObject({
      limit: { name, used: used[0]?.tokens },
    });
  }
  await Promise.all(
    Array.from(admitted, async (id) => {
      const answer = await next.settle(id);
      expect(answer).toMatchObject({ usageRecord: { id: expect.any(String), settlement: 'SETTLED' } });
      if (settled.has(id)) expect(answer).toMatchObject({ isRepeated: true });
    }),
  );
  const { rows } = await client.query<{ id: string }>('SELECT id FROM usage_record');
  const recorded = rows.map(({ id }) => id);
  expect(new Set(recorded).size).toBe(recorded.length);
  expect([...admitted].filter((id) => !recorded.includes(decodeId('Lease', id)))).toEqual([]);
}, 60_000);
