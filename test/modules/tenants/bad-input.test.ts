import { beforeEach, describe, expect, it } from 'vitest';
import { startTestApp } from '../../testkit/app.ts';
import {
  type BadInputTable,
  type BadValue,
  badEmails,
  badFlags,
  badIds,
  badLimits,
  badNames,
  badRequiredNames,
  badRevisions,
  badTexts,
  badTimes,
  badWeights,
  expectNoFailures,
  notOfType,
  refusesBadInput,
} from '../../testkit/bad-input.ts';
import { Commands } from '../../testkit/commands.ts';
import { defaultGroup } from '../../testkit/ids.ts';
import { Seed } from '../../testkit/seed.ts';

const app = await startTestApp();
const seed = new Seed(app);
const commands = new Commands(app.app.schema);
const { id: tenantId } = await seed.tenant();

// Time stands still, so what a caller may spend does not come back by itself.
beforeEach(() => app.clock.advance(60_000));
expectNoFailures(app);

const window = (day: string, startMinute: number, endMinute: number) => ({ day, startMinute, endMinute });

const badMinutes: readonly BadValue[] = [
  ['null', null, notOfType],
  ['-1', -1, 'OUT_OF_RANGE'],
  ['a fraction', 0.5, notOfType],
];

const badLists: readonly BadValue[] = [
  ['an empty entry', ['a', ''], 'OUT_OF_RANGE'],
  ['a blank entry', [' '], 'OUT_OF_RANGE'],
  ['null as an entry', ['a', null], notOfType],
  ['an entry of 256 characters', ['x'.repeat(256)], 'TOO_LONG'],
  ['an entry with NUL', ['a\u0000'], 'CONTROL_CHARACTER'],
  ['an entry with half of a surrogate pair', ['\ud83d'], 'MALFORMED_TEXT'],
  ['1,001 entries', Array.from({ length: 1_001 }, (_, index) => `entry-${index}`), 'OUT_OF_RANGE'],
];

/** In a list the path goes on to the entry. */
const inList = (field: string, values: readonly BadValue[]): readonly BadValue[] =>
  values.map(([problem, value, rule]) => {
    const index = Array.isArray(value) && value.length < 1_000 ? value.length - 1 : undefined;
    return [problem, value, rule, index === undefined ? field : `${field}.${index}`];
  });

const details: BadInputTable = {
  description: badTexts(2_000),
  organization: badTexts(255),
  contactEmail: badEmails,
  timeZone: [
    ['null', null, 'NOT_NULLABLE'],
    ['nothing', '', 'UNKNOWN_TIME_ZONE'],
    ['an unknown place', 'Europe/Atlantis', 'UNKNOWN_TIME_ZONE'],
    ['an offset', '+02:00', 'UNKNOWN_TIME_ZONE'],
    ['an offset from UTC', 'UTC+2', 'UNKNOWN_TIME_ZONE'],
    ['NUL', 'Europe/Berlin\u0000', 'UNKNOWN_TIME_ZONE'],
    ['a number', 2, notOfType],
  ],
  activeFrom: [...badTimes, ['the time of activeUntil', '2027-01-01T00:00:00Z', 'ENDS_BEFORE_START', 'activeUntil']],
  activeUntil: badTimes,
  weeklyWindows: [
    ['no window', [], 'OUT_OF_RANGE'],
    ['null as a window', [null], notOfType],
    ['a text', 'always', notOfType],
    ['windows that overlap', [window('MONDAY', 0, 61), window('MONDAY', 60, 90)], 'WINDOWS_OVERLAP'],
    [
      'windows that overlap, not sorted',
      [window('FRIDAY', 60, 90), window('MONDAY', 0, 9), window('FRIDAY', 0, 61)],
      'WINDOWS_OVERLAP',
    ],
    ['the same window twice', [window('SUNDAY', 0, 1_440), window('SUNDAY', 0, 1_440)], 'WINDOWS_OVERLAP'],
    [
      '101 windows',
      Array.from({ length: 101 }, (_, index) => window('MONDAY', index * 10, index * 10 + 5)),
      'OUT_OF_RANGE',
    ],
  ],
  'weeklyWindows.0.day': [
    ['null', null, notOfType],
    ['a day in lower case', 'monday', notOfType],
    ['a number', 1, notOfType],
  ],
  'weeklyWindows.0.startMinute': [
    ...badMinutes,
    ['the end of the window', 60, 'ENDS_BEFORE_START', 'weeklyWindows.0.endMinute'],
  ],
  'weeklyWindows.0.endMinute': [
    ...badMinutes.filter(([problem]) => problem !== '-1'),
    ['a minute of the next day', 1_441, 'OUT_OF_RANGE'],
    ['a minute before the start', 29, 'ENDS_BEFORE_START'],
  ],
  allowedModels: [
    ['an empty list', [], 'OUT_OF_RANGE'],
    ['a model named twice', ['a', 'b', 'a'], 'DUPLICATE'],
    ['a model named twice, once with blanks', ['a', ' a '], 'DUPLICATE'],
    ...inList('allowedModels', badLists),
  ],
  tracingEnabled: badFlags('NOT_NULLABLE'),
  'guardrailsPolicy.action': [
    ['null', null, notOfType],
    ['an unknown one', 'EXPLODE', notOfType],
  ],
  'guardrailsPolicy.scanners': [['null', null, notOfType], ...inList('guardrailsPolicy.scanners', badLists)],
  'guardrailsPolicy.guardModel': [
    ['nothing', '', 'OUT_OF_RANGE'],
    ['blanks', ' ', 'OUT_OF_RANGE'],
    ['256 characters', 'x'.repeat(256), 'TOO_LONG'],
    ['NUL', '\u0000', 'CONTROL_CHARACTER'],
  ],
  'guardrailsPolicy.banKeywords': [['null', null, notOfType], ...inList('guardrailsPolicy.banKeywords', badLists)],
  'guardrailsPolicy.failOpen': badFlags(notOfType),
  synthetic: badFlags('NOT_NULLABLE'),
};

const withDetails = {
  activeUntil: '2027-01-01T00:00:00Z',
  weeklyWindows: [window('MONDAY', 30, 60)],
  guardrailsPolicy: { action: 'BLOCK' },
};
const withLimits = { limits: { budget: { tokens: 1 } } };
const reference: BadInputTable = { tenantId: badIds(defaultGroup), expectedRevision: badRevisions };

refusesBadInput(app, 'createTenant', () => ({ name: 'Never stored', ...withDetails, ...withLimits }), {
  name: [['missing', undefined, notOfType], ...badRequiredNames],
  weight: badWeights('NOT_NULLABLE'),
  fairshareGroupId: badIds(tenantId, { nullable: true }),
  ...details,
  ...badLimits,
});
refusesBadInput(app, 'updateTenant', () => ({ tenantId, ...withDetails }), {
  ...reference,
  name: badNames,
  ...details,
});
refusesBadInput(app, 'setTenantWeight', () => ({ tenantId, weight: 1 }), {
  ...reference,
  weight: badWeights(notOfType),
});
refusesBadInput(app, 'setTenantLimits', () => ({ tenantId, ...withLimits }), {
  ...reference,
  ...badLimits,
  limits: [['null', null, notOfType]],
});
refusesBadInput(app, 'setTenantGroup', () => ({ tenantId, fairshareGroupId: defaultGroup }), {
  ...reference,
  fairshareGroupId: badIds(tenantId),
});
for (const command of ['suspendTenant', 'resumeTenant', 'archiveTenant']) {
  refusesBadInput(app, command, () => ({ tenantId }), reference);
}
refusesBadInput(app, 'deleteTenant', () => ({ tenantId }), {
  ...reference,
  cascade: badFlags(notOfType),
  dryRun: badFlags(notOfType),
});

describe('a tenant', () => {
  it('cannot have a monthly budget with a start of its own', async () => {
    const limits = { budget: { tokens: 1, period: 'MONTHLY', startedAt: '2026-01-01T00:00:00Z' } };
    for (const [command, base] of [
      ['createTenant', { name: 'x' }],
      ['setTenantLimits', { tenantId }],
    ] as const) {
      const answer = await commands.run(app.operator, command, { ...base, limits });
      expect(answer).toMatchObject({ issues: [{ rule: 'NOT_APPLICABLE', path: ['limits', 'budget', 'startedAt'] }] });
    }
  });

  it('cannot be active until before it is active from, also when the patch has only one of them', async () => {
    const { id } = await seed.tenant({ activeFrom: '2026-05-01T00:00:00Z', activeUntil: '2026-06-01T00:00:00Z' });
    for (const patch of [
      { activeUntil: '2026-05-01T00:00:00Z' },
      { activeUntil: '2026-04-01T00:00:00Z' },
      { activeFrom: '2026-06-01T00:00:00Z' },
      { activeFrom: '2026-06-01T02:00:00+01:00' },
    ]) {
      const answer = await commands.run(app.operator, 'updateTenant', { tenantId: id, ...patch });
      expect(answer).toMatchObject({ issues: [{ rule: 'ENDS_BEFORE_START', path: ['activeUntil'] }] });
    }
    const both = { activeFrom: '2026-07-01T00:00:00Z', activeUntil: '2026-08-01T00:00:00Z' };
    expect(await commands.run(app.operator, 'updateTenant', { tenantId: id, ...both })).toMatchObject({
      tenant: { revision: 2 },
    });
  });

  it('is told every rule that its input breaks at once', async () => {
    const answer = await commands.run(app.operator, 'createTenant', {
      name: ' ',
      weight: 0,
      timeZone: 'Nowhere',
      limits: { maxInFlight: -1 },
    });
    expect(answer.issues?.map(({ rule, path }) => `${rule} ${path.join('.')}`)).toEqual([
      'BLANK name',
      'OUT_OF_RANGE weight',
      'OUT_OF_RANGE limits.maxInFlight',
      'UNKNOWN_TIME_ZONE timeZone',
    ]);
    expect(answer.message).toContain('3 more');
  });
});
