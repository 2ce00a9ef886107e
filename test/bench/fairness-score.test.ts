import { describe, expect, it } from 'vitest';
import { convergedInSample, jainIndex, overlap, type Sample, scorecard, starved } from '../../bench/fairness/score.ts';

const claimants = [
  { name: 'heavy', expectedShare: 0.75 },
  { name: 'light', expectedShare: 0.25 },
];
const fair: Sample = [75, 25];
const unfair: Sample = [50, 50];
const times = (count: number, sample: Sample): readonly Sample[] => Array.from({ length: count }, () => sample);
const card = (samples: readonly Sample[], steadySamples = samples.slice(-15)) =>
  scorecard({ claimants, samples, steadySamples, sampleMs: 2_000, scale: 1 });

describe('the scorecard of fairness', () => {
  it('gives 100 when everyone has its share from the first sample on', () => {
    expect(card(times(30, fair))).toMatchObject({ score: 100, jain: 1, convergedAfterMs: 2_000, convergedInSample: 1 });
  });

  it('goes down with the Jain index of observed to expected shares, to nothing at 0.5', () => {
    expect(jainIndex([1, 1, 1])).toBe(1);
    expect(jainIndex([3, 0, 0])).toBeCloseTo(1 / 3);
    expect(jainIndex([0, 0])).toBe(0);
    const { jain, score } = card([...times(15, fair), ...times(15, unfair)]);
    // 0.5 / 0.75 and 0.5 / 0.25.
    const expected = jainIndex([2 / 3, 2]);
    expect(jain).toBeCloseTo(expected);
    expect(score).toBeCloseTo(200 * (expected - 0.5));
    expect(card([...times(3, fair), ...times(27, [100, 0])]).score).toBe(0);
  });

  it.each([
    { unfairFor: 0, penalty: 0 },
    { unfairFor: 6, penalty: 0 },
    { unfairFor: 7, penalty: 10 },
    { unfairFor: 14, penalty: 10 },
    { unfairFor: 15, penalty: 20 },
  ])('takes $penalty off when the first fair sample comes after $unfairFor', ({ unfairFor, penalty }) => {
    const samples = [...times(unfairFor, unfair), ...times(30, fair)];
    expect(convergedInSample(samples, claimants)).toBe(unfairFor + 1);
    expect(card(samples).score).toBe(100 - penalty);
  });

  it('counts as converged only with three samples in a row within 0.10, and takes 30 off when that never is', () => {
    expect(convergedInSample([fair, fair, unfair, fair, fair, fair], claimants)).toBe(4);
    expect(convergedInSample(times(3, [85, 15]), claimants)).toBe(1);
    expect(convergedInSample(times(3, [86, 14]), claimants)).toBeUndefined();
    expect(card([fair, fair, unfair, fair, fair], [fair])).toMatchObject({ score: 70, convergedAfterMs: undefined });
  });

  it('takes 40 off when somebody completes nothing in five samples in a row', () => {
    const idle: Sample = [100, 0];
    expect(starved([...times(4, idle), fair, ...times(4, idle)], claimants)).toEqual([]);
    expect(starved([fair, ...times(5, idle)], claimants)).toEqual(['light']);
    expect(card([...times(10, fair), ...times(5, idle), ...times(15, fair)]).score).toBe(60);
  });

  it('scales its bounds with the times of a shorter run', () => {
    const samples = [...times(7, unfair), ...times(30, fair)];
    const input = { claimants, samples, steadySamples: times(5, fair), sampleMs: 200 };
    expect(scorecard({ ...input, scale: 0.1 }).score).toBe(90);
    expect(scorecard({ ...input, scale: 1 }).score).toBe(100);
  });
});

describe('the comparison of a heavy and a light tenant', () => {
  const good = { heavyCompleted: 1_000, lightCompleted: 100, failed: 0, counted: [1_000, 150], recorded: [1_000, 150] };

  it('is passed with twice as much for the heavy one, and all of it recorded', () => {
    expect(overlap(good)).toEqual({ ratio: 10, failedShare: 0, recordDeviation: 0, passed: true });
    expect(overlap({ ...good, lightCompleted: 500 }).passed).toBe(true);
  });

  it.each([
    ['the heavy one completes less than twice as much', { lightCompleted: 501 }],
    ['the light one starves', { lightCompleted: 0 }],
    ['more than 5 % fail', { failed: 60 }],
    ['the records miss more than 20 %', { recorded: [1_000, 119] }],
    ['the records have more than 20 % too many', { recorded: [1_201, 150] }],
  ])('is not passed when %s', (_, change) => {
    expect(overlap({ ...good, ...change }).passed).toBe(false);
  });
});
