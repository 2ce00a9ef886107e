import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { chmod, chown, mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import pg from 'pg';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { EmbeddedPostgresError, startEmbeddedPostgres } from '../../src/database/embedded.ts';
import { eventually } from '../testkit/eventually.ts';

// Real servers on a machine that may be busy: a limit that only a hang reaches.
vi.setConfig({ testTimeout: 60_000, hookTimeout: 60_000 });

const isRoot = process.getuid?.() === 0;
const nobody = 65_534;
const moduleUrl = new URL('../../src/database/embedded.ts', import.meta.url);

/** Whether this clone can be read by another user at all, which decides whether one can run it. */
const nobodyReachesClone =
  isRoot && spawnSync('/bin/ls', [fileURLToPath(moduleUrl)], { uid: nobody, gid: nobody, cwd: '/' }).status === 0;

let temporary: string;
let folder: string;
let logged: string[];
const children: ChildProcess[] = [];
const log = (message: string): void => void logged.push(message);

beforeEach(async () => {
  temporary = await mkdtemp(join(tmpdir(), 'fairlead-embedded-'));
  // Made for its owner alone; the account that runs Postgres for root is another.
  await chmod(temporary, 0o755);
  folder = join(temporary, 'postgres');
  logged = [];
});

afterEach(async () => {
  for (const child of children.splice(0)) child.kill('SIGKILL');
  // Ends a server that a failed test left running: without users, this use of it is the last.
  const isLeftOver = await stat(join(folder, 'cluster', 'data', 'postmaster.pid')).catch(() => undefined);
  if (isLeftOver) await (await startEmbeddedPostgres({ folder, log, durable: false }).catch(() => undefined))?.stop();
  await rm(temporary, { recursive: true, force: true });
});

const start = (options: { durable?: boolean } = {}) =>
  startEmbeddedPostgres({ folder, log, durable: false, ...options });

async function query<Row extends pg.QueryResultRow>(url: string, sql: string): Promise<Row[]> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    return (await client.query<Row>(sql)).rows;
  } finally {
    await client.end();
  }
}

const serverProcess = async (): Promise<number> =>
  Number.parseInt(await readFile(join(folder, 'cluster', 'data', 'postmaster.pid'), 'utf8'), 10);

/** Another process of ours that starts the server, says its URL, and runs `afterwards` with `server` and `say`. */
async function startInOtherProcess(
  options: { afterwards?: string; durable?: boolean; sayLog?: boolean; uid?: number; detached?: boolean } = {},
): Promise<{ child: ChildProcess; nextLine: () => Promise<string> }> {
  const { afterwards = 'setInterval(() => {}, 60_000);', durable = false, sayLog = false, uid, detached } = options;
  const code = `
    import { startEmbeddedPostgres } from ${JSON.stringify(moduleUrl.href)};
    const say = (text) => process.stdout.write(text + '\\n');
    const server = await startEmbeddedPostgres({
      folder: ${JSON.stringify(folder)}, durable: ${durable}, log: (message) => ${sayLog} && say(message),
    });
    say(server.url);
    ${afterwards}`;
  const child = spawn(process.execPath, ['--input-type=module', '--eval', code], {
    stdio: ['ignore', 'pipe', 'inherit'],
    detached: detached ?? false,
    cwd: '/',
    ...(uid === undefined ? {} : { uid, gid: uid }),
  });
  children.push(child);
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  return { child, nextLine: async () => (await lines.next()).value ?? 'ended without a word' };
}

async function kill(child: ChildProcess): Promise<void> {
  child.kill('SIGKILL');
  await once(child, 'exit');
}

describe('the embedded server', () => {
  it('offers an empty database that behaves the same on every machine, to this machine and to the password only', async () => {
    const server = await start();
    const [settings] = await query<Record<string, string>>(
      server.url,
      `SELECT current_database() AS database, current_setting('listen_addresses') AS addresses,
         current_setting('unix_socket_directories') AS sockets, current_setting('server_encoding') AS encoding,
         current_setting('timezone') AS timezone, datlocprovider AS provider, datlocale AS locale,
         lower('ÄÖ') AS folded, (SELECT array_agg(DISTINCT auth_method)::text FROM pg_hba_file_rules) AS methods
       FROM pg_database WHERE datname = current_database()`,
    );
    expect(settings).toEqual({
      database: 'fairlead',
      addresses: '127.0.0.1',
      sockets: '',
      encoding: 'UTF8',
      timezone: 'UTC',
      provider: 'b',
      locale: 'C.UTF-8',
      folded: 'äö',
      methods: '{scram-sha-256}',
    });
    const { mode } = await stat(join(folder, 'cluster', 'password'));
    expect(mode & 0o777).toBe(0o600);
    const wrong = server.url.replace(/:[^:@]*@/, ':wrong@');
    await expect(query(wrong, 'SELECT 1')).rejects.toThrow('password authentication failed');
    await server.stop();
  });

  it('keeps what was committed over a stop, and is gone when the stop returns', async () => {
    const first = await start({ durable: true });
    await query(first.url, 'CREATE TABLE kept AS SELECT 1 AS value');
    const process_ = await serverProcess();
    await Promise.all([first.stop(), first.stop()]);
    await expect(query(first.url, 'SELECT 1')).rejects.toThrow('ECONNREFUSED');
    // An ended child keeps its id until its parent, which is this process, has taken note of it.
    await eventually(() => expect(() => process.kill(process_, 0)).toThrow('ESRCH'));

    const second = await start({ durable: true });
    expect(await query(second.url, 'SELECT value FROM kept')).toEqual([{ value: 1 }]);
    expect(await query(second.url, `SELECT current_setting('fsync') AS fsync`)).toEqual([{ fsync: 'on' }]);
    await second.stop();
  });

  it('leaves nothing behind when it was not meant to last', async () => {
    const server = await start();
    await server.stop();
    expect(await readdir(folder)).toEqual(['lock.sqlite']);
  });

  it('is found and used again after the process that started it was killed', async () => {
    const { child, nextLine } = await startInOtherProcess();
    const url = await nextLine();
    await query(url, 'CREATE TABLE kept AS SELECT 1 AS value');
    const before = await serverProcess();
    await kill(child);

    const server = await start();
    expect(await serverProcess()).toBe(before);
    expect(server.url).toBe(url);
    expect(await query(server.url, 'SELECT value FROM kept')).toEqual([{ value: 1 }]);
    await server.stop();
    await expect(query(url, 'SELECT 1')).rejects.toThrow('ECONNREFUSED');
  });

  it('recovers what was committed when the server itself was killed', async () => {
    const first = await start({ durable: true });
    await query(first.url, 'CREATE TABLE kept AS SELECT 1 AS value');
    process.kill(await serverProcess(), 'SIGKILL');

    const second = await start({ durable: true });
    expect(await query(second.url, 'SELECT value FROM kept')).toEqual([{ value: 1 }]);
    await first.stop();
    expect(await query(second.url, 'SELECT 1 AS alive')).toEqual([{ alive: 1 }]);
    await second.stop();
  });

  it('starts over when the first start was killed while it made the data folder', async () => {
    const { child, nextLine } = await startInOtherProcess({ sayLog: true });
    expect(await nextLine()).toContain('Creating an empty Postgres');
    await kill(child);
    expect(await readdir(folder)).not.toContain('cluster');

    const server = await start();
    expect(await query(server.url, 'SELECT 1 AS works')).toEqual([{ works: 1 }]);
    await server.stop();
  });

  it('is not misled by the process file of a crash whose process id now belongs to another program', async () => {
    const first = await start({ durable: true });
    await first.stop();
    const stale = `${process.pid}\n${folder}/cluster/data\n1\n5466\n\n127.0.0.1\n 1 1\nready   \n`;
    await writeFile(join(folder, 'cluster', 'data', 'postmaster.pid'), stale);

    const second = await start();
    expect(await query(second.url, 'SELECT 1 AS works')).toEqual([{ works: 1 }]);
    await second.stop();
  });

  it('takes the next free port when its own is busy', async () => {
    const other = createServer();
    const isBusy = new Promise<void>((resolve) => {
      other.once('error', () => resolve());
      other.listen(5466, '127.0.0.1', resolve);
    });
    await isBusy;
    const server = await start();
    expect(Number(new URL(server.url).port)).toBeGreaterThan(5466);
    expect(await query(server.url, 'SELECT 1 AS works')).toEqual([{ works: 1 }]);
    await server.stop();
    other.close();
  });
});

describe('several processes with one folder', () => {
  it('use one server, which the last of them stops', async () => {
    const others = await Promise.all([
      startInOtherProcess({ afterwards: `process.on('SIGTERM', () => server.stop().then(() => process.exit()));` }),
      startInOtherProcess({ afterwards: `process.on('SIGTERM', () => server.stop().then(() => process.exit()));` }),
    ]);
    const urls = await Promise.all(others.map(({ nextLine }) => nextLine()));
    const own = await start();
    expect(urls).toEqual([own.url, own.url]);

    await own.stop();
    for (const [index, { child }] of others.entries()) {
      expect(await query(own.url, 'SELECT 1 AS alive'), `before stop ${index}`).toEqual([{ alive: 1 }]);
      child.kill('SIGTERM');
      await once(child, 'exit');
    }
    await expect(query(own.url, 'SELECT 1')).rejects.toThrow('ECONNREFUSED');
  });

  it('do not count one that was killed', async () => {
    const other = await startInOtherProcess();
    await other.nextLine();
    const own = await start();
    await kill(other.child);
    await own.stop();
    await expect(query(own.url, 'SELECT 1')).rejects.toThrow('ECONNREFUSED');
  });

  it('keep their server while Ctrl-C in the terminal makes them drain', async () => {
    const { child, nextLine } = await startInOtherProcess({
      detached: true,
      afterwards: `
        setInterval(() => {}, 60_000);
        process.on('SIGINT', async () => {
          const { default: pg } = await import(${JSON.stringify(import.meta.resolve('pg'))});
          const client = new pg.Client({ connectionString: server.url });
          await client.connect();
          say((await client.query("SELECT 'drained' AS word")).rows[0].word);
          await client.end();
          await server.stop();
          process.exit();
        });
        say('ready');`,
    });
    await nextLine();
    expect(await nextLine()).toBe('ready');
    // What a terminal does: the signal goes to the whole process group.
    process.kill(-(child.pid ?? Number.NaN), 'SIGINT');
    expect(await nextLine()).toBe('drained');
    expect(await once(child, 'exit')).toEqual([0, null]);
  });
});

describe('a folder that cannot be used', () => {
  it.each([
    [
      'data of another major version',
      (cluster: string) => writeFile(join(cluster, 'data', 'PG_VERSION'), '15\n'),
      /made by Postgres 15, the embedded server is Postgres 18/,
    ],
    [
      'data without its version',
      (cluster: string) => rm(join(cluster, 'data', 'PG_VERSION')),
      /not a complete data folder/,
    ],
    ['a lost password', (cluster: string) => rm(join(cluster, 'password')), /password .* cannot be read/],
    [
      'a changed password',
      (cluster: string) => writeFile(join(cluster, 'password'), 'changed\n'),
      /refuses the password/,
    ],
    [
      'a setting that the server refuses',
      (cluster: string) => writeFile(join(cluster, 'data', 'postgresql.conf'), 'no_such_setting = 1\n'),
      /did not start.*unrecognized configuration parameter "no_such_setting"/s,
    ],
  ])('says what is wrong: %s', async (_, damage, message) => {
    const server = await start({ durable: true });
    await server.stop();
    await damage(join(folder, 'cluster'));
    const failure = await start({ durable: true }).catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(EmbeddedPostgresError);
    expect(String(failure)).toMatch(message);
  });

  it('says what is wrong: a file in its place', async () => {
    await writeFile(folder, '');
    await expect(start()).rejects.toThrow(EmbeddedPostgresError);
  });
});

describe('the user who runs it', () => {
  it.runIf(nobodyReachesClone)('may be an ordinary one', async () => {
    await mkdir(folder);
    await chown(folder, nobody, nobody);
    const { child, nextLine } = await startInOtherProcess({ uid: nobody, afterwards: 'await server.stop();' });
    expect(await nextLine()).toMatch(/^postgresql:/);
    expect(await once(child, 'exit')).toEqual([0, null]);
  });

  it.runIf(isRoot)(
    'may be root in a folder that is closed to everybody else: the data is elsewhere, and said so',
    async () => {
      await chmod(temporary, 0o700);
      const server = await start({ durable: true });
      const cluster = (await readFile(join(folder, 'moved-to'), 'utf8')).trim();
      expect(logged.join('\n')).toContain(`the data is kept in ${cluster}`);
      expect((await stat(join(cluster, 'data'))).uid).not.toBe(0);
      await query(server.url, 'CREATE TABLE kept AS SELECT 1 AS value');
      await server.stop();

      const again = await start();
      expect(await query(again.url, 'SELECT value FROM kept')).toEqual([{ value: 1 }]);
      await again.stop();
      await expect(stat(cluster)).rejects.toThrow('ENOENT');
    },
  );
});
