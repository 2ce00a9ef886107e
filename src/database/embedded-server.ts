import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { open, readFile, rm, stat } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import pg from 'pg';
import {
  advice,
  EmbeddedPostgresError,
  errorCode,
  type Installation,
  messageOf,
  run,
  serverEnvironment,
} from './embedded-files.ts';

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
    throw new EmbeddedPostgresError(
      `The embedded Postgres in ${installation.cluster} did not start. ${advice(outcome)}`,
    );
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
