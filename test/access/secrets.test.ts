import { createHash } from 'node:crypto';
import { crc32 } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { hashSecret, makeSecret } from '../../src/access/secrets.ts';

const alphabet = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';

const numberOf = (text: string): bigint =>
  [...text].reduce((value, digit) => value * 62n + BigInt(alphabet.indexOf(digit)), 0n);

describe('a secret', () => {
  const secrets = Array.from({ length: 500 }, () => makeSecret('flr_'));

  it('has its prefix, 43 characters and a checksum of 6', () => {
    for (const secret of secrets) expect(secret).toMatch(/^flr_[0-9A-Za-z]{43}_[0-9A-Za-z]{6}$/);
  });

  it('has 256 bits that differ from those of every other', () => {
    const values = secrets.map((secret) => numberOf(secret.slice(4, 47)));
    expect(new Set(values).size).toBe(secrets.length);
    for (const value of values) expect(value < 1n << 256n).toBe(true);
    // Every one of the bits is set somewhere and is not set somewhere.
    const ones = values.reduce((all, value) => all | value, 0n);
    const zeros = values.reduce((all, value) => all | ~value, 0n) & ((1n << 256n) - 1n);
    expect([ones, zeros]).toEqual([(1n << 256n) - 1n, (1n << 256n) - 1n]);
  });

  it('has the CRC-32 of what comes before as its checksum, so that a scanner can tell it offline', () => {
    for (const secret of secrets) expect(numberOf(secret.slice(48))).toBe(BigInt(crc32(secret.slice(0, 47))));
  });

  it('is known by its SHA-256', () => {
    expect(hashSecret('secret')).toEqual(createHash('sha256').update('secret').digest());
  });
});
