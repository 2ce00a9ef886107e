import { timingSafeEqual } from 'node:crypto';
import { join } from 'node:path';
import type { CredentialSource } from './authenticator.ts';
import { readOrMakeFile } from './kept-file.ts';
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

/**
 * Reads the root admin key kept under `home`, or makes it there, readable by the owner alone.
 *
 * @throws {KeptFileError} when the file holds something else
 */
export async function readOrMakeRootKey(home: string): Promise<RootKeyFile> {
  const path = join(home, 'admin-key');
  const { text, created } = await readOrMakeFile(path, {
    make: () => makeSecret('flr_'),
    isValid: (kept) => /^\S{32,}$/.test(kept),
    wrong: `${path} does not hold an admin key. Delete the file to have a new key made, then start again.`,
  });
  return { path, key: text, created };
}
