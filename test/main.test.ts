import { once } from 'node:events';
import { chmod, mkdtemp, readFile, rm, stat } from 'node:fs/promises';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { afterEach, beforeEach, describe, expect, inject, it, vi } from 'vitest';
import { startEmbeddedPostgres } from '../src/database/embedded.ts';
import type { Client } from './testkit/client.ts';
import { createDatabase, dropDatabase } from './testkit/databases.ts';
import { Program } from './testkit/program.ts';

// Real processes on a machine that may be busy: a limit that only a hang reaches.
vi.setConfig({ testTimeout: 90_000, hookTimeout: 90_000 });

const groups = '{ fairshareGroups { edges { node { name } } } }';
const createGroup = 'mutation { createFairshareGroup(input: { name: "kept" }) { __typename } }';

let home: string;
let started: Program[];

beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), 'fairlead-main-'));
  // The account that runs Postgres for root has to get in.
  await chmod(home, 0o755);
  started = [];
});

afterEach(async () => {
  for (const program of started) program.signal('SIGKILL');
  // Ends a server that a failed test left running: this use of it is the last.
  if (await databaseRuns()) {
    const folder = join(home, 'postgres');
    await (await startEmbeddedPostgres({ folder, durable: false, log: () => undefined })).stop();
  }
  await rm(home, { recursive: true, force: true });
});

function start(environment: Readonly<Record<string, string>> = {}): Program {
  const program = new Program(home, environment);
  started.push(program);
  return program;
}

const databaseRuns = (): Promise<boolean> =>
  stat(join(home, 'postgres', 'cluster', 'data', 'postmaster.pid')).then(
    () => true,
    () => false,
  );

const namesOf = async (client: Client): Promise<string> => JSON.stringify((await client.send(groups)).data);

describe('the program', () => {
  it('makes its key and database once, and finds them again, quickly', async () => {
    const first = start();
    const client = await first.client();
    const path = join(home, 'admin-key');
    const key = (await readFile(path, 'utf8')).trim();
    expect(key).toMatch(/^flr_[0-9A-Za-z]{43}_[0-9A-Za-z]{6}$/);
    expect((await stat(path)).mode & 0o777).toBe(0o600);
    expect(first.output).toContain(`The root admin key was made.`);
    expect(first.output).toContain(`\n  ${key}\n`);
    await client.send(createGroup);
    expect(await databaseRuns()).toBe(true);
    expect(await first.stop()).toBe(0);
    expect(await databaseRuns()).toBe(false);
    expect(first.output).toContain('SIGTERM: ending subscriptions and finishing requests in flight');

    const beganAt = performance.now();
    const second = start();
    expect(await namesOf(await second.client())).toContain('kept');
    // About one second on a machine that does nothing else.
    expect(performance.now() - beganAt).toBeLessThan(6_000);
    expect(second.output).not.toContain(key);
    expect(second.output).toContain(`$(cat ${path})`);
    expect(await second.stop()).toBe(0);
  });

  it('starts again after a kill, with the database that was left running, and stops on Ctrl-C', async () => {
    const killed = start();
    await (await killed.client()).send(createGroup);
    await killed.stop('SIGKILL');
    expect(await databaseRuns()).toBe(true);

    const next = start();
    expect(await namesOf(await next.client())).toContain('kept');
    expect(next.output).toContain('Using the embedded Postgres that runs');
    expect(await next.stop('SIGINT')).toBe(0);
    expect(await databaseRuns()).toBe(false);
  });

  it('leaves no database behind when it is stopped while it starts', async () => {
    const program = start();
    await vi.waitUntil(() => program.output.includes('Started the embedded Postgres'), {
      timeout: 60_000,
      interval: 1,
    });
    expect(await program.stop()).toBe(0);
    expect(program.output).not.toContain('Fairlead is ready');
    expect(await databaseRuns()).toBe(false);
  });

  it('shares its database with a second one of the same home, and the first to stop leaves it to the other', async () => {
    const [one, other] = [start(), start()];
    const [first, second] = await Promise.all([one.client(), other.client()]);
    expect(first.headers).toEqual(second.headers);
    await first.send(createGroup);
    expect(await namesOf(second)).toContain('kept');
    expect(await one.stop()).toBe(0);
    expect(await namesOf(second)).toContain('kept');
    expect(await other.stop()).toBe(0);
    expect(await databaseRuns()).toBe(false);
  });

  it('ends with 69 when its port is taken, names the port, and leaves no database behind', async () => {
    const taken = createServer().listen(0, '127.0.0.1');
    await once(taken, 'listening');
    // The address of a TCP server is an object.
    const { port } = taken.address() as AddressInfo;
    const program = start({ PORT: String(port) });
    expect(await program.exitCode).toBe(69);
    expect(program.output).toContain(`Port ${port} of 127.0.0.1 is in use by another program.`);
    expect(program.output).not.toContain('    at ');
    expect(await databaseRuns()).toBe(false);
    taken.close();
  });

  it('ends with 78 when variables are wrong: it names each of them and its rule, and shows no value', async () => {
    const program = start({
      PORT: 'eighty',
      FAIRLEAD_ADMIN_KEY: 'too-short',
      DATABASE_URL: 'mysql://user:hidden@host/db',
    });
    expect(await program.exitCode).toBe(78);
    expect(program.output).toContain('FAIRLEAD_ADMIN_KEY: must have at least 32 characters');
    expect(program.output).toContain('DATABASE_URL: must be a postgres:// or postgresql:// URL');
    expect(program.output).toMatch(/ {2}PORT: \w/);
    expect(program.output).not.toMatch(/eighty|too-short|hidden|mysql|^ +at /m);
  });
});

describe('a database of its own choice', () => {
  const serverUrl = inject('postgresUrl');
  const changed = (change: (url: URL) => void): string => {
    const url = new URL(serverUrl);
    change(url);
    return url.href;
  };

  it('that cannot be had ends the program with 69 and a message without the password', async () => {
    const urls = [
      // A name with two addresses, so two failures.
      changed((url) => (url.host = 'localhost:1')),
      changed((url) => (url.hostname = 'nowhere.invalid')),
      changed((url) => (url.password = 'open-sesame')),
      changed((url) => (url.username = 'nobody-known')),
      changed((url) => (url.pathname = '/no-such-database')),
    ];
    await Promise.all(
      urls.map(async (url) => {
        const program = start({ DATABASE_URL: url });
        expect({ url, exitCode: await program.exitCode }).toEqual({ url, exitCode: 69 });
        expect(program.output).toMatch(/^The database of DATABASE_URL cannot be reached: \S.+\n$/);
        expect(program.output).not.toContain(new URL(url).password);
      }),
    );
  });

  it('is migrated once by two programs that start at the same time', async () => {
    const name = 'main_migrated_at_once';
    const url = await createDatabase(serverUrl, name);
    try {
      const programs = [start({ DATABASE_URL: url }), start({ DATABASE_URL: url })];
      const clients = await Promise.all(programs.map((program) => program.client()));
      for (const client of clients) expect(await namesOf(client)).toContain('default');
      const connection = new pg.Client({ connectionString: url });
      await connection.connect();
      const { rows } = await connection.query(
        'SELECT migration_name FROM _prisma_migrations GROUP BY migration_name HAVING count(*) > 1',
      );
      await connection.end();
      expect(rows).toEqual([]);
      expect(await Promise.all(programs.map((program) => program.stop()))).toEqual([0, 0]);
      expect(await databaseRuns()).toBe(false);
    } finally {
      await dropDatabase(serverUrl, name);
    }
  });
});
