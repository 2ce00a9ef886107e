import type { ObservedCreation, ObservedTenant } from '../harness/dataset.ts';
import type { Contender } from './contender.ts';
import { idPlaceholder, namePlaceholder, normaliseInstant, operation, requireId } from './contender.ts';

interface GroupAnswer {
  readonly rowId: string;
  readonly name: string;
  readonly weight: number;
}

interface TenantAnswer {
  readonly rowId: string;
  readonly name: string;
  readonly weight: number;
  readonly status: string;
  readonly createdAt: string;
  readonly fairshareGroupByFairshareGroupId: GroupAnswer;
}

interface PageAnswer {
  readonly data: {
    readonly allTenants: {
      readonly edges: readonly { readonly node: TenantAnswer }[];
      readonly pageInfo: { readonly hasNextPage: boolean; readonly endCursor: string };
    };
  };
}

interface GroupsAnswer {
  readonly data: {
    readonly allFairshareGroups: {
      readonly edges: readonly {
        readonly node: GroupAnswer & {
          readonly tenantsByFairshareGroupId: {
            readonly totalCount: number;
            readonly edges: readonly { readonly node: { readonly rowId: string } & ObservedCreation }[];
          };
        };
      }[];
    };
  };
}

interface CreateAnswer {
  readonly data: { readonly createTenant: { readonly tenant: { readonly rowId: string } & ObservedCreation } };
}

const tenantFields = 'rowId name weight status createdAt fairshareGroupByFairshareGroupId { rowId name weight }';

function readTenant(answer: TenantAnswer): ObservedTenant {
  const { rowId, name, weight, status, createdAt, fairshareGroupByFairshareGroupId: group } = answer;
  requireId(rowId);
  requireId(group.rowId);
  return {
    name,
    weight,
    status,
    createdAt: normaliseInstant(createdAt),
    fairshareGroup: { name: group.name, weight: group.weight },
  };
}

export const postgraphile: Contender = {
  name: 'postgraphile',
  script: 'servers/postgraphile.ts',
  environment: ({ databaseUrl, port, poolSize }) => ({
    DATABASE_URL: databaseUrl,
    PORT: String(port),
    POOL_SIZE: String(poolSize),
    GRAPHILE_ENV: 'production',
  }),
  path: '/graphql',
  headers: {},
  operations: ({ defaultGroupId }) => ({
    tenant: operation(
      {
        query: `query ($name: String!) { tenantByNameFolded(nameFolded: $name) { ${tenantFields} } }`,
        variables: { name: namePlaceholder },
      },
      ({ data }: { readonly data: { readonly tenantByNameFolded: TenantAnswer } }) =>
        readTenant(data.tenantByNameFolded),
    ),
    tenantPage: operation(
      {
        query: `query { allTenants(first: 50, orderBy: [NAME_FOLDED_ASC]) { edges { node { ${tenantFields} } }
          pageInfo { hasNextPage endCursor } } }`,
      },
      ({ data: { allTenants } }: PageAnswer) => ({
        tenants: allTenants.edges.map(({ node }) => readTenant(node)),
        hasNextPage: allTenants.pageInfo.hasNextPage,
        hasEndCursor: allTenants.pageInfo.endCursor !== '',
      }),
    ),
    groups: operation(
      {
        query: `query { allFairshareGroups(first: 20, orderBy: [NAME_FOLDED_ASC]) { edges { node { rowId name weight
          tenantsByFairshareGroupId(first: 10, orderBy: [NAME_FOLDED_ASC]) {
            totalCount edges { node { rowId name weight } } } } } } }`,
      },
      ({ data: { allFairshareGroups } }: GroupsAnswer) =>
        allFairshareGroups.edges.map(({ node: { rowId, name, weight, tenantsByFairshareGroupId: tenants } }) => {
          requireId(rowId);
          return {
            name,
            weight,
            totalCount: tenants.totalCount,
            tenants: tenants.edges.map(({ node }) => {
              requireId(node.rowId);
              return { name: node.name, weight: node.weight };
            }),
          };
        }),
    ),
    createTenant: operation(
      {
        query: `mutation ($input: CreateTenantInput!) { createTenant(input: $input) { tenant { rowId name weight } } }`,
        // What the table has no default for, its clients have to send.
        variables: {
          input: {
            tenant: {
              rowId: idPlaceholder,
              name: namePlaceholder,
              nameFolded: namePlaceholder,
              fairshareGroupId: defaultGroupId,
              updatedAt: '2026-01-01T00:00:00Z',
            },
          },
        },
      },
      ({ data: { createTenant } }: CreateAnswer) => {
        requireId(createTenant.tenant.rowId);
        return { name: createTenant.tenant.name, weight: createTenant.tenant.weight };
      },
    ),
  }),
};
