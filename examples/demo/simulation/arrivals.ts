import type { Random } from './random.ts';

/** How the rate of somebody's requests goes up and down. Over a whole period each has the same mean. */
export type Pattern =
  | { readonly kind: 'STEADY' }
  /** A day: quiet, busy, quiet. `depth` is how far it goes from the mean, 0 to 1. */
  | { readonly kind: 'WAVE'; readonly periodMs: number; readonly depth: number }
  /** `factor` times the mean for a while, and so much less in between; at most period / length. */
  | { readonly kind: 'BURSTS'; readonly periodMs: number; readonly lengthMs: number; readonly factor: number };

/** The rate at a time, as a multiple of the mean. */
export function intensityAt(pattern: Pattern, ms: number): number {
  switch (pattern.kind) {
    case 'STEADY':
      return 1;
    case 'WAVE':
      return 1 - pattern.depth * Math.cos((2 * Math.PI * ms) / pattern.periodMs);
    case 'BURSTS': {
      const { periodMs, lengthMs, factor } = pattern;
      // In the middle of the period, so that it begins as it usually is.
      const isBurst = Math.abs((ms % periodMs) - periodMs / 2) < lengthMs / 2;
      return isBurst ? factor : Math.max(0, (periodMs - factor * lengthMs) / (periodMs - lengthMs));
    }
  }
}

const highestIntensity = (pattern: Pattern): number => {
  if (pattern.kind === 'STEADY') return 1;
  return pattern.kind === 'WAVE' ? 1 + pattern.depth : Math.max(1, pattern.factor);
};

export interface ArrivalProcess {
  readonly pattern: Pattern;
  readonly perSecond: number;
  /** Nothing comes before it. */
  readonly fromMs: number;
}

/** The times of requests that come independently of each other at that rate: without end, unless the rate is 0. */
export function* arrivals(random: Random, { pattern, perSecond, fromMs }: ArrivalProcess): Generator<number, void> {
  if (perSecond <= 0) return;
  // Comes at the highest rate, and is dropped as often as the rate is lower than that.
  const highest = highestIntensity(pattern);
  const meanGapMs = 1_000 / (perSecond * highest);
  for (let ms = fromMs + random.exponential(meanGapMs); ; ms += random.exponential(meanGapMs)) {
    if (random.next() * highest < intensityAt(pattern, ms)) yield ms;
  }
}
