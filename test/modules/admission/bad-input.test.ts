import { beforeEach, expect, it } from 'vitest';
import { startTestApp } from '../../testkit/app.ts';
import {
  type BadValue,
  badIds,
  badTimes,
  expectNoFailures,
  notOfType,
  refusesBadInput,
} from '../../testkit/bad-input.ts';
import { Commands } from '../../testkit/commands.ts';
import { missingKey, missingLease, missingTenant } from '../../testkit/ids.ts';

const app = await startTestApp();

// Time stands still, so what a caller may spend does not come back by itself.
beforeEach(() => app.clock.advance(60_000));
expectNoFailures(app);

const required: readonly BadValue[] = [
  ['missing', undefined, notOfType],
  ['null', null, notOfType],
];

const badCounts = (maximum: number): readonly BadValue[] => [
  ['-1', -1, 'OUT_OF_RANGE'],
  [`${maximum + 1}`, maximum + 1, 'OUT_OF_RANGE'],
  ['a fraction', 1.5, notOfType],
  ['a text', 'many', notOfType],
];

const notNull: readonly BadValue[] = [['null', null, 'NOT_NULLABLE']];

/** Of texts that are kept: on the whole, what is no text. */
const badReferences: readonly BadValue[] = [
  ['a number', 1, notOfType],
  ['nothing', '', 'OUT_OF_RANGE'],
  ['256 characters', 'x'.repeat(256), 'TOO_LONG'],
  ['NUL', 'a\u0000b', 'CONTROL_CHARACTER'],
  ['half of a surrogate pair', 'a\ud83db', 'MALFORMED_TEXT'],
];

const badLeaseSeconds: readonly BadValue[] = [
  ['4', 4, 'OUT_OF_RANGE'],
  ['3601', 3_601, 'OUT_OF_RANGE'],
  ['a fraction', 5.5, notOfType],
];

const tokens = badCounts(10_000_000);

refusesBadInput(
  app,
  'admitRequest',
  () => ({ keyId: missingKey, model: 'any', estimatedInputTokens: 1, estimatedOutputTokens: 1 }),
  {
    key: [
      ['beside keyId', 'fl_tenant_x', 'EXACTLY_ONE'],
      ['nothing', '', 'OUT_OF_RANGE'],
      ['1,001 characters', 'x'.repeat(1_001), 'OUT_OF_RANGE'],
    ],
    keyId: [['missing, and no key', undefined, 'EXACTLY_ONE', 'key'], ...badIds(missingTenant, { nullable: true })],
    model: [...required, ...badReferences],
    estimatedInputTokens: [...required, ...tokens],
    estimatedOutputTokens: [...required, ...tokens],
    userExternalId: [
      ['nothing', '', 'BLANK'],
      ['a space before it', ' ada', 'SURROUNDING_SPACE'],
      ['256 characters', 'x'.repeat(256), 'TOO_LONG'],
    ],
    deadline: badTimes,
    priority: [['unknown', 'URGENT', notOfType], ...notNull],
    gatewayId: badIds(missingTenant, { nullable: true }),
    requestId: badReferences,
    sessionId: badReferences,
    requestType: [...notNull, ...badReferences],
    origin: [['2,001 characters', 'x'.repeat(2_001), 'TOO_LONG']],
    ipAddress: [['65 characters', 'x'.repeat(65), 'TOO_LONG']],
    leaseSeconds: [...notNull, ...badLeaseSeconds],
  },
);
refusesBadInput(app, 'renewLease', () => ({ leaseId: missingLease }), {
  leaseId: badIds(missingTenant),
  leaseSeconds: badLeaseSeconds,
  gatewayId: badIds(missingTenant, { nullable: true }),
});
refusesBadInput(app, 'settleRequest', () => ({ leaseId: missingLease, inputTokens: 1, outputTokens: 1 }), {
  leaseId: badIds(missingTenant),
  statusCode: [['99', 99, 'OUT_OF_RANGE'], ['600', 600, 'OUT_OF_RANGE'], ...notNull],
  inputTokens: [...required, ...tokens],
  outputTokens: [...required, ...tokens],
  images: [...notNull, ...badCounts(1_000_000)],
  audioSeconds: [
    ['-0.1', -0.1, 'OUT_OF_RANGE'],
    ['1000000.5', 1_000_000.5, 'OUT_OF_RANGE'],
    ['a text', 'long', notOfType],
    ...notNull,
  ],
  characters: [...notNull, ...tokens],
  ttftMs: [['-1', -1, 'OUT_OF_RANGE']],
  totalMs: [['-1', -1, 'OUT_OF_RANGE']],
  cacheStatus: [['unknown', 'WARM', notOfType], ...notNull],
  gatewayId: badIds(missingTenant, { nullable: true }),
});
refusesBadInput(app, 'cancelRequest', () => ({ leaseId: missingLease }), {
  leaseId: [['missing, and no request id', undefined, 'EXACTLY_ONE'], ...badIds(missingTenant, { nullable: true })],
  requestId: [['beside a lease', 'x', 'EXACTLY_ONE', 'leaseId'], ...badReferences],
  gatewayId: badIds(missingTenant, { nullable: true }),
});

const settled = { leaseId: missingLease, inputTokens: 1, outputTokens: 1 };
const commands = new Commands(app.app.schema);

// Their items have the fields of the commands above, and are answered one by one.
it.each([
  ['admitRequests', 'requests', { keyId: missingKey, model: 'any', estimatedInputTokens: 1, estimatedOutputTokens: 1 }],
  ['renewLeases', 'leases', { leaseId: missingLease }],
  ['settleRequests', 'requests', settled],
  ['cancelRequests', 'requests', { leaseId: missingLease }],
])('%s refuses a batch of none, and of more than 100', async (name, list, item) => {
  for (const count of [0, 101]) {
    const answer = await commands.run(app.operator, name, { [list]: Array.from({ length: count }, () => item) });
    expect(answer.issues).toMatchObject([{ rule: 'OUT_OF_RANGE', path: [list] }]);
  }
  const { errors } = await commands.send(app.operator, name, { [list]: [null] });
  expect(errors?.map(({ extensions }) => extensions.code)).toEqual([notOfType]);
});
