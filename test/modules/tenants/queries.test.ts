import { getNamedType, isLeafType, isObjectType } from 'graphql';
import { describe, expect, it } from 'vitest';
import { startTestApp } from '../../testkit/app.ts';
import { expectNoFailures } from '../../testkit/bad-input.ts';
import { graphql } from '../../testkit/generated/gql.ts';
import type { TenantFilter } from '../../testkit/generated/graphql.ts';
import { defaultGroup, missingGroup, missingTenant } from '../../testkit/ids.ts';
import { Seed } from '../../testkit/seed.ts';
import { commandCases } from '../commands.ts';

const app = await startTestApp();
const { operator, clock } = app;
const seed = new Seed(app);
expectNoFailures(app);

const oneTenant = graphql(`
  query TenantQuery($id: ID, $name: String) {
    tenant(id: $id, name: $name) {
      id
      name
    }
  }
`);

const listTenants = graphql(`
  query TenantsQuery($filter: TenantFilter, $orderBy: TenantOrder) {
    tenants(filter: $filter, orderBy: $orderBy, first: 100) {
      totalCount
      edges {
        node {
          id
          name
        }
      }
    }
  }
`);

const tenantNodes = graphql(`
  query TenantNodes($id: ID!, $ids: [ID!]!) {
    node(id: $id) {
      __typename
      id
    }
    nodes(ids: $ids) {
      __typename
      id
      ... on Tenant {
        weight
      }
    }
  }
`);

const byFoldedName = (one: string, other: string) => (one.toLowerCase() < other.toLowerCase() ? -1 : 1);

/** The names that a filter finds, and the number that it counts. */
async function namesOf(filter: TenantFilter): Promise<readonly string[]> {
  const { tenants } = await operator.run(listTenants, { filter });
  expect(tenants.totalCount).toBe(tenants.edges.length);
  return tenants.edges.map(({ node }) => node.name);
}

/** Sends variables that the types of the operation do not allow. */
const failUntyped = (operation: { toString(): string }, variables: object) =>
  operator.fail<unknown, object>(operation.toString(), variables);

const codesOf = (errors: readonly { extensions: { code: string } }[]) =>
  errors.map(({ extensions }) => extensions.code);

describe('tenant', () => {
  it('is found by id, and by name in any case, composition and with blanks around it', async () => {
    const { id } = await seed.tenant({ name: 'Café Zürich' });
    const ways: { id?: string; name?: string }[] = [
      { id },
      { name: 'Café Zürich' },
      { name: 'CAFÉ ZÜRICH' },
      { name: ' cafe\u0301 zu\u0308rich ' },
      { name: 'Ｃａｆé Zürich' },
    ];
    for (const by of ways) {
      expect((await operator.run(oneTenant, by)).tenant).toEqual({ id, name: 'Café Zürich' });
    }
  });

  it.each<[string, { id?: string; name?: string }]>([
    ['an id that no row has', { id: missingTenant }],
    ['a name that no row has', { name: 'Nobody' }],
    ['an empty name', { name: '' }],
    ['a name with wildcards of SQL', { name: '%' }],
  ])('is null for %s', async (_case, by) => {
    expect(await operator.run(oneTenant, by)).toEqual({ tenant: null });
  });

  it.each([
    ['neither id nor name', {}, 'CONFLICTING_ARGUMENTS', 'id, name'],
    ['null for both', { id: null, name: null }, 'CONFLICTING_ARGUMENTS', 'id, name'],
    ['both id and name', { id: missingTenant, name: 'Acme' }, 'CONFLICTING_ARGUMENTS', 'id, name'],
    ['the id of a group', { id: defaultGroup }, 'WRONG_ID_TYPE', 'id'],
    ['a text that is no id', { id: 'acme' }, 'MALFORMED_ID', 'id'],
    ['an id with a character missing', { id: missingTenant.slice(0, -1) }, 'MALFORMED_ID', 'id'],
    ['a name with NUL', { name: 'a\u0000' }, 'BAD_USER_INPUT', 'name'],
  ])('refuses %s', async (_case, by, code, argument) => {
    const [error, ...more] = await operator.fail(oneTenant, by);
    expect(more).toEqual([]);
    expect(error?.extensions).toMatchObject({ code, argument });
    expect(error?.message).toContain(argument);
  });

  it('gives each field alone as it gives it with all others', async () => {
    const input = await commandCases.createTenant?.valid(seed);
    const { tenant } = await seed.run('createTenant', input ?? {});
    const whole = tenant as Record<string, unknown>;
    const type = app.app.schema.getType('Tenant');
    if (!isObjectType(type)) throw new Error('Tenant is an object type.');
    for (const field of Object.values(type.getFields())) {
      const fieldType = getNamedType(field.type);
      if (isLeafType(fieldType)) {
        const { data } = await operator.send<{ tenant: object }, object>(
          `query ($id: ID!) { tenant(id: $id) { ${field.name} } }`,
          { id: whole.id },
        );
        expect(data?.tenant).toEqual({ [field.name]: whole[field.name] });
      } else if (isObjectType(fieldType) && field.args.length === 0) {
        for (const inner of Object.values(fieldType.getFields()).filter(({ type }) => isLeafType(getNamedType(type)))) {
          const { data } = await operator.send<{ tenant: Record<string, unknown> }, object>(
            `query ($id: ID!) { tenant(id: $id) { ${field.name} { ${inner.name} } } }`,
            { id: whole.id },
          );
          expect(data?.tenant[field.name]).toEqual(only(inner.name, whole[field.name]));
        }
      }
    }
  });
});

/** The same objects with this one field. */
function only(name: string, value: unknown): unknown {
  if (Array.isArray(value)) return value.map((item) => only(name, item));
  return { [name]: Object(value)[name] };
}

describe('tenants', () => {
  it('filters by name: equals, startsWith and contains, in any case', async () => {
    for (const name of ['Orion', 'Orion Belt', 'The Orion']) await seed.tenant({ name });
    expect(await namesOf({ name: { equals: ' oRION ' } })).toEqual(['Orion']);
    expect(await namesOf({ name: { startsWith: 'ORI' } })).toEqual(['Orion', 'Orion Belt']);
    expect(await namesOf({ name: { contains: 'orion' } })).toEqual(['Orion', 'Orion Belt', 'The Orion']);
    expect(await namesOf({ name: { startsWith: 'orion', contains: 'belt' } })).toEqual(['Orion Belt']);
    expect(await namesOf({ name: { equals: 'Orion', contains: 'belt' } })).toEqual([]);
    expect(await namesOf({ name: { contains: 'rion b' } })).toEqual(['Orion Belt']);
  });

  it('takes every character of a name filter for itself: no wildcard, no escape', async () => {
    const names = ['wild%card', 'wild_card', 'wild\\card', 'wildXcard', 'wild%_\\card'];
    for (const name of names) await seed.tenant({ name });
    const cases: [string, string[]][] = [
      ['d%c', ['wild%card']],
      ['d_c', ['wild_card']],
      ['d\\c', ['wild\\card']],
      ['d%_\\c', ['wild%_\\card']],
      ['%', ['wild%_\\card', 'wild%card']],
      ['\\', ['wild%_\\card', 'wild\\card']],
    ];
    for (const [contains, found] of cases) {
      expect(await namesOf({ name: { contains } })).toEqual(found.toSorted());
      const prefix = `wil${contains}`.slice(0, -1);
      expect(await namesOf({ name: { startsWith: prefix } })).toEqual(
        names.filter((name) => name.startsWith(prefix)).toSorted(byFoldedName),
      );
    }
    expect(await namesOf({ name: { equals: 'wild_card' } })).toEqual(['wild_card']);
  });

  it('finds names beyond the basic plane by their beginning', async () => {
    await seed.tenant({ name: '𝄞 clef' });
    await seed.tenant({ name: '\u{10fffd} last plane' });
    expect(await namesOf({ name: { startsWith: '𝄞' } })).toEqual(['𝄞 clef']);
    expect(await namesOf({ name: { startsWith: '\u{10fffd}' } })).toEqual(['\u{10fffd} last plane']);
  });

  it('filters by status, group, weight and time of making, and by all of them together', async () => {
    clock.advance(60_000);
    const start = clock.now().toISOString();
    const group = await seed.group();
    const light = await seed.tenant({ weight: 5, fairshareGroupId: group.id });
    clock.advance(1_000);
    const middle = clock.now().toISOString();
    const heavy = await seed.tenant({ weight: 500_000, fairshareGroupId: group.id });
    const archived = await seed.tenant({ weight: 5, fairshareGroupId: group.id });
    await seed.run('archiveTenant', { tenantId: archived.id });
    clock.advance(1_000);
    const end = clock.now().toISOString();

    const fairshareGroupId = group.id;
    const all = [light.name, heavy.name, archived.name].toSorted();
    expect(await namesOf({ fairshareGroupId })).toEqual(all);
    expect(await namesOf({ fairshareGroupId, statuses: ['ACTIVE'] })).toEqual([light.name, heavy.name].toSorted());
    expect(await namesOf({ fairshareGroupId, statuses: ['ARCHIVED', 'SUSPENDED'] })).toEqual([archived.name]);
    expect(await namesOf({ fairshareGroupId, statuses: ['ACTIVE', 'ARCHIVED', 'SUSPENDED'] })).toEqual(all);
    expect(await namesOf({ fairshareGroupId, statuses: [] })).toEqual([]);
    expect(await namesOf({ fairshareGroupId, weight: { min: 5, max: 5 } })).toEqual(
      [light.name, archived.name].toSorted(),
    );
    expect(await namesOf({ fairshareGroupId, weight: { min: 6 } })).toEqual([heavy.name]);
    expect(await namesOf({ fairshareGroupId, weight: { max: 4 } })).toEqual([]);
    expect(await namesOf({ fairshareGroupId, weight: { min: 6, max: 5 } })).toEqual([]);
    expect(await namesOf({ createdAt: { from: start, until: middle } })).toEqual([light.name]);
    expect(await namesOf({ createdAt: { from: middle, until: end } })).toEqual([heavy.name, archived.name].toSorted());
    expect(await namesOf({ createdAt: { from: end } })).toEqual([]);
    const everything = {
      fairshareGroupId,
      name: { startsWith: 'seed', contains: archived.name },
      statuses: ['ARCHIVED' as const],
      weight: { min: 1, max: 10 },
      createdAt: { from: start, until: end },
    };
    expect(await namesOf(everything)).toEqual([archived.name]);
    expect(await namesOf({ fairshareGroupId: missingGroup })).toEqual([]);
    expect(
      (await operator.run(listTenants, { filter: { name: null, statuses: null, weight: null } })).tenants.totalCount,
    ).toBe((await operator.run(listTenants, { filter: null })).tenants.totalCount);
  });

  it.each([
    ['the id of a tenant as a group', { fairshareGroupId: missingTenant }, 'WRONG_ID_TYPE', 'filter.fairshareGroupId'],
    ['a text that is no id', { fairshareGroupId: 'default' }, 'MALFORMED_ID', 'filter.fairshareGroupId'],
    ['NUL in equals', { name: { equals: '\u0000' } }, 'BAD_USER_INPUT', 'filter.name.equals'],
    ['NUL in startsWith', { name: { startsWith: 'a\u0000' } }, 'BAD_USER_INPUT', 'filter.name.startsWith'],
    ['NUL in contains', { name: { contains: '\u0000b' } }, 'BAD_USER_INPUT', 'filter.name.contains'],
  ])('refuses %s in a filter', async (_case, filter, code, argument) => {
    const [error, ...more] = await operator.fail(listTenants, { filter });
    expect(more).toEqual([]);
    expect(error?.extensions).toMatchObject({ code, argument });
  });

  it.each([
    ['an unknown status', { statuses: ['GONE'] }],
    ['an unknown field', { colour: 'red' }],
    ['a weight with a fraction', { weight: { min: 0.5 } }],
    ['the year 0', { createdAt: { from: '0000-01-01T00:00:00Z' } }],
  ])('refuses %s in a filter as malformed', async (_case, filter) => {
    expect(codesOf(await failUntyped(listTenants, { filter }))).toEqual(['BAD_USER_INPUT']);
  });

  it('finds nothing for half of a surrogate pair', async () => {
    expect(await namesOf({ name: { contains: '\ud83d' } })).toEqual([]);
  });

  it('sorts names as they are compared, without regard to case', async () => {
    for (const name of ['sort b', 'Sort A', 'SORT C', 'sort á']) await seed.tenant({ name });
    expect(await namesOf({ name: { startsWith: 'sort ' } })).toEqual(['Sort A', 'sort b', 'SORT C', 'sort á']);
  });

  it.each(['NAME', 'WEIGHT', 'CREATED_AT'] as const)(
    'sorts by %s in both directions, and ties by id',
    async (field) => {
      const group = await seed.group();
      const made: { id: string; key: string | number }[] = [];
      for (const weight of [7, 3, 7, 1, 3, 7]) {
        if (weight === 1) clock.advance(5);
        const { id, name } = await seed.tenant({ weight, fairshareGroupId: group.id });
        made.push({ id, key: { NAME: name.toLowerCase(), WEIGHT: weight, CREATED_AT: clock.now().getTime() }[field] });
      }
      const ascending = made.toSorted((one, other) =>
        one.key === other.key ? (one.id < other.id ? -1 : 1) : one.key < other.key ? -1 : 1,
      );
      for (const direction of ['ASC', 'DESC'] as const) {
        const { tenants } = await operator.run(listTenants, {
          filter: { fairshareGroupId: group.id },
          orderBy: { field, direction },
        });
        const expected = direction === 'ASC' ? ascending : ascending.toReversed();
        expect(tenants.edges.map(({ node }) => node.id)).toEqual(expected.map(({ id }) => id));
      }
    },
  );
});

describe('node and nodes', () => {
  it('find tenants and groups in the order of the ids, with null for what is not there', async () => {
    const { id } = await seed.tenant({ weight: 9 });
    const answer = await operator.run(tenantNodes, { id, ids: [missingTenant, defaultGroup, id, missingGroup, id] });
    const tenant = { __typename: 'Tenant', id, weight: 9 };
    expect(answer).toEqual({
      node: { __typename: 'Tenant', id },
      nodes: [null, { __typename: 'FairshareGroup', id: defaultGroup }, tenant, null, tenant],
    });
  });

  it('find a row as often as a request asks for it', async () => {
    const { id } = await seed.tenant();
    const { data, errors } = await operator.send(
      'query ($id: ID!) { a: node(id: $id) { id } b: nodes(ids: [$id]) { id } c: nodes(ids: [$id, $id]) { id } d: node(id: $id) { id } }',
      { id },
    );
    expect(errors).toBeUndefined();
    expect(data).toEqual({ a: { id }, b: [{ id }], c: [{ id }, { id }], d: { id } });
  });

  it('refuse ids that are none, and more than 100 of them', async () => {
    const ok = { id: missingTenant, ids: [] };
    expect(codesOf(await operator.fail(tenantNodes, { ...ok, id: 'nonsense' }))).toEqual(['MALFORMED_ID']);
    expect(codesOf(await operator.fail(tenantNodes, { ...ok, id: 'tnt_' }))).toEqual(['MALFORMED_ID']);
    expect(codesOf(await operator.fail(tenantNodes, { ...ok, id: '' }))).toEqual(['MALFORMED_ID']);
    expect(codesOf(await operator.fail(tenantNodes, { ...ok, ids: [missingTenant, 'nonsense'] }))).toEqual([
      'MALFORMED_ID',
    ]);
    const [error] = await operator.fail(tenantNodes, { ...ok, ids: Array.from({ length: 101 }, () => missingTenant) });
    expect(error?.extensions).toMatchObject({ code: 'INVALID_PAGE_SIZE', argument: 'ids' });
  });
});
