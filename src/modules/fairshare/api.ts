/** What callers of the scheduler say and are told. Times are milliseconds of the caller's clock. */
import type { Algorithm, Bounds, Priority } from './state.ts';

export interface SchedulerOptions {
  readonly algorithm: Algorithm;
  /** How many requests run at once in all pools together; without it, as many as the pools have slots. */
  readonly ceiling?: number;
  /** How many requests wait at once in all pools together. */
  readonly maxQueued?: number;
  /** For pools that have no bounds of their own. */
  readonly poolQueue?: QueueBounds;
  /** For tenants that have no bounds of their own. */
  readonly tenantQueue?: QueueBounds;
}

/** How many wait, and for how long. Undefined: unbounded. */
type QueueBounds = Bounds;

export interface PoolSettings extends QueueBounds {
  readonly capacity: number;
  /** By which the weights of tenants are multiplied in this pool; 100 when not given. */
  readonly weightPercent?: number | undefined;
}

export interface GroupSettings {
  readonly weight: number;
}

export interface TenantSettings extends QueueBounds {
  readonly groupId: string;
  readonly weight: number;
  /** In all pools together. Null: no bound; 0: blocked. */
  readonly maxInFlight?: number | null | undefined;
}

export interface KeySettings {
  readonly tenantId: string;
  readonly weight: number;
  /** In all pools together. Null: no bound; 0: blocked. */
  readonly maxInFlight?: number | null | undefined;
}

/** A request for a slot. */
export interface Submission {
  readonly id: string;
  readonly pool: string;
  readonly tenantId: string;
  readonly keyId: string;
  /** Within the tenant; NORMAL when not given. */
  readonly priority?: Priority | undefined;
  /** Estimated tokens. */
  readonly cost: number;
  /** When to give up waiting; the bounds of the queues may be earlier. */
  readonly deadline?: number | undefined;
  /** How long its lease lasts from the grant on unless it is renewed; for ever when not given. */
  readonly leaseMs?: number | undefined;
  /** Further caps that it counts against, the narrowest first: user, team, product, gateway. */
  readonly caps?: readonly string[] | undefined;
}

/** A request that was granted by an earlier process and still runs. */
export interface Adoption extends Omit<Submission, 'deadline' | 'leaseMs'> {
  readonly expiresAt: number;
}

export type QueueBound = 'TENANT' | 'POOL' | 'DEPLOYMENT';

export type Refusal =
  | { readonly outcome: 'REFUSED'; readonly reason: 'UNKNOWN_POOL' }
  /** A cap of 0, by its name or as that of the tenant or key: waiting would never help. */
  | {
      readonly outcome: 'REFUSED';
      readonly reason: 'BLOCKED';
      readonly by: 'TENANT' | 'KEY' | 'CAP';
      readonly id: string;
    }
  | {
      readonly outcome: 'REFUSED';
      readonly reason: 'QUEUE_FULL';
      readonly bound: QueueBound;
      readonly limit: number;
      readonly queued: number;
    }
  /** It would have to wait, and its time to wait is over. */
  | { readonly outcome: 'REFUSED'; readonly reason: 'DEADLINE' };

export type Submitted = { readonly outcome: 'GRANTED' } | { readonly outcome: 'QUEUED' } | Refusal;

/** A request that waited has its slot. */
export interface Grant {
  readonly id: string;
  readonly waitedMs: number;
}

export interface Advanced {
  /** Requests that gave up waiting. */
  readonly timedOut: readonly string[];
  /** Leases that nobody renewed; their slots are free, and what they were charged stays. */
  readonly expired: readonly string[];
}

export interface Position {
  /** How many are served before it if nothing else comes, and itself: an estimate from the weights. */
  readonly position: number;
  /** From how fast the pool granted lately; null when it granted nothing yet. */
  readonly estimatedWaitMs: number | null;
}

/** Since the scheduler was made; `granted + adopted = settled + released + expired + held` at any time. */
export interface Totals {
  readonly submitted: number;
  readonly refused: number;
  readonly granted: number;
  readonly adopted: number;
  readonly settled: number;
  /** Cancelled while they ran. */
  readonly released: number;
  readonly expired: number;
  /** Cancelled while they waited, or because their pool, tenant or key was removed. */
  readonly withdrawn: number;
  readonly timedOut: number;
  readonly held: number;
  readonly queued: number;
}
