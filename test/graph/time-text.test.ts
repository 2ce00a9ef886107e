import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { timeText } from '../../src/graph/time-text.ts';

describe('the text of a time', () => {
  it('is that of toISOString, whichever time it is', () => {
    const time = fc.date({ noInvalidDate: true });
    fc.assert(
      fc.property(time, (any) => {
        expect(timeText(any)).toBe(any.toISOString());
      }),
    );
  });

  it.each([
    '0001-01-01T00:00:00.000Z',
    '1969-12-31T23:59:59.999Z',
    '1970-01-01T00:00:00.000Z',
    '2000-02-29T12:34:56.007Z',
    '9999-12-31T23:59:59.999Z',
  ])('is the same when its day is known already: %s', (text) => {
    timeText(new Date(text));
    expect(timeText(new Date(text))).toBe(text);
  });

  it('is none of a time that is none', () => {
    expect(() => timeText(new Date(Number.NaN))).toThrow(RangeError);
  });
});
