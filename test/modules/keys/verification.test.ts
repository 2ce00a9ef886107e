import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { cacheUntil, type Refusal, refusalOf, refusals, type Use } from '../../../src/modules/keys/verification.ts';
import { keyRecord, type RecordChanges } from '../../testkit/key-record.ts';

const now = new Date('2026-03-01T12:00:00.000Z');
const later = (ms: number) => new Date(now.getTime() + ms);

const use: Use = {
  requiredScopes: ['models:read'],
  model: 'small',
  origin: 'https://app.example.com',
  ipAddress: '192.0.2.7',
  environment: 'LIVE',
};

interface Fault {
  readonly record?: RecordChanges;
  readonly use?: Use;
}

/** What makes each refusal, apart from those of secrets that are not found. Two of one owner exclude each other. */
const faults: Readonly<Partial<Record<Refusal, Fault>>> = {
  REVOKED: { record: { key: { revokedAt: now } } },
  EXPIRED: { record: { key: { expiresAt: now } } },
  SUPERSEDED: { record: { secret: { validUntil: now, supersededAt: now } } },
  DISABLED: { record: { key: { disabledAt: now } } },
  TENANT_ARCHIVED: { record: { tenant: { status: 'ARCHIVED' } } },
  TENANT_SUSPENDED: { record: { tenant: { status: 'SUSPENDED' } } },
  OUTSIDE_SCHEDULE: { record: { tenant: { activeUntil: now } } },
  USER_DEACTIVATED: { record: { user: { status: 'DEACTIVATED' } } },
  APP_ARCHIVED: { record: { app: { status: 'ARCHIVED' } } },
  PRODUCT_SUSPENDED: { record: { product: { status: 'SUSPENDED' } } },
  PRODUCT_DELETING: { record: { product: { status: 'DELETING' } } },
  ENGINE_DESTROYING: { record: { engine: { status: 'DESTROYING' } } },
  ENVIRONMENT_MISMATCH: { use: { environment: 'TEST' } },
  IP_NOT_ALLOWED: { use: { ipAddress: '198.51.100.7' } },
  ORIGIN_NOT_ALLOWED: { use: { origin: 'https://other.example.com' } },
  INSUFFICIENT_SCOPE: { use: { requiredScopes: ['models:read', 'catalog:read'] } },
  MODEL_NOT_ALLOWED: { use: { model: 'large' } },
};

const order = Object.keys(refusals) as Refusal[];

/** A record and a use with all of these faults. The first of two that exclude each other counts. */
function withFaults(names: readonly Refusal[]) {
  const chosen = names.toReversed().map((name) => faults[name] ?? {});
  const parts = ['secret', 'key', 'tenant', 'user', 'app', 'product', 'engine'] as const;
  const changes = Object.fromEntries(
    parts.map((part) => [part, Object.assign({}, ...chosen.map(({ record }) => record?.[part]))]),
  );
  return { record: keyRecord(changes), use: Object.assign({}, use, ...chosen.map((fault) => fault.use)) as Use };
}

describe('a key is refused', () => {
  it('for nothing, when nothing speaks against it', () => {
    expect(refusalOf(keyRecord(), use, now)).toBeUndefined();
  });

  it.each(Object.keys(faults) as Refusal[])('with the exact reason: %s', (name) => {
    const { record, use: wanted } = withFaults([name]);
    expect(refusalOf(record, wanted, now)).toBe(name);
  });

  it('with the first reason of the list, whatever else speaks against it', () => {
    fc.assert(
      fc.property(
        fc.subarray(
          order.filter((name) => name in faults),
          { minLength: 1 },
        ),
        (names) => {
          const { record, use: wanted } = withFaults(names);
          expect(refusalOf(record, wanted, now)).toBe(names[0]);
        },
      ),
    );
  });

  it('from its deadline on, and accepted a millisecond before', () => {
    for (const changes of [
      { key: { expiresAt: later(5) } },
      { secret: { validUntil: later(5), supersededAt: now } },
      { tenant: { activeUntil: later(5) } },
    ]) {
      expect(refusalOf(keyRecord(changes), use, later(4))).toBeUndefined();
      expect(refusalOf(keyRecord(changes), use, later(5))).toBeDefined();
    }
  });

  it('without an address or an origin, when it is bound to some', () => {
    expect(refusalOf(keyRecord(), { ...use, ipAddress: null }, now)).toBe('IP_NOT_ALLOWED');
    expect(refusalOf(keyRecord(), { ...use, origin: undefined }, now)).toBe('ORIGIN_NOT_ALLOWED');
  });

  it('for a model only when one is asked for, by the list of the key and by that of its tenant', () => {
    const accepts = (model: string | null, changes: RecordChanges = {}) =>
      refusalOf(keyRecord(changes), { ...use, model }, now) === undefined;
    expect(accepts(null)).toBe(true);
    expect(['small', 'medium', 'large', 'Small'].map((model) => accepts(model))).toEqual([true, false, false, false]);
    expect(accepts('medium', { key: { allowedModels: [] } })).toBe(true);
    expect(accepts('large', { tenant: { allowedModels: [] } })).toBe(true);
  });
});

describe('how long a verification may be relied on', () => {
  const zones = [
    'UTC',
    'Europe/Berlin',
    'America/New_York',
    'Asia/Kathmandu',
    'Australia/Lord_Howe',
    'Africa/Casablanca',
  ];
  // Summer time begins and ends on these days in one of the zones.
  const days = ['2026-03-29', '2026-10-25', '2026-03-08', '2026-11-01', '2026-04-05', '2026-10-04', '2026-02-15'];
  const moment = fc
    .tuple(fc.constantFrom(...days), fc.integer({ min: -43_200_000, max: 129_600_000 }))
    .map(([day, offset]) => new Date(Date.parse(`${day}T00:00:00Z`) + offset));
  const window = fc
    .record({
      day: fc.constantFrom('MONDAY', 'SATURDAY', 'SUNDAY') as fc.Arbitrary<'MONDAY' | 'SATURDAY' | 'SUNDAY'>,
      startMinute: fc.integer({ min: 0, max: 1_439 }),
      length: fc.integer({ min: 1, max: 1_440 }),
    })
    .map(({ day, startMinute, length }) => ({ day, startMinute, endMinute: Math.min(startMinute + length, 1_440) }));
  const deadline = fc.option(fc.integer({ min: 1, max: 400_000 }));

  it('never passes a deadline of the key, of its secret or of its tenant, and is no longer than configured', () => {
    fc.assert(
      fc.property(
        moment,
        fc.record({ key: deadline, secret: deadline, tenant: deadline }),
        fc.option(fc.array(window, { minLength: 1, maxLength: 5 })),
        fc.constantFrom(...zones),
        fc.integer({ min: 0, max: 300_000 }),
        (at, ends, weeklyWindows, timeZone, cacheMs) => {
          const end = (ms: number | null) => (ms === null ? null : new Date(at.getTime() + ms));
          const record = keyRecord({
            key: { expiresAt: end(ends.key) },
            secret: { validUntil: end(ends.secret) },
            tenant: { activeUntil: end(ends.tenant), weeklyWindows, timeZone },
          });
          fc.pre(refusalOf(record, use, at) === undefined);
          const until = cacheUntil(record, at, cacheMs).getTime();
          expect(until).toBeGreaterThanOrEqual(at.getTime());
          expect(until).toBeLessThanOrEqual(at.getTime() + cacheMs);
          for (let time = at.getTime(); time < until; time += 7_919) {
            expect(refusalOf(record, use, new Date(time))).toBeUndefined();
          }
          if (until > at.getTime()) expect(refusalOf(record, use, new Date(until - 1))).toBeUndefined();
          // It is not shorter than it has to be.
          if (until < at.getTime() + cacheMs) expect(refusalOf(record, use, new Date(until))).toBeDefined();
        },
      ),
      { numRuns: 500 },
    );
  });
});
