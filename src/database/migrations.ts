import { hash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import pg from 'pg';

/** The database is not in a state that the migrations can bring forward. The message says what to do. */
export class MigrationError extends Error {
  override readonly name = 'MigrationError';
}

/** One folder under prisma/migrations. */
interface Migration {
  /** `<UTC timestamp>_<name>`: sorts in the order of application. */
  readonly name: string;
  readonly sql: string;
  /** SHA-256 of the file, hexadecimal. */
  readonly checksum: string;
}

const defaultFolder = fileURLToPath(new URL('../../prisma/migrations/', import.meta.url));

/** Waited for by every process that applies migrations to the same database. */
const advisoryLock = 7_264_102;

/** The table in which `prisma migrate` keeps its account too, so that either can go on where the other stopped. */
const createTable = `
  CREATE TABLE IF NOT EXISTS "_prisma_migrations" (
    "id" VARCHAR(36) PRIMARY KEY NOT NULL,
    "checksum" VARCHAR(64) NOT NULL,
    "finished_at" TIMESTAMPTZ,
    "migration_name" VARCHAR(255) NOT NULL,
    "logs" TEXT,
    "rolled_back_at" TIMESTAMPTZ,
    "started_at" TIMESTAMPTZ NOT NULL DEFAULT now(),
    "applied_steps_count" INTEGER NOT NULL DEFAULT 0
  )`;

/**
 * Brings a database to the newest migration. When it is there already, that costs one query.
 *
 * Each migration is one transaction with its entry in the table of migrations, so a failure or a kill undoes it as a
 * whole. Processes that start at the same time on one database apply each migration once, one after the other; the lock
 * belongs to the transaction, so a connection that dies gives it up, and a transaction pooler in between does no harm.
 *
 * @param options.folder the migrations, by default those of this program; for tests
 * @returns the names of the migrations that this call applied, in order
 * @throws {MigrationError} when a migration fails, was edited after it was applied, or was left unfinished by another
 * tool, or when the database has migrations that this program does not know
 */
export async function applyMigrations(options: {
  readonly url: string;
  readonly folder?: string;
}): Promise<{ applied: string[] }> {
  const { url, folder = defaultFolder } = options;
  const migrations = await readMigrations(folder);
  const client = new pg.Client({ connectionString: url, application_name: 'fairlead migrations' });
  // Without a listener, the end of a broken connection would end the program; the query in flight reports it.
  client.on('error', () => undefined);
  await client.connect();
  try {
    const applied: string[] = [];
    let isPending = (await firstPending(client, migrations)) !== undefined;
    while (isPending) {
      const name = await applyNext(client, migrations);
      if (name !== undefined) applied.push(name);
      isPending = name !== undefined;
    }
    return { applied };
  } finally {
    await client.end().catch(() => undefined);
  }
}

/**
 * Whether a database has every migration of this program; it may have newer ones, as it does while another version is
 * being rolled out. One statement.
 *
 * @throws what the driver throws when the database cannot be asked
 */
export async function migrationsAreApplied(
  pool: Pick<pg.Pool, 'query'>,
  folder: string = defaultFolder,
): Promise<boolean> {
  const names = await migrationNames(folder);
  try {
    const { rows } = await pool.query<{ applied: boolean }>(
      `SELECT count(DISTINCT "migration_name") = $2 AS applied FROM "_prisma_migrations"
       WHERE "migration_name" = ANY($1::text[]) AND "finished_at" IS NOT NULL AND "rolled_back_at" IS NULL`,
      [names, names.length],
    );
    return rows[0]?.applied ?? false;
  } catch (error) {
    if (isMissingTable(error)) return false;
    throw error;
  }
}

async function migrationNames(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { withFileTypes: true });
  return entries
    .filter((entry) => entry.isDirectory())
    .map((entry) => entry.name)
    .sort();
}

async function readMigrations(folder: string): Promise<Migration[]> {
  const names = await migrationNames(folder);
  if (names.length === 0) throw new MigrationError(`There are no migrations in ${folder}.`);
  return Promise.all(
    names.map(async (name) => {
      const sql = await readFile(join(folder, name, 'migration.sql'), 'utf8');
      return { name, sql, checksum: hash('sha256', sql, 'hex') };
    }),
  );
}

const isMissingTable = (error: unknown): boolean => error instanceof pg.DatabaseError && error.code === '42P01';

/** The first migration that the database lacks. Throws if what it has is not what this program has. */
async function firstPending(client: pg.Client, migrations: readonly Migration[]): Promise<Migration | undefined> {
  let entries: { name: string; checksum: string; finished: boolean }[];
  try {
    const result = await client.query<{ name: string; checksum: string; finished: boolean }>(
      `SELECT "migration_name" AS "name", "checksum", "finished_at" IS NOT NULL AS "finished"
       FROM "_prisma_migrations" WHERE "rolled_back_at" IS NULL ORDER BY "migration_name"`,
    );
    entries = result.rows;
  } catch (error) {
    if (isMissingTable(error)) return migrations[0];
    throw error;
  }
  const known = new Map(migrations.map((migration) => [migration.name, migration]));
  for (const { name, checksum, finished } of entries) {
    const migration = known.get(name);
    if (!migration) {
      throw new MigrationError(
        `The database has the migration ${name}, which this version does not know: a newer version has used it. ` +
          'Start that version, or restore a backup from before it.',
      );
    }
    if (!finished) {
      throw new MigrationError(
        `The migration ${name} was started by another tool and did not finish. Repair the tables by hand, then say so ` +
          'with `prisma migrate resolve`.',
      );
    }
    if (migration.checksum !== checksum) {
      throw new MigrationError(
        `The file of the migration ${name} is not the one that was applied to this database. Restore the file, and put ` +
          'the change into a new migration.',
      );
    }
  }
  const applied = new Set(entries.map((entry) => entry.name));
  return migrations.find((migration) => !applied.has(migration.name));
}

/** Applies the first pending migration, if there still is one when it is this process's turn. */
async function applyNext(client: pg.Client, migrations: readonly Migration[]): Promise<string | undefined> {
  // Read committed: what was committed while we waited for the lock must be seen.
  await client.query('BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE');
  try {
    // A limit that the role has for ordinary statements would cut long migrations off, or the wait for those of others.
    await client.query('SET LOCAL statement_timeout = 0; SET LOCAL lock_timeout = 0');
    await client.query('SELECT pg_advisory_xact_lock($1)', [advisoryLock]);
    await client.query(createTable);
    const migration = await firstPending(client, migrations);
    if (migration) {
      await runScript(client, migration);
      await client.query(
        `INSERT INTO "_prisma_migrations" ("id", "checksum", "migration_name", "finished_at", "applied_steps_count")
         VALUES (gen_random_uuid()::text, $1, $2, clock_timestamp(), 1)`,
        [migration.checksum, migration.name],
      );
    }
    await client.query('COMMIT');
    return migration?.name;
  } catch (error) {
    await client.query('ROLLBACK').catch(() => undefined);
    throw error;
  }
}

async function runScript(client: pg.Client, { name, sql }: Migration): Promise<void> {
  try {
    await client.query(sql);
  } catch (error) {
    if (!(error instanceof pg.DatabaseError)) throw error;
    const offset = Number.parseInt(error.position ?? '', 10);
    const place = offset > 0 ? ` (line ${sql.slice(0, offset).split('\n').length})` : '';
    throw new MigrationError(`The migration ${name} failed and was undone${place}: ${error.message}`, { cause: error });
  }
}
