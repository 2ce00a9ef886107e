import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { z } from 'zod';
import { PassingMap } from '../../../src/modules/admission/passing-map.ts';

it('a map of what comes and goes has what a map has, in its order, whatever was set and deleted before', () => {
  // Keys that are few, so that they come back.
  const keys = fc.nat({ max: 40 }).map((number) => `key-${number}`);
  const steps = fc.array(fc.tuple(fc.boolean(), keys, fc.nat()), { maxLength: 300, size: 'max' });
  fc.assert(
    fc.property(steps, (all) => {
      const passing = new PassingMap<number>();
      const map = new Map<string, number>();
      for (const [isSet, key, value] of all) {
        if (isSet) {
          passing.set(key, value);
          map.set(key, value);
        } else {
          expect(passing.delete(key)).toBe(map.delete(key));
        }
        expect(passing.get(key)).toBe(map.get(key));
        expect(passing.size).toBe(map.size);
      }
      expect(passing.values()).toEqual([...map.values()]);
    }),
  );
});

it('what has left it is collected with the young objects', async () => {
  const script = fileURLToPath(new URL('./passing-load.ts', import.meta.url));
  // A process of its own, whose collector can be asked.
  const { stdout } = await promisify(execFile)(process.execPath, ['--expose-gc', script]);
  const { went, leftBytes } = z.object({ went: z.number(), leftBytes: z.number() }).parse(JSON.parse(stdout));
  expect(went).toBeGreaterThan(10_000);
  // About half a megabyte; with a Map it is ten, half of all that went.
  expect(leftBytes).toBeLessThan(2_000_000);
});
