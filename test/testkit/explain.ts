import type { Client } from './client.ts';
import { graphql } from './generated/gql.ts';
import type { ExplainAdmissionInput, TestExplainAdmissionQuery } from './generated/graphql.ts';

graphql(`
  fragment TestLimits on EffectiveLimit {
    name
    layers {
      owner {
        type
        id
        userId
      }
      source
      sharePercent
      limit
      used
      remaining
      since
      resetAt
      isBinding
      fit {
        requested
        fits
        retryAfterMs
        permanent
      }
    }
  }
`);

const explainDocument = graphql(`
  query TestExplainAdmission($input: ExplainAdmissionInput!) {
    explainAdmission(input: $input) {
      __typename
      ... on UserError {
        code
        path
      }
      ... on AdmissionExplanation {
        at
        verdict
        refusal {
          ...TestRefusal
        }
        checks {
          check
          outcome
          refusal {
            ...TestRefusal
          }
        }
        keyId
        tenantId
        userId
        teamId
        productId
        modelId
        modelName
        estimate {
          requests
          tokens
          costUsd
        }
        limits {
          ...TestLimits
        }
        fairness {
          algorithm
          fairshareGroupId
          tenantWeight
          weightPercent
          keyWeight
          expectedSlots
          inFlight
          queued
        }
        place {
          position
          estimatedWaitMs
        }
      }
    }
  }
`);

const effectiveDocument = graphql(`
  query TestEffectiveLimits($for: ID!) {
    effectiveLimits(for: $for) {
      __typename
      ... on UserError {
        code
        message
        path
      }
      ... on EffectiveLimits {
        at
        limits {
          ...TestLimits
        }
      }
    }
  }
`);

type Answer = TestExplainAdmissionQuery['explainAdmission'];
export type TestExplanation = Extract<Answer, { __typename: 'AdmissionExplanation' }>;
type TestLimit = TestExplanation['limits'][number];
export type TestLayer = TestLimit['layers'][number];

type Wanted = Partial<ExplainAdmissionInput>;

/** Whatever is answered to a request that is asked about: the same ordinary one as a gate asks for. */
export async function askToExplain(client: Client, wanted: Wanted): Promise<Answer> {
  const input = { model: 'unknown', estimatedInputTokens: 10, estimatedOutputTokens: 20, ...wanted };
  return (await client.run(explainDocument, { input })).explainAdmission;
}

export async function explain(client: Client, wanted: Wanted): Promise<TestExplanation> {
  const answer = await askToExplain(client, wanted);
  if (answer.__typename !== 'AdmissionExplanation') throw new Error(`It is no explanation: ${JSON.stringify(answer)}`);
  return answer;
}

export const askForLimits = async (client: Client, id: string) =>
  (await client.run(effectiveDocument, { for: id })).effectiveLimits;

export async function limitsFor(client: Client, id: string): Promise<readonly TestLimit[]> {
  const answer = await askForLimits(client, id);
  if (answer.__typename !== 'EffectiveLimits') throw new Error(`They are no limits: ${JSON.stringify(answer)}`);
  return answer.limits;
}

/** The layers of one limit. */
export function layersOf(limits: readonly TestLimit[], name: TestLimit['name']): readonly TestLayer[] {
  const found = limits.find((limit) => limit.name === name);
  if (found === undefined) throw new Error(`There is no limit ${name}.`);
  return found.layers;
}
