import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { canonicalJson } from '../../src/database/canonical-json.ts';

/** The same value with the keys of every object written in the opposite order. */
function reversed(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(reversed);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .reverse()
      .map(([key, inner]) => [key, reversed(inner)]),
  );
}

describe('canonical JSON', () => {
  it('is one text for one value, whatever the order of its keys', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        expect(canonicalJson(reversed(value))).toBe(canonicalJson(value));
      }),
    );
  });

  it('is JSON of the same value, so two values have two texts', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        expect(JSON.parse(canonicalJson(value))).toEqual(JSON.parse(JSON.stringify(value)));
      }),
    );
  });

  it('writes dates as ISO strings, large integers as they are, and what is undefined as null or not at all', () => {
    const date = new Date('2026-03-01T12:00:00.000Z');
    expect(canonicalJson({ date, large: 9_007_199_254_740_993n, none: undefined })).toBe(
      '{"date":"2026-03-01T12:00:00.000Z","large":9007199254740993}',
    );
    expect(canonicalJson(undefined)).toBe('null');
  });

  it('is not given for a value that contains itself', () => {
    const circular: Record<string, unknown> = {};
    circular.self = circular;
    expect(() => canonicalJson(circular)).toThrow(/circular/i);
  });
});
