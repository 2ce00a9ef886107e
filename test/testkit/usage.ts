import type { Database } from '../../src/database/database.ts';
import type { Prisma } from '../../src/database/generated/client.ts';
import { newId } from '../../src/graph/ids.ts';

type UsageRow = Prisma.UsageRecordCreateManyInput;

const anyId = '00000000-0000-7000-8000-00000000000f';

/** A record of usage: all of it ordinary but for what is given. Ids are UUIDs. */
export const usageRow = (given: Partial<UsageRow> & Pick<UsageRow, 'tenantId'>): UsageRow => ({
  id: newId(),
  fairshareGroupId: anyId,
  keyId: anyId,
  modelId: anyId,
  modelName: 'small',
  gatewayId: anyId,
  requestId: newId(),
  requestType: 'chat',
  admission: 'FAST',
  settlement: 'SETTLED',
  statusCode: 200,
  estimatedInputTokens: 100,
  estimatedOutputTokens: 200,
  inputTokens: 90,
  outputTokens: 150,
  images: 0,
  audioMs: 0,
  characters: 0,
  queueWaitMs: 0,
  ttftMs: 120,
  totalMs: 900,
  cacheStatus: 'OFF',
  costUsd: '0.0000315',
  completedAt: new Date('2026-03-01T12:00:00.000Z'),
  ...given,
});

/** What is not known of a request whose gateway said nothing. */
export const unsettled = {
  settlement: 'UNSETTLED',
  statusCode: null,
  inputTokens: null,
  outputTokens: null,
  images: null,
  audioMs: null,
  characters: null,
  ttftMs: null,
  totalMs: null,
} as const satisfies Partial<UsageRow>;

/** Stores records behind the back of the program. */
export async function addUsage({ prisma }: Database, rows: readonly UsageRow[]): Promise<void> {
  await prisma.usageRecord.createMany({ data: [...rows] });
}
