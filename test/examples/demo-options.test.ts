import { expect, test } from 'vitest';
import { OptionError, readOptions } from '../../examples/demo/options.ts';
import { Counts, progressLine } from '../../examples/demo/progress.ts';

test('the demo runs until it is told to end, unless its options say otherwise', () => {
  const usual = { durationMs: undefined, perSecond: 20, tenants: 8, seed: 'fairlead', keep: false, remove: false };
  expect(readOptions([])).toEqual({ ...usual, name: expect.stringMatching(/^[0-9a-f]{4}$/) });
  const args = ['--duration', '90', '--rate', '0.5', '--tenants', '100', '--seed', 'x', '--keep', '--name', 'mine-2'];
  const given = {
    durationMs: 90_000,
    perSecond: 0.5,
    tenants: 100,
    seed: 'x',
    name: 'mine-2',
    keep: true,
    remove: false,
  };
  expect(readOptions(args)).toEqual(given);
  expect(readOptions(['--remove'])).toMatchObject({ remove: true });
  expect(readOptions(['--help'])).toBe('help');
});

test.each([
  ['--tenants', '0'],
  ['--tenants', '101'],
  ['--tenants', '2.5'],
  ['--tenants', ''],
  ['--rate', '0'],
  ['--rate', '1001'],
  ['--rate', 'fast'],
  ['--duration', '0'],
  ['--duration', 'NaN'],
  ['--name', ''],
  ['--name', 'Mine'],
  ['--name', 'a b'],
  ['--speed', '3'],
])('%s %s is refused with what it may be', (option, value) => {
  expect(() => readOptions([option, value])).toThrow(OptionError);
  expect(() => readOptions([option, value])).toThrow(option.slice(2));
});

test('the progress says what became of requests, why they were refused, and how fast it goes now', () => {
  const counts = new Counts();
  expect(progressLine(counts, 0, { ms: 0, admitted: 0 }, [])).toBe(
    '00:00  admitted 0 (0.0/s)  in flight 0  queued 0  settled 0  refused 0',
  );
  Object.assign(counts, {
    admitted: 812,
    inFlight: 31,
    waiting: 24,
    settled: 781,
    withdrawn: 3,
    settledLate: 2,
    failed: 1,
  });
  counts.refuse('QUEUE_FULL');
  for (let count = 0; count < 10; count += 1) counts.refuse('RATE_LIMITED');
  expect(progressLine(counts, 62_000, { ms: 57_000, admitted: 712 }, ['demo gateway 3'])).toBe(
    '01:02  admitted 812 (20.0/s)  in flight 31  queued 24  settled 781  refused 11 (RATE_LIMITED 10, QUEUE_FULL 1)  ' +
      'gave up 3  settled late 2  failed 1  demo gateway 3 is silent',
  );
});
