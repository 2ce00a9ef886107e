import { beforeEach, describe, expect, it } from 'vitest';
import { decodeId } from '../../../src/graph/ids.ts';
import { startTestApp } from '../../testkit/app.ts';
import { expectNoFailures } from '../../testkit/bad-input.ts';
import { type CommandAnswer, type CommandInput, Commands } from '../../testkit/commands.ts';
import { missingTeam } from '../../testkit/ids.ts';
import { storedRows, traced } from '../../testkit/rows.ts';
import { Seed } from '../../testkit/seed.ts';
import { statementsOf } from '../../testkit/statements.ts';

const app = await startTestApp();
const { operator, clock } = app;
const seed = new Seed(app);
const commands = new Commands(app.app.schema);
expectNoFailures(app);
// Time stands still, so what a caller may spend does not come back by itself.
beforeEach(() => clock.advance(60_000));

const run = (name: string, input: CommandInput) => commands.run(operator, name, input);
const prisma = app.app.database.prisma;

/** A key of a user or an application. */
async function addKey(input: { kind: 'USER'; userId: string } | { kind: 'APP'; appId: string }, tenantId: string) {
  const environment = input.kind === 'APP' ? { environment: 'LIVE' } : {};
  const { key } = await seed.run('createKey', {
    tenantId,
    name: seed.name(),
    scopes: ['cloud:inference'],
    ...environment,
    ...input,
  });
  return key as { id: string };
}

describe('deactivateUser', () => {
  it('keeps the time of the first call, also when it is repeated later', async () => {
    const { id: userId } = await seed.user();
    const first = clock.now().toISOString();
    expect(await run('deactivateUser', { userId })).toMatchObject({
      user: { status: 'DEACTIVATED', deactivatedAt: first, revision: 2 },
    });
    clock.advance(5_000);
    expect(await run('deactivateUser', { userId })).toMatchObject({ user: { deactivatedAt: first, revision: 2 } });
    expect(await run('reactivateUser', { userId })).toMatchObject({
      user: { status: 'ACTIVE', deactivatedAt: null, revision: 3 },
    });
    expect(await run('deactivateUser', { userId })).toMatchObject({
      user: { deactivatedAt: clock.now().toISOString(), revision: 4 },
    });
  });

  it.each(['deactivateUser', 'reactivateUser', 'moveUser', 'updateUser', 'deleteUser'])(
    'is announced, as every change of a user is: %s',
    async (name) => {
      const { id: userId, tenantId } = await seed.user();
      if (name === 'reactivateUser') await seed.run('deactivateUser', { userId });
      const { id: teamId } = await seed.team({ tenantId });
      const more: CommandInput = { moveUser: { teamId }, updateUser: { limits: { maxInFlight: 0 } } }[name] ?? {};
      await seed.run(name, { userId, ...more });
      const events = await prisma.outboxEvent.findMany({ where: { topic: 'User.changed' } });
      expect(events.map(({ payload }) => payload)).toContainEqual({ id: decodeId('User', userId), command: name });
    },
  );
});

describe('updateUser', () => {
  it('leaves what is omitted, replaces metadata as a whole, and limits one by one', async () => {
    const limits = { requestsPerMinute: 5, maxInFlight: 6, budget: { tokens: 7 } };
    const user = await seed.user({ displayName: 'Ada', metadata: { a: 1, b: 2 }, limits });
    const answer = await run('updateUser', {
      userId: user.id,
      metadata: { c: 3 },
      limits: { requestsPerMinute: 0, maxInFlight: null },
    });
    expect(answer).toMatchObject({
      user: {
        externalId: user.externalId,
        displayName: 'Ada',
        metadata: { c: 3 },
        limits: { requestsPerMinute: 0, maxInFlight: null, budget: { tokens: 7 } },
      },
    });
  });

  it('gives a user another external id, and frees the old one', async () => {
    const { id: userId, tenantId, externalId } = await seed.user();
    await seed.run('updateUser', { userId, externalId: `${externalId} renamed` });
    expect(await run('createUser', { tenantId, externalId })).toMatchObject({ user: { externalId } });
  });
});

describe('updateTeam', () => {
  it('leaves what one user can take as it is, changes it alone, and clears it with null', async () => {
    const { id: teamId } = await seed.team({ limits: { tokensPerDay: 9 }, userSharePercent: 25 });
    const expected = { description: '', limits: { tokensPerDay: 9 } };
    expect(await run('updateTeam', { teamId, description: '' })).toMatchObject({ team: { userSharePercent: 25 } });
    expect(await run('updateTeam', { teamId, userSharePercent: 1 })).toMatchObject({
      team: { ...expected, userSharePercent: 1, revision: 2 },
    });
    expect(await run('updateTeam', { teamId, userSharePercent: null })).toMatchObject({
      team: { ...expected, userSharePercent: null, revision: 3 },
    });
  });
});

describe('deleteTeam', () => {
  it.each([true, false])(
    'keeps its users, moved to another team: %s, and says how many and where to',
    async (moves) => {
      const team = await seed.team();
      const { tenantId } = team;
      const heir = moves ? await seed.team({ tenantId }) : undefined;
      const users = [await seed.user({ tenantId, teamId: team.id }), await seed.user({ tenantId, teamId: team.id })];
      const bystander = await seed.user({ tenantId });
      const input = { teamId: team.id, ...(heir === undefined ? {} : { moveUsersToTeamId: heir.id }) };
      const expected = {
        deletedTeamId: team.id,
        movedUserCount: 2,
        movedToTeam: heir === undefined ? null : expect.objectContaining({ id: heir.id }),
      };
      const before = await storedRows(app);
      expect(await run('deleteTeam', { ...input, dryRun: true })).toMatchObject({ ...expected, dryRun: true });
      expect(await storedRows(app)).toBe(before);
      expect(await run('deleteTeam', input)).toMatchObject({ ...expected, dryRun: false });
      const teamsOf = await prisma.user.findMany({ where: { tenantId: decodeId('Tenant', tenantId) } });
      const heirId = heir === undefined ? null : decodeId('Team', heir.id);
      const found = new Map(teamsOf.map(({ id, teamId, revision }) => [id, { teamId, revision }]));
      for (const { id } of users) expect(found.get(decodeId('User', id))).toEqual({ teamId: heirId, revision: 2 });
      expect(found.get(decodeId('User', bystander.id))).toEqual({ teamId: null, revision: 1 });
    },
  );
});

describe.each([
  { name: 'deleteUser', type: 'User', make: () => seed.user(), field: 'userId', kind: 'USER' },
  { name: 'deleteApp', type: 'App', make: () => seed.app(), field: 'appId', kind: 'APP' },
] as const)('$name', ({ name, type, make, field, kind }) => {
  const keyOf = (id: string, tenantId: string) =>
    addKey(kind === 'USER' ? { kind, userId: id } : { kind, appId: id }, tenantId);

  it('is refused while there are live keys, and says in a dry run how many go with it', async () => {
    const { id, tenantId } = await make();
    await keyOf(id, tenantId);
    await keyOf(id, tenantId);
    const before = await storedRows(app);
    expect(await run(name, { [field]: id })).toMatchObject({
      __typename: 'HasChildrenError',
      path: ['cascade'],
      children: [{ type: 'ApiKey', count: 2 }],
    });
    const removed = [
      { type: 'ApiKey', count: 2 },
      { type, count: 1 },
    ];
    expect(await run(name, { [field]: id, dryRun: true })).toMatchObject({ dryRun: true, removed });
    expect(await storedRows(app)).toBe(before);
    expect(await run(name, { [field]: id, cascade: true })).toMatchObject({ dryRun: false, removed });
    expect(await prisma.apiKey.count({ where: { tenantId: decodeId('Tenant', tenantId) } })).toBe(0);
    expect(await run(name, { [field]: id })).toMatchObject({ code: 'NOT_FOUND' });
  });

  it('takes revoked keys with it, and no keys of others', async () => {
    const { id, tenantId } = await make();
    const other = await make();
    const revoked = await keyOf(id, tenantId);
    const kept = await keyOf(other.id, other.tenantId);
    await seed.run('revokeKey', { keyId: revoked.id });
    expect(await run(name, { [field]: id })).toMatchObject({ removed: [{ type, count: 1 }] });
    const left = await prisma.apiKey.findMany({
      where: { id: { in: [revoked.id, kept.id].map((key) => decodeId('ApiKey', key)) } },
    });
    expect(left.map((key) => key.id)).toEqual([decodeId('ApiKey', kept.id)]);
  });
});

it('deleteTenant counts teams, users and applications in use, and takes all of them with it', async () => {
  const { id: teamId, tenantId } = await seed.team();
  await seed.user({ tenantId, teamId });
  const { id: userId } = await seed.user({ tenantId, teamId });
  await seed.run('deactivateUser', { userId });
  await seed.app({ tenantId });
  const { id: appId } = await seed.app({ tenantId });
  await seed.run('archiveApp', { appId });
  const children = ['Team', 'User', 'App'].map((type) => ({ type, count: 1 }));
  expect(await run('deleteTenant', { tenantId })).toMatchObject({ __typename: 'TenantHasChildrenError', children });
  expect(await run('deleteTenant', { tenantId, cascade: true })).toMatchObject({
    removed: [...children, { type: 'Tenant', count: 1 }],
  });
  const where = { tenantId: decodeId('Tenant', tenantId) };
  expect([
    await prisma.team.count({ where }),
    await prisma.user.count({ where }),
    await prisma.app.count({ where }),
  ]).toEqual([0, 0, 0]);
});

describe('bulkCreateUsers', () => {
  interface Result {
    readonly index: number;
    readonly user: { readonly externalId: string; readonly team: { readonly id: string } | null } | null;
    readonly error: CommandAnswer | null;
  }

  it('answers each item in order, and no bad one stops the others', async () => {
    const { id: teamId, tenantId } = await seed.team();
    await seed.user({ tenantId, externalId: 'taken' });
    const items = [
      { externalId: 'zoe', teamId },
      { externalId: 'taken' },
      { externalId: 'bob', teamId: missingTeam },
      { externalId: ' bad ', email: 'bad' },
      { externalId: 'bob', displayName: 'the first that can be made' },
      { externalId: 'bob', displayName: 'the second' },
      { externalId: 'Zoe', limits: { requestsPerMinute: 0 }, metadata: { a: 1 } },
    ];
    const { client, auditRows } = traced(app, operator);
    const answer = await commands.run(client, 'bulkCreateUsers', { tenantId, users: items });
    expect(answer).toMatchObject({ __typename: 'BulkCreateUsersPayload', tenantId, createdCount: 3 });
    const results = answer.results as readonly Result[];
    expect(results.map(({ index }) => index)).toEqual([0, 1, 2, 3, 4, 5, 6]);
    expect(results.map(({ user, error }) => user?.externalId ?? `${error?.code} ${error?.path?.join('.')}`)).toEqual([
      'zoe',
      'EXTERNAL_ID_TAKEN users.1.externalId',
      'NOT_FOUND users.2.teamId',
      'VALIDATION_FAILED users.3.externalId',
      'bob',
      'EXTERNAL_ID_TAKEN users.5.externalId',
      'Zoe',
    ]);
    expect(results[0]?.user?.team?.id).toBe(teamId);
    expect(results[3]?.error?.issues?.map(({ path }) => path.join('.'))).toEqual([
      'users.3.externalId',
      'users.3.email',
    ]);
    expect(results[4]?.user).toMatchObject({ displayName: 'the first that can be made' });
    expect(results[6]?.user).toMatchObject({ metadata: { a: 1 }, limits: { requestsPerMinute: 0 } });

    const [row, ...more] = await auditRows();
    expect(more).toEqual([]);
    const named = (externalId: string) => ({ id: expect.stringMatching(/^usr_/), externalId });
    expect(row?.after).toEqual({ createdCount: 3, users: ['zoe', 'bob', 'Zoe'].map(named) });
  });

  it('makes 1,000 users with as many statements as one', async () => {
    const { id: teamId, tenantId } = await seed.team();
    const send = (count: number, name: string) =>
      statementsOf(app, async () => {
        clock.advance(60_000);
        const users = Array.from({ length: count }, (_, index) => ({ externalId: `${name} ${index}`, teamId }));
        const { data, errors } = await operator.send<{ bulkCreateUsers: object }, object>(
          'mutation ($input: BulkCreateUsersInput!) { bulkCreateUsers(input: $input) { ... on BulkCreateUsersPayload { createdCount } } }',
          { input: { tenantId, users } },
        );
        expect(errors).toBeUndefined();
        expect(data).toEqual({ bulkCreateUsers: { createdCount: count } });
      });
    const one = await send(1, 'one');
    const thousand = await send(1_000, 'thousand');
    // The statement that inserts has a group of parameters for each row.
    const shape = (statements: readonly string[]) => statements.map((statement) => statement.slice(0, 40));
    expect(shape(thousand)).toEqual(shape(one));
  });
});

describe('updateApp', () => {
  it('changes of the inference configuration what is given, and clears what is null', async () => {
    const inference = { model: 'large', fallbackModels: ['small'], temperature: 0.5, topP: 0.25, timeoutMs: 1_000 };
    const { id: appId } = await seed.app({ inference });
    const patch = { model: null, fallbackModels: null, temperature: 0, maxOutputTokens: 10 };
    expect(await run('updateApp', { appId, inference: patch })).toMatchObject({
      app: {
        inference: {
          model: null,
          fallbackModels: [],
          systemPrompt: null,
          temperature: 0,
          topP: 0.25,
          maxOutputTokens: 10,
          timeoutMs: 1_000,
        },
      },
    });
    const before = await storedRows(app);
    expect(await run('updateApp', { appId, inference: {} })).toMatchObject({ app: { revision: 2 } });
    expect(await storedRows(app)).toBe(before);
  });
});
