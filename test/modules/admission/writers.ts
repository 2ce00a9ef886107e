import { pino } from 'pino';
import { expect } from 'vitest';
import type { Lease } from '../../../src/database/generated/client.ts';
import { AdmissionWriter } from '../../../src/modules/admission/writer.ts';
import { leaseRow, recordOf } from '../../testkit/admission.ts';
import { afterFile } from '../../testkit/after-file.ts';
import { startTestApp } from '../../testkit/app.ts';
import { eventually } from '../../testkit/eventually.ts';

const log = pino({ level: 'silent' });

interface WriterOptions {
  readonly url?: string;
  readonly deadlineMs?: number;
  readonly waitingMax?: number;
}

/** A database that writers of admission write to, and what is in it. */
export async function startWriters() {
  const { app, databaseUrl } = await startTestApp();
  const { prisma, pool } = app.database;
  return {
    app,
    databaseUrl,
    /** They write as the program does, which is the first that decides here. */
    startWriter: (options: WriterOptions = {}): AdmissionWriter => {
      const writer = new AdmissionWriter({ url: databaseUrl, epoch: 1, log, deadlineMs: 60_000, ...options });
      afterFile(() => writer.close());
      return writer;
    },
    leaseIds: async () => (await prisma.lease.findMany({ select: { id: true } })).map(({ id }) => id),
    records: (ids: readonly string[]) => prisma.usageRecord.findMany({ where: { id: { in: [...ids] } } }),
    /** Removes what tests count. */
    clear: () => Promise.all([prisma.lease.deleteMany(), prisma.limitCounter.deleteMany()]),
    /** Until a connection of admission waits for a lock. */
    untilHeldUp: () =>
      eventually(async () => {
        const { rows } = await pool.query(
          `SELECT FROM pg_stat_activity
           WHERE datname = current_database() AND application_name = 'fairlead admission' AND wait_event_type = 'Lock'`,
        );
        expect(rows).not.toEqual([]);
      }),
  };
}

export async function grantAndSettle(by: AdmissionWriter, lease = leaseRow()): Promise<Lease> {
  await by.grant(lease);
  await by.settle(recordOf(lease));
  return lease;
}
