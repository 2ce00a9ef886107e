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

const checksumLength = 6;

/**
 * Six characters that tell a mistyped secret from a whole one.
 *
 * @public bench/ makes secrets of its own.
 */
export function checksum(body: string): string {
  let text = '';
  for (let rest = crc32(body); text.length < checksumLength; rest = Math.floor(rest / 62))
    text = alphabet.charAt(rest % 62) + text;
  return text;
}

/** What follows the prefix: 43 random characters, and the checksum. */
const lengthAfterPrefix = 50;

/** Whether a text has the form of a secret that was made here, and its checksum is wrong: it was mistyped or cut. */
export function isMistyped(text: string, prefixes: ReadonlySet<string>): boolean {
  if (!prefixes.has(text.slice(0, -lengthAfterPrefix))) return false;
  const separator = text.length - checksumLength - 1;
  for (let at = text.length - lengthAfterPrefix; at < text.length; at += 1) {
    if (at === separator ? text[at] !== '_' : !isBase62(text.charCodeAt(at))) return false;
  }
  return checksum(text.slice(0, separator)) !== text.slice(separator + 1);
}

const codes = Uint8Array.from({ length: 128 }, (_, code) => (alphabet.includes(String.fromCharCode(code)) ? 1 : 0));

const isBase62 = (code: number): boolean => codes[code] === 1;

/** How many of the random characters are shown, so that people can tell keys apart. */
const shownCharacters = 4;

/** The beginning of a secret, which may be shown: it says nothing about the rest. */
export const startOf = (secret: string, prefix: string): string => secret.slice(0, prefix.length + shownCharacters);

/** SHA-256, from which what is stored of a secret is made. It has 256 random bits, so its hash cannot be searched. */
export const hashSecret = (secret: string): Buffer => bytesOfHash(hashText(secret));

const hashEncoding = 'binary';

/** The same as text of 32 characters, to find it by. Node makes text of a hash in half the time of a Buffer of its own. */
export const hashText = (secret: string): string => hash('sha256', secret, hashEncoding);

/** What `hashText` says, as bytes. */
export const bytesOfHash = (text: string): Buffer => Buffer.from(text, hashEncoding);
