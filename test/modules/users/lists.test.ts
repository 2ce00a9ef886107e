import { beforeEach, describe, expect, it } from 'vitest';
import { startTestApp } from '../../testkit/app.ts';
import { expectNoFailures } from '../../testkit/bad-input.ts';
import { missingTeam, missingTenant } from '../../testkit/ids.ts';
import { Seed } from '../../testkit/seed.ts';
import { type PageAnswer, type PageArguments, type ReadPage, walk } from '../../testkit/walk.ts';

const app = await startTestApp();
const { operator, clock } = app;
const seed = new Seed(app);
expectNoFailures(app);
// Time stands still, so what a caller may spend does not come back by itself.
beforeEach(() => clock.advance(60_000));

const tenant = await seed.tenant();
const other = await seed.tenant();
const team = await seed.team({ tenantId: tenant.id, name: 'a team' });

/** Rows whose names are not in the order of their making, and whose times tie. */
const names = ['delta', 'Alpha', 'charlie', 'Bravo', 'foxtrot', 'Echo'];
const made: Readonly<Record<'teams' | 'users' | 'apps', { id: string; name: string; time: number }[]>> = {
  teams: [{ id: team.id, name: 'a team', time: clock.now().getTime() }],
  users: [],
  apps: [],
};
for (const [index, name] of names.entries()) {
  if (index % 2 === 0) clock.advance(5);
  const of = { tenantId: tenant.id, name };
  const time = clock.now().getTime();
  made.teams.push({ id: (await seed.team(of)).id, name: name.toLowerCase(), time });
  made.apps.push({ id: (await seed.app(of)).id, name: name.toLowerCase(), time });
  // External ids are compared with case: capitals come first.
  const user = await seed.user({ tenantId: tenant.id, teamId: team.id, externalId: name });
  made.users.push({ id: user.id, name, time });
  await seed.team({ tenantId: other.id, name });
  await seed.app({ tenantId: other.id, name });
  await seed.user({ tenantId: other.id, externalId: name });
}

const ids = (rows: readonly { readonly id: string }[]) => rows.map(({ id }) => id);

const pageFields = '{ edges { node { id } } pageInfo { startCursor endCursor hasNextPage hasPreviousPage } }';

/** Every list, as the operator reads it, and the order that it has by name. */
const lists = [
  { list: 'teams', by: 'NAME', path: [], open: '' },
  { list: 'users', by: 'EXTERNAL_ID', path: [], open: '' },
  { list: 'apps', by: 'NAME', path: [], open: '' },
  { list: 'teams', by: 'NAME', path: ['tenant'], open: `tenant(id: "${tenant.id}") {` },
  { list: 'users', by: 'EXTERNAL_ID', path: ['tenant'], open: `tenant(id: "${tenant.id}") {` },
  { list: 'apps', by: 'NAME', path: ['tenant'], open: `tenant(id: "${tenant.id}") {` },
  { list: 'users', by: 'EXTERNAL_ID', path: ['team'], open: `team(id: "${team.id}") {` },
] as const;

/** Reads pages of a list, whose query has this order in it. */
function reader({ list, path, open }: (typeof lists)[number], orderBy: string): ReadPage {
  const filter = path.length === 0 ? `filter: { tenantId: "${tenant.id}" }` : '';
  const args = `first: $first, last: $last, after: $after, before: $before ${orderBy} ${filter}`;
  const query = `query ($first: Int, $last: Int, $after: String, $before: String) {
    ${open} ${list}(${args}) ${pageFields} ${open === '' ? '' : '}'}
  }`;
  return async (page) => {
    const { data, errors } = await operator.send<Record<string, unknown>, PageArguments>(query, page);
    expect(errors).toBeUndefined();
    const found = [...path, list].reduce<unknown>((value, step) => Object(value)[step], data);
    return found as PageAnswer;
  };
}

describe.each(lists)('$path $list', (list) => {
  const rows = made[list.list];

  it.each([list.by, 'CREATED_AT'])('has each row once and in order, from either end, by %s', async (field) => {
    const keyOf = (row: (typeof rows)[number]) => (field === 'CREATED_AT' ? row.time : row.name);
    const ascending = rows.toSorted((one, two) => {
      const [a, b] = [keyOf(one), keyOf(two)];
      return a === b ? (one.id < two.id ? -1 : 1) : a < b ? -1 : 1;
    });
    for (const direction of ['ASC', 'DESC']) {
      const read = reader(list, `orderBy: { field: ${field}, direction: ${direction} }`);
      const expected = ids(direction === 'ASC' ? ascending : ascending.toReversed());
      for (const size of [1, 2, 100]) {
        expect((await walk(read, size, false)).flat()).toEqual(expected);
        expect((await walk(read, size, true)).flat()).toEqual(expected);
      }
    }
  });

  it('is by name unless a caller says otherwise', async () => {
    const byName = await walk(reader(list, `orderBy: { field: ${list.by} }`), 100, false);
    expect(await walk(reader(list, ''), 100, false)).toEqual(byName);
  });
});

/** The names or external ids that a filter finds, and the number that it counts. */
async function found(list: 'teams' | 'users' | 'apps', filter: object): Promise<readonly string[]> {
  const type = { teams: 'TeamFilter', users: 'UserFilter', apps: 'AppFilter' }[list];
  const name = list === 'users' ? 'externalId' : 'name';
  const { data, errors } = await operator.send<
    { list: { totalCount: number; edges: { node: { name: string } }[] } },
    object
  >(
    `query ($filter: ${type}) { list: ${list}(first: 100, filter: $filter) { totalCount edges { node { name: ${name} } } } }`,
    { filter },
  );
  expect(errors).toBeUndefined();
  expect(data?.list.totalCount).toBe(data?.list.edges.length);
  return data?.list.edges.map(({ node }) => node.name) ?? [];
}

describe('a filter', () => {
  const tenantId = tenant.id;

  it.each(['teams', 'apps'] as const)('of %s compares names without regard to case', async (list) => {
    expect(await found(list, { tenantId, name: { equals: ' ALPHA ' } })).toEqual(['Alpha']);
    expect(await found(list, { tenantId, name: { startsWith: 'FOX' } })).toEqual(['foxtrot']);
    expect(await found(list, { tenantId, name: { contains: 'L', startsWith: 'a' } })).toEqual(['Alpha']);
    expect(await found(list, { tenantId, name: { contains: '%' } })).toEqual([]);
  });

  it('of users compares external ids as they are written', async () => {
    expect(await found('users', { tenantId, externalId: { equals: 'Alpha' } })).toEqual(['Alpha']);
    expect(await found('users', { tenantId, externalId: { equals: 'alpha' } })).toEqual([]);
    expect(await found('users', { tenantId, externalId: { equals: ' Alpha' } })).toEqual([]);
    expect(await found('users', { tenantId, externalId: { startsWith: 'fox' } })).toEqual(['foxtrot']);
    expect(await found('users', { tenantId, externalId: { startsWith: 'Fox' } })).toEqual([]);
    expect(await found('users', { tenantId, externalId: { contains: 'ra' } })).toEqual(['Bravo']);
    expect(await found('users', { tenantId, externalId: { contains: 'RA' } })).toEqual([]);
    expect(await found('users', { tenantId, externalId: { contains: '_' } })).toEqual([]);
  });

  it('of users finds those of a team, those without one, and those of a status', async () => {
    const { id: tenantId } = await seed.tenant();
    const { id: teamId } = await seed.team({ tenantId });
    const [within, without, gone] = [
      await seed.user({ tenantId, teamId, externalId: '1 within' }),
      await seed.user({ tenantId, externalId: '2 without' }),
      await seed.user({ tenantId, teamId, externalId: '3 gone' }),
    ].map(({ externalId }) => externalId);
    await seed.run('deactivateUser', {
      userId: (await operatorUser(tenantId, '3 gone')).id,
    });
    expect(await found('users', { teamId })).toEqual([within, gone]);
    expect(await found('users', { tenantId, withoutTeam: true })).toEqual([without]);
    expect(await found('users', { tenantId, withoutTeam: false })).toEqual([within, gone]);
    expect(await found('users', { teamId, withoutTeam: true })).toEqual([]);
    expect(await found('users', { tenantId, statuses: ['DEACTIVATED'] })).toEqual([gone]);
    expect(await found('users', { tenantId, statuses: ['ACTIVE', 'DEACTIVATED'] })).toEqual([within, without, gone]);
    expect(await found('users', { tenantId, statuses: [] })).toEqual([]);
    expect(await found('users', { teamId: missingTeam })).toEqual([]);
  });

  it('of applications finds those of a status', async () => {
    const { id: tenantId } = await seed.tenant();
    const kept = await seed.app({ tenantId });
    const archived = await seed.app({ tenantId });
    await seed.run('archiveApp', { appId: archived.id });
    expect(await found('apps', { tenantId, statuses: ['ACTIVE'] })).toEqual([kept.name]);
    expect(await found('apps', { tenantId, statuses: ['ARCHIVED'] })).toEqual([archived.name]);
  });

  it.each(['teams', 'users', 'apps'] as const)('of %s finds those of a tenant and of a time', async (list) => {
    const second = made[list].filter(({ time }) => time === made[list].at(-1)?.time);
    const from = new Date(made[list].at(-1)?.time ?? 0).toISOString();
    expect(await found(list, { tenantId, createdAt: { from, until: clock.now().toISOString() } })).toHaveLength(
      second.length,
    );
    expect(await found(list, { tenantId, createdAt: { until: '2000-01-01T00:00:00Z' } })).toEqual([]);
    expect(await found(list, { tenantId: missingTenant })).toEqual([]);
    expect(await found(list, { tenantId })).toHaveLength(made[list].length);
  });

  it.each([
    ['teams', { tenantId: 'acme' }, 'MALFORMED_ID', 'filter.tenantId'],
    ['teams', { name: { equals: '\u0000' } }, 'BAD_USER_INPUT', 'filter.name.equals'],
    ['users', { tenantId: missingTeam }, 'WRONG_ID_TYPE', 'filter.tenantId'],
    ['users', { teamId: missingTenant }, 'WRONG_ID_TYPE', 'filter.teamId'],
    ['users', { externalId: { contains: 'a\u0000' } }, 'BAD_USER_INPUT', 'filter.externalId.contains'],
    ['apps', { tenantId: '' }, 'MALFORMED_ID', 'filter.tenantId'],
    ['apps', { name: { startsWith: '\u0000' } }, 'BAD_USER_INPUT', 'filter.name.startsWith'],
  ] as const)('of %s refuses %j', async (list, filter, code, argument) => {
    const type = { teams: 'TeamFilter', users: 'UserFilter', apps: 'AppFilter' }[list];
    const [error, ...more] = await operator.fail<unknown, object>(
      `query ($filter: ${type}) { ${list}(filter: $filter) { totalCount } }`,
      { filter },
    );
    expect(more).toEqual([]);
    expect(error?.extensions).toMatchObject({ code, argument });
  });
});

/** A user as the operator finds it by its external id. */
async function operatorUser(tenantId: string, externalId: string): Promise<{ id: string }> {
  const { data } = await operator.send<{ user: { id: string } | null }, object>(
    'query ($tenantId: ID, $externalId: String) { user(tenantId: $tenantId, externalId: $externalId) { id } }',
    { tenantId, externalId },
  );
  if (!data?.user) throw new Error('There is no such user.');
  return data.user;
}

describe('user', () => {
  it('is found by its external id in its tenant, with case, and nowhere else', async () => {
    const { id, tenantId, externalId } = await seed.user({ externalId: 'Ada' });
    expect(await operatorUser(tenantId, externalId)).toEqual({ id });
    await expect(operatorUser(tenantId, 'ada')).rejects.toThrow('no such user');
    await expect(operatorUser(tenantId, ' Ada')).rejects.toThrow('no such user');
    await expect(operatorUser(other.id, externalId)).rejects.toThrow('no such user');
  });

  it.each([
    ['neither id nor externalId', {}, 'CONFLICTING_ARGUMENTS', 'id, externalId'],
    ['both', { id: 'usr_x', externalId: 'x' }, 'CONFLICTING_ARGUMENTS', 'id, externalId'],
    ['a tenant beside the id', { id: 'usr_x', tenantId: tenant.id }, 'CONFLICTING_ARGUMENTS', 'tenantId'],
    ['no tenant, of a caller who has none', { externalId: 'x' }, 'BAD_USER_INPUT', 'tenantId'],
    ['a tenant that is none', { externalId: 'x', tenantId: 'x' }, 'MALFORMED_ID', 'tenantId'],
    ['the id of a team', { id: team.id }, 'WRONG_ID_TYPE', 'id'],
    ['NUL', { externalId: '\u0000', tenantId: tenant.id }, 'BAD_USER_INPUT', 'externalId'],
  ])('refuses %s', async (_case, variables, code, argument) => {
    const [error, ...more] = await operator.fail<unknown, object>(
      'query ($id: ID, $tenantId: ID, $externalId: String) { user(id: $id, tenantId: $tenantId, externalId: $externalId) { id } }',
      variables,
    );
    expect(more).toEqual([]);
    expect(error?.extensions).toMatchObject({ code, argument });
  });
});
