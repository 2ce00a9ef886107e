import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { createClient as createSseClient } from 'graphql-sse';
import { createClient as createSocketClient } from 'graphql-ws';
import pg from 'pg';
import { afterAll, expect, test } from 'vitest';
import { WebSocket } from 'ws';
import { startTestApp } from '../testkit/app.ts';
import { eventually } from '../testkit/eventually.ts';
import { freePort } from '../testkit/free-port.ts';
import { Program } from '../testkit/program.ts';

const closers: (() => unknown)[] = [];
afterAll(async () => {
  for (const close of closers.toReversed()) await close();
});

/** One of the examples, as somebody starts it. */
function example(name: string, environment: Record<string, string>, ...args: readonly string[]) {
  const program = fileURLToPath(new URL(`../../examples/${name}.ts`, import.meta.url));
  const env = { PATH: process.env.PATH, ...environment };
  const child: ChildProcess = spawn(process.execPath, [program, ...args], { env, stdio: ['ignore', 'pipe', 'pipe'] });
  closers.push(() => child.kill('SIGKILL'));
  const output = { text: '' };
  for (const stream of [child.stdout, child.stderr]) {
    stream?.setEncoding('utf8').on('data', (text: string) => {
      output.text += text;
    });
  }
  return { child, output, exitCode: once(child, 'close').then(([code]) => code as number | null) };
}

/** Within which processes of a busy machine have started and have something to show. */
const startMs = 40_000;

const lastCount = (text: string, what: string): number =>
  Number([...text.matchAll(new RegExp(` ${what} (\\d+)`, 'g'))].at(-1)?.[1] ?? 0);

test('kill -9 of the server under the demo: everybody goes on by himself, and every settlement is recorded, once', {
  // Three processes start, one of them twice.
  timeout: 120_000,
}, async () => {
  const prepared = await startTestApp();
  await prepared.app.close();
  const home = await mkdtemp(join(tmpdir(), 'fairlead-live-'));
  closers.push(() => rm(home, { recursive: true, force: true }));
  const port = await freePort();
  const start = () => {
    const program = new Program(home, { DATABASE_URL: prepared.databaseUrl, PORT: String(port) });
    closers.push(() => program.stop('SIGKILL'));
    return program;
  };
  const program = start();
  await program.ready();
  const url = `http://127.0.0.1:${port}`;
  const key = (await readFile(join(home, 'admin-key'), 'utf8')).trim();
  const settings = { FAIRLEAD_URL: url, FAIRLEAD_KEY: key };
  const database = new pg.Client({ connectionString: prepared.databaseUrl });
  await database.connect();
  closers.push(() => database.end());
  const recorded = async (): Promise<{ settled: number; requests: number; leases: number }> => {
    const { rows } = await database.query(`
      SELECT count(*)::int AS settled, count(DISTINCT request_id)::int AS requests, count(DISTINCT id)::int AS leases
      FROM usage_record WHERE settlement <> 'UNSETTLED'`);
    return rows[0];
  };

  // As README.md says, but for how long they wait.
  const again = { retryAttempts: Number.POSITIVE_INFINITY, retryWait: () => delay(200) };
  const processes = { socket: new Set<string>(), stream: new Set<string>() };
  const failed: unknown[] = [];
  const query = 'subscription { fairshareLive(minIntervalMs: 100) { instanceId seq } }';
  const noteIn = (seen: Set<string>) => ({
    next: ({ data }: { data?: { fairshareLive: { instanceId: string } } | null }) => {
      if (data) seen.add(data.fairshareLive.instanceId);
    },
    error: (error: unknown) => failed.push(error),
    complete: () => undefined,
  });
  const socket = createSocketClient({
    url: `${url.replace('http', 'ws')}/graphql`,
    webSocketImpl: WebSocket,
    connectionParams: { 'x-admin-key': key },
    ...again,
    shouldRetry: () => true,
  });
  const stream = createSseClient({ url: `${url}/graphql`, headers: { 'x-admin-key': key }, ...again });
  socket.subscribe({ query }, noteIn(processes.socket));
  stream.subscribe({ query }, noteIn(processes.stream));
  const watching = example('watch', settings);
  const demo = example('demo', settings, '--tenants', '3', '--rate', '40', '--keep');
  await eventually(async () => expect((await recorded()).settled).toBeGreaterThan(30), startMs);
  await eventually(() => expect([processes.socket.size, processes.stream.size]).toEqual([1, 1]), startMs);
  await eventually(() => expect(watching.output.text).toContain('large chat'), startMs);

  await program.stop('SIGKILL');
  await eventually(() => expect(watching.output.text).toContain('reconnecting…'));
  const { settled: before } = await recorded();
  const shownBefore = watching.output.text.length;
  await start().ready();
  await eventually(async () => expect((await recorded()).settled).toBeGreaterThan(before + 30), startMs);
  await eventually(() => expect([processes.socket.size, processes.stream.size]).toEqual([2, 2]), startMs);
  await eventually(() => expect(watching.output.text.slice(shownBefore)).toMatch(/Fairlead {2}live/));
  expect(failed).toEqual([]);
  await socket.dispose();
  stream.dispose();

  demo.child.kill('SIGINT');
  expect(await demo.exitCode, demo.output.text).toBe(0);
  // What the gateways were told is settled, those that were told only after the restart included.
  const acknowledged = lastCount(demo.output.text, 'settled');
  expect(acknowledged).toBeGreaterThan(60);
  expect(await recorded()).toEqual({ settled: acknowledged, requests: acknowledged, leases: acknowledged });
});
