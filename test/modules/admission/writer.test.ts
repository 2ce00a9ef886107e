import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { pino } from 'pino';
import { afterAll, beforeEach, describe, expect, it } from 'vitest';
import { type Lease, Prisma } from '../../../src/database/generated/client.ts';
import { NotWrittenError } from '../../../src/database/group-commit.ts';
import { PipelinedConnection } from '../../../src/database/pipelined-connection.ts';
import { newId } from '../../../src/graph/ids.ts';
import { keptCounters, keptLeases } from '../../../src/modules/admission/kept.ts';
import { AdmissionWriter } from '../../../src/modules/admission/writer.ts';
import { leaseRow, recordOf } from '../../testkit/admission.ts';
import { startTestApp } from '../../testkit/app.ts';
import { eventually } from '../../testkit/eventually.ts';
import { holdTable } from '../../testkit/held.ts';
import { startTcpProxy } from '../../testkit/tcp-proxy.ts';
import { unsettled } from '../../testkit/usage.ts';

const { app, databaseUrl } = await startTestApp();
const { database } = app;
const log = pino({ level: 'silent' });
const closers: (() => Promise<void>)[] = [];
afterAll(() => Promise.all(closers.map((close) => close())));

/** They write as the program does, which is the first that decides here. */
function startWriter(options: { url?: string; deadlineMs?: number; waitingMax?: number } = {}): AdmissionWriter {
  const writer = new AdmissionWriter({ url: databaseUrl, epoch: 1, log, deadlineMs: 60_000, ...options });
  closers.push(() => writer.close());
  return writer;
}

const writer = startWriter();
const { prisma, pool } = database;
const leaseIds = async () => (await prisma.lease.findMany({ select: { id: true } })).map(({ id }) => id);
const records = (ids: readonly string[]) => prisma.usageRecord.findMany({ where: { id: { in: [...ids] } } });

beforeEach(() => prisma.lease.deleteMany());

/** Until a connection of admission waits for a lock. */
const untilHeldUp = () =>
  eventually(async () => {
    const { rows } = await pool.query(
      `SELECT FROM pg_stat_activity
       WHERE datname = current_database() AND application_name = 'fairlead admission' AND wait_event_type = 'Lock'`,
    );
    expect(rows).not.toEqual([]);
  });

async function grantAndSettle(by: AdmissionWriter, lease = leaseRow()): Promise<Lease> {
  await by.grant(lease);
  await by.settle(recordOf(lease));
  return lease;
}

describe('what is kept', () => {
  it('is a lease with all that it was granted with, whatever its texts have in them', async () => {
    const text = `{"quoted"}, \\back\\slash, 'single', NULL,\n\t\r{} 😀 ${'x'.repeat(5_000)}`;
    const lease = leaseRow({
      instanceId: newId(),
      gatewayId: newId(),
      tenantId: newId(),
      fairshareGroupId: newId(),
      keyId: newId(),
      userId: newId(),
      teamId: newId(),
      appId: newId(),
      productId: newId(),
      engineId: newId(),
      modelId: newId(),
      pool: '',
      modelName: text,
      requestId: '',
      sessionId: 'NULL',
      requestType: text,
      admission: 'QUEUED',
      estimatedInputTokens: 2n ** 53n,
      reservation: [text, null, { deep: [1.5, 'a'] }],
      queuedAt: new Date('2026-02-28T23:59:59.999Z'),
    });
    await writer.grant(lease);
    expect(await keptLeases(database)).toEqual([lease]);
    const record = recordOf(lease, {
      costUsd: new Prisma.Decimal('123456789012.123456789012'),
      statusCode: 599,
      completedAt: new Date('2038-01-19T03:14:08.001Z'),
    });
    expect(await writer.settle(record)).toEqual({ record, isNew: true });
    expect(await records([lease.id])).toEqual([record]);
    expect(await writer.settle(recordOf(lease))).toEqual({ record, isNew: false });
  });

  it('is a lease until it is released, with its end as it was moved last', async () => {
    const [one, other] = [leaseRow(), leaseRow()];
    const at = (seconds: number) => new Date(Date.UTC(2026, 5, 1, 0, 0, seconds));
    await Promise.all([
      writer.grant(one),
      writer.grant(other),
      ...[1, 2, 3].map((seconds) => writer.renew({ id: one.id, expiresAt: at(seconds) })),
      writer.release(other.id),
      writer.release(newId()),
      writer.renew({ id: newId(), expiresAt: at(1) }),
    ]);
    expect(await keptLeases(database)).toEqual([{ ...one, expiresAt: at(3) }]);
  });

  it('is the last state of a counter, until it counts for nothing any more', async () => {
    const at = Date.parse('2026-03-01T00:00:00.000Z');
    const counter = (key: string, state: unknown, expiresAt: number | null = null) => ({ key, state, expiresAt });
    await Promise.all([writer.count([counter('a', 1), counter('b', 1, at)]), writer.count([counter('a', { n: [2] })])]);
    await writer.count([]);
    expect(await keptCounters(database, new Date(at - 1))).toEqual([counter('a', { n: [2] }), counter('b', 1, at)]);
    expect(await keptCounters(database, new Date(at))).toEqual([counter('a', { n: [2] })]);
    expect(await prisma.limitCounter.count()).toBe(1);
  });

  it('is no counter of a transaction that began before the one that wrote it last', async () => {
    await writer.count([{ key: 'late', state: 'new', expiresAt: null }]);
    await pool.query(`UPDATE limit_counter SET updated_at = now() + interval '1 minute' WHERE key = 'late'`);
    await writer.count([{ key: 'late', state: 'old', expiresAt: null }]);
    expect(await prisma.limitCounter.findUnique({ where: { key: 'late' } })).toMatchObject({ state: 'new' });
  });

  it('is a lease, a renewal, a release and a counter without a wait for settlements that are under way', async () => {
    const [lease, released] = [leaseRow(), leaseRow()];
    await writer.grant(released);
    await grantAndSettle(writer);
    const release = await holdTable({ app }, 'usage_record');
    const settled = writer.settle(recordOf(leaseRow()));
    await untilHeldUp();
    await writer.grant(lease);
    await writer.renew({ id: lease.id, expiresAt: new Date('2030-01-01T00:00:00Z') });
    await writer.release(released.id);
    await writer.count([{ key: 'not held up', state: 1, expiresAt: null }]);
    expect(await leaseIds()).toEqual([lease.id]);
    await release();
    await settled;
  });

  it('waits for the disk only over a connection that is durable', async () => {
    // Whether it takes the waits away; otherwise the server says what there is to wait for.
    const isRelaxed = async (isDurable: boolean): Promise<boolean> => {
      const connection = new PipelinedConnection({
        ...{ url: databaseUrl, applicationName: 'test', statements: {}, isDurable, onLost: () => undefined },
        ...{ statementTimeoutMs: 60_000, answeredWithinMs: 60_000 },
      });
      closers.push(() => connection.close());
      const [row] = await connection.read(
        `SELECT setting, source FROM pg_settings WHERE name = 'synchronous_commit'`,
        [],
      );
      return row?.setting === 'off' && row.source === 'client';
    };
    expect([await isRelaxed(true), await isRelaxed(false)]).toEqual([false, true]);
  });

  it('is a lease without a wait for counters that are under way', async () => {
    const release = await holdTable({ app }, 'limit_counter');
    const counted = writer.count([{ key: 'held up', state: 1, expiresAt: null }]);
    await untilHeldUp();
    const lease = await grantAndSettle(writer);
    expect(await records([lease.id])).toHaveLength(1);
    await release();
    await counted;
  });
});

describe('a settlement', () => {
  it('is one record and no lease for each of 10,000 leases that are granted and settled at the same time', async () => {
    const before = await prisma.usageRecord.count();
    const leases = await Promise.all(Array.from({ length: 10_000 }, () => grantAndSettle(writer)));
    expect(await prisma.usageRecord.count()).toBe(before + leases.length);
    expect(await leaseIds()).toEqual([]);
  });

  it('is the same for everybody who settles the same lease at the same time, in two processes', async () => {
    const other = startWriter();
    const leases = Array.from({ length: 300 }, () => leaseRow());
    await Promise.all(leases.map((lease) => writer.grant(lease)));
    const answers = await Promise.all(
      leases.map((lease, index) => {
        const by = index % 2 === 0 ? [writer, other, writer] : [other, writer, other];
        return Promise.all(by.map((each, figure) => each.settle(recordOf(lease, { outputTokens: BigInt(figure) }))));
      }),
    );
    const stored = new Map((await records(leases.map(({ id }) => id))).map((record) => [record.id, record]));
    expect(stored.size).toBe(leases.length);
    for (const [index, settled] of answers.entries()) {
      const record = stored.get(leases[index]?.id ?? '');
      expect(settled.map((answer) => answer.record)).toEqual([record, record, record]);
      expect(settled.filter(({ isNew }) => isNew)).toHaveLength(1);
    }
    expect(await leaseIds()).toEqual([]);
  });

  it('that comes late corrects the record once, for whoever has the lease', async () => {
    const lease = leaseRow();
    const expired = recordOf(lease, unsettled);
    await writer.settle(expired);
    const figures = recordOf(lease, { outputTokens: 7n, costUsd: new Prisma.Decimal('1.000000000001') });
    expect(await writer.correct({ ...figures, credentialId: 'key:other' })).toBeUndefined();
    expect(await records([lease.id])).toEqual([expired]);
    const corrected = { ...figures, settlement: 'LATE', completedAt: expired.completedAt } as const;
    const [first, second] = await Promise.all([
      writer.correct(figures),
      writer.correct({ ...figures, outputTokens: 8n }),
    ]);
    expect(first).toEqual({ record: corrected, isNew: true });
    expect(second).toEqual({ record: corrected, isNew: false });
    expect(await writer.correct({ ...figures, outputTokens: 9n })).toEqual({ record: corrected, isNew: false });
    expect(await records([lease.id])).toEqual([corrected]);
    expect(await writer.correct({ ...figures, id: newId() })).toBeUndefined();
  });

  it('that was in time is not corrected', async () => {
    const lease = await grantAndSettle(writer);
    expect(await writer.correct(recordOf(lease, { outputTokens: 7n }))).toEqual({
      record: recordOf(lease),
      isNew: false,
    });
  });

  it('ends a lease that is still being written, and that was to be renewed', async () => {
    await grantAndSettle(writer);
    const release = await holdTable({ app }, 'lease');
    const lease = leaseRow();
    const asked = [writer.grant(lease)];
    await untilHeldUp();
    asked.push(writer.renew({ id: lease.id, expiresAt: new Date('2030-01-01T00:00:00Z') }));
    const settled = writer.settle(recordOf(lease));
    await release();
    await Promise.all(asked);
    expect(await settled).toMatchObject({ isNew: true });
    expect(await leaseIds()).toEqual([]);
  });

  it('comes after all that was asked for before it, also in one batch with it', async () => {
    const lease = leaseRow();
    const record = recordOf(lease, unsettled);
    const [, settled, corrected] = await Promise.all([
      writer.grant(lease),
      writer.settle(record),
      writer.correct(recordOf(lease)),
    ]);
    expect(settled).toEqual({ record, isNew: true });
    expect(corrected).toMatchObject({ record: { settlement: 'LATE', statusCode: 200 }, isNew: true });
    expect(await leaseIds()).toEqual([]);
  });
});

describe('what Postgres refuses', () => {
  it('fails by itself and leaves its neighbours alone', async () => {
    const leases = Array.from({ length: 100 }, () => leaseRow());
    const bad: Readonly<Record<number, object>> = {
      17: { requestType: 'a\u0000b' },
      18: { statusCode: 99 },
      60: { tenantId: 'nonsense' },
      99: { tenantId: `${newId()},${newId()}` },
    };
    const answers = await Promise.allSettled(
      leases.map((lease, index) => writer.settle(recordOf(lease, bad[index] ?? {}))),
    );
    const refused = answers.flatMap((answer, index) => (answer.status === 'rejected' ? [index] : []));
    expect(refused).toEqual(Object.keys(bad).map(Number));
    for (const answer of answers) {
      if (answer.status === 'rejected') expect(answer.reason).not.toBeInstanceOf(NotWrittenError);
    }
    expect(await records(leases.map(({ id }) => id))).toHaveLength(96);
  });
});

describe('a connection that is lost', () => {
  it('loses nothing that was acknowledged, doubles nothing, and fails nobody', async () => {
    const settled: string[] = [];
    let ends = 0;
    const keepGoing = async (): Promise<void> => {
      while (ends < 8) {
        const lease = await grantAndSettle(writer);
        settled.push(lease.id);
      }
    };
    const load = Promise.all(Array.from({ length: 50 }, keepGoing));
    while (ends < 8) {
      const before = settled.length;
      await eventually(() => expect(settled.length).toBeGreaterThan(before + 100));
      // As a batch is under way nearly always, it meets one.
      const { rowCount } = await pool.query(
        `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
         WHERE datname = current_database() AND application_name = 'fairlead admission'`,
      );
      expect(rowCount).toBeGreaterThan(0);
      ends += 1;
    }
    await load;
    expect((await records(settled)).length).toBe(settled.length);
    expect(await leaseIds()).toEqual([]);
  });

  it('after the commit and before the answer makes no second record', async () => {
    const proxy = await startTcpProxy(databaseUrl);
    closers.push(() => proxy.close());
    const remote = startWriter({ url: proxy.url });
    const lease = await grantAndSettle(remote);
    const [settledAfter, grantedAfter] = [leaseRow(), leaseRow()];
    const release = await holdTable({ app }, 'usage_record');
    const answers = Promise.all([remote.settle(recordOf(settledAfter)), remote.grant(grantedAfter)]);
    await untilHeldUp();
    proxy.loseEverythingSent();
    await release();
    await eventually(async () => expect(await leaseIds()).toEqual([grantedAfter.id]));
    proxy.cut();
    const [settled] = await answers;
    expect(settled.record).toEqual(recordOf(settledAfter));
    expect(await records([lease.id, settledAfter.id])).toHaveLength(2);
    expect(await leaseIds()).toEqual([grantedAfter.id]);
  });
});

describe('a database that does not answer', () => {
  const notWritten = { name: 'NotWrittenError', retryAfterMs: 1_000 };

  it('has callers told to try again, and keeps no lease of theirs when it goes on', async () => {
    const hasty = startWriter({ deadlineMs: 300 });
    await grantAndSettle(hasty);
    const release = await holdTable({ app }, 'lease');
    const refused = await Promise.allSettled([
      ...Array.from({ length: 20 }, () => hasty.grant(leaseRow())),
      ...Array.from({ length: 20 }, () => hasty.settle(recordOf(leaseRow()))),
    ]);
    expect(refused.map(({ status }) => status)).toEqual(refused.map(() => 'rejected'));
    for (const answer of refused) if (answer.status === 'rejected') expect(answer.reason).toMatchObject(notWritten);
    await release();
    const granted = leaseRow();
    await eventually(() => hasty.grant(granted));
    await grantAndSettle(hasty);
    await eventually(() => expect(hasty.size).toBe(0));
    expect(await leaseIds()).toEqual([granted.id]);
  });

  it('has a lease taken back that it kept after its caller was told that it failed', async () => {
    const hasty = startWriter({ deadlineMs: 400 });
    await grantAndSettle(hasty);
    const release = await holdTable({ app }, 'lease');
    // One that is under way for long enough, and one that comes into a batch with it just before it ends.
    const slow = hasty.release(newId());
    const leases = [leaseRow(), leaseRow()];
    const grants = leases.map((lease) => hasty.grant(lease));
    const answers = await Promise.allSettled([slow, ...grants]);
    await release();
    for (const answer of answers) expect(answer).toMatchObject({ status: 'rejected', reason: notWritten });
    await eventually(() => expect(hasty.size).toBe(0));
    expect(await leaseIds()).toEqual([]);
  });

  it('has those refused at once who come when too many wait already', async () => {
    const bounded = startWriter({ deadlineMs: 5_000, waitingMax: 10 });
    await grantAndSettle(bounded);
    const release = await holdTable({ app }, 'lease');
    const first = bounded.grant(leaseRow());
    await untilHeldUp();
    const waiting = Array.from({ length: 10 }, () => bounded.grant(leaseRow()));
    await expect(bounded.grant(leaseRow())).rejects.toMatchObject({ ...notWritten, isUnknown: false });
    await release();
    await Promise.all([first, ...waiting]);
    expect(await leaseIds()).toHaveLength(11);
  });

  it('or that is not there at all has callers told so, and does not keep the program from stopping', async () => {
    const lost = startWriter({ url: 'postgres://nobody@127.0.0.1:9/nothing', deadlineMs: 100 });
    await expect(lost.settle(recordOf(leaseRow()))).rejects.toMatchObject(notWritten);
    const last = lost.grant(leaseRow());
    const closed = lost.close();
    await expect(last).rejects.toMatchObject(notWritten);
    await closed;
  });
});

describe('the end of the program', () => {
  it('in good order writes all that was asked for, and takes nothing more', async () => {
    const leaving = startWriter();
    const leases = Array.from({ length: 2_500 }, () => leaseRow());
    const settled = Promise.all(leases.map((lease) => leaving.settle(recordOf(lease))));
    const closed = leaving.close();
    await expect(leaving.grant(leaseRow())).rejects.toBeInstanceOf(NotWrittenError);
    await closed;
    await settled;
    expect(await records(leases.map(({ id }) => id))).toHaveLength(leases.length);
  });

  it('by kill -9 under load loses no settlement that was acknowledged', async () => {
    const program = fileURLToPath(new URL('./writer-load.ts', import.meta.url));
    const child = spawn(process.execPath, [program, databaseUrl], { stdio: ['ignore', 'pipe', 'inherit'] });
    const acknowledged: string[] = [];
    for await (const line of createInterface({ input: child.stdout })) {
      acknowledged.push(line);
      if (acknowledged.length === 2_000) child.kill('SIGKILL');
    }
    if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
    expect(child.signalCode).toBe('SIGKILL');
    // The last line may have been cut short.
    const ids = acknowledged.filter((id) => id.length === 36);
    expect(ids.length).toBeGreaterThanOrEqual(2_000 - 1);
    expect((await records(ids)).length).toBe(ids.length);
  });
});
