import { expect } from 'vitest';
import type { TestApp } from './app.ts';
import type { Client } from './client.ts';
import { eventually } from './eventually.ts';
import { graphql } from './generated/gql.ts';
import type {
  AdmitRequestInput,
  CancelRequestInput,
  GateAdmitMutation,
  RenewLeaseInput,
  SettleRequestInput,
} from './generated/graphql.ts';
import type { Seed } from './seed.ts';

graphql(`
  fragment TestLimitUse on LimitUse {
    owner {
      type
      id
      userId
    }
    name
    limit
    used
    remaining
    resetAt
  }
`);

graphql(`
  fragment TestRefusal on AdmissionRefusedError {
    __typename
    code
    message
    path
    retryable
    retryAfterMs
    limit {
      ...TestLimitUse
    }
    permanent
  }
`);

const admitDocument = graphql(`
  mutation GateAdmit($input: AdmitRequestInput!) {
    admitRequest(input: $input) {
      __typename
      ... on AdmitRequestPayload {
        lease {
          id
          requestId
          expiresAt
          grantedAt
          tenantId
          keyId
          userId
          productId
          modelId
          modelName
          gatewayId
        }
        queueWaitMs
        admission
      }
      ... on UserError {
        code
        message
        path
        retryable
        retryAfterMs
      }
      ...TestRefusal
    }
  }
`);

const settleDocument = graphql(`
  mutation GateSettle($input: SettleRequestInput!) {
    settleRequest(input: $input) {
      __typename
      ... on SettleRequestPayload {
        isRepeated
        usageRecord {
          id
          settlement
          statusCode
          inputTokens
          outputTokens
          images
          audioSeconds
          characters
          costUsd
          admission
          queueWaitMs
          ttftMs
          totalMs
          cacheStatus
          requestId
          modelName
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

const renewDocument = graphql(`
  mutation GateRenew($input: RenewLeaseInput!) {
    renewLease(input: $input) {
      __typename
      ... on RenewLeasePayload {
        lease {
          id
          expiresAt
        }
      }
      ... on UserError {
        code
      }
    }
  }
`);

const cancelDocument = graphql(`
  mutation GateCancel($input: CancelRequestInput!) {
    cancelRequest(input: $input) {
      __typename
      ... on CancelRequestPayload {
        cancellation
      }
      ... on UserError {
        code
      }
    }
  }
`);

const queuedDocument = graphql(`
  query GateQueued($requestId: String!) {
    queuedRequest(requestId: $requestId) {
      position
      estimatedWaitMs
      since
      modelName
    }
  }
`);

const leasesDocument = graphql(`
  query GateLeases {
    leases(first: 100) {
      edges {
        node {
          id
        }
      }
    }
  }
`);

type Admitted = Extract<GateAdmitMutation['admitRequest'], { __typename: 'AdmitRequestPayload' }>;
type Refused = Extract<GateAdmitMutation['admitRequest'], { __typename: 'AdmissionRefusedError' }>;

/** What tests say of a request: the rest is ordinary. */
type Wanted = Partial<AdmitRequestInput> & { readonly key?: string; readonly keyId?: string };

/** A caller that has requests admitted, over HTTP. */
export class Gate {
  readonly client: Client;

  constructor(client: Client) {
    this.client = client;
  }

  /** Whatever the answer is. */
  async ask(wanted: Wanted) {
    const input = { model: 'unknown', estimatedInputTokens: 10, estimatedOutputTokens: 20, ...wanted };
    return (await this.client.run(admitDocument, { input })).admitRequest;
  }

  async admit(wanted: Wanted): Promise<Admitted['lease'] & Pick<Admitted, 'admission' | 'queueWaitMs'>> {
    const answer = await this.ask(wanted);
    if (answer.__typename !== 'AdmitRequestPayload') throw new Error(`${answer.code}: ${answer.message}`);
    const { lease, admission, queueWaitMs } = answer;
    return { ...lease, admission, queueWaitMs };
  }

  /** As many, one after the other. */
  async admitSeveral(count: number, wanted: Wanted): Promise<readonly string[]> {
    const leaseIds: string[] = [];
    while (leaseIds.length < count) leaseIds.push((await this.admit(wanted)).id);
    return leaseIds;
  }

  async refused(wanted: Wanted): Promise<Refused> {
    const answer = await this.ask(wanted);
    if (answer.__typename !== 'AdmissionRefusedError') throw new Error(`It is no refusal: ${JSON.stringify(answer)}`);
    return answer;
  }

  async settle(leaseId: string, figures: Partial<SettleRequestInput> = {}) {
    const input = { leaseId, inputTokens: 10, outputTokens: 20, ...figures };
    return (await this.client.run(settleDocument, { input })).settleRequest;
  }

  async renew(input: RenewLeaseInput) {
    return (await this.client.run(renewDocument, { input })).renewLease;
  }

  async cancel(input: CancelRequestInput) {
    return (await this.client.run(cancelDocument, { input })).cancelRequest;
  }

  async queued(requestId: string) {
    return (await this.client.run(queuedDocument, { requestId })).queuedRequest ?? undefined;
  }

  /** Until the request waits. */
  async whenQueued(requestId: string): Promise<void> {
    await eventually(async () => expect(await this.queued(requestId)).toBeDefined());
  }

  /** Until it waits no more. */
  async whenNotQueued(requestId: string): Promise<void> {
    await eventually(async () => expect(await this.queued(requestId)).toBeUndefined());
  }

  async leaseIds(): Promise<readonly string[]> {
    return (await this.client.run(leasesDocument)).leases.edges.map(({ node }) => node.id);
  }
}

/** A tenant with a key that may run requests, of a tenant or as the input says. */
export async function callerOf(seed: Seed, tenant: Record<string, unknown> = {}, key: Record<string, unknown> = {}) {
  const { id: tenantId } = await seed.tenant(tenant);
  const made = await seed.key({ tenantId, scopes: ['cloud:inference'], ...key });
  return { tenantId, keyId: made.id, key: made.secret };
}

/** A model with so many slots. */
export async function modelWith(app: TestApp, seed: Seed, maxInFlight: number, input: Record<string, unknown> = {}) {
  const model = await seed.model(input);
  await seed.run('setCapacity', { model: { modelId: model.id, maxInFlight } });
  await app.app.services.admission.refreshed();
  return model;
}
