/** Has objects come and go, and says how many bytes of those that are gone are left after collections of young objects. */
import { PassingMap } from '../../../src/modules/admission/passing-map.ts';

declare const gc: (options: { readonly type: 'minor' | 'major' }) => void;

const live = 100;
const rounds = 200;
const perRound = 100;
const numbersOfEach = 120;

const map = new PassingMap<object>();
let number = 0;
for (let round = 0; round < rounds; round += 1) {
  for (let count = 0; count < perRound; count += 1) {
    map.set(
      `request-${number}`,
      Array.from({ length: numbersOfEach }, (_, index) => index),
    );
    map.delete(`request-${number - live}`);
    number += 1;
  }
  gc({ type: 'minor' });
}
const before = process.memoryUsage().heapUsed;
gc({ type: 'major' });
process.stdout.write(JSON.stringify({ went: number - live, leftBytes: before - process.memoryUsage().heapUsed }));
