/**
 * Whole slots for each weight, in the order given: in proportion, with the largest remainders rounded up, and exactly
 * one for those whose proportion is less than one, as long as there is a slot for each. With fewer slots than weights
 * the heaviest get one. Equals are taken in the order given. The sum is `slots` whenever there is a weight.
 */
export function slotShares(slots: number, weights: readonly number[]): number[] {
  const shares = weights.map(() => 0);
  const weightOf = (index: number): number => weights[index] ?? 0;
  const heaviestFirst = weights.map((_, index) => index).sort((a, b) => weightOf(b) - weightOf(a) || a - b);
  if (slots < weights.length) {
    for (const index of heaviestFirst.slice(0, slots)) shares[index] = 1;
    return shares;
  }
  let slotsLeft = slots;
  let weightLeft = weights.reduce((sum, weight) => sum + weight, 0);
  let proportional = heaviestFirst.length;
  // What the lightest are given beyond their proportion is missing to the others, so each is judged by what is left.
  for (; proportional > 0; proportional -= 1) {
    const index = heaviestFirst[proportional - 1] ?? 0;
    if (slotsLeft * weightOf(index) >= weightLeft) break;
    shares[index] = 1;
    slotsLeft -= 1;
    weightLeft -= weightOf(index);
  }
  const inProportion = heaviestFirst.slice(0, proportional);
  let unassigned = slotsLeft;
  const remainders = new Map<number, number>();
  for (const index of inProportion) {
    const product = slotsLeft * weightOf(index);
    shares[index] = Math.floor(product / weightLeft);
    unassigned -= shares[index];
    // Whole numbers, so that equal fractions are equal.
    remainders.set(index, product % weightLeft);
  }
  const remainderOf = (index: number): number => remainders.get(index) ?? 0;
  const byRemainder = inProportion.sort((a, b) => remainderOf(b) - remainderOf(a) || a - b);
  for (const index of byRemainder.slice(0, unassigned)) shares[index] = (shares[index] ?? 0) + 1;
  return shares;
}
