import { describe, expect, it } from 'vitest';
import { startTestApp } from '../../testkit/app.ts';
import { expectNoFailures } from '../../testkit/bad-input.ts';
import { graphql } from '../../testkit/generated/gql.ts';
import { defaultGroup, missingGroup, missingTenant } from '../../testkit/ids.ts';
import { Seed } from '../../testkit/seed.ts';

const app = await startTestApp();
const { operator, clock } = app;
const seed = new Seed(app);
expectNoFailures(app);

const oneGroup = graphql(`
  query FairshareGroupQuery($id: ID, $name: String) {
    fairshareGroup(id: $id, name: $name) {
      id
      name
      weight
      isDefault
      revision
    }
  }
`);

const listGroups = graphql(`
  query FairshareGroupsQuery($orderBy: FairshareGroupOrder, $filter: TenantFilter, $first: Int) {
    fairshareGroups(orderBy: $orderBy, first: 30) {
      totalCount
      edges {
        node {
          id
          name
          tenants(filter: $filter, first: $first) {
            totalCount
            pageInfo {
              hasNextPage
              endCursor
            }
            edges {
              node {
                name
              }
            }
          }
        }
      }
    }
  }
`);

describe('fairshareGroup', () => {
  it('finds the group default, which is there from the start', async () => {
    const { fairshareGroup } = await operator.run(oneGroup, { name: ' DEFAULT ' });
    expect(fairshareGroup).toEqual({ id: defaultGroup, name: 'default', weight: 100, isDefault: true, revision: 1 });
  });

  it('finds a group by id and by name in any case, and null where there is none', async () => {
    const { id } = await seed.group({ name: 'Éclair' });
    const ways: { id?: string; name?: string }[] = [{ id }, { name: 'éCLAIR' }, { name: 'e\u0301clair' }];
    for (const by of ways)
      expect((await operator.run(oneGroup, by)).fairshareGroup).toMatchObject({ id, isDefault: false });
    const nowhere: { id?: string; name?: string }[] = [{ id: missingGroup }, { name: 'eclair' }, { name: '' }];
    for (const by of nowhere) expect(await operator.run(oneGroup, by)).toEqual({ fairshareGroup: null });
  });

  it.each([
    ['neither id nor name', {}, 'CONFLICTING_ARGUMENTS'],
    ['both id and name', { id: defaultGroup, name: 'default' }, 'CONFLICTING_ARGUMENTS'],
    ['the id of a tenant', { id: missingTenant }, 'WRONG_ID_TYPE'],
    ['a text that is no id', { id: 'default' }, 'MALFORMED_ID'],
    ['a name with NUL', { name: '\u0000' }, 'BAD_USER_INPUT'],
  ])('refuses %s', async (_case, by, code) => {
    const errors = await operator.fail(oneGroup, by);
    expect(errors.map(({ extensions }) => extensions.code)).toEqual([code]);
  });
});

describe('fairshareGroups', () => {
  it.each(['NAME', 'WEIGHT', 'CREATED_AT'] as const)(
    'sorts by %s in both directions, and ties by id',
    async (field) => {
      clock.advance(10_000);
      const made: { id: string; key: string | number }[] = [];
      for (const weight of [70, 30, 70, 10, 30]) {
        if (weight === 10) clock.advance(5);
        const { id, name } = await seed.group({ weight });
        made.push({ id, key: { NAME: name.toLowerCase(), WEIGHT: weight, CREATED_AT: clock.now().getTime() }[field] });
      }
      const ascending = made
        .toSorted((one, other) => (one.key === other.key ? (one.id < other.id ? -1 : 1) : one.key < other.key ? -1 : 1))
        .map(({ id }) => id);
      for (const direction of ['ASC', 'DESC'] as const) {
        const { fairshareGroups } = await operator.run(listGroups, { orderBy: { field, direction } });
        const found = fairshareGroups.edges.map(({ node }) => node.id).filter((id) => ascending.includes(id));
        expect(found).toEqual(direction === 'ASC' ? ascending : ascending.toReversed());
      }
    },
  );

  it('have their own tenants below them: filtered, paged and counted group by group', async () => {
    const groups = [
      await seed.group({ name: 'Nested A' }),
      await seed.group({ name: 'Nested B' }),
      await seed.group({ name: 'Nested C' }),
    ];
    for (const [index, count] of [3, 1, 0].entries()) {
      for (let number = 1; number <= count; number += 1) {
        await seed.tenant({ name: `Nested ${index} ${number}`, weight: number, ...groupOf(groups[index]) });
      }
    }
    const nested = async (variables: { first?: number; filter?: { weight: { min: number } } }) => {
      const { fairshareGroups } = await operator.run(listGroups, variables);
      return fairshareGroups.edges
        .filter(({ node }) => node.name.startsWith('Nested'))
        .map(({ node: { tenants } }) => [
          tenants.totalCount,
          tenants.pageInfo.hasNextPage,
          tenants.edges.map(({ node }) => node.name),
        ]);
    };
    expect(await nested({})).toEqual([
      [3, false, ['Nested 0 1', 'Nested 0 2', 'Nested 0 3']],
      [1, false, ['Nested 1 1']],
      [0, false, []],
    ]);
    expect(await nested({ first: 2 })).toEqual([
      [3, true, ['Nested 0 1', 'Nested 0 2']],
      [1, false, ['Nested 1 1']],
      [0, false, []],
    ]);
    expect(await nested({ filter: { weight: { min: 2 } } })).toEqual([
      [2, false, ['Nested 0 2', 'Nested 0 3']],
      [0, false, []],
      [0, false, []],
    ]);
  });

  it('can be asked for with different lists of tenants at once', async () => {
    const group = await seed.group();
    for (const weight of [1, 2, 3]) await seed.tenant({ weight, fairshareGroupId: group.id });
    const { data, errors } = await operator.send<
      { fairshareGroup: Record<string, { totalCount: number; edges: { node: { weight: number } }[] }> },
      object
    >(
      `query ($id: ID!) { fairshareGroup(id: $id) {
        light: tenants(filter: { weight: { max: 1 } }) { totalCount edges { node { weight } } }
        heavy: tenants(filter: { weight: { min: 2 } }, orderBy: { field: WEIGHT, direction: DESC }) { totalCount edges { node { weight } } }
        last: tenants(last: 1, orderBy: { field: WEIGHT }) { totalCount edges { node { weight } } }
      } }`,
      { id: group.id },
    );
    expect(errors).toBeUndefined();
    const lists = Object.entries(data?.fairshareGroup ?? {}).map(([name, { totalCount, edges }]) => [
      name,
      totalCount,
      edges.map(({ node }) => node.weight),
    ]);
    expect(lists).toEqual([
      ['light', 1, [1]],
      ['heavy', 2, [3, 2]],
      ['last', 3, [3]],
    ]);
  });
});

const groupOf = (group: { readonly id: string } | undefined) =>
  group === undefined ? {} : { fairshareGroupId: group.id };
