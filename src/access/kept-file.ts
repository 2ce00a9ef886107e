import { randomUUID } from 'node:crypto';
import { link, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';

/** A file that should hold a key does not. */
export class KeptFileError extends Error {
  override readonly name = 'KeptFileError';
}

interface KeptFile {
  readonly make: () => string;
  readonly isValid: (text: string) => boolean;
  /** What is said when the file holds something else. */
  readonly wrong: string;
}

/**
 * Reads a key that is kept in a file, or makes it, readable by the owner alone.
 *
 * @throws {KeptFileError} when the file holds something else
 */
export async function readOrMakeFile(
  path: string,
  { make, isValid, wrong }: KeptFile,
): Promise<{ text: string; created: boolean }> {
  await mkdir(dirname(path), { recursive: true });
  const text = make();
  // Processes in containers that share the folder can have the same number.
  const draft = `${path}.${randomUUID()}`;
  try {
    await writeFile(draft, `${text}\n`, { mode: 0o600, flag: 'wx', flush: true });
    // A link fails when the name exists: of two processes that start at once, one makes the key and both use it.
    await link(draft, path);
    return { text, created: true };
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'EEXIST')) throw error;
  } finally {
    await rm(draft, { force: true });
  }
  const kept = (await readFile(path, 'utf8')).trim();
  if (!isValid(kept)) throw new KeptFileError(wrong);
  return { text: kept, created: false };
}
