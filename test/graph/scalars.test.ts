import fc from 'fast-check';
import { Kind } from 'graphql';
import { describe, expect, it } from 'vitest';
import { DecimalScalar } from '../../src/graph/scalars.ts';

describe('Decimal', () => {
  it('takes every number of at most 12 digits before the point and 12 after it, as it is written', () => {
    const digits = (maximum: number) =>
      fc.array(fc.constantFrom(...'0123456789'), { minLength: 1, maxLength: maximum });
    const whole = digits(12).map((list) => list.join('').replace(/^0+(?=\d)/, ''));
    const fraction = fc.option(digits(12).map((list) => list.join('')));
    fc.assert(
      fc.property(fc.boolean(), whole, fraction, (isNegative, before, after) => {
        const text = `${isNegative ? '-' : ''}${before}${after === null ? '' : `.${after}`}`;
        expect(DecimalScalar.parseValue(text)).toBe(text);
        expect(DecimalScalar.parseLiteral({ kind: Kind.STRING, value: text })).toBe(text);
      }),
    );
  });

  it.each([
    '',
    ' ',
    '.',
    '-',
    '+1',
    '1.',
    '.5',
    '01',
    '1e3',
    '1E3',
    '0x10',
    '1,5',
    '1 000',
    ' 1',
    '1 ',
    '1\n',
    'NaN',
    'Infinity',
    '1234567890123',
    '1.1234567890123',
    '--1',
    '1.2.3',
    '١',
    1,
    1.5,
    true,
    null,
    {},
    ['1'],
  ])('refuses what is none: %j', (value) => {
    expect(() => DecimalScalar.parseValue(value)).toThrow(/Decimal takes a string such as "12\.50"/);
  });

  it.each([Kind.INT, Kind.FLOAT] as const)('refuses a literal of kind %s, and says how to write it', (kind) => {
    expect(() => DecimalScalar.parseLiteral({ kind, value: '12' })).toThrow(/written as a string/);
  });
});
