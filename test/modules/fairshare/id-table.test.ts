import fc from 'fast-check';
import { expect, it } from 'vitest';
import { IdTable } from '../../../src/modules/fairshare/id-table.ts';

it('a table of ids has what a map has, whatever was added and deleted before', () => {
  // Ids that are few, so that they come back, and that fill places side by side.
  const ids = fc.nat({ max: 150 }).map((number) => `id-${number}`);
  const steps = fc.array(fc.tuple(fc.boolean(), ids), { maxLength: 600, size: 'max' });
  fc.assert(
    fc.property(steps, (all) => {
      const names = [''];
      const table = new IdTable((row) => names[row] ?? '');
      const map = new Map<string, number>();
      for (const [isAdded, id] of all) {
        if (!isAdded) expect(table.delete(id)).toBe(map.delete(id));
        else if (!map.has(id)) {
          map.set(id, names.length);
          table.add(id, names.length);
          names.push(id);
        }
        expect(table.get(id)).toBe(map.get(id) ?? 0);
      }
      for (let number = 0; number <= 150; number += 1) {
        expect(table.get(`id-${number}`)).toBe(map.get(`id-${number}`) ?? 0);
      }
      expect(table.rows().sort()).toEqual([...map.values()].sort());
    }),
  );
});
