/** Those of whom there are few, and what is said of them. Whoever there may be many of is a row (see `layout.ts`). */
import { noMaximum } from './layout.ts';

export type Priority = 'HIGH' | 'NORMAL' | 'LOW';

/** In the order in which a tenant's requests are served. */
export const priorities: readonly Priority[] = ['HIGH', 'NORMAL', 'LOW'];

/** Whether groups share a pool and tenants share what their group is given, or tenants share it directly. */
export type Algorithm = 'HIERARCHICAL' | 'WEIGHTED';

/** Undefined: as the scheduler's options say. */
export interface Bounds {
  readonly maxQueued?: number | undefined;
  readonly maxWaitMs?: number | undefined;
}

/** What of a tenant says whether its requests may wait. */
export interface Queueing {
  readonly bounds: Bounds;
  readonly queued: number;
}

/** A bound on how much runs at once. It counts also while it is not set, since it may be set while something runs. */
export class Cap {
  max = noMaximum;
  inFlight = 0;

  get free(): number {
    return this.max - this.inFlight;
  }

  get isFull(): boolean {
    return this.inFlight >= this.max;
  }
}

/** A cap that requests name, of a user, team, product or gateway. It holds back lanes of any keys and tenants. */
export class NamedCap extends Cap {
  readonly id: string;
  isSet = false;
  /** Waiting and running requests that name it. */
  requests = 0;
  /** In how many pools lanes wait for it. */
  lots = 0;
  isRefilling = false;

  constructor(id: string) {
    super();
    this.id = id;
  }
}

export class Pool {
  readonly id: string;
  /** Its capacity, and what runs. */
  readonly row: number;
  /** Removed, and here until its last request is settled. */
  isRemoved = false;
  weightPercent = 100;
  bounds: Bounds = {};
  /** When its latest requests were granted, in a ring, and how many were. */
  readonly grantTimes: number[] = [];
  grants = 0;
  /** Tokens charged for one request, lately. */
  meanCharge = 0;

  constructor(id: string, row: number) {
    this.id = id;
    this.row = row;
  }
}
