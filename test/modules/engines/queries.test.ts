import { beforeEach, describe, expect, it } from 'vitest';
import { startTestApp } from '../../testkit/app.ts';
import { expectNoFailures } from '../../testkit/bad-input.ts';
import { graphql } from '../../testkit/generated/gql.ts';
import type {
  EngineFilter,
  EngineOrder,
  EnginesQueryQuery,
  EnginesQueryQueryVariables,
} from '../../testkit/generated/graphql.ts';
import { missingEngine, missingProduct, missingTenant } from '../../testkit/ids.ts';
import { Seed } from '../../testkit/seed.ts';

const app = await startTestApp();
const { operator, clock } = app;
const seed = new Seed(app);
expectNoFailures(app);
// Time stands still, so what a caller may spend does not come back by itself.
beforeEach(() => clock.advance(60_000));

const oneEngine = graphql(`
  query EngineQuery($id: ID, $productId: ID, $user: String) {
    engine(id: $id, productId: $productId, userExternalId: $user) {
      id
    }
  }
`);

const listEngines = graphql(`
  query EnginesQuery($filter: EngineFilter, $orderBy: EngineOrder, $first: Int = 100, $after: String) {
    engines(filter: $filter, orderBy: $orderBy, first: $first, after: $after) {
      totalCount
      pageInfo {
        hasNextPage
        endCursor
      }
      edges {
        node {
          userExternalId
        }
      }
    }
  }
`);

const enginesOfProducts = graphql(`
  query EnginesOfProducts($filter: EngineFilter) {
    products {
      edges {
        node {
          id
          engines(filter: $filter, first: 1, orderBy: { field: USER_EXTERNAL_ID }) {
            totalCount
            edges {
              node {
                userExternalId
              }
            }
          }
          engineSummary {
            total
            byStatus {
              status
              count
            }
          }
        }
      }
    }
  }
`);

const one = await seed.product();
const two = await seed.product();
const start = clock.now().getTime();
const ada = await seed.engine({ productId: one.id, userExternalId: 'ada', version: 'v1' });
clock.advance(1_000);
await seed.runningEngine({ productId: one.id, userExternalId: 'Ada', version: 'v2' });
clock.advance(1_000);
const bob = await seed.engine({ productId: two.id, userExternalId: 'bob' });
await seed.run('reportEngine', { engineId: bob.id, status: 'FAILED', health: 'UNHEALTHY' });

const usersOf = async (filter: EngineFilter | null, orderBy: EngineOrder | null = null) => {
  const { engines } = await operator.run(listEngines, { filter, orderBy });
  expect(engines.totalCount).toBe(engines.edges.length);
  return engines.edges.map(({ node }) => node.userExternalId);
};

describe('engine', () => {
  it('is found by id, and by its product and user', async () => {
    expect(await operator.run(oneEngine, { id: ada.id })).toEqual({ engine: { id: ada.id } });
    expect(await operator.run(oneEngine, { productId: one.id, user: 'ada' })).toEqual({ engine: { id: ada.id } });
    const nobody: { id?: string; productId?: string; user?: string }[] = [
      { id: missingEngine },
      { productId: two.id, user: 'ada' },
      { productId: one.id, user: 'ADA' },
      { productId: missingProduct, user: 'ada' },
    ];
    for (const by of nobody) {
      expect(await operator.run(oneEngine, by)).toEqual({ engine: null });
    }
  });

  it.each([
    [{}, 'CONFLICTING_ARGUMENTS'],
    [{ productId: missingProduct }, 'CONFLICTING_ARGUMENTS'],
    [{ id: missingEngine, user: 'ada' }, 'CONFLICTING_ARGUMENTS'],
    [{ id: missingEngine, productId: missingProduct }, 'CONFLICTING_ARGUMENTS'],
    [{ user: 'ada' }, 'BAD_USER_INPUT'],
    [{ productId: missingTenant, user: 'ada' }, 'WRONG_ID_TYPE'],
    [{ productId: missingProduct, user: 'a\u0000' }, 'BAD_USER_INPUT'],
    [{ id: missingProduct }, 'WRONG_ID_TYPE'],
    [{ id: 'ada' }, 'MALFORMED_ID'],
  ])('refuses %j: %s', async (by, code) => {
    expect((await operator.fail(oneEngine, by)).map(({ extensions }) => extensions.code)).toEqual([code]);
  });
});

describe('engines', () => {
  it('are filtered by product, tenant, status, health, version, user and time, alone and together', async () => {
    expect(await usersOf(null)).toEqual(['bob', 'Ada', 'ada']);
    expect(await usersOf({ productId: one.id })).toEqual(['Ada', 'ada']);
    expect(await usersOf({ productId: missingProduct })).toEqual([]);
    expect(await usersOf({ tenantId: two.tenantId })).toEqual(['bob']);
    expect(await usersOf({ statuses: ['PROVISIONING', 'FAILED'] })).toEqual(['bob', 'ada']);
    expect(await usersOf({ statuses: [] })).toEqual([]);
    expect(await usersOf({ healths: ['UNHEALTHY'] })).toEqual(['bob']);
    expect(await usersOf({ versions: ['v1', 'v3'] })).toEqual(['ada']);
    expect(await usersOf({ userExternalId: { equals: 'Ada' } })).toEqual(['Ada']);
    expect(await usersOf({ userExternalId: { contains: 'da' } })).toEqual(['Ada', 'ada']);
    expect(await usersOf({ userExternalId: { startsWith: 'a' } })).toEqual(['ada']);
    expect(await usersOf({ createdAt: { from: new Date(start + 1_000).toISOString() } })).toEqual(['bob', 'Ada']);
    expect(await usersOf({ productId: one.id, statuses: ['RUNNING'], versions: ['v2'] })).toEqual(['Ada']);
  });

  it.each<[EngineOrder['field'], readonly string[]]>([
    ['CREATED_AT', ['ada', 'Ada', 'bob']],
    ['USER_EXTERNAL_ID', ['Ada', 'ada', 'bob']],
  ])('are sorted by %s in both directions, and read page by page', async (field, expected) => {
    expect(await usersOf(null, { field, direction: 'ASC' })).toEqual(expected);
    expect(await usersOf(null, { field, direction: 'DESC' })).toEqual(expected.toReversed());
    const seen: string[] = [];
    let after: string | null | undefined;
    do {
      const variables: EnginesQueryQueryVariables = {
        orderBy: { field, direction: 'ASC' },
        first: 1,
        after: after ?? null,
      };
      const { engines }: EnginesQueryQuery = await operator.run(listEngines, variables);
      seen.push(...engines.edges.map(({ node }) => node.userExternalId));
      after = engines.pageInfo.hasNextPage ? engines.pageInfo.endCursor : undefined;
    } while (after);
    expect(seen).toEqual(expected);
  });

  it.each([
    [{ productId: missingTenant }, 'WRONG_ID_TYPE'],
    [{ tenantId: missingProduct }, 'WRONG_ID_TYPE'],
    [{ versions: ['v1', '\u0000'] }, 'BAD_USER_INPUT'],
    [{ userExternalId: { startsWith: '\u0000' } }, 'BAD_USER_INPUT'],
  ])('refuse the filter %j: %s', async (filter, code) => {
    const errors = await operator.fail(listEngines, { filter });
    expect(errors.map(({ extensions }) => extensions.code)).toEqual([code]);
  });

  it('of products are listed and counted for each of them', async () => {
    const { products } = await operator.run(enginesOfProducts, { filter: null });
    const of = (id: string) => products.edges.find(({ node }) => node.id === id)?.node;
    expect(of(one.id)).toMatchObject({
      engines: { totalCount: 2, edges: [{ node: { userExternalId: 'Ada' } }] },
      engineSummary: {
        total: 2,
        byStatus: [
          { status: 'PROVISIONING', count: 1 },
          { status: 'RUNNING', count: 1 },
          { status: 'SLEEPING', count: 0 },
          { status: 'STOPPED', count: 0 },
          { status: 'FAILED', count: 0 },
          { status: 'DESTROYING', count: 0 },
        ],
      },
    });
    const filtered = await operator.run(enginesOfProducts, { filter: { healths: ['UNHEALTHY'] } });
    expect(filtered.products.edges.map(({ node }) => node.engines.totalCount).toSorted()).toEqual([0, 1]);
  });
});
