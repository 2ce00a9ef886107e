import type { LimitView, RefusalView } from './refusals.ts';

/*
 * What is said of limits and of a decision to those who ask for it: plain data, as all that the one process that decides
 * answers. Ids are UUIDs, times are milliseconds since 1970, amounts are texts.
 */

/** Where the value of a limit comes from. */
export const limitSources = {
  OWN: 'It is set on the owner itself.',
  USER_SHARE: "It is so many percent of the team's value: `sharePercent`.",
  CAPACITY: 'It is the capacity of the model, the gateway or the deployment.',
  NONE: 'The owner sets none, or its budget has not begun: only the other owners limit.',
} as const;

export type LimitSource = keyof typeof limitSources;

/** What one owner has to say of one limit. */
export interface LimitLayerView {
  readonly owner: LimitView['owner'];
  readonly source: LimitSource;
  /** Of the part of one user of a team's limits. */
  readonly sharePercent: number | null;
  /** Null: no limit here, and so are `used`, `remaining` and `since`. */
  readonly limit: string | null;
  readonly used: string | null;
  readonly remaining: string | null;
  readonly since: number | null;
  readonly resetAt: number | null;
  /** Whether it has the least left of all layers of this limit that are shown, so that it is the next to refuse. */
  readonly isBinding: boolean;
  /** Of the request that was asked about; null without one, and where the layer has no say. */
  readonly fit: LimitFitView | null;
}

/** Whether what a request asks for is left. */
export interface LimitFitView {
  readonly requested: string;
  readonly fits: boolean;
  /** How long until it fits if nothing else is used; null: it does now, never does by itself, or nobody knows. */
  readonly retryAfterMs: number | null;
  /** It asks for more than all of it. */
  readonly permanent: boolean;
}

/** One limit, as all that have a say in it set it, in the order in which they are asked. */
export interface EffectiveLimitView {
  readonly name: LimitView['name'];
  readonly layers: readonly LimitLayerView[];
}

/** What is looked at before a request is admitted, in this order. */
export const admissionChecks = {
  CREDENTIAL:
    'The key that was presented: its checksum, whether it or its secret was revoked, has expired or was replaced.',
  TENANT_GIVEN: 'Whether the key belongs to a tenant.',
  KEY: 'Whether the key was revoked, has expired or is disabled.',
  TENANT: 'Whether the tenant is active.',
  SCHEDULE: 'Whether the tenant is served at this time.',
  USER: 'Whether the user is active.',
  APP: "Whether the key's application is in use.",
  PRODUCT: "Whether the key's product is active.",
  ENGINE: "Whether the key's engine is not being destroyed.",
  PLACE: 'Where the key is used from: addresses and origins.',
  SCOPES: 'Whether the key may run requests.',
  MODEL_ALLOWED: 'Whether the key and its tenant may use the model.',
  MODEL_ENABLED: 'Whether the model is enabled.',
  LIMITS: 'Rates, daily tokens and budgets of key, user, team, product and tenant, as one.',
  IN_FLIGHT: 'Whether any owner may have no request in flight at all.',
  QUEUE: 'Whether there is a slot, or room to wait for one and time to.',
} as const;

export type AdmissionCheckName = keyof typeof admissionChecks;

export const checkOutcomes = {
  PASSED: 'It lets the request pass.',
  REFUSED: 'It refuses the request.',
  SKIPPED: 'It does not apply, or what it would look at is not there.',
} as const;

export interface AdmissionCheckView {
  readonly check: AdmissionCheckName;
  readonly outcome: keyof typeof checkOutcomes;
  /** Of one that refuses. */
  readonly refusal: RefusalView | null;
}

export const admissionVerdicts = {
  ADMIT: 'It would have a slot at once.',
  WAIT: 'It would wait for a slot.',
  REFUSE: 'It would be refused.',
} as const;

/** What a request takes of limits. */
export interface EstimateView {
  readonly requests: number;
  readonly tokens: number;
  readonly costUsd: string;
}

/** Who comes next in the pool, as far as the request is concerned. */
export interface FairnessView {
  readonly algorithm: 'HIERARCHICAL' | 'WEIGHTED';
  readonly fairshareGroupId: string;
  readonly tenantWeight: number;
  /** By how many percent the model multiplies the weights of tenants. */
  readonly weightPercent: number;
  readonly keyWeight: number;
  /** The tenant's part of the pool's slots by the weights of those who wait or run there, with this request. */
  readonly expectedSlots: number;
  /** What the tenant runs and has waiting in the pool. */
  readonly inFlight: number;
  readonly queued: number;
}

/** The place that a request would have in the queue. */
export interface PlaceView {
  readonly position: number;
  readonly estimatedWaitMs: number | null;
}

export interface ExplanationView {
  readonly at: number;
  readonly verdict: keyof typeof admissionVerdicts;
  /** As `admitRequest` says it. */
  readonly refusal: RefusalView | null;
  readonly checks: readonly AdmissionCheckView[];
  readonly keyId: string;
  /** Null: the key belongs to none; then there are no limits and no fairness either. */
  readonly tenantId: string | null;
  readonly userId: string | null;
  readonly teamId: string | null;
  readonly productId: string | null;
  readonly modelId: string | null;
  readonly modelName: string;
  readonly estimate: EstimateView;
  readonly limits: readonly EffectiveLimitView[];
  readonly fairness: FairnessView | null;
  /** Of one that would wait. */
  readonly place: PlaceView | null;
}
