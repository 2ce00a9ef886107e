/**
 * How fair a run was, by the formulas of the two harnesses that Obleth publishes, so that their figures and ours can be
 * compared. Pure: what was counted goes in, the verdict comes out.
 */

export interface Claimant {
  readonly name: string;
  /** The part of the slots that its weight gives it when everyone is there. */
  readonly expectedShare: number;
}

/** What everyone completed in one stretch of time, in the order of the claimants. */
export type Sample = readonly number[];

/** 1: everyone has the same; 1 / n: one of n has everything. */
export function jainIndex(values: readonly number[]): number {
  const sum = values.reduce((total, value) => total + value, 0);
  const squares = values.reduce((total, value) => total + value ** 2, 0);
  return squares === 0 ? 0 : sum ** 2 / (values.length * squares);
}

const sharesOf = (sample: Sample): readonly number[] => {
  const all = sample.reduce((total, count) => total + count, 0);
  return sample.map((count) => (all === 0 ? 0 : count / all));
};

/** By how much the share of the one who is furthest off differs from the expected one. */
export function largestDeviation(sample: Sample, claimants: readonly Claimant[]): number {
  const shares = sharesOf(sample);
  return Math.max(...claimants.map(({ expectedShare }, index) => Math.abs((shares[index] ?? 0) - expectedShare)));
}

const samplesInARow = 3;
const tolerance = 0.1;

/**
 * The number of the sample, from 1, with which the first three in a row begin in which everyone's share is within 0.10 of
 * the expected one; undefined: there are none.
 *
 * @param samples from when the last one joined
 */
export function convergedInSample(samples: readonly Sample[], claimants: readonly Claimant[]): number | undefined {
  const isNear = samples.map((sample) => largestDeviation(sample, claimants) <= tolerance);
  for (let first = 0; first + samplesInARow <= isNear.length; first += 1) {
    if (isNear.slice(first, first + samplesInARow).every(Boolean)) return first + 1;
  }
  return undefined;
}

const starvedSamples = 5;

/** Those who completed nothing in five samples in a row. @param samples from when everyone is there */
export function starved(samples: readonly Sample[], claimants: readonly Claimant[]): readonly string[] {
  return claimants.flatMap(({ name }, index) => {
    let inARow = 0;
    const isStarved = samples.some((sample) => {
      inARow = sample[index] === 0 ? inARow + 1 : 0;
      return inARow >= starvedSamples;
    });
    return isStarved ? [name] : [];
  });
}

export interface Scorecard {
  readonly score: number;
  readonly jain: number;
  /** From joining to the end of the first sample that counts as converged; undefined: it never did. */
  readonly convergedAfterMs: number | undefined;
  readonly convergedInSample: number | undefined;
  readonly starved: readonly string[];
  readonly largestDeviation: number;
}

export interface ScorecardInput {
  readonly claimants: readonly Claimant[];
  /** From when the last one joined. */
  readonly samples: readonly Sample[];
  /** Those of the samples in which everything is steady. */
  readonly steadySamples: readonly Sample[];
  readonly sampleMs: number;
  /** Times are this part of the published ones, and so are the bounds of convergence. */
  readonly scale: number;
}

function convergencePenalty(convergedAfterMs: number | undefined, scale: number): number {
  if (convergedAfterMs === undefined) return 30;
  if (convergedAfterMs > 30_000 * scale) return 20;
  return convergedAfterMs > 15_000 * scale ? 10 : 0;
}

/** The second harness: 100 × (J − 0.5) / 0.5, less what late convergence and starvation take off. */
export function scorecard({ claimants, samples, steadySamples, sampleMs, scale }: ScorecardInput): Scorecard {
  const completed = claimants.map((_, index) => steadySamples.reduce((sum, sample) => sum + (sample[index] ?? 0), 0));
  const ratios = sharesOf(completed).map((share, index) => share / (claimants[index]?.expectedShare ?? 1));
  const jain = jainIndex(ratios);
  const sample = convergedInSample(samples, claimants);
  const convergedAfterMs = sample === undefined ? undefined : sample * sampleMs;
  const starvedNames = starved(samples, claimants);
  const base = (100 * (jain - 0.5)) / 0.5;
  const penalty = convergencePenalty(convergedAfterMs, scale) + (starvedNames.length > 0 ? 40 : 0);
  return {
    score: Math.min(100, Math.max(0, base - penalty)),
    jain,
    convergedAfterMs,
    convergedInSample: sample,
    starved: starvedNames,
    largestDeviation: Math.max(...samples.map((each) => largestDeviation(each, claimants))),
  };
}

export interface OverlapInput {
  readonly heavyCompleted: number;
  readonly lightCompleted: number;
  readonly failed: number;
  /** Of the heavy and the light one, in the whole run: by the clients, and by the usage that was recorded. */
  readonly counted: readonly number[];
  readonly recorded: readonly number[];
}

export interface Overlap {
  readonly ratio: number;
  readonly failedShare: number;
  /** How far the records are from what the clients counted, of the one that is further off. */
  readonly recordDeviation: number;
  readonly passed: boolean;
}

/** The first harness: passed when the heavy one completes at least twice as much, and the light one is not starved. */
export function overlap({ heavyCompleted, lightCompleted, failed, counted, recorded }: OverlapInput): Overlap {
  const ratio = heavyCompleted / lightCompleted;
  const failedShare = failed / Math.max(1, heavyCompleted + lightCompleted + failed);
  const recordDeviation = Math.max(
    ...counted.map((count, index) => Math.abs((recorded[index] ?? 0) - count) / Math.max(1, count)),
  );
  const passed = lightCompleted > 0 && ratio >= 2 && failedShare <= 0.05 && recordDeviation <= 0.2;
  return { ratio, failedShare, recordDeviation, passed };
}
