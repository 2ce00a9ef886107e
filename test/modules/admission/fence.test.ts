import { expect, it } from 'vitest';
import { decodeId } from '../../../src/graph/ids.ts';
import { startTestApp } from '../../testkit/app.ts';
import { eventually } from '../../testkit/eventually.ts';
import { callerOf, Gate, modelWith } from '../../testkit/gate.ts';
import { Seed } from '../../testkit/seed.ts';

const first = await startTestApp();
const second = await startTestApp({ sameDatabaseAs: first, clock: first.clock });
const seed = new Seed(first);
const { pool, prisma } = first.app.database;
const gates = [new Gate(first.operator), new Gate(second.operator)] as const;
const model = await modelWith(first, seed, 100);
const { keyId } = await callerOf(seed);
const wanted = { keyId, model: model.name, leaseSeconds: 3_600 };

const epochNow = async (): Promise<bigint> =>
  (await prisma.admissionOwner.findUniqueOrThrow({ where: { id: 1 } })).epoch;

/** Ends the connection that holds the lock, as a network that breaks does. */
const cutOwner = () =>
  pool.query(`
    SELECT pg_terminate_backend(pid) FROM pg_locks
    WHERE locktype = 'advisory' AND granted AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
      AND (classid::bigint << 32 | objid::bigint) = 7262023001
  `);

/** The one of the two that decides. */
const decider = () =>
  eventually(async () => {
    for (const gate of gates) {
      const answer = await gate.ask(wanted);
      if (answer.__typename === 'AdmitRequestPayload') return { gate, lease: answer.lease };
    }
    throw new Error('Nobody decides.');
  });

it('one that decides no more and does not know it acknowledges nothing, and gives up when it learns', async () => {
  const { gate, lease } = await decider();
  const before = await epochNow();
  // What another process does that has the lock.
  await pool.query(`SELECT begin_admission_epoch(gen_random_uuid(), NULL)`);
  expect(await gate.settle(lease.id)).toMatchObject({ code: 'NOT_READY' });
  expect(await prisma.usageRecord.count()).toBe(0);
  const next = await decider();
  expect(await epochNow()).toBeGreaterThan(before + 1n);
  expect(await next.gate.settle(lease.id)).toMatchObject({ isRepeated: false, usageRecord: { settlement: 'SETTLED' } });
});

it('nothing that is settled is lost or doubled while the lock is taken from whoever decides, again and again', async () => {
  const settled = new Map<string, number>();
  let isOver = false;
  const work = async (_: unknown, worker: number): Promise<void> => {
    for (let turn = 0; !isOver; turn += 1) {
      const { lease } = await decider();
      const inputTokens = 1_000 * worker + (turn % 1_000);
      for (;;) {
        const answers = await Promise.all(gates.map((gate) => gate.settle(lease.id, { inputTokens })));
        if (answers.some((answer) => answer.__typename === 'SettleRequestPayload')) break;
      }
      settled.set(decodeId('Lease', lease.id), inputTokens);
    }
  };
  const workers = Promise.all(Array.from({ length: 8 }, work));
  for (let cuts = 0; cuts < 6; cuts += 1) {
    const [settledBefore, epoch] = [settled.size, await epochNow()];
    await eventually(() => expect(settled.size).toBeGreaterThan(settledBefore + 10));
    await cutOwner();
    await eventually(async () => expect(await epochNow()).toBeGreaterThan(epoch));
  }
  isOver = true;
  await workers;
  const rows = await prisma.usageRecord.findMany({ where: { id: { in: [...settled.keys()] } } });
  expect(new Map(rows.map(({ id, inputTokens }) => [id, Number(inputTokens)]))).toEqual(settled);
  expect(rows.filter(({ settlement }) => settlement !== 'SETTLED')).toEqual([]);
});

it('an epoch begins when what is under way for the one before is written or refused, and never in between', async () => {
  const { gate } = await decider();
  const client = await pool.connect();
  await client.query('BEGIN; LOCK TABLE lease IN EXCLUSIVE MODE');
  const granting = gate.ask({ ...wanted, requestId: 'under way' });
  await eventually(async () => {
    const { rowCount } = await pool.query(`SELECT FROM pg_locks WHERE NOT granted AND relation = 'lease'::regclass`);
    expect(rowCount).toBe(1);
  });
  let hasBegun = false;
  const beginning = pool.query(`SELECT begin_admission_epoch(gen_random_uuid(), NULL)`).then(() => {
    hasBegun = true;
  });
  await eventually(async () => {
    const { rowCount } = await pool.query(`SELECT FROM pg_locks WHERE NOT granted AND locktype = 'advisory'`);
    expect(rowCount).toBeGreaterThan(0);
  });
  expect(hasBegun).toBe(false);
  await client.query('COMMIT');
  client.release();
  await beginning;
  // Whoever begins finds what was acknowledged, and nothing else comes after.
  const kept = await prisma.lease.findMany({ where: { requestId: 'under way' } });
  expect(kept.length === 1).toBe((await granting).__typename === 'AdmitRequestPayload');
});
