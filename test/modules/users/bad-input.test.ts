import { beforeEach, describe, expect, it } from 'vitest';
import { startTestApp } from '../../testkit/app.ts';
import {
  type BadInputTable,
  type BadValue,
  badEmails,
  badFlags,
  badIds,
  badLimits,
  badMetadata,
  badRevisions,
  badTexts,
  expectNoFailures,
  nested,
  notOfType,
  refusesBadInput,
  withValue,
} from '../../testkit/bad-input.ts';
import { type CommandAnswer, Commands } from '../../testkit/commands.ts';
import { Seed } from '../../testkit/seed.ts';

const app = await startTestApp();
const seed = new Seed(app);
const commands = new Commands(app.app.schema);
const { id: teamId, tenantId } = await seed.team();
const { id: userId } = await seed.user({ tenantId });

// Time stands still, so what a caller may spend does not come back by itself.
beforeEach(() => app.clock.advance(60_000));
expectNoFailures(app);

const badExternalIds = (nullRule: string): readonly BadValue[] => [
  ['null', null, nullRule],
  ['a number', 17, notOfType],
  ['nothing', '', 'BLANK'],
  ['a space', ' ', 'SURROUNDING_SPACE'],
  ['a space before it', ' ada', 'SURROUNDING_SPACE'],
  ['a space after it', 'ada ', 'SURROUNDING_SPACE'],
  ['a no-break space after it', 'ada\u00a0', 'SURROUNDING_SPACE'],
  ['a line break after it', 'ada\n', 'SURROUNDING_SPACE'],
  ['a byte order mark before it', '\ufeffada', 'SURROUNDING_SPACE'],
  ['a line break', 'a\nb', 'INVISIBLE'],
  ['a tab', 'a\tb', 'INVISIBLE'],
  ['a no-break space', 'a\u00a0b', 'INVISIBLE'],
  ['a zero-width space', 'a\u200bb', 'INVISIBLE'],
  ['a soft hyphen', 'a\u00adb', 'INVISIBLE'],
  ['a turn of the direction of writing', 'a\u202eb', 'INVISIBLE'],
  ['a filler of Hangul', 'a\u3164b', 'INVISIBLE'],
  ['the blank of Braille', 'a\u2800b', 'INVISIBLE'],
  ['a character for private use', 'a\ue000b', 'INVISIBLE'],
  ['NUL', 'a\u0000b', 'CONTROL_CHARACTER'],
  ['an escape character', 'a\u001b[31mb', 'CONTROL_CHARACTER'],
  ['half of a surrogate pair', 'a\ud83db', 'MALFORMED_TEXT'],
  ['256 characters', 'x'.repeat(256), 'TOO_LONG'],
  ['256 characters of two UTF-16 units', '😀'.repeat(256), 'TOO_LONG'],
];

const details: BadInputTable = {
  displayName: badTexts(255),
  email: badEmails,
  metadata: badMetadata,
};

const newUser: BadInputTable = {
  externalId: [['missing', undefined, notOfType], ...badExternalIds(notOfType)],
  ...details,
  teamId: badIds(tenantId, { nullable: true }),
  ...badLimits,
};

const ownTenant: BadInputTable = {
  tenantId: [
    ['missing', undefined, 'TENANT_REQUIRED'],
    ['null', null, 'TENANT_REQUIRED'],
    ...badIds(teamId, { nullable: true }),
  ],
};

const withLimits = { limits: { budget: { tokens: 1 } } };
const reference: BadInputTable = { userId: badIds(tenantId), expectedRevision: badRevisions };

refusesBadInput(app, 'createUser', () => ({ tenantId, externalId: 'never stored', ...withLimits }), {
  ...ownTenant,
  ...newUser,
});
refusesBadInput(app, 'updateUser', () => ({ userId, ...withLimits }), {
  ...reference,
  externalId: badExternalIds('NOT_NULLABLE'),
  ...details,
  limits: [['null', null, 'NOT_NULLABLE']],
  ...badLimits,
});
refusesBadInput(app, 'moveUser', () => ({ userId, teamId }), {
  ...reference,
  teamId: [['missing', undefined, 'REQUIRED'], ...badIds(tenantId, { nullable: true })],
});
for (const command of ['deactivateUser', 'reactivateUser'])
  refusesBadInput(app, command, () => ({ userId }), reference);
refusesBadInput(app, 'deleteUser', () => ({ userId }), {
  ...reference,
  cascade: badFlags(notOfType),
  dryRun: badFlags(notOfType),
});

/** What of an item is no value of its field's type fails the request as a whole; the rest is told item by item. */
const malformedItems = Object.fromEntries(
  Object.entries(newUser).map(([field, values]) => [
    `users.0.${field}`,
    values.filter(([, , rule]) => rule === notOfType),
  ]),
);
refusesBadInput(app, 'bulkCreateUsers', () => ({ tenantId, users: [{ externalId: 'never stored', ...withLimits }] }), {
  ...ownTenant,
  users: [
    ['missing', undefined, notOfType],
    ['null', null, notOfType],
    ['null as an item', [null], notOfType],
    ['no item', [], 'OUT_OF_RANGE'],
    ['1,001 items', Array.from({ length: 1_001 }, (_, index) => ({ externalId: `user-${index}` })), 'OUT_OF_RANGE'],
  ],
  ...malformedItems,
});

describe('bulkCreateUsers', () => {
  it('answers each bad item with every rule that it breaks, and makes the good one among them', async () => {
    const bad = Object.entries(newUser).flatMap(([field, values]) =>
      values
        .filter(([, , rule]) => rule !== notOfType)
        .map(([, value, rule, path = field]) => ({ field, value, rule, path })),
    );
    expect(bad.length).toBeGreaterThan(50);
    const items = bad.map(({ field, value }, index) =>
      withValue({ externalId: `bad ${index}`, ...withLimits }, field.split('.'), value),
    );
    const answer = await commands.run(app.operator, 'bulkCreateUsers', {
      tenantId,
      users: [...items.slice(0, 5), { externalId: 'good' }, ...items.slice(5)],
    });
    expect(answer).toMatchObject({ createdCount: 1 });
    const results = answer.results as { user: object | null; error: CommandAnswer | null }[];
    const [good] = results.splice(5, 1);
    expect(good).toMatchObject({ user: { externalId: 'good' }, error: null });
    for (const [index, { rule, path }] of bad.entries()) {
      const place = ['users', String(index < 5 ? index : index + 1), ...path.split('.')];
      expect(results[index]).toMatchObject({ user: null, error: { __typename: 'ValidationError', path: place } });
      expect(results[index]?.error?.issues).toEqual([expect.objectContaining({ rule, path: place })]);
    }
  });
});

describe('an externalId', () => {
  it.each([
    'a',
    '0',
    '-',
    'auth0|5f7c8ec7c33c6c004bbafe82',
    'ada@example.com',
    'CN=Ada Lovelace,OU=Engines,DC=example,DC=com',
    'urn:example:user:7',
    'Ådá Ł𝒪velace',
    '名前',
    '😀',
    'x'.repeat(255),
    '%_\\\'"`',
  ])('can be %j, and is kept as it is written', async (externalId) => {
    const answer = await commands.run(app.operator, 'createUser', { tenantId, externalId });
    expect(answer).toMatchObject({ user: { externalId } });
  });
});

describe('metadata', () => {
  it('is kept up to its bounds, with whatever JSON there is', async () => {
    const values = [
      {},
      nested(10),
      { a: 'x'.repeat(16_384 - '{"a":""}'.length) },
      { ключ: null, list: [1, 'two', { three: true }], float: 0.1, big: 9_007_199_254_740_991, constructor: 'x' },
    ];
    for (const metadata of values) {
      const answer = await commands.run(app.operator, 'updateUser', { userId, metadata });
      expect(answer).toMatchObject({ user: { metadata } });
    }
  });

  it('refuses a number that is none', async () => {
    const { data } = await app.operator.send<{ updateUser: CommandAnswer }, object>(
      `mutation ($userId: ID!) {
        updateUser(input: { userId: $userId, metadata: { a: 1e999 } }) { ... on ValidationError { issues { rule path } } }
      }`,
      { userId },
    );
    expect(data?.updateUser.issues).toEqual([{ rule: 'OUT_OF_RANGE', path: ['metadata'] }]);
  });
});
