import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { beforeEach, describe, expect, it } from 'vitest';
import { NotWrittenError } from '../../../src/database/group-commit.ts';
import { newId } from '../../../src/graph/ids.ts';
import { leaseRow, recordOf } from '../../testkit/admission.ts';
import { afterFile } from '../../testkit/after-file.ts';
import { eventually } from '../../testkit/eventually.ts';
import { holdTable } from '../../testkit/held.ts';
import { startTcpProxy } from '../../testkit/tcp-proxy.ts';
import { grantAndSettle, startWriters } from './writers.ts';

const { app, databaseUrl, startWriter, leaseIds, records, clear, untilHeldUp } = await startWriters();
const { pool } = app.database;

beforeEach(clear);

describe('a connection that is lost', () => {
  it('loses nothing that was acknowledged, doubles nothing, and fails nobody', async () => {
    const writer = startWriter();
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
    afterFile(() => proxy.close());
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
