/** graphql-yoga with two mutations that do nothing, as its documentation sets it up: the floor of admission. */
import { randomUUID } from 'node:crypto';
import { createServer } from 'node:http';
import { createSchema, createYoga } from 'graphql-yoga';
import { requiredNumber } from './environment.ts';

const typeDefs = /* GraphQL */ `
  type Query {
    isReady: Boolean!
  }

  type Mutation {
    admitRequest(input: AdmitRequestInput!): AdmitRequestResult!
    settleRequest(input: SettleRequestInput!): SettleRequestResult!
  }

  input AdmitRequestInput {
    key: String!
    requestId: String!
    model: String!
    gatewayId: ID!
    sessionId: String!
    estimatedInputTokens: Int!
    estimatedOutputTokens: Int!
  }

  input SettleRequestInput {
    leaseId: ID!
    inputTokens: Int!
    outputTokens: Int!
    statusCode: Int!
    ttftMs: Int!
    totalMs: Int!
    cacheStatus: CacheStatus!
  }

  enum CacheStatus {
    HIT
    MISS
    OFF
  }

  enum UsageAdmission {
    FAST
    QUEUED
  }

  interface UserError {
    code: String!
    message: String!
  }

  type RefusedError implements UserError {
    code: String!
    message: String!
  }

  type Lease {
    id: ID!
    expiresAt: String!
  }

  type AdmitRequestPayload {
    lease: Lease!
    queueWaitMs: Int!
    admission: UsageAdmission!
  }

  type UsageRecord {
    id: ID!
    costUsd: String!
  }

  type SettleRequestPayload {
    isRepeated: Boolean!
    usageRecord: UsageRecord!
  }

  union AdmitRequestResult = AdmitRequestPayload | RefusedError
  union SettleRequestResult = SettleRequestPayload | RefusedError
`;

const resolvers = {
  Query: { isReady: () => true },
  Mutation: {
    admitRequest: () => ({
      __typename: 'AdmitRequestPayload',
      lease: { id: `lse_${randomUUID()}`, expiresAt: new Date(Date.now() + 60_000).toISOString() },
      queueWaitMs: 0,
      admission: 'FAST',
    }),
    settleRequest: (_root: unknown, { input }: { readonly input: { readonly leaseId: string } }) => ({
      __typename: 'SettleRequestPayload',
      isRepeated: false,
      usageRecord: { id: input.leaseId, costUsd: '0.001875' },
    }),
  },
};

const yoga = createYoga({ schema: createSchema({ typeDefs, resolvers }), logging: false });
const server = createServer(yoga).listen(requiredNumber('PORT'), '127.0.0.1');
process.once('SIGTERM', () => {
  server.closeAllConnections();
  server.close();
});
