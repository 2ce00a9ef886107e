import { execFile } from 'node:child_process';
import { hash } from 'node:crypto';
import { chmod, cp, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { PrismaPg } from '@prisma/adapter-pg';
import pg from 'pg';
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import {
  diffSchemas,
  loadSchemaEngine,
  migratedSchemaFile,
  migrationsFolder,
  schemaFile,
} from '../../scripts/db-migration.ts';
import { type EmbeddedPostgres, startEmbeddedPostgres } from '../../src/database/embedded.ts';
import { applyMigrations, MigrationError, migrationsAreApplied } from '../../src/database/migrations.ts';

// Real servers on a machine that may be busy: a limit that only a hang reaches.
vi.setConfig({ testTimeout: 60_000, hookTimeout: 60_000 });

let temporary: string;
let server: EmbeddedPostgres;
let administrator: pg.Pool;
let databases = 0;

/** An empty database, a pool on it, and a folder with the project's migrations that a test may change. */
let url: string;
let pool: pg.Pool;
let folder: string;
const pools: pg.Pool[] = [];

async function emptyDatabase(): Promise<{ url: string; pool: pg.Pool }> {
  databases += 1;
  const name = `migrations_${databases}`;
  await administrator.query(`CREATE DATABASE ${name}`);
  const address = new URL(server.url);
  address.pathname = `/${name}`;
  const opened = new pg.Pool({ connectionString: address.href });
  // The server is stopped while pools of failed tests may be open.
  opened.on('error', () => undefined);
  pools.push(opened);
  return { url: address.href, pool: opened };
}

/** A user who may fill the schema and nothing else, besides what is said here; gives the database's URL for it. */
async function ordinaryUser(options = '', name = `ordinary_${databases}`): Promise<string> {
  await administrator.query(`CREATE ROLE ${pg.escapeIdentifier(name)} LOGIN PASSWORD 'ordinary' ${options}`);
  // Neither CREATE on the database, which a trusted extension needs, nor ownership; only the schema.
  await pool.query(`GRANT ALL ON SCHEMA public TO ${pg.escapeIdentifier(name)}`);
  const address = new URL(url);
  address.username = encodeURIComponent(name);
  address.password = 'ordinary';
  return address.href;
}

/** Does the work on a server without the role, which belongs to all of its databases; then it is as it was. */
async function withoutTenantRole(work: () => Promise<void>): Promise<void> {
  await administrator.query('ALTER ROLE fairlead_tenant RENAME TO fairlead_tenant_of_others');
  try {
    await work();
  } finally {
    await pool.query('DROP OWNED BY fairlead_tenant; DROP ROLE fairlead_tenant');
    await administrator.query('ALTER ROLE fairlead_tenant_of_others RENAME TO fairlead_tenant');
  }
}

async function addMigration(name: string, sql: string): Promise<void> {
  await mkdir(join(folder, name));
  await writeFile(join(folder, name, 'migration.sql'), sql);
}

const projectMigrations = async (): Promise<string[]> =>
  (await readdir(migrationsFolder)).filter((name) => /^\d{14}_/.test(name)).sort();

beforeAll(async () => {
  temporary = await mkdtemp(join(tmpdir(), 'fairlead-migrations-'));
  await chmod(temporary, 0o755);
  server = await startEmbeddedPostgres({ folder: join(temporary, 'postgres'), durable: false, log: () => undefined });
  administrator = new pg.Pool({ connectionString: server.url });
});

async function freshDatabase(): Promise<void> {
  ({ url, pool } = await emptyDatabase());
  folder = join(temporary, `migrations-${databases}`);
  await cp(migrationsFolder, folder, { recursive: true });
}

afterAll(async () => {
  await Promise.all([administrator, ...pools].map((opened) => opened.end()));
  await server.stop();
  await rm(temporary, { recursive: true, force: true });
});

describe('applying migrations', () => {
  beforeEach(freshDatabase);

  it('brings an empty database to the newest, once', async () => {
    expect(await migrationsAreApplied(pool)).toBe(false);
    expect(await applyMigrations({ url })).toEqual({ applied: await projectMigrations() });
    expect(await migrationsAreApplied(pool)).toBe(true);
    expect(await applyMigrations({ url })).toEqual({ applied: [] });
  });

  it('does not depend on the working directory', async () => {
    const before = process.cwd();
    process.chdir('/');
    try {
      expect((await applyMigrations({ url })).applied).not.toEqual([]);
    } finally {
      process.chdir(before);
    }
  });

  it('applies each migration once when processes start at the same time on one empty database', async () => {
    const module = new URL('../../src/database/migrations.ts', import.meta.url).href;
    const code = `
      import { applyMigrations } from ${JSON.stringify(module)};
      console.log(JSON.stringify(await applyMigrations({ url: ${JSON.stringify(url)} })));`;
    const inOtherProcess = async (): Promise<{ applied: string[] }> => {
      const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '--eval', code]);
      return JSON.parse(stdout);
    };
    const outcomes = await Promise.all([
      inOtherProcess(),
      inOtherProcess(),
      applyMigrations({ url }),
      applyMigrations({ url }),
    ]);
    expect(outcomes.flatMap(({ applied }) => applied).sort()).toEqual(await projectMigrations());
    expect(await migrationsAreApplied(pool)).toBe(true);
  });

  it('waits for the one who holds the lock, and goes on when that connection dies', async () => {
    const holder = new pg.Client({ connectionString: url });
    holder.on('error', () => undefined);
    await holder.connect();
    await holder.query('BEGIN');
    await holder.query('SELECT pg_advisory_xact_lock(7264102)');
    const waiting = applyMigrations({ url });
    for (;;) {
      const { rows } = await administrator.query<{ pid: number }>(
        `SELECT pid FROM pg_stat_activity WHERE wait_event = 'advisory' AND application_name = 'fairlead migrations'`,
      );
      if (rows.length > 0) break;
    }
    expect(await migrationsAreApplied(pool)).toBe(false);
    const { rows } = await holder.query<{ pid: number }>('SELECT pg_backend_pid() AS pid');
    await administrator.query('SELECT pg_terminate_backend($1)', [rows[0]?.pid]);
    expect((await waiting).applied).toEqual(await projectMigrations());
  });

  it('applies only what is new, in the order of the names', async () => {
    await applyMigrations({ url, folder });
    await addMigration('20990101000001_second', 'INSERT INTO steps VALUES (2);');
    await addMigration('20990101000000_first', 'CREATE TABLE steps (step int); INSERT INTO steps VALUES (1);');
    expect(await migrationsAreApplied(pool, folder)).toBe(false);
    expect(await applyMigrations({ url, folder })).toEqual({
      applied: ['20990101000000_first', '20990101000001_second'],
    });
    expect((await pool.query('SELECT step FROM steps')).rows).toEqual([{ step: 1 }, { step: 2 }]);
  });

  it('goes without the trigram index where pg_trgm may not be created', async () => {
    await applyMigrations({ url: await ordinaryUser('IN ROLE fairlead_tenant') });
    expect((await pool.query(`SELECT extname FROM pg_extension WHERE extname = 'pg_trgm'`)).rows).toEqual([]);
  });

  it('undoes a migration that fails as a whole, names the line, and can be tried again', async () => {
    await applyMigrations({ url, folder });
    const name = '20990101000000_wrong';
    await addMigration(name, 'CREATE TABLE half (step int);\nSELECT no_such_column;\n');
    await expect(applyMigrations({ url, folder })).rejects.toThrow(
      new MigrationError(
        `The migration ${name} failed and was undone (line 2): column "no_such_column" does not exist`,
      ),
    );
    expect((await pool.query(`SELECT to_regclass('half') AS half`)).rows).toEqual([{ half: null }]);

    await writeFile(join(folder, name, 'migration.sql'), 'CREATE TABLE half (step int);\n');
    expect(await applyMigrations({ url, folder })).toEqual({ applied: [name] });
  });

  it('refuses a database whose migration was edited afterwards', async () => {
    await applyMigrations({ url, folder });
    const [name = ''] = await projectMigrations();
    await writeFile(join(folder, name, 'migration.sql'), '-- edited\n', { flag: 'a' });
    await expect(applyMigrations({ url, folder })).rejects.toThrow(/is not the one that was applied to this database/);
  });

  it('refuses a database that is ahead of the program, which a running program still calls ready', async () => {
    await addMigration('20990101000000_newer', 'SELECT 1;');
    await applyMigrations({ url, folder });
    await expect(applyMigrations({ url })).rejects.toThrow(/20990101000000_newer, which this version does not know/);
    expect(await migrationsAreApplied(pool)).toBe(true);
  });

  it('refuses a database in which another tool left a migration unfinished', async () => {
    await applyMigrations({ url, folder });
    await addMigration('20990101000000_unfinished', 'SELECT 1;');
    await pool.query(`INSERT INTO "_prisma_migrations" ("id", "checksum", "migration_name") VALUES ('x', $1, $2)`, [
      hash('sha256', 'SELECT 1;', 'hex'),
      '20990101000000_unfinished',
    ]);
    await expect(applyMigrations({ url, folder })).rejects.toThrow(/did not finish/);
    expect(await migrationsAreApplied(pool, folder)).toBe(false);
  });

  it('keeps an account that Prisma reads as its own, and goes on from one that Prisma kept', async () => {
    const engine = await loadSchemaEngine(new PrismaPg({ connectionString: url }));
    const [first = '', ...others] = await projectMigrations();
    const migrationsList = {
      baseDir: migrationsFolder,
      lockfile: { path: 'migration_lock.toml', content: 'provider = "postgresql"\n' },
      shadowDbInitScript: '',
      migrationDirectories: await Promise.all(
        [first, ...others].map(async (path) => ({
          path,
          migrationFile: {
            path: 'migration.sql',
            content: {
              tag: 'ok' as const,
              value: await readFile(join(migrationsFolder, path, 'migration.sql'), 'utf8'),
            },
          },
        })),
      ),
    };
    const filters = { externalTables: [], externalEnums: [] };
    await applyMigrations({ url });
    expect(await engine.diagnoseMigrationHistory({ migrationsList, optInToShadowDatabase: false, filters })).toEqual({
      editedMigrationNames: [],
      failedMigrationNames: [],
      hasMigrationsTable: true,
      history: null,
    });

    const prismas = await emptyDatabase();
    const other = await loadSchemaEngine(new PrismaPg({ connectionString: prismas.url }));
    const ownList = { ...migrationsList, migrationDirectories: [] };
    await other.applyMigrations({ migrationsList: ownList, filters });
    expect((await applyMigrations({ url: prismas.url })).applied).toEqual([first, ...others]);
  });
});

describe('the role behind whose fence tenants are', () => {
  beforeEach(freshDatabase);

  /** What the refusal asks an administrator to run. */
  const asked = async (ofUser: string): Promise<string> => {
    const error = await applyMigrations({ url: ofUser }).catch((failure: unknown) => failure);
    expect(error).toBeInstanceOf(MigrationError);
    const [, statements] = String(error).match(/Have an administrator run: (.*)$/) ?? [];
    if (statements === undefined) throw new Error(`The refusal does not say what to run: ${error}`);
    return statements;
  };

  it('that is missing and may not be made: the refusal says what an administrator runs, and that is enough', async () => {
    await withoutTenantRole(async () => {
      const ofUser = await ordinaryUser();
      const statements = await asked(ofUser);
      expect(statements).toBe(`CREATE ROLE fairlead_tenant NOLOGIN; GRANT fairlead_tenant TO ordinary_${databases}`);
      await administrator.query(statements);
      await applyMigrations({ url: ofUser });
      expect(await migrationsAreApplied(pool)).toBe(true);
    });
  });

  it('that is there without the user as a member: likewise', async () => {
    await withoutTenantRole(async () => {
      await administrator.query('CREATE ROLE fairlead_tenant NOLOGIN');
      const ofUser = await ordinaryUser();
      const statements = await asked(ofUser);
      expect(statements).toBe(`GRANT fairlead_tenant TO ordinary_${databases}`);
      await administrator.query(statements);
      await applyMigrations({ url: ofUser });
      expect(await migrationsAreApplied(pool)).toBe(true);
    });
  });

  it('that may not use the schema, which the user may not allow it: likewise', async () => {
    const ofUser = await ordinaryUser('IN ROLE fairlead_tenant');
    await pool.query('REVOKE ALL ON SCHEMA public FROM PUBLIC');
    const statements = await asked(ofUser);
    expect(statements).toBe('GRANT USAGE ON SCHEMA public TO fairlead_tenant');
    await pool.query(statements);
    await applyMigrations({ url: ofUser });
    expect(await migrationsAreApplied(pool)).toBe(true);
  });

  it('is made by a user who may make roles, and who can then act as it', async () => {
    await withoutTenantRole(async () => {
      const ofUser = await ordinaryUser('CREATEROLE');
      await applyMigrations({ url: ofUser });
      expect(await migrationsAreApplied(pool)).toBe(true);
      const client = new pg.Client({ connectionString: ofUser, options: '-c role=fairlead_tenant' });
      await client.connect();
      expect((await client.query('SELECT current_user AS name')).rows).toEqual([{ name: 'fairlead_tenant' }]);
      await client.end();
    });
  });

  it('is asked for by its quoted name where the name of the user needs that', async () => {
    await withoutTenantRole(async () => {
      const statements = await asked(await ordinaryUser('', `Ordinary "${databases}"`));
      expect(statements).toContain(`GRANT fairlead_tenant TO ${pg.escapeIdentifier(`Ordinary "${databases}"`)}`);
      await administrator.query(statements);
    });
  });
});

describe('the migrations and schema.prisma', () => {
  beforeEach(freshDatabase);

  it('agree: the schema kept with the migrations differs in nothing that concerns tables', async () => {
    const [kept, current] = await Promise.all([migratedSchemaFile, schemaFile].map((path) => readFile(path, 'utf8')));
    expect(await diffSchemas(kept ?? '', current ?? '')).toBe('');
  });

  it('make the same tables, apart from what only SQL can say', async () => {
    await applyMigrations({ url });
    const fromSchema = await emptyDatabase();
    await fromSchema.pool.query(await diffSchemas('', await readFile(schemaFile, 'utf8')));
    const [migrated, declared] = [await catalogue(pool), await catalogue(fromSchema.pool)];
    // Migrations may add indexes and constraints that Prisma's language lacks; what it can say must be the same.
    expect({ ...migrated, indexes: [], constraints: [] }).toEqual({ ...declared, indexes: [], constraints: [] });
    expect(declared.indexes.filter((index) => !migrated.indexes.includes(index))).toEqual([]);
    expect(declared.constraints.filter((constraint) => !migrated.constraints.includes(constraint))).toEqual([]);
    expect(migrated.indexes.filter((index) => !declared.indexes.includes(index))).toEqual(
      expect.arrayContaining([expect.stringMatching(/WHERE is_default$/), expect.stringMatching(/gin_trgm_ops/)]),
    );
    // A constraint by hand checks; keys and references belong into schema.prisma.
    for (const constraint of migrated.constraints.filter((each) => !declared.constraints.includes(each))) {
      expect(constraint).toMatch(/CHECK/);
    }
  });

  it('make every folded name compare bytewise', async () => {
    await applyMigrations({ url });
    const { rows } = await pool.query(
      `SELECT table_name, collation_name FROM information_schema.columns
       WHERE table_schema = 'public' AND column_name = 'name_folded' AND collation_name IS DISTINCT FROM 'C'`,
    );
    expect(rows).toEqual([]);
  });
});

/** What a schema consists of, by name, in a form that two databases can be compared in. */
async function catalogue(
  database: pg.Pool,
): Promise<Record<'columns' | 'enums' | 'indexes' | 'constraints', string[]>> {
  const column = async (sql: string): Promise<string[]> =>
    (await database.query<{ line: string }>(sql)).rows.map(({ line }) => line);
  return {
    columns: await column(
      `SELECT concat_ws(' ', attrelid::regclass, attname, format_type(atttypid, atttypmod),
         CASE WHEN attnotnull THEN 'NOT NULL' END,
         -- Prisma's language has no generated columns; to it they are columns that it never writes.
         CASE WHEN attgenerated = '' THEN 'DEFAULT ' || pg_get_expr(adbin, adrelid) END) AS line
       FROM pg_attribute LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
       WHERE attnum > 0 AND NOT attisdropped AND attrelid IN (
         SELECT oid FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r'
           AND relname <> '_prisma_migrations')
       ORDER BY 1`,
    ),
    enums: await column(
      `SELECT concat_ws(' ', enumtypid::regtype, string_agg(enumlabel, ',' ORDER BY enumsortorder)) AS line
       FROM pg_enum GROUP BY enumtypid ORDER BY 1`,
    ),
    indexes: await column(
      `SELECT indexdef AS line FROM pg_indexes WHERE schemaname = 'public' AND tablename <> '_prisma_migrations'
       ORDER BY 1`,
    ),
    // NOT NULL is a constraint of its own from Postgres 18 on; it is compared with the columns.
    constraints: await column(
      `SELECT concat_ws(' ', conrelid::regclass, conname, pg_get_constraintdef(oid)) AS line FROM pg_constraint
       WHERE connamespace = 'public'::regnamespace AND contype <> 'n' AND conrelid <> 0
         AND conrelid <> coalesce(to_regclass('_prisma_migrations'), 0) ORDER BY 1`,
    ),
  };
}
