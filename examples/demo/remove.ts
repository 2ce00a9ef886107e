import { randomUUID } from 'node:crypto';
import { graphql } from '../generated/gql.ts';
import { run } from '../support/client.ts';
import { payloadOf } from '../support/refusal.ts';
import { demoPrefix } from './simulation/plan.ts';

/** Removes what the demo makes, also what another run of it has left. Usage records and the audit log stay. */

const whatIsLeft = graphql(`
  query DemoLeft($prefix: String!) {
    tenants(first: 100, filter: { name: { startsWith: $prefix } }) {
      edges {
        node {
          id
          synthetic
        }
      }
    }
    models(first: 100, filter: { name: { startsWith: $prefix } }) {
      edges {
        node {
          id
        }
      }
    }
    fairshareGroups(first: 100) {
      edges {
        node {
          id
          name
        }
      }
    }
    apiKeys(first: 100, filter: { kinds: [GATEWAY], name: { startsWith: $prefix } }) {
      edges {
        node {
          id
        }
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

const idsOf = ({ edges }: { readonly edges: readonly { readonly node: { readonly id: string } }[] }) =>
  edges.map(({ node }) => node.id);

const idempotent = () => ({ idempotencyKey: randomUUID() });

export async function removeEverything(): Promise<void> {
  const { tenants, models, fairshareGroups, apiKeys } = await run(whatIsLeft, { prefix: demoPrefix });
  for (const { node } of tenants.edges) {
    // A tenant of somebody's own that happens to begin like ours.
    if (!node.synthetic) continue;
    const input = { tenantId: node.id, cascade: true, ...idempotent() };
    payloadOf((await run(deleteTenant, { input })).deleteTenant);
  }
  for (const keyId of idsOf(apiKeys))
    payloadOf((await run(deleteKey, { input: { keyId, ...idempotent() } })).deleteKey);
  for (const modelId of idsOf(models)) {
    payloadOf((await run(deleteModel, { input: { modelId, ...idempotent() } })).deleteModel);
  }
  for (const { node } of fairshareGroups.edges) {
    if (!node.name.startsWith(demoPrefix)) continue;
    const fairshareGroupId = node.id;
    payloadOf((await run(deleteGroup, { input: { fairshareGroupId, ...idempotent() } })).deleteFairshareGroup);
  }
}
