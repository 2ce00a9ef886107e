import type { QueueBound, Refusal, SchedulerOptions } from './api.ts';
import type { Dispatcher, PoolEntry } from './dispatcher.ts';
import type { Cap, Tenant } from './state.ts';

const unbounded = Number.POSITIVE_INFINITY;

type Maximum = Pick<Cap, 'id' | 'max'>;

/** A cap of 0, for which waiting would never help. */
export function blockOf(
  directory: { readonly caps: ReadonlyMap<string, Pick<Cap, 'max'>> },
  key: Maximum & { readonly tenant: Maximum },
  caps: readonly string[],
): Refusal | undefined {
  const { tenant } = key;
  if (tenant.max === 0) return { outcome: 'REFUSED', reason: 'BLOCKED', by: 'TENANT', id: tenant.id };
  if (key.max === 0) return { outcome: 'REFUSED', reason: 'BLOCKED', by: 'KEY', id: key.id };
  const id = caps.find((each) => directory.caps.get(each)?.max === 0);
  return id === undefined ? undefined : { outcome: 'REFUSED', reason: 'BLOCKED', by: 'CAP', id };
}

/** What of a tenant says whether its requests may wait. */
type Queueing = Pick<Tenant, 'bounds' | 'queued'>;

/** Who may wait, and for how long. */
export class QueueLimits {
  readonly #options: SchedulerOptions;
  readonly #dispatcher: Dispatcher;

  constructor(options: SchedulerOptions, dispatcher: Dispatcher) {
    this.#options = options;
    this.#dispatcher = dispatcher;
  }

  /** When a request that comes now gives up. */
  endOf({ pool }: PoolEntry, tenant: Queueing, deadline: number, now: number): number {
    const { poolQueue, tenantQueue } = this.#options;
    const ofPool = pool.bounds.maxWaitMs ?? poolQueue?.maxWaitMs ?? unbounded;
    const ofTenant = tenant.bounds.maxWaitMs ?? tenantQueue?.maxWaitMs ?? unbounded;
    return Math.min(deadline, now + ofPool, now + ofTenant);
  }

  /** Why a request may not wait until then; `itself`: 1 when it is counted already. */
  refusalOf({ pool, tree }: PoolEntry, tenant: Queueing, end: number, now: number, itself: 0 | 1): Refusal | undefined {
    const { maxQueued, poolQueue, tenantQueue } = this.#options;
    return (
      full('TENANT', tenant.queued - itself, tenant.bounds.maxQueued ?? tenantQueue?.maxQueued) ??
      full('POOL', tree.root.waiting - itself, pool.bounds.maxQueued ?? poolQueue?.maxQueued) ??
      full('DEPLOYMENT', this.#dispatcher.queued - itself, maxQueued) ??
      (end <= now ? { outcome: 'REFUSED', reason: 'DEADLINE' } : undefined)
    );
  }
}

function full(bound: QueueBound, queued: number, limit: number | undefined): Refusal | undefined {
  if (limit === undefined || queued < limit) return undefined;
  return { outcome: 'REFUSED', reason: 'QUEUE_FULL', bound, limit, queued };
}
