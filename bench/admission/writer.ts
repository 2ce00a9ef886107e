/**
 * What it costs to keep admissions: leases and usage records through the one writer, without the decision and without
 * HTTP. First at a given rate, where each request comes when it comes, then with as many at once as there are lanes, as
 * fast as it goes. Run it with `node_modules/.bin/node bench/admission/writer.ts`.
 */
import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import pg from 'pg';
import { pino } from 'pino';
import { startEmbeddedPostgres } from '../../src/database/embedded.ts';
import { applyMigrations } from '../../src/database/migrations.ts';
import { newId } from '../../src/graph/ids.ts';
import { AdmissionWriter } from '../../src/modules/admission/writer.ts';
import { leaseRow, recordOf } from '../../test/testkit/admission.ts';
import { cleanUp, cleanUpOnSignals, onCleanup, wasInterrupted } from '../harness/cleanup.ts';
import { familyMicroseconds, parentOf } from '../harness/process-time.ts';
import { percentile } from '../harness/statistics.ts';

const { values: options } = parseArgs({
  options: {
    seconds: { type: 'string', default: '10' },
    rate: { type: 'string', default: '1000' },
    lanes: { type: 'string', default: '256' },
    /** Records that are there before: indexes of an empty table cost less. */
    stored: { type: 'string', default: '200000' },
  },
});
const seconds = Number(options.seconds);
const rate = Number(options.rate);
const lanes = Number(options.lanes);
const stored = Number(options.stored);

const ids = (count: number): string[] => Array.from({ length: count }, newId);
const tenantIds = ids(100);
const keyIds = ids(2_000);
const modelIds = ids(20);
const userIds = ids(500);

const pick = (from: readonly string[], index: number): string => from[index % from.length] ?? '';

let made = 0;
/** One in three is for a user; requests have ids that nothing is known of. */
function nextLease() {
  made += 1;
  return leaseRow({
    tenantId: pick(tenantIds, made * 7),
    keyId: pick(keyIds, made * 13),
    modelId: pick(modelIds, made),
    userId: made % 3 === 0 ? pick(userIds, made) : null,
    requestId: `req_${Math.random().toString(36).slice(2)}`,
    reservation: {
      tokens: 300,
      taken: [
        ['key', 1, 2, 3],
        ['tenant', 1, 2, 3],
      ],
    },
  });
}

interface Waits {
  readonly granted: number[];
  readonly settled: number[];
}

async function admitAndSettle(writer: AdmissionWriter, waits: Waits): Promise<void> {
  const lease = nextLease();
  const start = performance.now();
  await writer.grant(lease);
  const granted = performance.now();
  waits.granted.push(granted - start);
  await writer.settle(recordOf(lease, { completedAt: new Date() }));
  waits.settled.push(performance.now() - granted);
}

/** So many a second, each at its time, whether or not those before have been answered. */
async function atRate(writer: AdmissionWriter, waits: Waits): Promise<void> {
  const start = performance.now();
  const all: Promise<void>[] = [];
  while (all.length < rate * seconds) {
    const due = Math.min(rate * seconds, Math.floor(((performance.now() - start) / 1_000) * rate));
    while (all.length < due) all.push(admitAndSettle(writer, waits));
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
  await Promise.all(all);
}

async function atOnce(writer: AdmissionWriter, waits: Waits): Promise<void> {
  const end = performance.now() + seconds * 1_000;
  const lane = async (): Promise<void> => {
    while (performance.now() < end) await admitAndSettle(writer, waits);
  };
  await Promise.all(Array.from({ length: lanes }, lane));
}

async function startDatabase(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'fairlead-bench-postgres-'));
  onCleanup(() => rm(folder, { recursive: true, force: true }));
  await chmod(folder, 0o755);
  const server = await startEmbeddedPostgres({ folder: join(folder, 'data'), log: () => undefined });
  onCleanup(() => server.stop());
  await applyMigrations({ url: server.url });
  return server.url;
}

const inMs = (waits: readonly number[]): string => {
  const sorted = waits.toSorted((one, other) => one - other);
  return [0.5, 0.99].map((share) => percentile(sorted, share).toFixed(2).padStart(8)).join('');
};

async function main(): Promise<void> {
  cleanUpOnSignals();
  const url = await startDatabase();
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  onCleanup(() => client.end());
  const { rows } = await client.query<{ pid: number }>('SELECT pg_backend_pid() AS pid');
  const postmaster = parentOf(rows[0]?.pid ?? 0) ?? 0;
  const writer = new AdmissionWriter({ url, epoch: 0, log: pino({ level: 'warn' }), deadlineMs: 30_000 });
  onCleanup(() => writer.close());
  for (let done = 0; done < stored; done += 5_000) {
    await Promise.all(Array.from({ length: 5_000 }, () => writer.settle(recordOf(nextLease()))));
  }
  await client.query('VACUUM ANALYZE usage_record');
  await client.query('CHECKPOINT');

  console.log('                        a second   CPU µs each of       ms until granted   ms until settled');
  console.log('                                   Node  Postgres         p50     p99        p50     p99');
  const measure = async (name: string, work: (to: AdmissionWriter, waits: Waits) => Promise<void>): Promise<void> => {
    const waits: Waits = { granted: [], settled: [] };
    const before = { node: process.cpuUsage(), postgres: familyMicroseconds(postmaster) ?? 0, at: performance.now() };
    await work(writer, waits);
    const node = process.cpuUsage(before.node);
    const postgres = (familyMicroseconds(postmaster) ?? 0) - before.postgres;
    const count = waits.settled.length;
    const each = (microseconds: number) => (microseconds / count).toFixed(0);
    console.log(
      name.padEnd(22),
      (count / ((performance.now() - before.at) / 1_000)).toFixed(0).padStart(9),
      each(node.user + node.system).padStart(6),
      each(postgres).padStart(9),
      '   ',
      inMs(waits.granted),
      '  ',
      inMs(waits.settled),
    );
  };
  await measure(`${rate} a second`, atRate);
  await measure(`${lanes} at once`, atOnce);
  const { rows: counts } = await client.query<{ records: number; distinct: number; leases: number }>(
    `SELECT count(*)::int AS records, count(DISTINCT id)::int AS distinct,
       (SELECT count(*)::int FROM lease) AS leases FROM usage_record`,
  );
  console.log(`${made} settlements, stored:`, counts[0]);
}

try {
  await main();
} catch (error) {
  if (!wasInterrupted()) {
    console.error(error);
    process.exitCode = 1;
  }
} finally {
  await cleanUp();
}
