import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import {
  bindMigrationAwareSqlAdapterFactory,
  ColumnTypeEnum,
  type SqlDriverAdapter,
  type SqlMigrationAwareDriverAdapterFactory,
} from '@prisma/driver-adapter-utils';
import * as engineModule from '@prisma/schema-engine-wasm/schema_engine_bg';

/**
 * `npm run db:migration -- name`: writes what turns a database of the last migration into one of `schema.prisma`.
 *
 * It compares two schema files and needs no database: beside the migrations lies the schema that the last of them led
 * to. Read the result before committing it; what Prisma's language cannot say (checks, collations, indexes over
 * expressions) is added to it by hand.
 */

const prismaFolder = fileURLToPath(new URL('../prisma/', import.meta.url));

export const schemaFile = join(prismaFolder, 'schema.prisma');
export const migrationsFolder = join(prismaFolder, 'migrations');
/** The schema that the newest migration leads to. */
export const migratedSchemaFile = join(migrationsFolder, 'schema.prisma');

/** The part of the platform's WebAssembly that is used here; TypeScript knows it only together with the DOM. */
declare const WebAssembly: {
  instantiate(bytes: Uint8Array, imports: object): Promise<{ instance: { exports: WebAssemblyExports } }>;
};

interface WebAssemblyExports {
  __wbindgen_start(): void;
}

/** What the engine's generated JavaScript needs to be given its WebAssembly, and does not declare. */
const { __wbg_set_wasm: setWebAssembly } = engineModule as unknown as {
  __wbg_set_wasm(exports: WebAssemblyExports): void;
};

const refuse = (): Promise<never> => Promise.reject(new Error('Comparing schemas asks no database anything.'));

/** The engine asks once which server it speaks to, even for comparing files: the oldest one that is supported. */
const serverQuestionAnswer = {
  columnNames: ['exists', 'version', 'numeric_version'],
  columnTypes: [ColumnTypeEnum.Boolean, ColumnTypeEnum.Text, ColumnTypeEnum.Int32],
  rows: [[true, 'PostgreSQL 14.0', 140_000]],
};

const adapterWithoutDatabase: SqlDriverAdapter = {
  provider: 'postgres',
  adapterName: 'fairlead-schemas-only',
  getConnectionInfo: () => ({ schemaName: 'public', supportsRelationJoins: true }),
  queryRaw: async () => serverQuestionAnswer,
  executeRaw: refuse,
  executeScript: refuse,
  startTransaction: refuse,
  dispose: async () => undefined,
};

const noDatabase: SqlMigrationAwareDriverAdapterFactory = {
  provider: 'postgres',
  adapterName: adapterWithoutDatabase.adapterName,
  connect: async () => adapterWithoutDatabase,
  connectToShadowDb: refuse,
};

let instantiated: Promise<void> | undefined;

/** Once a process: the engine's JavaScript keeps its instance in a variable that all engines share. */
const instantiate = (): Promise<void> => (instantiated ??= instantiateOnce());

async function instantiateOnce(): Promise<void> {
  const path = createRequire(import.meta.url).resolve('@prisma/schema-engine-wasm/schema_engine_bg');
  const bytes = await readFile(path.replace(/\.js$/, '.wasm'));
  const { instance } = await WebAssembly.instantiate(bytes, { './schema_engine_bg.js': engineModule });
  setWebAssembly(instance.exports);
  instance.exports.__wbindgen_start();
}

/** Prisma's schema engine in this process, on a database or, for comparing schemas, on none. */
export async function loadSchemaEngine(database: SqlMigrationAwareDriverAdapterFactory = noDatabase) {
  await instantiate();
  const adapter = bindMigrationAwareSqlAdapterFactory(database);
  return engineModule.SchemaEngine.new({ datamodels: undefined }, () => undefined, adapter);
}

/** The SQL that turns a database of the schema `from` (text; empty for an empty database) into one of `to`. */
export async function diffSchemas(from: string, to: string): Promise<string> {
  const engine = await loadSchemaEngine();
  try {
    const { stdout } = await engine.diff({
      from: from.trim() === '' ? { tag: 'empty' } : target(from),
      to: target(to),
      script: true,
      exitCode: null,
      filters: { externalTables: [], externalEnums: [] },
    });
    const script = (stdout ?? '').trim();
    return script === '-- This is an empty migration.' ? '' : script;
  } finally {
    engine.free();
  }
}

const target = (content: string) => ({
  tag: 'schemaDatamodel' as const,
  files: [{ path: 'schema.prisma', content }],
});

/** Folder names sort in the order in which migrations are applied. */
function migrationFolderName(name: string, now: Date): string {
  const timestamp = now.toISOString().replace(/\D/g, '').slice(0, 14);
  return `${timestamp}_${name}`;
}

async function main(name: string | undefined): Promise<void> {
  if (name === undefined || !/^[a-z][a-z0-9]*(_[a-z0-9]+)*$/.test(name) || name.length > 80) {
    throw new Error('Usage: npm run db:migration -- name\nA name is at most 80 lower-case letters, digits and _.');
  }
  const schema = await readFile(schemaFile, 'utf8');
  const migrated = await readFile(migratedSchemaFile, 'utf8').catch(() => '');
  const script = await diffSchemas(migrated, schema);
  if (script === '') {
    await writeFile(migratedSchemaFile, schema);
    console.log('The tables are as the last migration left them; there is nothing to write.');
    return;
  }
  const folder = join(migrationsFolder, migrationFolderName(name, new Date()));
  const newest = (await readdir(migrationsFolder))
    .filter((entry) => /^\d{14}_/.test(entry))
    .sort()
    .at(-1);
  if (newest !== undefined && join(migrationsFolder, newest) >= folder) {
    throw new Error(`${newest} is dated later than now; a migration must be dated after all others.`);
  }
  await mkdir(folder, { recursive: true });
  await writeFile(join(folder, 'migration.sql'), `${script}\n`);
  await writeFile(migratedSchemaFile, schema);
  console.log(
    `Wrote ${join(folder, 'migration.sql')}. Read it, and add what Prisma cannot express, before you commit it.`,
  );
}

if (import.meta.main) {
  await main(process.argv[2]).catch((error: unknown) => {
    console.error(error instanceof Error ? error.message : error);
    process.exitCode = 1;
  });
}
