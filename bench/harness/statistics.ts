/** Nearest rank; `sorted` in ascending order. */
export function percentile(sorted: readonly number[], share: number): number {
  const index = Math.min(sorted.length - 1, Math.max(0, Math.ceil(sorted.length * share) - 1));
  const value = sorted[index];
  if (value === undefined) throw new Error('a percentile of nothing');
  return value;
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((left, right) => left - right);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1
    ? percentile(sorted, 0.5)
    : (percentile(sorted.slice(0, middle), 1) + percentile(sorted.slice(middle), 0)) / 2;
}
