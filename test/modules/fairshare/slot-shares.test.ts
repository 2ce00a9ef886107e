import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { slotShares } from '../../../src/modules/fairshare/slot-shares.ts';

const weightLists = fc.array(fc.oneof(fc.integer({ min: 1, max: 1_000 }), fc.integer({ min: 1, max: 1_000_000 })), {
  minLength: 1,
  maxLength: 20,
});
const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0);

describe('whole slots by weight', () => {
  it.each([
    { slots: 4, weights: [1_000, 1, 1, 1], shares: [1, 1, 1, 1] },
    { slots: 8, weights: [5_000, 1, 1, 1, 1], shares: [4, 1, 1, 1, 1] },
    { slots: 8, weights: [500, 50], shares: [7, 1] },
    { slots: 10, weights: [300, 100], shares: [8, 2] },
    { slots: 10, weights: [100, 300], shares: [3, 7] },
    { slots: 16, weights: [500, 50, 100], shares: [12, 1, 3] },
    { slots: 8, weights: [500, 50, 100], shares: [6, 1, 1] },
    { slots: 1, weights: [500, 50], shares: [1, 0] },
    { slots: 2, weights: [1, 1, 1], shares: [1, 1, 0] },
    { slots: 0, weights: [1, 1], shares: [0, 0] },
    { slots: 5, weights: [], shares: [] },
  ])('are $shares for $slots slots at $weights', ({ slots, weights, shares }) => {
    expect(slotShares(slots, weights)).toEqual(shares);
  });

  it('are all slots, and one at least for each when there are enough', () => {
    fc.assert(
      fc.property(fc.nat({ max: 300 }), weightLists, (slots, weights) => {
        const shares = slotShares(slots, weights);
        expect(sum(shares)).toBe(slots);
        expect(Math.min(...shares)).toBeGreaterThanOrEqual(slots >= weights.length ? 1 : 0);
      }),
    );
  });

  it('are no fewer for more weight', () => {
    fc.assert(
      fc.property(fc.nat({ max: 300 }), weightLists, (slots, weights) => {
        const byWeight = slotShares(slots, weights)
          .map((share, index) => ({ share, weight: weights[index] ?? 0 }))
          .sort((a, b) => a.weight - b.weight || a.share - b.share);
        for (const [index, { share }] of byWeight.entries()) {
          expect(share).toBeGreaterThanOrEqual(byWeight[index - 1]?.share ?? 0);
        }
      }),
    );
  });

  it('are less than a slot away from the exact proportion where that is one slot or more for everybody', () => {
    fc.assert(
      fc.property(fc.nat({ max: 300 }), weightLists, (slots, weights) => {
        fc.pre(weights.every((weight) => slots * weight >= sum(weights)));
        for (const [index, share] of slotShares(slots, weights).entries()) {
          expect(Math.abs(share - (slots * (weights[index] ?? 0)) / sum(weights))).toBeLessThan(1);
        }
      }),
    );
  });
});
