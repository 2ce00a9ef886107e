import { beforeEach, describe, expect, it } from 'vitest';
import { Prisma } from '../../../src/database/generated/client.ts';
import { NotWrittenError } from '../../../src/database/group-commit.ts';
import { PipelinedConnection } from '../../../src/database/pipelined-connection.ts';
import { newId } from '../../../src/graph/ids.ts';
import { keptCounters, keptLeases } from '../../../src/modules/admission/kept.ts';
import { leaseRow, recordOf } from '../../testkit/admission.ts';
import { afterFile } from '../../testkit/after-file.ts';
import { holdTable } from '../../testkit/held.ts';
import { unsettled } from '../../testkit/usage.ts';
import { grantAndSettle, startWriters } from './writers.ts';

const { app, databaseUrl, startWriter, leaseIds, records, clear, untilHeldUp } = await startWriters();
const { database } = app;
const { prisma, pool } = database;
const writer = startWriter();

beforeEach(clear);

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
      afterFile(() => connection.close());
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
