import { beforeEach, describe, expect, it } from 'vitest';
import { decodeId } from '../../../src/graph/ids.ts';
import { startTestApp } from '../../testkit/app.ts';
import { expectNoFailures } from '../../testkit/bad-input.ts';
import { graphql } from '../../testkit/generated/gql.ts';
import type {
  ProductFilter,
  ProductOrder,
  ProductsQueryQuery,
  ProductsQueryQueryVariables,
} from '../../testkit/generated/graphql.ts';
import { missingProduct, missingTenant } from '../../testkit/ids.ts';
import { Seed } from '../../testkit/seed.ts';

const app = await startTestApp();
const { operator, clock } = app;
const seed = new Seed(app);
expectNoFailures(app);
// Time stands still, so what a caller may spend does not come back by itself.
beforeEach(() => clock.advance(60_000));

const oneProduct = graphql(`
  query ProductQuery($id: ID, $slug: String) {
    product(id: $id, slug: $slug) {
      id
      slug
    }
  }
`);

const listProducts = graphql(`
  query ProductsQuery($filter: ProductFilter, $orderBy: ProductOrder, $first: Int = 100, $after: String) {
    products(filter: $filter, orderBy: $orderBy, first: $first, after: $after) {
      totalCount
      pageInfo {
        hasNextPage
        endCursor
      }
      edges {
        node {
          slug
        }
      }
    }
  }
`);

const nestedProducts = graphql(`
  query NestedProducts($filter: ProductFilter) {
    tenants(first: 100) {
      edges {
        node {
          id
          products(filter: $filter, first: 1, orderBy: { field: SLUG, direction: DESC }) {
            totalCount
            edges {
              node {
                slug
                tenant {
                  id
                }
                engineSummary {
                  total
                  unhealthyCount
                }
              }
            }
          }
        }
      }
    }
  }
`);

const owner = await seed.tenant();
const other = await seed.tenant();
const start = clock.now().toISOString();
const alpha = await seed.product({ tenantId: owner.id, slug: 'alpha', displayName: 'Zürich' });
clock.advance(1_000);
const beta = await seed.product({ tenantId: owner.id, slug: 'alpha-beta', displayName: 'berlin' });
clock.advance(1_000);
const gamma = await seed.product({ tenantId: other.id, slug: 'gamma', displayName: 'Berlin' });
await seed.run('suspendProduct', { productId: beta.id });

const slugsOf = async (filter: ProductFilter | null, orderBy: ProductOrder | null = null) => {
  const { products } = await operator.run(listProducts, { filter, orderBy });
  expect(products.totalCount).toBe(products.edges.length);
  return products.edges.map(({ node }) => node.slug);
};

describe('product', () => {
  it('is found by id, and by slug in any case', async () => {
    const ways: { id?: string; slug?: string }[] = [{ id: alpha.id }, { slug: 'alpha' }, { slug: 'ALPHA' }];
    for (const by of ways) {
      expect(await operator.run(oneProduct, by)).toEqual({ product: { id: alpha.id, slug: 'alpha' } });
    }
  });

  it.each<[{ id?: string; slug?: string }]>([
    [{ id: missingProduct }],
    [{ slug: 'nobody' }],
    [{ slug: '' }],
    [{ slug: 'alph%' }],
  ])('is null for %j', async (by) => {
    expect(await operator.run(oneProduct, by)).toEqual({ product: null });
  });

  it.each([
    [{}, 'CONFLICTING_ARGUMENTS'],
    [{ id: missingProduct, slug: 'alpha' }, 'CONFLICTING_ARGUMENTS'],
    [{ id: missingTenant }, 'WRONG_ID_TYPE'],
    [{ id: 'alpha' }, 'MALFORMED_ID'],
    [{ slug: 'a\u0000' }, 'BAD_USER_INPUT'],
  ])('refuses %j: %s', async (by, code) => {
    expect((await operator.fail(oneProduct, by)).map(({ extensions }) => extensions.code)).toEqual([code]);
  });
});

describe('products', () => {
  it('are filtered by tenant, status, slug, display name and time, alone and together', async () => {
    expect(await slugsOf(null)).toEqual(['alpha', 'alpha-beta', 'gamma']);
    expect(await slugsOf({})).toEqual(['alpha', 'alpha-beta', 'gamma']);
    expect(await slugsOf({ tenantId: owner.id })).toEqual(['alpha', 'alpha-beta']);
    expect(await slugsOf({ tenantId: missingTenant })).toEqual([]);
    expect(await slugsOf({ statuses: ['SUSPENDED'] })).toEqual(['alpha-beta']);
    expect(await slugsOf({ statuses: ['SUSPENDED', 'ACTIVE'] })).toEqual(['alpha', 'alpha-beta', 'gamma']);
    expect(await slugsOf({ statuses: [] })).toEqual([]);
    expect(await slugsOf({ slug: { startsWith: 'ALPHA' } })).toEqual(['alpha', 'alpha-beta']);
    expect(await slugsOf({ slug: { equals: 'Alpha' } })).toEqual(['alpha']);
    expect(await slugsOf({ slug: { contains: '-' } })).toEqual(['alpha-beta']);
    expect(await slugsOf({ slug: { contains: '_' } })).toEqual([]);
    expect(await slugsOf({ displayName: { equals: 'BERLIN' } })).toEqual(['alpha-beta', 'gamma']);
    expect(await slugsOf({ displayName: { startsWith: 'zü' } })).toEqual(['alpha']);
    expect(await slugsOf({ createdAt: { until: new Date(Date.parse(start) + 1_000).toISOString() } })).toEqual([
      'alpha',
    ]);
    expect(await slugsOf({ tenantId: owner.id, displayName: { contains: 'ber' }, statuses: ['ACTIVE'] })).toEqual([]);
  });

  it.each<[ProductOrder['field'], readonly string[]]>([
    ['SLUG', ['alpha', 'alpha-beta', 'gamma']],
    ['DISPLAY_NAME', ['alpha-beta', 'gamma', 'alpha']],
    ['CREATED_AT', ['alpha', 'alpha-beta', 'gamma']],
  ])('are sorted by %s in both directions, and read page by page', async (field, expected) => {
    expect(await slugsOf(null, { field, direction: 'ASC' })).toEqual(expected);
    expect(await slugsOf(null, { field, direction: 'DESC' })).toEqual(expected.toReversed());
    const seen: string[] = [];
    let after: string | null | undefined;
    do {
      const variables: ProductsQueryQueryVariables = {
        orderBy: { field, direction: 'ASC' },
        first: 1,
        after: after ?? null,
      };
      const { products }: ProductsQueryQuery = await operator.run(listProducts, variables);
      seen.push(...products.edges.map(({ node }) => node.slug));
      after = products.pageInfo.hasNextPage ? products.pageInfo.endCursor : undefined;
    } while (after);
    expect(seen).toEqual(expected);
  });

  it.each([
    [{ tenantId: missingProduct }, 'WRONG_ID_TYPE'],
    [{ tenantId: '' }, 'MALFORMED_ID'],
    [{ slug: { contains: '\u0000' } }, 'BAD_USER_INPUT'],
    [{ displayName: { equals: '\u0000' } }, 'BAD_USER_INPUT'],
  ])('refuse the filter %j: %s', async (filter, code) => {
    const errors = await operator.fail(listProducts, { filter });
    expect(errors.map(({ extensions }) => extensions.code)).toEqual([code]);
  });
});

describe('the products of tenants', () => {
  it('are listed for each of them, with the summaries of their engines', async () => {
    const sick = await seed.engine({ productId: gamma.id });
    await seed.run('reportEngine', { engineId: sick.id, status: 'RUNNING', health: 'UNHEALTHY' });
    const failed = await seed.engine({ productId: gamma.id });
    await seed.run('reportEngine', { engineId: failed.id, status: 'FAILED' });
    await seed.runningEngine({ productId: gamma.id });
    const { tenants } = await operator.run(nestedProducts, { filter: null });
    expect(new Map(tenants.edges.map(({ node }) => [node.id, node.products]))).toEqual(
      new Map([
        [
          owner.id,
          {
            totalCount: 2,
            edges: [
              {
                node: {
                  slug: 'alpha-beta',
                  tenant: { id: owner.id },
                  engineSummary: { total: 0, unhealthyCount: 0 },
                },
              },
            ],
          },
        ],
        [
          other.id,
          {
            totalCount: 1,
            edges: [
              { node: { slug: 'gamma', tenant: { id: other.id }, engineSummary: { total: 3, unhealthyCount: 2 } } },
            ],
          },
        ],
      ]),
    );
  });

  it('are to a principal of a tenant its own, and those of others as if they did not exist', async () => {
    const client = app.ofTenant(
      decodeId('Tenant', owner.id),
      'products:read',
      'products:write',
      'engines:read',
      'tenants:read',
    );
    const { products } = await client.run(listProducts, { filter: null });
    expect(products.edges.map(({ node }) => node.slug)).toEqual(['alpha', 'alpha-beta']);
    expect(products.totalCount).toBe(2);
    const bytes = async (query: string, variables: object) => {
      const response = await fetch(`${client.url}/graphql`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', ...client.headers },
        body: JSON.stringify({ query, variables }),
      });
      return (await response.text()).replace(/"remaining":\d+/, '"remaining":0');
    };
    const commandOf = (call: string) => `mutation ($id: ID!) { ${call} { ... on UserError { code message path } } }`;
    for (const query of [
      'query ($id: ID!) { product(id: $id) { id } }',
      'query ($id: ID!) { node(id: $id) { id } }',
      'query ($id: ID!) { nodes(ids: [$id]) { id } }',
      'query ($id: ID!) { engines(filter: { productId: $id }) { totalCount edges { node { id } } } }',
      commandOf('updateProduct(input: { productId: $id, displayName: "x" })'),
      commandOf('suspendProduct(input: { productId: $id })'),
      commandOf('deleteProduct(input: { productId: $id, dryRun: true })'),
      commandOf('setProductPolicy(input: { productId: $id, policy: {}, expectedRevision: 99 })'),
      commandOf('revertProductPolicy(input: { productId: $id, version: 1 })'),
    ]) {
      const expected = await bytes(query, { id: missingProduct });
      expect(expected).toMatch(/^\{"data":/);
      expect(await bytes(query, { id: gamma.id })).toBe(expected);
    }
    const bySlug = 'query ($slug: String!) { product(slug: $slug) { id } }';
    expect(await bytes(bySlug, { slug: 'gamma' })).toBe(await bytes(bySlug, { slug: 'nobody' }));
    const byTenant = 'query ($id: ID!) { products(filter: { tenantId: $id }) { totalCount } }';
    expect(await bytes(byTenant, { id: other.id })).toBe(await bytes(byTenant, { id: missingTenant }));
  });
});
