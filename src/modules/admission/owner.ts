import type { Binding, PrincipalKind } from '../../access/principal.ts';
import type { CacheStatus, UsageAdmission } from '../../database/generated/enums.ts';
import type { UsageRecordRow } from '../usage/entity.ts';
import type { NamedTenant } from './activity.ts';
import type { EffectiveLimitView, ExplanationView } from './explanation.ts';
import type { AdmissionReason, LimitView, RefusalView } from './refusals.ts';

/*
 * What the one process that decides is asked, and what it answers: plain data both ways, so that another process can
 * ask as well. Ids are UUIDs, times are milliseconds since 1970.
 */

/** Who asks: of a principal, what decides what it may. */
export interface Caller extends Binding {
  readonly kind: PrincipalKind;
  readonly credentialId: string;
}

export const priorities = ['LOW', 'NORMAL', 'HIGH'] as const;

type Priority = (typeof priorities)[number];

/** Where a key is used from. What is not said is none that it may be restricted to. */
export interface Place {
  readonly origin: string | null;
  readonly ipAddress: string | null;
}

/** A request that wants a slot. Its key was looked up already: what is left is what the key and its owners may. */
export interface AdmitCall {
  readonly caller: Caller;
  readonly keyId: string;
  /** Null: whoever verified the key has looked at it. */
  readonly place: Place | null;
  readonly model: string;
  readonly estimatedInputTokens: number;
  readonly estimatedOutputTokens: number;
  readonly userExternalId: string | null;
  readonly deadline: number | null;
  readonly priority: Priority;
  readonly gatewayId: string | null;
  readonly requestId: string | null;
  readonly sessionId: string | null;
  readonly requestType: string;
  readonly leaseSeconds: number;
}

/** A slot that is held. */
export interface LeaseView {
  readonly id: string;
  readonly credentialId: string;
  readonly tenantId: string;
  readonly fairshareGroupId: string;
  readonly keyId: string;
  readonly userId: string | null;
  readonly teamId: string | null;
  readonly appId: string | null;
  readonly productId: string | null;
  readonly engineId: string | null;
  readonly modelId: string | null;
  readonly modelName: string;
  readonly gatewayId: string | null;
  readonly requestId: string;
  readonly sessionId: string | null;
  readonly requestType: string;
  readonly admission: UsageAdmission;
  readonly estimatedInputTokens: number;
  readonly estimatedOutputTokens: number;
  readonly queueWaitMs: number;
  readonly grantedAt: number;
  readonly expiresAt: number;
}

/** Which leases are wanted: those of each that is given. */
export interface LeaseFilter {
  readonly tenantId?: string | undefined;
  readonly keyId?: string | undefined;
  readonly userId?: string | undefined;
  readonly productId?: string | undefined;
  readonly modelId?: string | undefined;
  readonly gatewayId?: string | undefined;
}

/** A place in the list of leases, whether or not there is one. */
export type LeasePlace = Pick<LeaseView, 'grantedAt' | 'id'>;

/** A part of the list of leases, which is in the order in which they were granted. */
export interface LeaseListCall {
  readonly caller: Caller;
  readonly filter: LeaseFilter;
  readonly direction: 'ASC' | 'DESC';
  /** 0: none, only how many there are. */
  readonly size: number;
  /** True: the last ones, still in the list's order. */
  readonly backward: boolean;
  readonly after: LeasePlace | null;
  readonly before: LeasePlace | null;
}

export interface LeaseList {
  readonly leases: readonly LeaseView[];
  readonly hasNextPage: boolean;
  readonly hasPreviousPage: boolean;
  readonly totalCount: number;
}

/** Nobody can decide at the moment; the same may be asked again. */
export interface Unavailable {
  readonly outcome: 'UNAVAILABLE';
  readonly message: string;
  readonly retryAfterMs: number;
}

export interface NotFound {
  readonly outcome: 'NOT_FOUND';
  readonly type: string;
  readonly path: readonly string[];
}

interface Refused {
  readonly outcome: 'REFUSED';
  readonly refusal: RefusalView;
}

export type AdmitAnswer =
  | { readonly outcome: 'ADMITTED'; readonly lease: LeaseView }
  | Refused
  | NotFound
  | Unavailable;

/** A request of which it is asked what would become of it now. Nothing is taken, counted or kept. */
export interface ExplainCall
  extends Pick<
    AdmitCall,
    | 'caller'
    | 'keyId'
    | 'place'
    | 'model'
    | 'estimatedInputTokens'
    | 'estimatedOutputTokens'
    | 'userExternalId'
    | 'deadline'
    | 'priority'
    | 'gatewayId'
  > {
  /** Whether who asks may know what the deployment runs as a whole. */
  readonly showsTotals: boolean;
}

export type ExplainAnswer =
  | { readonly outcome: 'EXPLAINED'; readonly explanation: ExplanationView }
  | NotFound
  | Unavailable;

/** Whose limits are asked for. Whether who asks may see it was looked at already. */
export interface LimitTarget {
  readonly type: 'TENANT' | 'TEAM' | 'USER' | 'PRODUCT' | 'KEY';
  readonly id: string;
}

export type EffectiveLimitsAnswer =
  | { readonly outcome: 'READ'; readonly at: number; readonly limits: readonly EffectiveLimitView[] }
  | NotFound
  | Unavailable;

/** Whom requests are for, whose nearest limits are asked for. */
export type NearestLimitsCall = Pick<AdmitCall, 'keyId' | 'userExternalId'>;

/** Whose a lease is to be, so that it is found: the one's who asks, and this gateway's if one is named. */
export interface LeaseClaim {
  readonly caller: Caller;
  readonly gatewayId: string | null;
}

export interface RenewCall extends LeaseClaim {
  readonly leaseId: string;
  /** Null: as long as it was asked for at admission. */
  readonly leaseSeconds: number | null;
}

export type RenewAnswer = { readonly outcome: 'RENEWED'; readonly lease: LeaseView } | NotFound | Unavailable;

/** What a request used. */
export interface SettleCall extends LeaseClaim {
  readonly leaseId: string;
  readonly statusCode: number;
  readonly inputTokens: number;
  readonly outputTokens: number;
  readonly images: number;
  readonly audioSeconds: number;
  readonly characters: number;
  readonly ttftMs: number | null;
  readonly totalMs: number | null;
  readonly cacheStatus: CacheStatus;
}

export type SettleAnswer =
  | { readonly outcome: 'SETTLED'; readonly record: UsageRecordRow; readonly isRepeated: boolean }
  | NotFound
  | Unavailable;

export interface CancelCall extends LeaseClaim {
  /** One of the two. */
  readonly leaseId: string | null;
  readonly requestId: string | null;
}

export const cancellations = {
  WITHDRAWN: 'It waited, and has left the queue.',
  RELEASED: 'It held a slot, which is free again. Nothing is charged or recorded.',
} as const;

export type Cancellation = keyof typeof cancellations;

export type CancelAnswer =
  | { readonly outcome: 'CANCELLED'; readonly cancellation: Cancellation }
  /** It has ended, and its usage was recorded. */
  | { readonly outcome: 'ENDED'; readonly settlement: string }
  | NotFound
  | Unavailable;

export interface QueuedRequestView {
  readonly requestId: string;
  readonly modelName: string;
  readonly tenantId: string;
  readonly keyId: string;
  readonly position: number;
  readonly estimatedWaitMs: number | null;
  readonly since: number;
}

/** A heartbeat that a gateway sent, with the leases that it holds. */
export interface HeldByGateway {
  readonly gatewayId: string;
  readonly leaseIds: readonly string[];
  readonly at: number;
}

/** A request that another process has refused, since its credential was none. */
export interface RefusedCall {
  /** Null: it is not known. */
  readonly tenant: NamedTenant | null;
  readonly reason: AdmissionReason;
}

/** What runs and waits. */
interface PoolFigures {
  readonly inFlight: number;
  readonly queued: number;
}

/** What runs and waits in all, and of each model by its id. */
export interface LiveFigures extends PoolFigures {
  readonly models: Readonly<Record<string, PoolFigures>>;
}

/** The one process that decides about slots and counts limits. */
export interface AdmissionOwner {
  /** Waits for the slot; whoever gives up waiting aborts. */
  admit(call: AdmitCall, signal: AbortSignal | undefined): Promise<AdmitAnswer>;
  renew(call: RenewCall): Promise<RenewAnswer>;
  settle(call: SettleCall): Promise<SettleAnswer>;
  cancel(call: CancelCall): Promise<CancelAnswer>;
  heard(heartbeat: HeldByGateway): Promise<void>;
  explain(call: ExplainCall): Promise<ExplainAnswer>;
  effectiveLimits(target: LimitTarget): Promise<EffectiveLimitsAnswer>;
  /** Of each limit the layer with the least left; none when the key is gone. */
  nearestLimits(call: NearestLimitsCall): Promise<readonly LimitView[]>;
  queuedRequest(caller: Caller, requestId: string): Promise<QueuedRequestView | null>;
  /** Those of these leases that the caller sees. */
  leasesOf(caller: Caller, ids: readonly string[]): Promise<readonly LeaseView[]>;
  leaseList(call: LeaseListCall): Promise<LeaseList>;
  figures(): Promise<LiveFigures>;
  /** Counts it among those that were refused. */
  refused(call: RefusedCall): Promise<void>;
}
