import { randomUUID } from 'node:crypto';
import { graphql } from '../generated/gql.ts';
import { run } from '../support/client.ts';
import { payloadOf } from '../support/refusal.ts';

/** Removes what demos make. Usage records and the audit log stay. */

const tenantsOf = graphql(`
  query DemoTenants($prefix: String!, $after: String) {
    page: tenants(first: 100, after: $after, filter: { name: { startsWith: $prefix } }) {
      edges {
        node {
          id
          synthetic
        }
      }
      pageInfo {
        hasNextPage
        endCursor
      }
    }
  }
`);

const modelsOf = graphql(`
  query DemoModelsLeft($prefix: String!, $after: String) {
    page: models(first: 100, after: $after, filter: { name: { startsWith: $prefix } }) {
      edges {
        node {
          id
        }
      }
      pageInfo {
        hasNextPage
        endCursor
      }
    }
  }
`);

const groupsOf = graphql(`
  query DemoGroups($after: String) {
    page: fairshareGroups(first: 100, after: $after) {
      edges {
        node {
          id
          name
        }
      }
      pageInfo {
        hasNextPage
        endCursor
      }
    }
  }
`);

const gatewayKeysOf = graphql(`
  query DemoGatewayKeysLeft($prefix: String!, $after: String) {
    page: apiKeys(first: 100, after: $after, filter: { kinds: [GATEWAY], name: { startsWith: $prefix } }) {
      edges {
        node {
          id
        }
      }
      pageInfo {
        hasNextPage
        endCursor
      }
    }
  }
`);

const deleteTenant = graphql(`
  mutation DemoDeleteTenant($input: DeleteTenantInput!) {
    deleteTenant(input: $input) {
      __typename
      ... on UserError {
        code
        message
      }
    }
  }
`);

const deleteModel = graphql(`
  mutation DemoDeleteModel($input: DeleteModelInput!) {
    deleteModel(input: $input) {
      __typename
      ... on UserError {
        code
        message
      }
    }
  }
`);

const deleteGroup = graphql(`
  mutation DemoDeleteGroup($input: DeleteFairshareGroupInput!) {
    deleteFairshareGroup(input: $input) {
      __typename
      ... on UserError {
        code
        message
      }
    }
  }
`);

const deleteKey = graphql(`
  mutation DemoDeleteKey($input: DeleteKeyInput!) {
    deleteKey(input: $input) {
      __typename
      ... on UserError {
        code
        message
      }
    }
  }
`);

interface Page<Row> {
  readonly edges: readonly { readonly node: Row }[];
  readonly pageInfo: { readonly hasNextPage: boolean; readonly endCursor: string | null };
}

/** Everything of a list, however many pages it has. */
async function allOf<Row>(read: (after: string | null) => Promise<{ readonly page: Page<Row> }>): Promise<Row[]> {
  const rows: Row[] = [];
  for (let after: string | null = null; ; ) {
    const { page } = await read(after);
    rows.push(...page.edges.map(({ node }) => node));
    if (!page.pageInfo.hasNextPage) return rows;
    after = page.pageInfo.endCursor;
  }
}

/** Somebody else may remove the same. */
function removed(result: object): void {
  if ('code' in result && result.code === 'NOT_FOUND') return;
  payloadOf(result);
}

const idempotent = () => ({ idempotencyKey: randomUUID() });

/** @param prefix of the names of what is removed */
export async function removeAll(prefix: string): Promise<void> {
  for (const { id: tenantId, synthetic } of await allOf((after) => run(tenantsOf, { prefix, after }))) {
    // A tenant of somebody's own that happens to begin like ours.
    if (!synthetic) continue;
    removed((await run(deleteTenant, { input: { tenantId, cascade: true, ...idempotent() } })).deleteTenant);
  }
  for (const { id: keyId } of await allOf((after) => run(gatewayKeysOf, { prefix, after }))) {
    removed((await run(deleteKey, { input: { keyId, ...idempotent() } })).deleteKey);
  }
  for (const { id: modelId } of await allOf((after) => run(modelsOf, { prefix, after }))) {
    removed((await run(deleteModel, { input: { modelId, ...idempotent() } })).deleteModel);
  }
  for (const { id: fairshareGroupId, name } of await allOf((after) => run(groupsOf, { after }))) {
    if (!name.startsWith(prefix)) continue;
    removed((await run(deleteGroup, { input: { fairshareGroupId, ...idempotent() } })).deleteFairshareGroup);
  }
}
