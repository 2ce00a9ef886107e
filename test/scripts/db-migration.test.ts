import { execFile } from 'node:child_process';
import { readdir, readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import { diffSchemas, migrationsFolder, schemaFile } from '../../scripts/db-migration.ts';

describe('writing a migration', () => {
  it.each(['', '../up', 'Upper', 'two words', '_a', 'a'.repeat(81)])(
    'refuses the name %j and writes nothing',
    async (name) => {
      const before = await readdir(migrationsFolder);
      const script = fileURLToPath(new URL('../../scripts/db-migration.ts', import.meta.url));
      await expect(promisify(execFile)(process.execPath, [script, name])).rejects.toMatchObject({
        code: 1,
        stderr: expect.stringMatching(/^Usage: npm run db:migration/),
      });
      expect(await readdir(migrationsFolder)).toEqual(before);
    },
  );

  it('adds what changed, and no more, to what the last one left', async () => {
    const before = await readFile(schemaFile, 'utf8');
    const after = before.replace(/^model AuditChain \{$/m, '$&\n  note String?');
    expect(await diffSchemas(before, after)).toMatch(
      /^-- AlterTable\nALTER TABLE "audit_chain" ADD COLUMN +"note" TEXT;$/,
    );
  });
});
