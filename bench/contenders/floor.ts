import type { ObservedCreation, ObservedTenant } from '../harness/dataset.ts';
import type { Contender } from './contender.ts';
import { namePlaceholder, normaliseInstant, operation, requireId } from './contender.ts';

interface TenantAnswer extends ObservedTenant {
  readonly id: string;
  readonly fairshareGroup: { readonly id: string; readonly name: string; readonly weight: number };
}

interface PageAnswer {
  readonly edges: readonly { readonly node: TenantAnswer }[];
  readonly pageInfo: { readonly hasNextPage: boolean; readonly endCursor: string };
}

interface GroupsAnswer {
  readonly edges: readonly {
    readonly node: {
      readonly id: string;
      readonly name: string;
      readonly weight: number;
      readonly tenants: {
        readonly totalCount: number;
        readonly edges: readonly { readonly node: { readonly id: string } & ObservedCreation }[];
      };
    };
  }[];
}

function readTenant({ id, name, weight, status, createdAt, fairshareGroup }: TenantAnswer): ObservedTenant {
  requireId(id);
  requireId(fairshareGroup.id);
  return {
    name,
    weight,
    status,
    createdAt: normaliseInstant(createdAt),
    fairshareGroup: { name: fairshareGroup.name, weight: fairshareGroup.weight },
  };
}

/** Hand-written SQL behind node:http: the least that any server has to spend on these answers. */
export const floor: Contender = {
  name: 'floor',
  script: 'servers/floor.ts',
  environment: ({ databaseUrl, port, poolSize }) => ({
    DATABASE_URL: databaseUrl,
    PORT: String(port),
    POOL_SIZE: String(poolSize),
  }),
  path: '/',
  headers: {},
  operations: () => ({
    tenant: operation({ operation: 'tenant', name: namePlaceholder }, readTenant),
    tenantPage: operation({ operation: 'tenantPage' }, ({ edges, pageInfo }: PageAnswer) => ({
      tenants: edges.map(({ node }) => readTenant(node)),
      hasNextPage: pageInfo.hasNextPage,
      hasEndCursor: pageInfo.endCursor !== '',
    })),
    groups: operation({ operation: 'groups' }, ({ edges }: GroupsAnswer) =>
      edges.map(({ node: { id, name, weight, tenants } }) => {
        requireId(id);
        return {
          name,
          weight,
          totalCount: tenants.totalCount,
          tenants: tenants.edges.map(({ node }) => {
            requireId(node.id);
            return { name: node.name, weight: node.weight };
          }),
        };
      }),
    ),
    createTenant: operation(
      { operation: 'createTenant', name: namePlaceholder },
      ({ id, name, weight }: { readonly id: string } & ObservedCreation) => {
        requireId(id);
        return { name, weight };
      },
    ),
  }),
};
