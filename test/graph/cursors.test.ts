import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { SortKind } from '../../src/database/entity.ts';
import { decodeCursor, encodeCursor } from '../../src/graph/cursors.ts';

const order = { by: 'createdAt', direction: 'ASC' } as const;
const base64url = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';

const time = fc
  .date({ noInvalidDate: true, min: new Date('1970-01-01'), max: new Date('9999-12-31') })
  .map((date) => date.toISOString());
const values: Readonly<Record<SortKind, fc.Arbitrary<string | number>>> = {
  text: fc.string({ unit: 'grapheme' }).filter((text) => !text.includes('\0')),
  integer: fc.oneof(fc.integer(), fc.bigInt({ min: 0n, max: 2n ** 63n - 1n }).map(String)),
  time,
};
const positions = fc.record({ value: time, id: fc.uuid() });

const decode = (
  cursor: string,
  name = 'Tenant',
  by: { by: string; direction: 'ASC' | 'DESC' } = order,
  kind: SortKind = 'time',
) => decodeCursor('after', { name, sorts: { [by.by]: kind } }, by as never, cursor);

const invalid = expect.objectContaining({ extensions: { code: 'INVALID_CURSOR', argument: 'after' } });

describe('a cursor', () => {
  it('gives back the place that it marks', () => {
    const kinds = fc.constantFrom<SortKind>('text', 'integer', 'time');
    const places = kinds.chain((kind) => fc.record({ kind: fc.constant(kind), value: values[kind], id: fc.uuid() }));
    fc.assert(
      fc.property(places, ({ kind, ...position }) => {
        expect(decode(encodeCursor('Tenant', order as never, position), 'Tenant', order, kind)).toEqual(position);
      }),
    );
  });

  it('is refused when any of its characters is another one, is missing or is one more', () => {
    const edits = fc.record({
      position: positions,
      at: fc.nat(),
      character: fc.oneof(fc.constantFrom(...base64url), fc.string({ minLength: 1, maxLength: 1 })),
      edit: fc.constantFrom('replace' as const, 'remove' as const, 'insert' as const),
    });
    fc.assert(
      fc.property(edits, ({ position, at, character, edit }) => {
        const cursor = encodeCursor('Tenant', order as never, position);
        const place = at % (cursor.length + (edit === 'insert' ? 1 : 0));
        const rest = cursor.slice(place + (edit === 'insert' ? 0 : 1));
        const altered = cursor.slice(0, place) + (edit === 'remove' ? '' : character) + rest;
        fc.pre(altered !== cursor);
        expect(() => decode(altered)).toThrow(invalid);
      }),
      { numRuns: 2_000 },
    );
  });

  it('is refused by another list and by another order', () => {
    const cursor = encodeCursor('Tenant', order as never, {
      value: '2026-01-01T00:00:00.000Z',
      id: '01900000-0000-7000-8000-000000000001',
    });
    expect(() => decode(cursor, 'AuditEntry')).toThrow(invalid);
    expect(() => decode(cursor, 'Tenant', { by: 'weight', direction: 'ASC' })).toThrow(invalid);
    expect(() => decode(cursor, 'Tenant', { by: 'createdAt', direction: 'DESC' })).toThrow(invalid);
  });

  it.each<[SortKind, string | number]>([
    ['time', 'yesterday'],
    ['time', 5],
    ['integer', 'many'],
    ['integer', 1.5],
    ['integer', 2 ** 40],
    ['integer', '9223372036854775808'],
    ['text', 5],
    ['text', 'a\0b'],
  ])('is refused when someone forged it with a right checksum: a %s cannot be %j', (kind, value) => {
    const forged = encodeCursor('Tenant', order as never, { value, id: '01900000-0000-7000-8000-000000000001' });
    expect(() => decode(forged, 'Tenant', order, kind)).toThrow(invalid);
    const withoutId = encodeCursor('Tenant', order as never, { value: '2026-01-01T00:00:00.000Z', id: '1' });
    expect(() => decode(withoutId)).toThrow(invalid);
  });

  it('is refused, and nothing else, whatever text it is', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.base64String(), fc.string({ unit: 'binary' })), (text) => {
        expect(() => decode(text)).toThrow(invalid);
      }),
    );
  });
});
