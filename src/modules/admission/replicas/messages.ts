import { z } from 'zod';
import { principalKinds } from '../../../access/principal.ts';
import type { Announcement } from '../../../database/database.ts';
import { CacheStatus, FairshareAlgorithm, UsageAdmission, UsageSettlement } from '../../../database/generated/enums.ts';
import type { UsageRecordRow } from '../../usage/entity.ts';
import { admissionChecks, admissionVerdicts, checkOutcomes, limitSources } from '../explanation.ts';
import {
  type AdmitAnswer,
  type AdmitCall,
  type Caller,
  type CancelAnswer,
  type CancelCall,
  cancellations,
  type EffectiveLimitsAnswer,
  type ExplainAnswer,
  type ExplainCall,
  type HeldByGateway,
  type LeaseList,
  type LeaseListCall,
  type LeaseView,
  type LimitTarget,
  type LiveFigures,
  type NearestLimitsCall,
  priorities,
  type QueuedRequestView,
  type RefusedCall,
  type RenewAnswer,
  type RenewCall,
  type SettleAnswer,
  type SettleCall,
} from '../owner.ts';
import { admissionReasons, type LimitView, limitNames, limitOwnerTypes } from '../refusals.ts';
import { decimal, flag, nameIn, number, numberOrNull, schemaOf, text, textOrNull } from './schemas.ts';

const caller = schemaOf<Caller>()(
  z.strictObject({
    kind: nameIn(principalKinds),
    credentialId: text,
    tenantId: text.exactOptional(),
    productId: text.exactOptional(),
    engineId: text.exactOptional(),
    userId: text.exactOptional(),
    appId: text.exactOptional(),
  }),
);

const place = z.strictObject({ origin: textOrNull, ipAddress: textOrNull });

const wanted = {
  caller,
  keyId: text,
  place: place.nullable(),
  model: text,
  estimatedInputTokens: number,
  estimatedOutputTokens: number,
  userExternalId: textOrNull,
  deadline: numberOrNull,
  priority: z.enum(priorities),
  gatewayId: textOrNull,
};

export const admitCall = schemaOf<AdmitCall>()(
  z.strictObject({
    ...wanted,
    requestId: textOrNull,
    sessionId: textOrNull,
    requestType: text,
    leaseSeconds: number,
  }),
);

export const explainCall = schemaOf<ExplainCall>()(z.strictObject({ ...wanted, showsTotals: flag }));

const claim = { caller, gatewayId: textOrNull };

export const renewCall = schemaOf<RenewCall>()(z.strictObject({ ...claim, leaseId: text, leaseSeconds: numberOrNull }));

export const settleCall = schemaOf<SettleCall>()(
  z.strictObject({
    ...claim,
    leaseId: text,
    statusCode: number,
    inputTokens: number,
    outputTokens: number,
    images: number,
    audioSeconds: number,
    characters: number,
    ttftMs: numberOrNull,
    totalMs: numberOrNull,
    cacheStatus: z.enum(CacheStatus),
  }),
);

export const cancelCall = schemaOf<CancelCall>()(
  z.strictObject({ ...claim, leaseId: textOrNull, requestId: textOrNull }),
);

export const heldByGateway = schemaOf<HeldByGateway>()(
  z.strictObject({ gatewayId: text, leaseIds: z.array(text), at: number }),
);

export const limitTarget = schemaOf<LimitTarget>()(
  z.strictObject({ type: z.enum(['TENANT', 'TEAM', 'USER', 'PRODUCT', 'KEY']), id: text }),
);

export const nearestLimitsCall = schemaOf<NearestLimitsCall>()(
  z.strictObject({ keyId: text, userExternalId: textOrNull }),
);

export const queuedRequestCall = z.strictObject({ caller, requestId: text });
export const leasesOfCall = schemaOf<{ readonly caller: Caller; readonly ids: readonly string[] }>()(
  z.strictObject({ caller, ids: z.array(text) }),
);

const idWanted = text.or(z.undefined()).exactOptional();
const leasePlace = z.strictObject({ grantedAt: number, id: text });

export const leaseListCall = schemaOf<LeaseListCall>()(
  z.strictObject({
    caller,
    filter: z.strictObject({
      tenantId: idWanted,
      keyId: idWanted,
      userId: idWanted,
      productId: idWanted,
      modelId: idWanted,
      gatewayId: idWanted,
    }),
    direction: z.enum(['ASC', 'DESC']),
    size: number,
    backward: flag,
    after: leasePlace.nullable(),
    before: leasePlace.nullable(),
  }),
);

export const refusedCall = schemaOf<RefusedCall>()(
  z.strictObject({
    tenant: z.strictObject({ id: text, name: text }).nullable(),
    reason: z.enum(admissionReasons),
  }),
);

export const announcements = schemaOf<readonly Announcement[]>()(
  z.array(z.strictObject({ id: text, topic: text, tenantId: textOrNull, payload: z.record(text, z.unknown()) })),
);

/** Whose a request is, and what it is for. */
const whose = {
  tenantId: text,
  fairshareGroupId: text,
  keyId: text,
  userId: textOrNull,
  teamId: textOrNull,
  appId: textOrNull,
  productId: textOrNull,
  engineId: textOrNull,
  modelId: textOrNull,
  modelName: text,
  gatewayId: textOrNull,
};

const lease = schemaOf<LeaseView>()(
  z.strictObject({
    id: text,
    credentialId: text,
    ...whose,
    requestId: text,
    sessionId: textOrNull,
    requestType: text,
    admission: z.enum(UsageAdmission),
    estimatedInputTokens: number,
    estimatedOutputTokens: number,
    queueWaitMs: number,
    grantedAt: number,
    expiresAt: number,
  }),
);

const limitOwner = z.strictObject({ type: nameIn(limitOwnerTypes), id: textOrNull, userId: textOrNull });

const limit = schemaOf<LimitView>()(
  z.strictObject({
    owner: limitOwner,
    name: nameIn(limitNames),
    limit: text,
    used: text,
    remaining: text,
    resetAt: numberOrNull,
  }),
);

export const leases = schemaOf<readonly LeaseView[]>()(z.array(lease));
export const limits = schemaOf<readonly LimitView[]>()(z.array(limit));

const refusal = z.strictObject({
  reason: z.enum(admissionReasons),
  message: text,
  limit: limit.nullable(),
  retryAfterMs: numberOrNull,
  retryable: flag,
  permanent: flag,
});

const notFound = z.strictObject({ outcome: z.literal('NOT_FOUND'), type: text, path: z.array(text) });
const unavailable = z.strictObject({ outcome: z.literal('UNAVAILABLE'), message: text, retryAfterMs: number });

export const admitAnswer = schemaOf<AdmitAnswer>()(
  z.discriminatedUnion('outcome', [
    z.strictObject({ outcome: z.literal('ADMITTED'), lease }),
    z.strictObject({ outcome: z.literal('REFUSED'), refusal }),
    notFound,
    unavailable,
  ]),
);

export const renewAnswer = schemaOf<RenewAnswer>()(
  z.discriminatedUnion('outcome', [z.strictObject({ outcome: z.literal('RENEWED'), lease }), notFound, unavailable]),
);

const usageRecord = schemaOf<UsageRecordRow>()(
  z.strictObject({
    id: text,
    ...whose,
    credentialId: text,
    requestId: text,
    sessionId: textOrNull,
    requestType: text,
    admission: z.enum(UsageAdmission),
    settlement: z.enum(UsageSettlement),
    statusCode: numberOrNull,
    estimatedInputTokens: z.bigint(),
    estimatedOutputTokens: z.bigint(),
    inputTokens: z.bigint().nullable(),
    outputTokens: z.bigint().nullable(),
    images: numberOrNull,
    audioMs: numberOrNull,
    characters: numberOrNull,
    queueWaitMs: number,
    ttftMs: numberOrNull,
    totalMs: numberOrNull,
    cacheStatus: z.enum(CacheStatus),
    costUsd: decimal,
    completedAt: z.date(),
  }),
);

export const settleAnswer = schemaOf<SettleAnswer>()(
  z.discriminatedUnion('outcome', [
    z.strictObject({ outcome: z.literal('SETTLED'), record: usageRecord, isRepeated: flag }),
    notFound,
    unavailable,
  ]),
);

export const cancelAnswer = schemaOf<CancelAnswer>()(
  z.discriminatedUnion('outcome', [
    z.strictObject({ outcome: z.literal('CANCELLED'), cancellation: nameIn(cancellations) }),
    z.strictObject({ outcome: z.literal('ENDED'), settlement: text }),
    notFound,
    unavailable,
  ]),
);

const effectiveLimit = z.strictObject({
  name: nameIn(limitNames),
  layers: z.array(
    z.strictObject({
      owner: limitOwner,
      source: nameIn(limitSources),
      sharePercent: numberOrNull,
      limit: textOrNull,
      used: textOrNull,
      remaining: textOrNull,
      since: numberOrNull,
      resetAt: numberOrNull,
      isBinding: flag,
      fit: z.strictObject({ requested: text, fits: flag, retryAfterMs: numberOrNull, permanent: flag }).nullable(),
    }),
  ),
});

const explanation = z.strictObject({
  at: number,
  verdict: nameIn(admissionVerdicts),
  refusal: refusal.nullable(),
  checks: z.array(
    z.strictObject({
      check: nameIn(admissionChecks),
      outcome: nameIn(checkOutcomes),
      refusal: refusal.nullable(),
    }),
  ),
  keyId: text,
  tenantId: textOrNull,
  userId: textOrNull,
  teamId: textOrNull,
  productId: textOrNull,
  modelId: textOrNull,
  modelName: text,
  estimate: z.strictObject({ requests: number, tokens: number, costUsd: text }),
  limits: z.array(effectiveLimit),
  fairness: z
    .strictObject({
      algorithm: z.enum(FairshareAlgorithm),
      fairshareGroupId: text,
      tenantWeight: number,
      weightPercent: number,
      keyWeight: number,
      expectedSlots: number,
      inFlight: number,
      queued: number,
    })
    .nullable(),
  place: z.strictObject({ position: number, estimatedWaitMs: numberOrNull }).nullable(),
});

export const explainAnswer = schemaOf<ExplainAnswer>()(
  z.discriminatedUnion('outcome', [
    z.strictObject({ outcome: z.literal('EXPLAINED'), explanation }),
    notFound,
    unavailable,
  ]),
);

export const effectiveLimitsAnswer = schemaOf<EffectiveLimitsAnswer>()(
  z.discriminatedUnion('outcome', [
    z.strictObject({ outcome: z.literal('READ'), at: number, limits: z.array(effectiveLimit) }),
    notFound,
    unavailable,
  ]),
);

export const queuedRequest = schemaOf<QueuedRequestView>()(
  z.strictObject({
    requestId: text,
    modelName: text,
    tenantId: text,
    keyId: text,
    position: number,
    estimatedWaitMs: numberOrNull,
    since: number,
  }),
);

export const leaseListAnswer = schemaOf<LeaseList>()(
  z.strictObject({ leases: z.array(lease), hasNextPage: flag, hasPreviousPage: flag, totalCount: number }),
);

const figures = { inFlight: number, queued: number };

export const liveFigures = schemaOf<LiveFigures>()(
  z.strictObject({ ...figures, models: z.record(text, z.strictObject(figures)) }),
);
