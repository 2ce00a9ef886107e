import type { QueueBound, Refusal, SchedulerOptions } from './api.ts';
import type { Dispatcher, PoolEntry } from './dispatcher.ts';
import type { Forest } from './forest.ts';
import { keyFields, nodeFields, tenantFields } from './layout.ts';
import type { Queueing } from './state.ts';

const { max } = tenantFields;

const unbounded = Number.POSITIVE_INFINITY;

/** A cap, by its name or as that of the tenant or key. */
export interface Bounded {
  readonly by: 'TENANT' | 'KEY' | 'CAP';
  readonly id: string;
  readonly max: number | null | undefined;
}

const blocked = (by: Bounded['by'], id: string): Refusal => ({ outcome: 'REFUSED', reason: 'BLOCKED', by, id });

/** A cap of 0, for which waiting would never help. */
export function firstBlock(bounds: readonly Bounded[]): Refusal | undefined {
  const block = bounds.find(({ max: itsMax }) => itsMax === 0);
  return block === undefined ? undefined : blocked(block.by, block.id);
}

/** The same for a key that is known here. */
export function blockOf({ cells, directory }: Forest, key: number, caps: readonly string[]): Refusal | undefined {
  const tenant = cells.int(key + keyFields.tenant);
  if (cells.int(tenant + max) === 0) return blocked('TENANT', directory.idOf(tenant));
  if (cells.int(key + max) === 0) return blocked('KEY', directory.idOf(key));
  for (const id of caps) if (directory.caps.get(id)?.max === 0) return blocked('CAP', id);
  return undefined;
}

/** Who may wait, and for how long. */
export class QueueLimits {
  readonly #options: SchedulerOptions;
  readonly #dispatcher: Dispatcher;

  constructor(options: SchedulerOptions, dispatcher: Dispatcher) {
    this.#options = options;
    this.#dispatcher = dispatcher;
  }

  /** When a request that comes now gives up. */
  endOf({ pool }: PoolEntry, { bounds }: Queueing, deadline: number, now: number): number {
    const { poolQueue, tenantQueue } = this.#options;
    const ofPool = pool.bounds.maxWaitMs ?? poolQueue?.maxWaitMs ?? unbounded;
    const ofTenant = bounds.maxWaitMs ?? tenantQueue?.maxWaitMs ?? unbounded;
    return Math.min(deadline, now + ofPool, now + ofTenant);
  }

  /** Why a request may not wait until then. */
  refusalOf({ pool, tree }: PoolEntry, { bounds, queued }: Queueing, end: number, now: number): Refusal | undefined {
    const { maxQueued, poolQueue, tenantQueue } = this.#options;
    const { cells } = this.#dispatcher.forest;
    return (
      full('TENANT', queued, bounds.maxQueued ?? tenantQueue?.maxQueued) ??
      full('POOL', cells.int(tree.root + nodeFields.waiting), pool.bounds.maxQueued ?? poolQueue?.maxQueued) ??
      full('DEPLOYMENT', this.#dispatcher.queued, maxQueued) ??
      (end <= now ? { outcome: 'REFUSED', reason: 'DEADLINE' } : undefined)
    );
  }
}

function full(bound: QueueBound, waiting: number, limit: number | undefined): Refusal | undefined {
  if (limit === undefined || waiting < limit) return undefined;
  return { outcome: 'REFUSED', reason: 'QUEUE_FULL', bound, limit, queued: waiting };
}
