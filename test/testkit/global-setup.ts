import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestProject } from 'vitest/node';
import { startEmbeddedPostgres } from '../../src/database/embedded.ts';
import { applyMigrations } from '../../src/database/migrations.ts';
import { createDatabase, databaseUrl } from './databases.ts';

declare module 'vitest' {
  interface ProvidedContext {
    /** The server that all test files share; each makes databases of its own there. */
    postgresUrl: string;
  }
}

/** The migrated database that others are copies of. */
export const templateName = 'fairlead_template';

/** Starts one Postgres for the whole run and brings a template to the newest migration. */
export default async function setup({ provide }: TestProject): Promise<() => Promise<void>> {
  const folder = await mkdtemp(join(tmpdir(), 'fairlead-test-'));
  // Run by root, the server runs as another user, who has to get in.
  await chmod(folder, 0o755);
  const postgres = await startEmbeddedPostgres({ folder, durable: false, log: () => undefined });
  await createDatabase(postgres.url, templateName);
  await applyMigrations({ url: databaseUrl(postgres.url, templateName) });
  provide('postgresUrl', postgres.url);
  return async () => {
    await postgres.stop();
    await rm(folder, { recursive: true, force: true });
  };
}
