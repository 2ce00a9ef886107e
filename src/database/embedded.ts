import { mkdir, realpath, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { setTimeout as delay } from 'node:timers/promises';
import type pg from 'pg';
import { EmbeddedPostgresError, ensureCluster, type Installation, locateInstallation } from './embedded-files.ts';
import { clientOf, findServer, type RunningServer, startServer, stopServer } from './embedded-server.ts';

export { EmbeddedPostgresError } from './embedded-files.ts';

/** Our use of an embedded server that may have other users. */
export interface EmbeddedPostgres {
  /** Of the database `fairlead`, with the password. */
  readonly url: string;
  /** Gives the server up. The last one to do so stops it and returns when it is gone. May be called again. */
  stop(): Promise<void>;
}

const databaseName = 'fairlead';

/** Held in share by everyone who uses the server, in its database `postgres`. */
const presenceLock = 7_264_101;

const lockTimeoutMs = 120_000;
const lockPollIntervalMs = 20;
const reconnectIntervalMs = 250;
const reconnectAttempts = 40;

/**
 * Starts a Postgres server of our own whose files are under `folder`, or joins the one that is running there: a server
 * left over from a process that was killed is found and used again. Listens on 127.0.0.1 only. Several processes may
 * use one folder; the server runs until the last of them has stopped.
 *
 * Run by root, the server runs as the owner of the files, or as `postgres` or `nobody`. If that account cannot reach
 * `folder`, the data lies under /var/lib/fairlead, and `folder` records where.
 *
 * @param options.durable false: for tests, committed data may be lost in a crash of the machine, and the files are
 * removed by the last `stop`
 * @throws {EmbeddedPostgresError} when the platform, the disk, the rights or the files do not allow it
 */
export async function startEmbeddedPostgres(options: {
  readonly folder: string;
  readonly log: (message: string) => void;
  readonly durable?: boolean;
}): Promise<EmbeddedPostgres> {
  const { log, durable = true } = options;
  const folder = await prepareFolder(options.folder);
  const { installation, server, presence } = await withFolderLock(folder, async () => {
    const installation = await locateInstallation(folder, log);
    await ensureCluster(installation, durable, log);
    let server = await findServer(installation);
    if (server) {
      log(`Using the embedded Postgres that runs on port ${server.port} (process ${server.processId}).`);
    } else {
      server = await startServer(installation, durable);
      log(`Started the embedded Postgres on port ${server.port} (process ${server.processId}).`);
    }
    await ensureDatabase(server);
    return { installation, server, presence: await Presence.announce(server, log) };
  });

  let stopped: Promise<void> | undefined;
  const stop = async (): Promise<void> => {
    await withFolderLock(folder, async () => {
      await presence.leave();
      // Looked for again: it may have been started anew since, by another process.
      const current = await findServer(installation);
      if (current && !(await isUnused(current))) return;
      if (current) await stopServer(installation, current.processId);
      if (!durable) await removeFiles(folder, installation);
    });
  };
  return {
    url: `postgresql://fairlead:${encodeURIComponent(server.password)}@127.0.0.1:${server.port}/${databaseName}`,
    stop: () => (stopped ??= stop()),
  };
}

async function prepareFolder(folder: string): Promise<string> {
  try {
    await mkdir(folder, { recursive: true });
    return await realpath(folder);
  } catch (error) {
    throw new EmbeddedPostgresError(`${folder} cannot be used for the embedded Postgres: ${String(error)}`);
  }
}

async function removeFiles(folder: string, installation: Installation): Promise<void> {
  await rm(installation.cluster, { recursive: true, force: true });
  await rm(join(folder, 'moved-to'), { force: true });
}

async function ensureDatabase(server: RunningServer): Promise<void> {
  const client = clientOf(server, 'postgres', 'fairlead start');
  await client.connect();
  try {
    const { rowCount } = await client.query('SELECT FROM pg_database WHERE datname = $1', [databaseName]);
    if (rowCount === 0) await client.query(`CREATE DATABASE ${databaseName}`);
  } finally {
    await client.end();
  }
}

/**
 * One starts or stops at a time. The lock is one of the operating system on an empty SQLite file, so it cannot outlive
 * its process; Node has no other way to take one.
 */
async function withFolderLock<Result>(folder: string, action: () => Promise<Result>): Promise<Result> {
  const path = join(folder, 'lock.sqlite');
  const deadline = performance.now() + lockTimeoutMs;
  let lock: DatabaseSync;
  try {
    lock = new DatabaseSync(path, { timeout: 0 });
  } catch (error) {
    throw new EmbeddedPostgresError(
      `${path} cannot be opened (${String(error)}). Start the program as the user who owns the folder, or give it ` +
        'another one with FAIRLEAD_HOME.',
    );
  }
  try {
    while (!tryLock(lock, path)) {
      if (performance.now() > deadline) {
        throw new EmbeddedPostgresError(`Another process has been starting or stopping ${folder} for two minutes.`);
      }
      await delay(lockPollIntervalMs);
    }
    return await action();
  } finally {
    lock.close();
  }
}

function tryLock(lock: DatabaseSync, path: string): boolean {
  try {
    lock.exec('BEGIN EXCLUSIVE');
    return true;
  } catch (error) {
    const code = error instanceof Error && 'errcode' in error ? error.errcode : undefined;
    // SQLITE_BUSY.
    if (code === 5) return false;
    throw new EmbeddedPostgresError(`${path} cannot be locked: ${String(error)}`);
  }
}

/**
 * A session that says "this process uses the server" by holding a shared advisory lock. The server sees its end even
 * when the process is killed, so whoever gets the lock for itself alone is the last.
 */
class Presence {
  readonly #server: RunningServer;
  readonly #log: (message: string) => void;
  #client: pg.Client | undefined;
  #left = false;

  private constructor(server: RunningServer, log: (message: string) => void) {
    this.#server = server;
    this.#log = log;
  }

  static async announce(server: RunningServer, log: (message: string) => void): Promise<Presence> {
    const presence = new Presence(server, log);
    await presence.#connect();
    return presence;
  }

  async #connect(): Promise<void> {
    const client = clientOf(this.#server, 'postgres', 'fairlead presence');
    client.on('error', () => undefined);
    await client.connect();
    await client.query('SELECT pg_advisory_lock_shared($1)', [presenceLock]);
    this.#client = client;
    client.once('end', () => {
      this.#client = undefined;
      if (!this.#left) void this.#return();
    });
  }

  /** The server may have restarted itself after a crash of one of its processes: it must know of us again. */
  async #return(): Promise<void> {
    this.#log('The embedded Postgres closed our session; trying to get back.');
    for (let attempt = 0; attempt < reconnectAttempts && !this.#left; attempt += 1) {
      try {
        await this.#connect();
        return;
      } catch {
        await delay(reconnectIntervalMs, undefined, { ref: false });
      }
    }
    if (!this.#left) this.#log('The embedded Postgres is gone. Start the program again.');
  }

  async leave(): Promise<void> {
    this.#left = true;
    const client = this.#client;
    if (!client) return;
    try {
      // Said, and not left to the end of the session, which the server may notice only after the next question.
      await client.query('SELECT pg_advisory_unlock_shared($1)', [presenceLock]);
    } catch {
      // The session is gone, and its lock with it.
    } finally {
      await client.end().catch(() => undefined);
    }
  }
}

/** Whether no process uses the server. Only under the folder's lock, so that nobody comes meanwhile. */
async function isUnused(server: RunningServer): Promise<boolean> {
  const client = clientOf(server, 'postgres', 'fairlead stop');
  client.on('error', () => undefined);
  try {
    await client.connect();
    const { rows } = await client.query<{ unused: boolean }>('SELECT pg_try_advisory_lock($1) AS unused', [
      presenceLock,
    ]);
    return rows[0]?.unused ?? true;
  } finally {
    await client.end().catch(() => undefined);
  }
}
