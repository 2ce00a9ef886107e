import type {
  Grant,
  GroupSettings,
  PoolSettings,
  SchedulerOptions,
  Submission,
} from '../../../src/modules/fairshare/api.ts';
import type { Bounds } from '../../../src/modules/fairshare/state.ts';

/** Requests of a key, priority and set of named caps in a pool: what blocks one of them blocks all. */
export interface Lane {
  readonly pool: string;
  readonly tenantId: string;
  readonly keyId: string;
  readonly priority: string;
  readonly caps: readonly string[];
  /** Whether its first request could run as far as its key knows, or waits in the lot of a cap. */
  place: 'nowhere' | 'ready' | 'in lot';
  /** In which it has a place, also while it is let out to run. */
  lot: Tree | undefined;
  /** Its place among those that were let out; 0 unless it is. */
  letOut: number;
}

export interface Request {
  readonly id: string;
  readonly lane: Lane;
  readonly arrival: number;
  readonly submittedAt: number;
  readonly leaseMs: number | undefined;
  charge: number;
  endsAt: number;
  isHeld: boolean;
  /** In which it was charged as well. */
  lot: Tree | undefined;
}

/** A pool's, or that of a lot in it, where lanes wait for a cap. */
export interface Tree {
  readonly pool: string;
  readonly cap: string | undefined;
  readonly members: Member[];
}

export type Level = 'DEPLOYMENT' | 'POOL' | 'GROUP' | 'TENANT' | 'KEY';

export interface Member {
  readonly tree: Tree;
  readonly level: Level;
  readonly id: string;
  /** Of a key; of those above it as of itself. */
  readonly tenantId: string;
  /** Of a key; others have one lot of siblings inside, of NORMAL. */
  readonly priority: string;
  /** Its account: where it began, and the tokens since. */
  base: number;
  charged: number;
  weight: number;
  /** Of the request that made it wait. */
  arrival: number;
  /** Asking: something below it could run, as far as full caps were met. */
  asking: 'no' | 'in order' | 'owed';
  owedSlots: number;
  /** Its cap was met when it was full, and has had no room since. */
  isHeldBack: boolean;
  /** Of those inside, by priority. */
  readonly virtualTimes: Map<string, number>;
}

interface PoolRecord extends Bounds {
  readonly capacity: number;
  readonly weightPercent: number;
  readonly isRemoved: boolean;
}

interface TenantRecord extends Bounds {
  readonly groupId: string;
  readonly weight: number;
  readonly max: number;
  readonly isSet: boolean;
}

interface KeyRecord {
  readonly weight: number;
  readonly max: number;
}

export const infinite = Number.POSITIVE_INFINITY;
export const plain = 'NORMAL';
const unset: TenantRecord = { groupId: 'default', weight: 100, max: infinite, isSet: false };

/** What was said, who waits and who runs: whatever can be derived from it is derived by looking through all of it. */
export class Records {
  protected algorithm: 'HIERARCHICAL' | 'WEIGHTED' = 'HIERARCHICAL';
  protected ceiling = infinite;
  protected readonly options: Omit<SchedulerOptions, 'algorithm'>;
  protected readonly pools = new Map<string, PoolRecord>();
  protected readonly groups = new Map<string, number>();
  protected readonly tenants = new Map<string, TenantRecord>();
  protected readonly keys = new Map<string, KeyRecord & { readonly tenantId: string }>();
  protected readonly caps = new Map<string, number>();
  protected requests: Request[] = [];
  protected readonly lanes: Lane[] = [];
  protected grants: Grant[] = [];
  #arrivals = 0;

  constructor(options: Omit<SchedulerOptions, 'algorithm'> = {}) {
    this.options = options;
    this.ceiling = options.ceiling ?? infinite;
  }

  takeGrants(): Grant[] {
    const grants = this.grants;
    this.grants = [];
    return grants;
  }

  protected record(
    { pool, tenantId, keyId, priority = plain, caps = [], ...submission }: Submission,
    now: number,
  ): Request {
    const known = this.lanes.find(
      (each) =>
        each.pool === pool && each.keyId === keyId && each.priority === priority && each.caps.join() === caps.join(),
    );
    const lane: Lane = known ?? {
      ...{ pool, tenantId, keyId, priority, caps },
      ...{ place: 'nowhere', lot: undefined, letOut: 0 },
    };
    if (known === undefined) this.lanes.push(lane);
    this.#arrivals += 1;
    return {
      ...{ id: submission.id, lane, arrival: this.#arrivals, submittedAt: now, leaseMs: submission.leaseMs },
      ...{ charge: Math.max(1, submission.cost), endsAt: infinite, isHeld: false, lot: undefined },
    };
  }

  protected poolOf(name: string): PoolRecord {
    return this.pools.get(name) ?? { capacity: 0, weightPercent: 100, isRemoved: true };
  }

  protected setPoolRecord(name: string, { capacity, weightPercent = 100, ...bounds }: PoolSettings): void {
    this.pools.set(name, { capacity, weightPercent, isRemoved: false, ...bounds });
  }

  protected setGroupRecord(id: string, { weight }: GroupSettings): void {
    this.groups.set(id, weight);
  }

  protected tenantOf(id: string): TenantRecord {
    return this.tenants.get(id) ?? unset;
  }

  protected keyOf(id: string): KeyRecord {
    return this.keys.get(id) ?? unset;
  }

  /** As nobody had ever set it, but where it is. */
  protected resetTenant(id: string): void {
    this.tenants.set(id, { ...unset, groupId: this.tenantOf(id).groupId });
  }

  protected running(belongs: (lane: Lane) => boolean = () => true): number {
    return this.requests.filter(({ isHeld, lane }) => isHeld && belongs(lane)).length;
  }

  protected waiting(belongs: (lane: Lane) => boolean = () => true): number {
    return this.requests.filter(({ isHeld, lane }) => !isHeld && belongs(lane)).length;
  }

  /** Of a lane, in the order in which they came. */
  protected queueOf(lane: Lane): Request[] {
    return this.requests.filter((each) => !each.isHeld && each.lane === lane);
  }

  protected isFull(cap: string): boolean {
    return this.freeOf(cap) <= 0;
  }

  protected freeOf(cap: string): number {
    return (this.caps.get(cap) ?? infinite) - this.running(({ caps }) => caps.includes(cap));
  }
}
