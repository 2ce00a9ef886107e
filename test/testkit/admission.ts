import { type Lease, Prisma } from '../../src/database/generated/client.ts';
import { newId } from '../../src/graph/ids.ts';
import type { UsageRecordRow } from '../../src/modules/usage/entity.ts';

const anyId = '00000000-0000-7000-8000-00000000000f';
const now = Date.parse('2026-03-01T12:00:00.000Z');

/** A lease: all of it ordinary but for what is given. */
export const leaseRow = (given: Partial<Lease> = {}): Lease => ({
  id: newId(),
  instanceId: anyId,
  credentialId: 'key:any',
  gatewayId: anyId,
  tenantId: anyId,
  fairshareGroupId: anyId,
  keyId: anyId,
  userId: null,
  teamId: null,
  appId: null,
  productId: null,
  engineId: null,
  modelId: anyId,
  modelName: 'small',
  pool: anyId,
  requestId: 'request',
  sessionId: null,
  requestType: 'chat',
  admission: 'FAST',
  estimatedInputTokens: 100n,
  estimatedOutputTokens: 200n,
  reservation: { taken: [['key', 1, 2]] },
  queuedAt: new Date(now),
  grantedAt: new Date(now + 5),
  leaseSeconds: 60,
  expiresAt: new Date(now + 60_000),
  ...given,
});

/** What settling the lease records. */
export function recordOf(lease: Lease, given: Partial<UsageRecordRow> = {}): UsageRecordRow {
  const { instanceId, pool, reservation, queuedAt, grantedAt, leaseSeconds, expiresAt, ...whose } = lease;
  return {
    ...whose,
    settlement: 'SETTLED',
    statusCode: 200,
    inputTokens: 90n,
    outputTokens: 150n,
    images: 1,
    audioMs: 2_345,
    characters: 6_789,
    queueWaitMs: grantedAt.getTime() - queuedAt.getTime(),
    ttftMs: 120,
    totalMs: 900,
    cacheStatus: 'MISS',
    costUsd: new Prisma.Decimal('0.000031500000'),
    completedAt: new Date(now + 1_000),
    ...given,
  };
}
