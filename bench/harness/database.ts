/** The Postgres under all contenders: started, migrated and seeded once, and put back after every round of writes. */
import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Client } from 'pg';
import type { DatabaseFacts } from '../contenders/contender.ts';
import { onCleanup } from './cleanup.ts';
import { createdNamePrefix, seedStatements } from './dataset.ts';
import { seedKeys } from './keys.ts';
import { parentOf } from './process-time.ts';

export interface BenchDatabase {
  readonly url: string;
  readonly version: string;
  readonly facts: DatabaseFacts;
  /** Absent where /proc is, or where Postgres runs elsewhere: then its CPU time is unknown. */
  readonly postmasterPid: number | undefined;
  /** Deletes what the servers created, so that the next one finds the tables as they were. */
  removeCreatedRows(): Promise<void>;
  /** Makes another database on the same Postgres, migrated and empty, which is removed afterwards; gives its URL. */
  another(name: string): Promise<string>;
}

const databaseName = 'fairlead_bench';

async function createDatabase(serverUrl: string, name: string): Promise<string> {
  const { applyMigrations } = await import('../../src/database/migrations.ts');
  const admin = new Client({ connectionString: serverUrl });
  await admin.connect();
  await admin.query(`create database ${name}`);
  await admin.end();
  const url = new URL(serverUrl);
  url.pathname = `/${name}`;
  await applyMigrations({ url: url.href });
  return url.href;
}

async function startOwnServer(log: (line: string) => void): Promise<string> {
  const { startEmbeddedPostgres } = await import('../../src/database/embedded.ts');
  const folder = await mkdtemp(join(tmpdir(), 'fairlead-bench-postgres-'));
  onCleanup(() => rm(folder, { recursive: true, force: true }));
  // Run by root, Postgres runs under another account, and has to be able to reach its files here.
  await chmod(folder, 0o755);
  const starting = startEmbeddedPostgres({ folder: join(folder, 'data'), log });
  // Registered before it is up: an interrupt in between must not leave it running.
  onCleanup(() =>
    starting.then(
      (server) => server.stop(),
      () => undefined,
    ),
  );
  const server = await starting;
  return createDatabase(server.url, databaseName);
}

/** Rows that another run left, or somebody's own: either way not ours to delete. */
async function refuseUsedDatabase(client: Client): Promise<void> {
  const { rows } = await client.query<{ count: number }>('select count(*)::int as count from tenant');
  if (rows[0]?.count !== 0) throw new Error('the database already has tenants; give an empty, migrated one');
}

async function findPostmaster(client: Client, url: string): Promise<number | undefined> {
  if (!['127.0.0.1', 'localhost', '::1'].includes(new URL(url).hostname)) return undefined;
  const { rows } = await client.query<{ pid: number }>('select pg_backend_pid() as pid');
  return rows[0] === undefined ? undefined : parentOf(rows[0].pid);
}

/**
 * Gives the tables the size and the statistics that their rows call for. Without REINDEX the indexes stay as large as
 * the created rows had made them, and the planner reads the whole table instead for whoever comes next.
 */
async function settle(client: Client): Promise<void> {
  await client.query('vacuum (analyze)');
  await client.query('reindex table tenant');
  await client.query('reindex table outbox_event');
}

/**
 * @param givenUrl an empty database with the project's migrations, instead of a server of our own
 * @param isSeeded whether tenants and keys are to be there
 */
export async function prepareDatabase(
  givenUrl: string | undefined,
  isSeeded: boolean,
  log: (line: string) => void,
): Promise<BenchDatabase> {
  const url = givenUrl ?? (await startOwnServer(log));
  const client = new Client({ connectionString: url });
  await client.connect();
  onCleanup(() => client.end());
  await refuseUsedDatabase(client);
  if (isSeeded) {
    for (const statement of seedStatements) await client.query(statement);
    await seedKeys(client);
    await settle(client);
  }
  const version = await client.query<{ server_version: string }>('show server_version');
  const group = await client.query<{ id: string }>(`select id from fairshare_group where name_folded = 'default'`);
  return {
    url,
    version: version.rows[0]?.server_version ?? 'unknown',
    facts: { defaultGroupId: group.rows[0]?.id ?? '' },
    postmasterPid: await findPostmaster(client, url),
    removeCreatedRows: async () => {
      await client.query('delete from tenant where name_folded like $1', [`${createdNamePrefix}%`]);
      await client.query('delete from outbox_event');
      await settle(client);
    },
    another: async (name) => {
      const made = await createDatabase(url, name);
      onCleanup(async () => {
        await client.query(`drop database ${name} with (force)`);
      });
      return made;
    },
  };
}
