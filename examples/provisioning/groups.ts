import { randomUUID } from 'node:crypto';
import { graphql } from '../generated/gql.ts';
import { run } from '../support/client.ts';
import { payloadOf, repeatAfterConflict } from '../support/refusal.ts';
import type { WantedGroup } from './wanted.ts';

const groupByName = graphql(`
  query GroupToProvision($name: String!) {
    fairshareGroup(name: $name) {
      id
      weight
      revision
    }
  }
`);

const createGroup = graphql(`
  mutation ProvisionGroup($input: CreateFairshareGroupInput!) {
    createFairshareGroup(input: $input) {
      ... on CreateFairshareGroupPayload {
        fairshareGroup {
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

const setWeight = graphql(`
  mutation ProvisionGroupWeight($input: SetFairshareGroupWeightInput!) {
    setFairshareGroupWeight(input: $input) {
      ... on SetFairshareGroupWeightPayload {
        fairshareGroup {
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

/** Makes a group, or gives it the weight that is wanted. Says what it did. */
export const provisionGroup = ({ name, weight }: WantedGroup): Promise<string> =>
  repeatAfterConflict(async () => {
    const { fairshareGroup: found } = await run(groupByName, { name });
    const idempotencyKey = randomUUID();
    if (found === null) {
      const input = { name, ...(weight === undefined ? {} : { weight }), idempotencyKey };
      payloadOf((await run(createGroup, { input })).createFairshareGroup);
      return `group ${name}: created`;
    }
    if (weight === undefined || weight === found.weight) return `group ${name}: as wanted`;
    const input = { fairshareGroupId: found.id, weight, expectedRevision: found.revision, idempotencyKey };
    payloadOf((await run(setWeight, { input })).setFairshareGroupWeight);
    return `group ${name}: weight ${found.weight} -> ${weight}`;
  });

/** The id of a group that must exist. */
export async function groupIdOf(name: string): Promise<string> {
  const { fairshareGroup } = await run(groupByName, { name });
  if (fairshareGroup === null) throw new Error(`There is no fairshare group ${name}; add it to the file.`);
  return fairshareGroup.id;
}
