import { describe, expect, it } from 'vitest';
import { startTestApp } from '../../testkit/app.ts';
import { graphql } from '../../testkit/generated/gql.ts';

const { operator } = await startTestApp();

const createTenant = graphql(`
  mutation CreateTenant($input: CreateTenantInput!) {
    createTenant(input: $input) {
      __typename
      ... on CreateTenantPayload {
        tenant {
          id
          name
          weight
          status
          fairshareGroup {
            name
          }
          revision
        }
      }
      ... on UserError {
        code
        message
        path
      }
    }
  }
`);

describe('createTenant', () => {
  it('makes an active tenant of weight 100 in the group default, its name trimmed', async () => {
    const { createTenant: answer } = await operator.run(createTenant, { input: { name: '  Acme  ' } });
    expect(answer).toEqual({
      __typename: 'CreateTenantPayload',
      tenant: {
        id: expect.stringMatching(/^tnt_[0-9a-z]{26}$/),
        name: 'Acme',
        weight: 100,
        status: 'ACTIVE',
        fairshareGroup: { name: 'default' },
        revision: 1,
      },
    });
  });
});
