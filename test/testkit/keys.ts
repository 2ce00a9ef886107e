import type { TestApp } from './app.ts';
import { Client } from './client.ts';
import { graphql } from './generated/gql.ts';
import type { CreateKeyInput, VerifyKeyInput } from './generated/graphql.ts';

graphql(`
  fragment KeyOfTests on ApiKey {
    id
    kind
    name
    state
    start
    environment
    scopes
    tenantId
    expiresAt
    disabledAt
    revokedAt
    revokedReason
    retiringUntil
    rotatedAt
    lastUsedAt
    revision
    secrets(first: 100) {
      edges {
        node {
          id
          state
          start
          origin
          validUntil
          supersededAt
          revokedAt
          lastUsedAt
          useCount
          supersededUseCount
        }
      }
    }
  }
`);

export const CreateKey = graphql(`
  mutation KeysCreate($input: CreateKeyInput!) {
    createKey(input: $input) {
      __typename
      ... on CreateKeyPayload {
        key {
          ...KeyOfTests
        }
        secret {
          value
          isGone
        }
      }
      ... on UserError {
        code
        message
        path
      }
      ... on ValidationError {
        issues {
          rule
          path
        }
      }
    }
  }
`);

export const VerifyKey = graphql(`
  query KeysVerify($input: VerifyKeyInput!) {
    verifyKey(input: $input) {
      isValid
      reason
      message
      cacheUntil
      keyId
      kind
      name
      environment
      scopes
      allowedModels
      expiresAt
      isSuperseded
      secretValidUntil
      owners {
        tenantId
        tenantName
        userId
        userExternalId
      }
    }
  }
`);

/** Makes a key and gives it with its secret. */
export async function makeKey(client: Client, input: CreateKeyInput) {
  const { createKey } = await client.run(CreateKey, { input });
  if (createKey.__typename !== 'CreateKeyPayload') throw new Error(`No key was made: ${JSON.stringify(createKey)}`);
  return { key: createKey.key, secret: createKey.secret?.value ?? '' };
}

export async function verify(client: Client, input: VerifyKeyInput | string) {
  const { verifyKey } = await client.run(VerifyKey, { input: typeof input === 'string' ? { key: input } : input });
  return verifyKey;
}

/** So many peppers, as FAIRLEAD_PEPPERS has them: each is its number in every digit. */
export const peppers = (count: number, first = 1): string =>
  Array.from({ length: count }, (_, index) => `${first + index}:${String(first + index).repeat(64)}`).join(',');

/** A caller with this secret. */
export const withSecret = ({ app }: TestApp, secret: string): Client =>
  new Client(app.url, { authorization: `Bearer ${secret}` });
