import { randomUUID } from 'node:crypto';
import { fileURLToPath } from 'node:url';
import type { TestProject } from 'vitest/node';
import { startEmbeddedPostgres } from '../../src/database/embedded.ts';
import { applyMigrations } from '../../src/database/migrations.ts';
import { createDatabase, dropDatabase } from './databases.ts';

declare module 'vitest' {
  interface ProvidedContext {
    /** The server that all test files share; each makes databases of its own there. */
    postgresUrl: string;
    /** The migrated database that theirs are copies of. */
    templateName: string;
  }
}

/** Always the same, so that a server left over from a run that was killed is found, used and stopped by the next. */
const folder = fileURLToPath(new URL('../../.fairlead/test-postgres/', import.meta.url));

/** Starts one Postgres for the whole run, or joins that of another run, and brings a template to the newest migration. */
export default async function setup({ provide }: TestProject): Promise<() => Promise<void>> {
  const postgres = await startEmbeddedPostgres({ folder, durable: false, log: () => undefined });
  const templateName = `template_${randomUUID()}`;
  await applyMigrations({ url: await createDatabase(postgres.url, templateName) });
  provide('postgresUrl', postgres.url);
  provide('templateName', templateName);
  return async () => {
    await dropDatabase(postgres.url, templateName);
    await postgres.stop();
  };
}
