import { randomBytes } from 'node:crypto';
import type { ObservedCreation, ObservedTenant } from '../harness/dataset.ts';
import { keyNameStart, type ObservedKeyPage, pepper } from '../harness/keys.ts';
import type { Contender, Operation } from './contender.ts';
import { namePlaceholder, normaliseInstant, operation, requireId, secretPlaceholder } from './contender.ts';
import { type ListedKeyAnswer, readListedKey } from './key-page.ts';
import { type KeyAnswer, readKey } from './verify-key.ts';

interface TenantAnswer extends ObservedTenant {
  readonly id: string;
  readonly fairshareGroup: { readonly id: string; readonly name: string; readonly weight: number };
}

interface PageAnswer {
  readonly data: {
    readonly tenants: {
      readonly edges: readonly { readonly node: TenantAnswer }[];
      readonly pageInfo: { readonly hasNextPage: boolean; readonly endCursor: string };
    };
  };
}

interface GroupsAnswer {
  readonly data: {
    readonly fairshareGroups: {
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
    };
  };
}

interface CreateAnswer {
  readonly data: { readonly createTenant: { readonly tenant: { readonly id: string } & ObservedCreation } };
}

interface KeyPageAnswer {
  readonly data: {
    readonly apiKeys: {
      readonly edges: readonly { readonly node: ListedKeyAnswer }[];
      readonly pageInfo: { readonly hasNextPage: boolean; readonly endCursor: string };
    };
  };
}

const adminKey = randomBytes(32).toString('hex');

const tenantFields = 'id name weight status createdAt fairshareGroup { id name weight }';

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

const verifyKey = operation(
  {
    query: `query ($input: VerifyKeyInput!) { verifyKey(input: $input) { isValid reason keyId kind name scopes expiresAt
      cacheUntil owners { tenantId tenantName userId userExternalId } } }`,
    variables: { input: { key: secretPlaceholder } },
  },
  ({ data }: { readonly data: { readonly verifyKey: KeyAnswer } }) => readKey(data.verifyKey),
);

const keyPage = (variables: {
  readonly filter: object;
  readonly orderBy: { readonly field: string; readonly direction: string };
}): Operation<ObservedKeyPage> =>
  operation(
    {
      query: `query ($filter: ApiKeyFilter, $orderBy: ApiKeyOrder) { apiKeys(first: 50, filter: $filter, orderBy: $orderBy) {
        edges { node { id name kind state scopes tenantId createdAt expiresAt } } pageInfo { hasNextPage endCursor } } }`,
      variables,
    },
    ({ data: { apiKeys } }: KeyPageAnswer) => ({
      keys: apiKeys.edges.map(({ node }) => readListedKey(node)),
      hasNextPage: apiKeys.pageInfo.hasNextPage,
      hasEndCursor: apiKeys.pageInfo.endCursor !== '',
    }),
  );

/** This repository's server as it is deployed: authentication, limits and cost counting are on. */
export const fairlead: Contender = {
  name: 'fairlead',
  script: '../src/main.ts',
  environment: ({ databaseUrl, port, poolSize, scratchFolder }) => ({
    DATABASE_URL: databaseUrl,
    DATABASE_POOL_SIZE: String(poolSize),
    HOST: '127.0.0.1',
    PORT: String(port),
    LOG_LEVEL: 'warn',
    FAIRLEAD_HOME: scratchFolder,
    FAIRLEAD_ADMIN_KEY: adminKey,
    // The budget is counted for every request as ever; it only must not run out under one credential's full load.
    FAIRLEAD_COST_CAPACITY: '1000000000',
    FAIRLEAD_COST_PER_SECOND: '1000000000',
    FAIRLEAD_PEPPERS: `1:${pepper.toString('hex')}`,
  }),
  path: '/graphql',
  headers: { 'x-admin-key': adminKey },
  operations: () => ({
    tenant: operation(
      {
        query: `query ($name: String!) { tenant(name: $name) { ${tenantFields} } }`,
        variables: { name: namePlaceholder },
      },
      ({ data }: { readonly data: { readonly tenant: TenantAnswer } }) => readTenant(data.tenant),
    ),
    tenantPage: operation(
      {
        query: `query { tenants(first: 50) { edges { node { ${tenantFields} } } pageInfo { hasNextPage endCursor } } }`,
      },
      ({ data: { tenants } }: PageAnswer) => ({
        tenants: tenants.edges.map(({ node }) => readTenant(node)),
        hasNextPage: tenants.pageInfo.hasNextPage,
        hasEndCursor: tenants.pageInfo.endCursor !== '',
      }),
    ),
    groups: operation(
      {
        query: `query { fairshareGroups(first: 20) { edges { node { id name weight
          tenants(first: 10) { totalCount edges { node { id name weight } } } } } } }`,
      },
      ({ data: { fairshareGroups } }: GroupsAnswer) =>
        fairshareGroups.edges.map(({ node: { id, name, weight, tenants } }) => {
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
      {
        query: `mutation ($input: CreateTenantInput!) { createTenant(input: $input) { __typename
          ... on CreateTenantPayload { tenant { id name weight } } ... on UserError { code message } } }`,
        variables: { input: { name: namePlaceholder } },
      },
      ({ data: { createTenant } }: CreateAnswer) => {
        requireId(createTenant.tenant.id);
        return { name: createTenant.tenant.name, weight: createTenant.tenant.weight };
      },
    ),
    keyPage: keyPage({ filter: { states: ['ACTIVE'] }, orderBy: { field: 'CREATED_AT', direction: 'DESC' } }),
    keyPageByName: keyPage({
      filter: { name: { startsWith: keyNameStart } },
      orderBy: { field: 'NAME', direction: 'ASC' },
    }),
    verifySeenKey: verifyKey,
  }),
};

/** The same, remembering no key. */
export const fairleadUncached: Contender = {
  ...fairlead,
  name: 'fairlead-uncached',
  environment: (context) => ({ ...fairlead.environment(context), FAIRLEAD_KEY_CACHE_ENTRIES: '0' }),
  operations: () => ({ verifyKey, verifySeenKey: verifyKey }),
};
