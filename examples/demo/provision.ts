import { randomUUID } from 'node:crypto';
import { graphql } from '../generated/gql.ts';
import { provisionGroup } from '../provisioning/groups.ts';
import { provisionTenant } from '../provisioning/tenants.ts';
import { run } from '../support/client.ts';
import { payloadOf } from '../support/refusal.ts';
import type { Plan, PlannedGateway, PlannedModel, PlannedTenant } from './simulation/plan.ts';

/** Makes what a plan needs; whatever is there already is used, and given the values of the plan. */

const tenantToFill = graphql(`
  query DemoTenant($name: String!) {
    tenant(name: $name) {
      id
    }
  }
`);

const ofTenant = graphql(`
  query DemoOfTenant($tenantId: ID!) {
    users(first: 100, filter: { tenantId: $tenantId }) {
      edges {
        node {
          id
          externalId
        }
      }
    }
    apiKeys(first: 100, filter: { tenantId: $tenantId, kinds: [USER], states: [ACTIVE] }) {
      edges {
        node {
          id
          name
        }
      }
    }
  }
`);

const createUser = graphql(`
  mutation DemoCreateUser($input: CreateUserInput!) {
    createUser(input: $input) {
      ... on CreateUserPayload {
        user {
          id
        }
      }
      ... on UserError {
        code
        message
      }
    }
  }
`);

const createKey = graphql(`
  mutation DemoCreateKey($input: CreateKeyInput!) {
    createKey(input: $input) {
      ... on CreateKeyPayload {
        key {
          id
        }
        secret {
          value
        }
      }
      ... on UserError {
        code
        message
      }
    }
  }
`);

const rotateKey = graphql(`
  mutation DemoRotateKey($input: RotateKeyInput!) {
    rotateKey(input: $input) {
      ... on RotateKeyPayload {
        secret {
          value
        }
      }
      ... on UserError {
        code
        message
      }
    }
  }
`);

const gatewayKeys = graphql(`
  query DemoGatewayKeys($prefix: String!) {
    apiKeys(first: 100, filter: { kinds: [GATEWAY], states: [ACTIVE], name: { startsWith: $prefix } }) {
      edges {
        node {
          id
          name
        }
      }
    }
  }
`);

const demoModels = graphql(`
  query DemoModels($prefix: String!) {
    models(first: 100, filter: { name: { startsWith: $prefix } }) {
      edges {
        node {
          id
          name
        }
      }
    }
  }
`);

const createModel = graphql(`
  mutation DemoCreateModel($input: CreateModelInput!) {
    createModel(input: $input) {
      ... on CreateModelPayload {
        model {
          id
        }
      }
      ... on UserError {
        code
        message
      }
    }
  }
`);

const setCapacity = graphql(`
  mutation DemoSetCapacity($input: SetCapacityInput!) {
    setCapacity(input: $input) {
      __typename
      ... on UserError {
        code
        message
      }
    }
  }
`);

const idempotent = () => ({ idempotencyKey: randomUUID() });

export interface Provisioned {
  /** By `keyOf`. */
  readonly keyIds: ReadonlyMap<string, string>;
  /** The secret of each gateway, by its name. */
  readonly gatewaySecrets: ReadonlyMap<string, string>;
}

/** What names a key of a tenant in `Provisioned`. */
export const keyOf = (tenant: string, key: string): string => `${tenant} / ${key}`;

export async function provision({ prefix, groups, tenants, models, gateways }: Plan): Promise<Provisioned> {
  for (const group of groups) await provisionGroup(group);
  await provisionModels(prefix, models);
  const keyIds = new Map<string, string>();
  for (const tenant of tenants) {
    for (const [name, id] of await provisionKeys(tenant)) keyIds.set(keyOf(tenant.name, name), id);
  }
  return { keyIds, gatewaySecrets: await provisionGateways(prefix, gateways) };
}

async function provisionModels(prefix: string, models: readonly PlannedModel[]): Promise<void> {
  const { models: found } = await run(demoModels, { prefix });
  for (const { model, slots, inputTokenUsd, outputTokenUsd } of models) {
    let modelId = found.edges.find(({ node }) => node.name === model.name)?.node.id;
    if (modelId === undefined) {
      const input = { name: model.name, type: model.type, prices: { inputTokenUsd, outputTokenUsd }, ...idempotent() };
      modelId = payloadOf((await run(createModel, { input })).createModel).model.id;
    }
    const input = { model: { modelId, maxInFlight: slots }, ...idempotent() };
    payloadOf((await run(setCapacity, { input })).setCapacity);
  }
}

async function provisionKeys(tenant: PlannedTenant): Promise<ReadonlyMap<string, string>> {
  const { name, group, weight, requestsPerMinute } = tenant;
  const limits = { requestsPerMinute };
  await provisionTenant({ name, weight, limits, fairshareGroup: group, synthetic: true, organization: 'Demo' });
  const { tenant: made } = await run(tenantToFill, { name });
  if (made === null) throw new Error(`The tenant ${name} was deleted while it was set up.`);
  const { users, apiKeys } = await run(ofTenant, { tenantId: made.id });
  const userIds = new Map(users.edges.map(({ node }) => [node.externalId, node.id]));
  for (const externalId of tenant.users) {
    if (userIds.has(externalId)) continue;
    const input = { tenantId: made.id, externalId, ...idempotent() };
    userIds.set(externalId, payloadOf((await run(createUser, { input })).createUser).user.id);
  }
  const keyIds = new Map(apiKeys.edges.map(({ node }) => [node.name, node.id]));
  for (const key of tenant.keys) {
    if (keyIds.has(key.name)) continue;
    const userId = userIds.get(key.user);
    const scopes = ['cloud:inference'];
    const input = { kind: 'USER' as const, name: key.name, weight: key.weight, scopes, ...idempotent() };
    const owned = userId === undefined ? input : { ...input, userId };
    keyIds.set(key.name, payloadOf((await run(createKey, { input: owned })).createKey).key.id);
  }
  return keyIds;
}

/** Secrets are shown once, so one that is there already gets another. */
async function provisionGateways(
  prefix: string,
  gateways: readonly PlannedGateway[],
): Promise<ReadonlyMap<string, string>> {
  const { apiKeys } = await run(gatewayKeys, { prefix });
  const secrets = new Map<string, string>();
  for (const { name } of gateways) {
    const keyId = apiKeys.edges.find(({ node }) => node.name === name)?.node.id;
    const secret = keyId === undefined ? await newGatewayKey(name) : await rotated(keyId);
    if (!secret) throw new Error(`The secret of ${name} is gone.`);
    secrets.set(name, secret);
  }
  return secrets;
}

async function newGatewayKey(name: string): Promise<string | null | undefined> {
  const input = { kind: 'GATEWAY' as const, name, template: 'GATEWAY' as const, ...idempotent() };
  return payloadOf((await run(createKey, { input })).createKey).secret?.value;
}

async function rotated(keyId: string): Promise<string | null | undefined> {
  const input = { keyId, overlapSeconds: 0, duringOverlap: 'RETIRE_OLDEST' as const, ...idempotent() };
  return payloadOf((await run(rotateKey, { input })).rotateKey).secret?.value;
}
