import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { bucketOf, targetVersion } from '../../../src/modules/engines/rollout.ts';

const engines = fc.uuid();
const versions = fc.string({ minLength: 1, maxLength: 20 });
const percentages = fc.integer({ min: 0, max: 100 });
const policy = (rolloutPercent: number, rolloutEngineVersion = 'new') => ({
  engineVersion: 'pinned',
  rolloutEngineVersion,
  rolloutPercent,
});

describe('the rollout of a version', () => {
  it('keeps every engine that takes part while its percentage grows', () => {
    fc.assert(
      fc.property(engines, versions, percentages, percentages, (engine, version, one, other) => {
        const [smaller, larger] = [Math.min(one, other), Math.max(one, other)];
        if (targetVersion(engine, policy(smaller, version)) === version) {
          expect(targetVersion(engine, policy(larger, version))).toBe(version);
        }
      }),
    );
  });

  it('takes no engine at 0 and every one at 100', () => {
    fc.assert(
      fc.property(engines, versions, (engine, version) => {
        expect(bucketOf(engine, version)).toBeGreaterThanOrEqual(0);
        expect(bucketOf(engine, version)).toBeLessThanOrEqual(99);
        expect(targetVersion(engine, { ...policy(0, version), engineVersion: null })).toBeNull();
        expect(targetVersion(engine, policy(100, version))).toBe(version);
      }),
    );
  });

  it('takes about as many engines as it says, and others for another version', () => {
    const ids = Array.from(
      { length: 4_000 },
      (_, index) => `01900000-0000-7000-8000-${String(index).padStart(12, '0')}`,
    );
    const within = (version: string) => new Set(ids.filter((id) => bucketOf(id, version) < 25));
    const second = within('v2');
    expect(second.size).toBeGreaterThan(850);
    expect(second.size).toBeLessThan(1_150);
    const both = second.intersection(within('v3'));
    expect(both.size).toBeGreaterThan(150);
    expect(both.size).toBeLessThan(350);
  });

  it('leaves the pin to the others, and any version to all where there is neither', () => {
    const engine = '01900000-0000-7000-8000-000000000001';
    expect(targetVersion(engine, policy(bucketOf(engine, 'new')))).toBe('pinned');
    expect(targetVersion(engine, policy(bucketOf(engine, 'new') + 1))).toBe('new');
    expect(targetVersion(engine, { engineVersion: null, rolloutEngineVersion: null, rolloutPercent: null })).toBeNull();
  });

  it('orders engines the same on every machine and in every release', () => {
    const buckets = ['1', '2', '3'].map((last) => bucketOf(`01900000-0000-7000-8000-00000000000${last}`, 'v1.3'));
    expect(buckets).toEqual([0, 23, 77]);
  });
});
