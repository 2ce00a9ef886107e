import { hash, randomBytes } from 'node:crypto';
import { crc32 } from 'node:zlib';

const alphabet = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';

function base62(value: bigint, length: number): string {
  let text = '';
  for (let rest = value; text.length < length; rest /= 62n) text = (alphabet[Number(rest % 62n)] ?? '') + text;
  return text;
}

/**
 * Makes a secret of 256 random bits: `<prefix><43 characters>_<6 characters>`.
 *
 * The prefix lets scanners find a leaked one, the checksum lets a mistyped one be refused without a look-up.
 *
 * @param prefix with its separator: `fl_user_`
 */
export function makeSecret(prefix: string): string {
  const body = `${prefix}${base62(BigInt(`0x${randomBytes(32).toString('hex')}`), 43)}`;
  return `${body}_${checksum(body)}`;
}

/**
 * Six characters that tell a mistyped secret from a whole one.
 *
 * @public bench/ makes secrets of its own.
 */
export function checksum(body: string): string {
  let text = '';
  for (let rest = crc32(body); text.length < 6; rest = Math.floor(rest / 62)) text = alphabet.charAt(rest % 62) + text;
  return text;
}

/** What follows the prefix: 43 random characters, and the checksum. */
const lengthAfterPrefix = 50;

/** Whether a text has the form of a secret that was made here, and its checksum is wrong: it was mistyped or cut. */
export function isMistyped(text: string, prefixes: ReadonlySet<string>): boolean {
  if (!prefixes.has(text.slice(0, -lengthAfterPrefix))) return false;
  const rest = text.slice(-lengthAfterPrefix);
  if (!/^[0-9A-Za-z]{43}_[0-9A-Za-z]{6}$/.test(rest)) return false;
  return checksum(text.slice(0, -7)) !== text.slice(-6);
}

/** How many of the random characters are shown, so that people can tell keys apart. */
const shownCharacters = 4;

/** The beginning of a secret, which may be shown: it says nothing about the rest. */
export const startOf = (secret: string, prefix: string): string => secret.slice(0, prefix.length + shownCharacters);

/** SHA-256, from which what is stored of a secret is made. It has 256 random bits, so its hash cannot be searched. */
export const hashSecret = (secret: string): Buffer => hash('sha256', secret, 'buffer');
