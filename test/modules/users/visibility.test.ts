import { beforeEach, describe, expect, it } from 'vitest';
import { decodeId } from '../../../src/graph/ids.ts';
import { startTestApp } from '../../testkit/app.ts';
import { expectNoFailures } from '../../testkit/bad-input.ts';
import type { Client } from '../../testkit/client.ts';
import { type CommandInput, Commands } from '../../testkit/commands.ts';
import { missingApp, missingTeam, missingTenant, missingUser } from '../../testkit/ids.ts';
import { storedRows } from '../../testkit/rows.ts';
import { Seed } from '../../testkit/seed.ts';

const app = await startTestApp();
const seed = new Seed(app);
const commands = new Commands(app.app.schema);
expectNoFailures(app);
// Time stands still, so what a caller may spend does not come back by itself.
beforeEach(() => app.clock.advance(60_000));

const ownTeam = await seed.team({ name: 'Same name' });
const { tenantId } = ownTeam;
const ownUser = await seed.user({ tenantId, teamId: ownTeam.id, externalId: 'same' });
const colleague = await seed.user({ tenantId, teamId: ownTeam.id, externalId: 'other' });
const otherTeam = await seed.team({ tenantId });
const ownApp = await seed.app({ tenantId, name: 'Same name' });
const otherApp = await seed.app({ tenantId });
const foreignTeam = await seed.team({ name: 'Foreign name' });
const foreign = {
  tenantId: foreignTeam.tenantId,
  teamId: foreignTeam.id,
  userId: (await seed.user({ tenantId: foreignTeam.tenantId, teamId: foreignTeam.id, externalId: 'foreign' })).id,
  appId: (await seed.app({ tenantId: foreignTeam.tenantId, name: 'Foreign name' })).id,
};
const missing = { tenantId: missingTenant, teamId: missingTeam, userId: missingUser, appId: missingApp };

const tenantUuid = decodeId('Tenant', tenantId);
const scopes = new Set([
  'tenants:read',
  'fairshare:read',
  'teams:read',
  'teams:write',
  'users:read',
  'users:write',
  'apps:read',
  'apps:write',
] as const);
const asTenant = app.as({ kind: 'TENANT', tenantId: tenantUuid, scopes });
const asUser = app.as({ kind: 'USER', tenantId: tenantUuid, userId: decodeId('User', ownUser.id), scopes });
const asApp = app.as({ kind: 'APP', tenantId: tenantUuid, appId: decodeId('App', ownApp.id), scopes });
const asProduct = app.as({ kind: 'PRODUCT', tenantId: tenantUuid, productId: tenantUuid, scopes });

/** The body of an answer as it was sent. */
async function bytes(client: Client, query: string, variables: object): Promise<string> {
  const response = await fetch(`${client.url}/graphql`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...client.headers },
    body: JSON.stringify({ query, variables }),
  });
  // What is left to spend goes down from request to request.
  return (await response.text()).replace(/"remaining":\d+/, '"remaining":0');
}

interface Everything {
  readonly teams: {
    readonly totalCount: number;
    readonly edges: readonly { readonly node: { readonly id: string } }[];
  };
  readonly users: Everything['teams'];
  readonly apps: Everything['teams'];
}

/** What a caller finds in the lists. */
async function seen(client: Client): Promise<Readonly<Record<string, readonly string[]>>> {
  const { data, errors } = await client.send<Everything, object>(`{
    teams { totalCount edges { node { id } } } users { totalCount edges { node { id } } } apps { totalCount edges { node { id } } }
  }`);
  expect(errors).toBeUndefined();
  return Object.fromEntries(
    Object.entries(data ?? {}).map(([list, { totalCount, edges }]: [string, Everything['teams']]) => {
      expect(totalCount).toBe(edges.length);
      return [list, edges.map(({ node }) => node.id).toSorted()];
    }),
  );
}

describe('a principal', () => {
  it.each([
    ['of a tenant', asTenant, [ownTeam, otherTeam], [ownUser, colleague], [ownApp, otherApp]],
    ['of a user', asUser, [ownTeam], [ownUser], []],
    ['of an application', asApp, [], [], [ownApp]],
    ['of a product', asProduct, [], [], []],
  ] as const)('%s sees its own rows in lists, and counts no others', async (_kind, client, teams, users, apps) => {
    const ids = (rows: readonly { id: string }[]) => rows.map(({ id }) => id).toSorted();
    expect(await seen(client)).toEqual({ teams: ids(teams), users: ids(users), apps: ids(apps) });
  });

  it('of a user sees of its team itself alone, and of its tenant only that', async () => {
    const { data } = await asUser.send(`{
      user(id: "${ownUser.id}") {
        team { id users { totalCount edges { node { id } } } }
        tenant { id teams { totalCount } users { totalCount } apps { totalCount } }
      }
    }`);
    expect(data).toEqual({
      user: {
        team: { id: ownTeam.id, users: { totalCount: 1, edges: [{ node: { id: ownUser.id } }] } },
        tenant: { id: tenantId, teams: { totalCount: 1 }, users: { totalCount: 1 }, apps: { totalCount: 0 } },
      },
    });
  });

  it('of a user sees its new team, and no longer the old one, after it was moved', async () => {
    const { id } = await seed.user({ tenantId, teamId: ownTeam.id });
    const client = app.as({ kind: 'USER', tenantId: tenantUuid, userId: decodeId('User', id), scopes });
    await seed.run('moveUser', { userId: id, teamId: otherTeam.id });
    expect((await seen(client)).teams).toEqual([otherTeam.id]);
    await seed.run('moveUser', { userId: id, teamId: null });
    expect((await seen(client)).teams).toEqual([]);
    await seed.run('deleteUser', { userId: id });
    expect(await seen(client)).toEqual({ teams: [], users: [], apps: [] });
  });

  it('of a tenant finds a user by its external id alone, also when another tenant has the same one', async () => {
    await seed.user({ tenantId: foreign.tenantId, externalId: 'same' });
    const { data } = await asTenant.send('{ user(externalId: "same") { id } }');
    expect(data).toEqual({ user: { id: ownUser.id } });
  });
});

/** Ways to a row: whatever belongs to somebody else is as what does not exist. */
const ways: readonly (readonly [string, object, object])[] = [
  ...(['team', 'user', 'app'] as const).flatMap((type) => {
    const of = (ids: typeof missing) => ({ id: ids[`${type}Id`] });
    return [
      [`query ($id: ID!) { ${type}(id: $id) { id } }`, of(foreign), of(missing)],
      ['query ($id: ID!) { node(id: $id) { id } }', of(foreign), of(missing)],
      ['query ($id: ID!) { nodes(ids: [$id, $id]) { id } }', of(foreign), of(missing)],
    ] as const;
  }),
  ...['teams', 'users', 'apps'].map(
    (list) =>
      [
        `query ($tenantId: ID!) { ${list}(filter: { tenantId: $tenantId }) { totalCount edges { node { id } } } }`,
        { tenantId: foreign.tenantId },
        { tenantId: missingTenant },
      ] as const,
  ),
  ...['teams', 'apps'].map(
    (list) =>
      [
        `query ($name: String!) { ${list}(filter: { name: { equals: $name } }) { totalCount edges { node { id } } } }`,
        { name: 'Foreign name' },
        { name: 'Nobody' },
      ] as const,
  ),
  [
    'query ($id: ID!) { users(filter: { teamId: $id }) { totalCount edges { node { id } } } }',
    { id: foreign.teamId },
    { id: missingTeam },
  ],
  [
    'query ($id: String!) { users(filter: { externalId: { equals: $id } }) { totalCount edges { node { id } } } }',
    { id: 'foreign' },
    { id: 'nobody' },
  ],
  ['query ($id: String!) { user(externalId: $id) { id } }', { id: 'foreign' }, { id: 'nobody' }],
  [
    'query ($id: ID!) { user(externalId: "foreign", tenantId: $id) { id } }',
    { id: foreign.tenantId },
    { id: missingTenant },
  ],
];

describe('a principal of a tenant gets the same bytes for what is not its own and for what does not exist', () => {
  it.each(ways)('%s', async (query, foreignRow, missingRow) => {
    const expected = await bytes(asTenant, query, missingRow);
    expect(expected).toMatch(/^\{"data":/);
    expect(await bytes(asTenant, query, foreignRow)).toBe(expected);
  });

  it.each<readonly [string, (ids: typeof missing) => CommandInput]>([
    ['createTeam', (ids) => ({ tenantId: ids.tenantId, name: 'Foreign name' })],
    ['updateTeam', (ids) => ({ teamId: ids.teamId, name: 'Changed' })],
    ['updateTeam', (ids) => ({ teamId: ids.teamId, expectedRevision: 7 })],
    ['deleteTeam', (ids) => ({ teamId: ids.teamId })],
    ['deleteTeam', (ids) => ({ teamId: ids.teamId, dryRun: true })],
    ['deleteTeam', (ids) => ({ teamId: otherTeam.id, moveUsersToTeamId: ids.teamId })],
    ['createUser', (ids) => ({ tenantId: ids.tenantId, externalId: 'foreign' })],
    ['createUser', (ids) => ({ externalId: 'unheard of', teamId: ids.teamId })],
    ['bulkCreateUsers', (ids) => ({ tenantId: ids.tenantId, users: [{ externalId: 'foreign' }] })],
    ['bulkCreateUsers', (ids) => ({ users: [{ externalId: 'unheard of', teamId: ids.teamId }] })],
    ['updateUser', (ids) => ({ userId: ids.userId, displayName: 'Changed' })],
    ['moveUser', (ids) => ({ userId: ids.userId, teamId: ownTeam.id })],
    ['moveUser', (ids) => ({ userId: ownUser.id, teamId: ids.teamId })],
    ['deactivateUser', (ids) => ({ userId: ids.userId })],
    ['reactivateUser', (ids) => ({ userId: ids.userId })],
    ['deleteUser', (ids) => ({ userId: ids.userId, cascade: true })],
    ['createApp', (ids) => ({ tenantId: ids.tenantId, name: 'Foreign name' })],
    ['updateApp', (ids) => ({ appId: ids.appId, name: 'Changed' })],
    ['archiveApp', (ids) => ({ appId: ids.appId })],
    ['restoreApp', (ids) => ({ appId: ids.appId })],
    ['deleteApp', (ids) => ({ appId: ids.appId, cascade: true })],
  ])('%s (%#)', async (name, inputOf) => {
    const before = await storedRows(app);
    const expected = JSON.stringify((await commands.send(asTenant, name, inputOf(missing))).data);
    expect(expected).toContain('NOT_FOUND');
    expect(JSON.stringify((await commands.send(asTenant, name, inputOf(foreign))).data)).toBe(expected);
    expect(await storedRows(app)).toBe(before);
  });
});

describe('a tenant that is not named', () => {
  it.each([
    ['createTeam', { name: 'Unnamed tenant' }, 'team'],
    ['createUser', { externalId: 'unnamed tenant' }, 'user'],
    ['createApp', { name: 'Unnamed tenant' }, 'app'],
  ])('is the own one of who calls %s', async (name, input, field) => {
    const answer = await commands.run(asTenant, name, input);
    expect(answer[field]).toMatchObject({ tenant: { id: tenantId } });
    const again = await commands.run(asTenant, name, { ...input, tenantId });
    expect(again.code).toMatch(/TAKEN$/);
  });

  it('is the own one of who calls bulkCreateUsers', async () => {
    const answer = await commands.run(asTenant, 'bulkCreateUsers', { users: [{ externalId: 'many' }] });
    expect(answer).toMatchObject({ tenantId, createdCount: 1 });
  });
});

it('the operator cannot mix rows of two tenants either', async () => {
  const run = (name: string, input: CommandInput) => commands.run(app.operator, name, input);
  const before = await storedRows(app);
  const notFound = (path: string) => ({ code: 'NOT_FOUND', path: [path] });
  expect(await run('moveUser', { userId: ownUser.id, teamId: foreign.teamId })).toMatchObject(notFound('teamId'));
  expect(await run('createUser', { tenantId, externalId: 'x', teamId: foreign.teamId })).toMatchObject(
    notFound('teamId'),
  );
  expect(await run('deleteTeam', { teamId: ownTeam.id, moveUsersToTeamId: foreign.teamId })).toMatchObject(
    notFound('moveUsersToTeamId'),
  );
  expect(await storedRows(app)).toBe(before);
});
