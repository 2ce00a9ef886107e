import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decodeCursor, encodeCursor } from '../../src/graph/cursors.ts';

const order = { by: 'createdAt', direction: 'ASC' } as const;
const base64url = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';

const positions = fc.record({
  value: fc.oneof(
    fc.string({ unit: 'grapheme' }),
    fc.integer(),
    fc.date({ noInvalidDate: true }).map((d) => d.toISOString()),
  ),
  id: fc.uuid(),
});

const decode = (cursor: string, list = 'Tenant', by: { by: string; direction: 'ASC' | 'DESC' } = order) =>
  decodeCursor('after', list, by as never, cursor);

const invalid = expect.objectContaining({ extensions: { code: 'INVALID_CURSOR', argument: 'after' } });

describe('a cursor', () => {
  it('gives back the place that it marks', () => {
    fc.assert(
      fc.property(positions, (position) => {
        expect(decode(encodeCursor('Tenant', order as never, position))).toEqual(position);
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
    const cursor = encodeCursor('Tenant', order as never, { value: 'a', id: 'b' });
    expect(() => decode(cursor, 'AuditEntry')).toThrow(invalid);
    expect(() => decode(cursor, 'Tenant', { by: 'weight', direction: 'ASC' })).toThrow(invalid);
    expect(() => decode(cursor, 'Tenant', { by: 'createdAt', direction: 'DESC' })).toThrow(invalid);
  });

  it('is refused, and nothing else, whatever text it is', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.base64String(), fc.string({ unit: 'binary' })), (text) => {
        expect(() => decode(text)).toThrow(invalid);
      }),
    );
  });
});
