import type { Lease } from '../../database/generated/client.ts';
import type { UsageRecordRow } from '../usage/entity.ts';
import { audioMsOf, chargeOf, type PicoPrices, usdOf, usdOfNanoCost } from './costs.ts';
import type { SettleCall } from './owner.ts';
import type { LateFigures } from './rows.ts';

function recordBasis(lease: Lease) {
  const { instanceId, pool, reservation, queuedAt, grantedAt, expiresAt, leaseSeconds, ...whose } = lease;
  return { ...whose, queueWaitMs: grantedAt.getTime() - queuedAt.getTime() };
}

/** What the gateway says of a request, with its cost by these prices. */
const figuresOf = (call: SettleCall, prices: PicoPrices) => ({
  statusCode: call.statusCode,
  inputTokens: BigInt(call.inputTokens),
  outputTokens: BigInt(call.outputTokens),
  images: call.images,
  audioMs: audioMsOf(call.audioSeconds),
  characters: call.characters,
  ttftMs: call.ttftMs,
  totalMs: call.totalMs,
  cacheStatus: call.cacheStatus,
  costUsd: usdOf(chargeOf(prices, call).costPicoUsd),
});

export const settledRecord = (lease: Lease, call: SettleCall, prices: PicoPrices, now: number): UsageRecordRow => ({
  ...recordBasis(lease),
  ...figuresOf(call, prices),
  settlement: 'SETTLED',
  completedAt: new Date(now),
});

/** The record of a lease of which nothing was heard: its cost is that of the estimate. */
export const unsettledRecord = (lease: Lease, costNanoUsd: bigint, now: number): UsageRecordRow => ({
  ...recordBasis(lease),
  settlement: 'UNSETTLED',
  statusCode: null,
  inputTokens: null,
  outputTokens: null,
  images: null,
  audioMs: null,
  characters: null,
  ttftMs: null,
  totalMs: null,
  cacheStatus: 'OFF',
  costUsd: usdOfNanoCost(costNanoUsd),
  completedAt: new Date(now),
});

export const lateFigures = (call: SettleCall, prices: PicoPrices): LateFigures => ({
  id: call.leaseId,
  credentialId: call.caller.credentialId,
  ...figuresOf(call, prices),
});
