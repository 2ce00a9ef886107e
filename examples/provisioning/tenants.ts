import { randomUUID } from 'node:crypto';
import { graphql } from '../generated/gql.ts';
import type { ProvisionedTenantFragment } from '../generated/graphql.ts';
import { run } from '../support/client.ts';
import { payloadOf, repeatAfterConflict } from '../support/refusal.ts';
import { groupIdOf } from './groups.ts';
import type { WantedTenant } from './wanted.ts';

graphql(`
  fragment ProvisionedTenant on Tenant {
    id
    revision
  }
`);

const tenantByName = graphql(`
  query TenantToProvision($name: String!) {
    tenant(name: $name) {
      ...ProvisionedTenant
    }
  }
`);

const createTenant = graphql(`
  mutation ProvisionTenant($input: CreateTenantInput!) {
    createTenant(input: $input) {
      ... on CreateTenantPayload {
        tenant {
          ...ProvisionedTenant
        }
      }
      ... on UserError {
        code
        message
      }
    }
  }
`);

const updateTenant = graphql(`
  mutation ProvisionTenantDetails($input: UpdateTenantInput!) {
    updateTenant(input: $input) {
      ... on UpdateTenantPayload {
        tenant {
          ...ProvisionedTenant
        }
      }
      ... on UserError {
        code
        message
      }
    }
  }
`);

const setGroup = graphql(`
  mutation ProvisionTenantGroup($input: SetTenantGroupInput!) {
    setTenantGroup(input: $input) {
      ... on SetTenantGroupPayload {
        tenant {
          ...ProvisionedTenant
        }
      }
      ... on UserError {
        code
        message
      }
    }
  }
`);

const setWeight = graphql(`
  mutation ProvisionTenantWeight($input: SetTenantWeightInput!) {
    setTenantWeight(input: $input) {
      ... on SetTenantWeightPayload {
        tenant {
          ...ProvisionedTenant
        }
      }
      ... on UserError {
        code
        message
      }
    }
  }
`);

const setLimits = graphql(`
  mutation ProvisionTenantLimits($input: SetTenantLimitsInput!) {
    setTenantLimits(input: $input) {
      ... on SetTenantLimitsPayload {
        tenant {
          ...ProvisionedTenant
        }
      }
      ... on UserError {
        code
        message
      }
    }
  }
`);

/** Makes a tenant, or changes what differs from what is wanted. Says what it did. */
export const provisionTenant = (wanted: WantedTenant): Promise<string> =>
  repeatAfterConflict(async () => {
    const { fairshareGroup, ...fields } = wanted;
    const fairshareGroupId = fairshareGroup === undefined ? undefined : await groupIdOf(fairshareGroup);
    const { tenant: found } = await run(tenantByName, { name: wanted.name });
    if (found === null) {
      const input = { ...fields, fairshareGroupId, idempotencyKey: randomUUID() };
      payloadOf((await run(createTenant, { input })).createTenant);
      return `tenant ${wanted.name}: created`;
    }
    const changes = await changeTenant(found, fields, fairshareGroupId);
    return `tenant ${wanted.name}: ${changes.length === 0 ? 'as wanted' : `changed its ${changes.join(', ')}`}`;
  });

/**
 * Sends every field that is wanted. The server compares: a command that changes nothing leaves the revision as it is
 * and writes no audit entry. Each command expects the revision that the one before it left.
 */
async function changeTenant(
  found: ProvisionedTenantFragment,
  { weight, limits, ...details }: Omit<WantedTenant, 'fairshareGroup'>,
  fairshareGroupId: string | undefined,
): Promise<readonly string[]> {
  let tenant = found;
  const changes: string[] = [];
  const reference = () => ({
    tenantId: tenant.id,
    expectedRevision: tenant.revision,
    idempotencyKey: randomUUID(),
  });
  const note = (what: string, after: ProvisionedTenantFragment): void => {
    if (after.revision !== tenant.revision) changes.push(what);
    tenant = after;
  };

  const updated = await run(updateTenant, { input: { ...reference(), ...details } });
  note('details', payloadOf(updated.updateTenant).tenant);
  if (fairshareGroupId !== undefined) {
    const moved = await run(setGroup, { input: { ...reference(), fairshareGroupId } });
    note('group', payloadOf(moved.setTenantGroup).tenant);
  }
  if (weight !== undefined) {
    const weighed = await run(setWeight, { input: { ...reference(), weight } });
    note('weight', payloadOf(weighed.setTenantWeight).tenant);
  }
  if (limits !== undefined) {
    const limited = await run(setLimits, { input: { ...reference(), limits } });
    note('limits', payloadOf(limited.setTenantLimits).tenant);
  }
  return changes;
}
