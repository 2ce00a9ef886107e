import { z } from 'zod';
import { FairshareAlgorithm } from '../../../database/generated/enums.ts';
import {
  type FairshareSnapshot,
  fairshareModes,
  type HistorySample,
  type SnapshotCall,
  type StatsSnapshot,
} from '../../snapshots/snapshot.ts';
import { flag, nameIn, number, numberOrNull, schemaOf, text, textOrNull } from './schemas.ts';

const stamp = { seq: number, asOf: z.date(), instanceId: text };

const share = {
  weight: number,
  inFlight: number,
  queued: number,
  weightShare: number,
  expectedSlots: number,
  slotCap: number,
  borrowed: number,
  servedTokens: number,
  shareScore: number,
  oldestWaitMs: numberOrNull,
};

const shares = {
  groups: z.array(z.strictObject({ ...share, groupId: text, name: text })),
  tenants: z.array(
    z.strictObject({
      ...share,
      tenantId: text,
      name: text,
      groupId: text,
      groupName: text,
      maxInFlight: numberOrNull,
    }),
  ),
  keys: z.array(
    z.strictObject({
      ...share,
      keyId: text,
      name: text,
      tenantId: text,
      productId: textOrNull,
      engineId: textOrNull,
      userId: textOrNull,
      appId: textOrNull,
      maxInFlight: numberOrNull,
    }),
  ),
};

const totals = {
  capacity: number,
  configuredCapacity: number,
  inFlight: number,
  queued: number,
  borrowed: number,
  oldestWaitMs: numberOrNull,
  clusterInFlight: numberOrNull,
};

const fairshareSnapshot = schemaOf<FairshareSnapshot>()(
  z.strictObject({
    ...stamp,
    ...shares,
    algorithm: z.enum(FairshareAlgorithm),
    mode: nameIn(fairshareModes),
    replicas: number,
    isReplicaAware: flag,
    totals: z.strictObject({
      ...totals,
      ceiling: numberOrNull,
      configuredCeiling: numberOrNull,
      defaultModelCapacity: number,
      sharedSlots: numberOrNull,
    }),
    pools: z.array(z.strictObject({ ...shares, model: text, modelId: textOrNull, totals: z.strictObject(totals) })),
  }),
);

const activity = {
  inFlight: number,
  queued: number,
  admittedPerSecond: number,
  refusedPerSecond: number,
  settledPerSecond: number,
  tokensPerSecond: number,
  refusals: z.array(z.strictObject({ reason: text, perSecond: number })),
  queueWaitP50Ms: numberOrNull,
  queueWaitP99Ms: numberOrNull,
  oldestWaitMs: numberOrNull,
};

const statsSnapshot = schemaOf<StatsSnapshot>()(
  z.strictObject({
    ...stamp,
    totals: z.strictObject({ ...activity, maxInFlight: number, gatewaysAlive: number }),
    tenants: z.array(z.strictObject({ ...activity, tenantId: text, name: text })),
  }),
);

const sampleRow = { name: text, inFlight: number, queued: number };
const slotsSample = {
  totals: z.strictObject({ inFlight: number, queued: number, borrowed: number }),
  groups: z.array(z.strictObject({ ...sampleRow, groupId: text })),
  tenants: z.array(z.strictObject({ ...sampleRow, tenantId: text })),
};

export const historySample = schemaOf<HistorySample>()(
  z.strictObject({
    ...slotsSample,
    asOf: z.date(),
    pools: z.array(z.strictObject({ ...slotsSample, model: text })),
  }),
);

export const snapshotCall = schemaOf<SnapshotCall>()(
  z.strictObject({
    kind: z.enum(['fairshare', 'stats']),
    after: z.strictObject({ instanceId: text, seq: number }).nullable(),
    everyMs: number,
  }),
);

export const snapshot = z.union([fairshareSnapshot, statsSnapshot]);
