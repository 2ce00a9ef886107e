import { randomUUID, timingSafeEqual } from 'node:crypto';
import { link, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { CredentialSource } from './authenticator.ts';
import type { Principal } from './principal.ts';
import { allScopes } from './scopes.ts';
import { hashSecret, makeSecret } from './secrets.ts';

/** The root admin keys: they may do everything. Two can be valid at a time, so one can be replaced without a gap. */
export function rootKeySource(sha256: readonly string[]) {
  const keys = sha256.map((hexadecimal, index) => ({
    hash: Buffer.from(hexadecimal, 'hex'),
    principal: {
      kind: 'ROOT',
      credentialId: `root:${hexadecimal.slice(0, 12)}`,
      name: index === 0 ? 'root admin key' : `root admin key ${index + 1}`,
      scopes: allScopes,
    } satisfies Principal,
  }));
  return {
    accepts: ['bearer', 'x-admin-key'],
    find: (secret: string): Principal | undefined => {
      const presented = hashSecret(secret);
      // Every key is compared, so the time does not tell which one came close.
      return keys.filter((key) => timingSafeEqual(key.hash, presented)).at(0)?.principal;
    },
  } as const satisfies CredentialSource;
}

export interface RootKeyFile {
  readonly path: string;
  readonly key: string;
  /** True: made by this call, so it has to be shown once. */
  readonly created: boolean;
}

/** The file that should hold the root admin key does not. */
export class RootKeyError extends Error {
  override readonly name = 'RootKeyError';
}

/**
 * Reads the root admin key kept under `home`, or makes it there, readable by the owner alone.
 *
 * @throws {RootKeyError} when the file holds something else
 */
export async function readOrMakeRootKey(home: string): Promise<RootKeyFile> {
  const path = join(home, 'admin-key');
  await mkdir(home, { recursive: true });
  const key = makeSecret('flr');
  // Processes in containers that share the folder can have the same number.
  const draft = join(home, `admin-key.${randomUUID()}`);
  try {
    await writeFile(draft, `${key}\n`, { mode: 0o600, flag: 'wx', flush: true });
    // A link fails when the name exists: of two processes that start at once, one makes the key and both use it.
    await link(draft, path);
    return { path, key, created: true };
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'EEXIST')) throw error;
  } finally {
    await rm(draft, { force: true });
  }
  const kept = (await readFile(path, 'utf8')).trim();
  if (!/^\S{32,}$/.test(kept)) {
    throw new RootKeyError(
      `${path} does not hold an admin key. Delete the file to have a new key made, then start again.`,
    );
  }
  return { path, key: kept, created: false };
}
