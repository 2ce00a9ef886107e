import { beforeEach } from 'vitest';
import { startTestApp } from '../../testkit/app.ts';
import {
  type BadInputTable,
  type BadValue,
  badFlags,
  badIds,
  badNames,
  badRequiredNames,
  badRevisions,
  badTexts,
  expectNoFailures,
  notOfType,
  refusesBadInput,
} from '../../testkit/bad-input.ts';
import { Seed } from '../../testkit/seed.ts';

const app = await startTestApp();
const seed = new Seed(app);
const { id: appId, tenantId } = await seed.app();

// Time stands still, so what a caller may spend does not come back by itself.
beforeEach(() => app.clock.advance(60_000));
expectNoFailures(app);

const badModels: readonly BadValue[] = [
  ['nothing', '', 'OUT_OF_RANGE'],
  ['blanks', ' ', 'OUT_OF_RANGE'],
  ['256 characters', 'x'.repeat(256), 'TOO_LONG'],
  ['NUL', 'a\u0000', 'CONTROL_CHARACTER'],
  ['half of a surrogate pair', '\ud83d', 'MALFORMED_TEXT'],
];

const badFractions = (maximum: number): readonly BadValue[] => [
  ['less than 0', -0.001, 'OUT_OF_RANGE'],
  [`more than ${maximum}`, maximum + 0.001, 'OUT_OF_RANGE'],
  ['a text', '0.5', notOfType],
];

const badCounts = (maximum: number): readonly BadValue[] => [
  ['0', 0, 'OUT_OF_RANGE'],
  ['-1', -1, 'OUT_OF_RANGE'],
  [`more than ${maximum}`, maximum + 1, 'OUT_OF_RANGE'],
  ['a fraction', 0.5, notOfType],
];

const inference: BadInputTable = {
  'inference.model': [['a number', 1, notOfType], ...badModels],
  'inference.fallbackModels': [
    ['null as an entry', ['a', null], notOfType],
    ['a model named twice', ['a', 'b', ' a'], 'DUPLICATE'],
    ['21 models', Array.from({ length: 21 }, (_, index) => `model-${index}`), 'OUT_OF_RANGE'],
  ],
  'inference.fallbackModels.0': badModels,
  'inference.systemPrompt': badTexts(32_000).filter(([problem]) => !problem.startsWith('null')),
  'inference.temperature': badFractions(2),
  'inference.topP': badFractions(1),
  'inference.maxOutputTokens': badCounts(100_000_000),
  'inference.timeoutMs': badCounts(3_600_000),
};

const base = { inference: { fallbackModels: ['small'] } };
const reference: BadInputTable = { appId: badIds(tenantId), expectedRevision: badRevisions };

refusesBadInput(app, 'createApp', () => ({ tenantId, name: 'Never stored', ...base }), {
  tenantId: [
    ['missing', undefined, 'TENANT_REQUIRED'],
    ['null', null, 'TENANT_REQUIRED'],
    ...badIds(appId, { nullable: true }),
  ],
  name: [['missing', undefined, notOfType], ...badRequiredNames],
  description: badTexts(2_000),
  ...inference,
});
refusesBadInput(app, 'updateApp', () => ({ appId, ...base }), {
  ...reference,
  name: badNames,
  description: badTexts(2_000),
  inference: [['null', null, 'NOT_NULLABLE']],
  ...inference,
});
for (const command of ['archiveApp', 'restoreApp']) refusesBadInput(app, command, () => ({ appId }), reference);
refusesBadInput(app, 'deleteApp', () => ({ appId }), {
  ...reference,
  cascade: badFlags(notOfType),
  dryRun: badFlags(notOfType),
});
