import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';
import { join } from 'node:path';
import type { NumberedKey } from '../config/keys.ts';
import { readOrMakeFile } from './kept-file.ts';

/**
 * The key for sealing that is kept under `home`, made at the first start. Programs that do not share the folder cannot
 * open what others sealed.
 *
 * @throws {KeptFileError} when the file holds something else
 */
export async function readOrMakeSealingKey(home: string): Promise<NumberedKey> {
  const path = join(home, 'sealing-key');
  const { text } = await readOrMakeFile(path, {
    make: () => randomBytes(32).toString('hex'),
    isValid: (kept) => /^[0-9a-f]{64}$/i.test(kept),
    wrong: `${path} does not hold a key for sealing: 64 hexadecimal digits. Delete the file to have a new one made.`,
  });
  return { version: 0, key: Buffer.from(text, 'hex') };
}

const algorithm = 'aes-256-gcm';
const nonceBytes = 12;
const tagBytes = 16;

/** Encrypts small values with AES-256-GCM, bound to what they belong to. */
export class Sealer {
  readonly #keys: readonly NumberedKey[];

  /** @param keys the newest seals; all of them open */
  constructor(keys: readonly [NumberedKey, ...NumberedKey[]]) {
    this.#keys = keys.toSorted((a, b) => b.version - a.version);
  }

  /** @param belongsTo has to be the same when it is opened */
  seal(text: string, belongsTo: string): Uint8Array<ArrayBuffer> {
    const [newest] = this.#keys;
    if (newest === undefined) throw new Error('There is no key to seal with.');
    const nonce = randomBytes(nonceBytes);
    const cipher = createCipheriv(algorithm, newest.key, nonce).setAAD(Buffer.from(belongsTo));
    const sealed = Buffer.concat([cipher.update(text, 'utf8'), cipher.final()]);
    const version = Buffer.alloc(4);
    version.writeUInt32BE(newest.version);
    return Uint8Array.from(Buffer.concat([version, nonce, cipher.getAuthTag(), sealed]));
  }

  /** What was sealed; nothing when its key is not among ours or it belongs to something else. */
  open(sealed: Uint8Array, belongsTo: string): string | undefined {
    const bytes = Buffer.from(sealed);
    const version = bytes.readUInt32BE();
    const key = this.#keys.find((candidate) => candidate.version === version)?.key;
    if (key === undefined) return undefined;
    const nonce = bytes.subarray(4, 4 + nonceBytes);
    const tag = bytes.subarray(4 + nonceBytes, 4 + nonceBytes + tagBytes);
    const decipher = createDecipheriv(algorithm, key, nonce).setAAD(Buffer.from(belongsTo)).setAuthTag(tag);
    try {
      return decipher.update(bytes.subarray(4 + nonceBytes + tagBytes), undefined, 'utf8') + decipher.final('utf8');
    } catch {
      // Another key of the same number, or another owner: either way it is not ours to read.
      return undefined;
    }
  }
}
