import { hash, randomBytes } from 'node:crypto';
import { crc32 } from 'node:zlib';

const alphabet = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';

function base62(value: bigint, length: number): string {
  let text = '';
  for (let rest = value; text.length < length; rest /= 62n) text = (alphabet[Number(rest % 62n)] ?? '') + text;
  return text;
}

/**
 * Makes a secret of 256 random bits: `<prefix>_<43 characters>_<6 characters>`.
 *
 * The prefix lets scanners find a leaked one, the checksum lets a mistyped one be refused without a look-up.
 */
export function makeSecret(prefix: string): string {
  const body = `${prefix}_${base62(BigInt(`0x${randomBytes(32).toString('hex')}`), 43)}`;
  return `${body}_${checksum(body)}`;
}

const checksum = (body: string): string => base62(BigInt(crc32(body)), 6);

/** What is stored of a secret. It has 256 random bits, so a plain hash cannot be searched. */
export const hashSecret = (secret: string): Buffer => hash('sha256', secret, 'buffer');
