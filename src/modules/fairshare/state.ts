/**
 * What the scheduler remembers. One file, since these refer to each other: requests wait in lanes, lanes belong to
 * nodes of trees, nodes to those who share, and caps know the nodes that they hold back.
 */
import { type HeapItem, IndexedHeap, type Order } from './indexed-heap.ts';
import type { Run } from './run.ts';
import { Member, type Siblings } from './siblings.ts';

export type Priority = 'HIGH' | 'NORMAL' | 'LOW';

/** In the order in which a tenant's requests are served. */
export const priorities: readonly Priority[] = ['HIGH', 'NORMAL', 'LOW'];

/** More than anybody sets. Not infinite, since V8 keeps such a field in a box of its own, which has to be fetched from memory. */
export const noMaximum = 2 ** 30;

/** A bound on how much runs at once. It counts also while it is not set, since it may be set while something runs. */
export class Cap {
  readonly id: string;
  max = noMaximum;
  inFlight = 0;

  constructor(id: string) {
    this.id = id;
  }

  get free(): number {
    return this.max - this.inFlight;
  }

  get isFull(): boolean {
    return this.inFlight >= this.max;
  }
}

/** The cap of a pool, tenant or key, which holds back whole nodes of the trees. */
export class NodeCap extends Cap {
  readonly parked: TreeNode[] = [];
}

/** A cap that requests name, of a user, team, product or gateway. It holds back lanes of any keys and tenants. */
export class NamedCap extends Cap {
  isSet = false;
  /** Waiting and running requests that name it. */
  requests = 0;
  /** In how many pools lanes wait for it. */
  lots = 0;
  isRefilling = false;
}

/** Undefined: as the scheduler's options say. */
export interface Bounds {
  readonly maxQueued?: number | undefined;
  readonly maxWaitMs?: number | undefined;
}

export class Pool extends NodeCap {
  /** Removed, and here until its last request is settled. */
  isRemoved = false;
  weightPercent = 100;
  bounds: Bounds = {};
  /** When its latest requests were granted, in a ring, and how many were. */
  readonly grantTimes: number[] = [];
  grants = 0;
  /** Tokens charged for one request, lately. */
  meanCharge = 0;
}

export class Group {
  readonly id: string;
  weight: number;
  isSet = false;
  /** Tenants that are in it. */
  tenants = 0;
  /** Trees that have a node of it. */
  nodes = 0;

  constructor(id: string, weight: number) {
    this.id = id;
    this.weight = weight;
  }
}

export class Tenant extends NodeCap {
  weight: number;
  group: Group;
  isSet = false;
  bounds: Bounds = {};
  queued = 0;
  /** Keys that name it. */
  keys = 0;
  /** Trees that have a node of it. */
  nodes = 0;

  constructor(id: string, weight: number, group: Group) {
    super(id);
    this.weight = weight;
    this.group = group;
  }
}

export class Key extends NodeCap {
  weight: number;
  readonly tenant: Tenant;
  isSet = false;
  /** Waiting and running requests. */
  requests = 0;
  /** One for each pool and priority in which it has requests, and each lot in which it waits: few. */
  readonly nodes: TreeNode[] = [];

  constructor(id: string, weight: number, tenant: Tenant) {
    super(id);
    this.weight = weight;
    this.tenant = tenant;
  }
}

/** Deployment (the root) -> pools -> groups -> tenants -> keys; without groups when tenants share a pool directly. */
export type Level = 'DEPLOYMENT' | 'POOL' | 'GROUP' | 'TENANT' | 'KEY';

const none: [] = [];

/** Arrivals of requests are unique. */
const byFirst: Order<Lane> = { keyOf: ({ first }) => first?.arrival ?? 0, isTieBefore: () => false };

/** One class for all levels, since every decision walks through all of them and should meet one shape of object. */
export class TreeNode extends Member {
  /** Of a key: the tree that it is in. */
  tree: object | undefined;
  readonly level: Level;
  readonly owner: Pool | Group | Tenant | Key | undefined;
  /** Of a key. */
  readonly priority: number;
  /** What holds it back; nothing in lots, where those wait whom another cap holds back. */
  readonly cap: NodeCap | undefined;
  parent: TreeNode | undefined;
  /** Those among whom it is. */
  siblings: Siblings<TreeNode> | undefined;
  /** Those who share what it is given: by priority for a tenant, one for every other level; none for a key. */
  readonly inside: (Siblings<TreeNode> | undefined)[];
  /** Of a key: those that could run, by the arrival of their first request. */
  readonly lanes: IndexedHeap<Lane> | undefined;
  /** Of a key: all lanes that have requests, and the one of requests that name no caps. */
  plainLane: Lane | undefined;
  lanesByCaps: Map<string, Lane> | undefined;
  /** Of a tenant: the nodes of its keys, in no order. */
  readonly keyNodes: TreeNode[] | undefined;
  /** Of a key: its place among them. */
  indexInTenant = -1;
  /** Of a tenant: how many wait, by priority. */
  readonly queuedByPriority: number[] | undefined;
  /** Of a tenant: lanes that were let out of the lot of a cap to run. */
  letOut: Set<Lane> | undefined;
  /** Held back by its cap. */
  isParked = false;

  constructor(level: Level, weight: number, owner: TreeNode['owner'], cap: NodeCap | undefined, priority = 0) {
    super(weight);
    this.level = level;
    this.owner = owner;
    this.priority = priority;
    this.cap = cap;
    this.inside = level === 'KEY' ? none : level === 'TENANT' ? [undefined, undefined, undefined] : [undefined];
    this.lanes = level === 'KEY' ? new IndexedHeap(byFirst) : undefined;
    this.keyNodes = level === 'TENANT' ? [] : undefined;
    this.queuedByPriority = level === 'TENANT' ? [0, 0, 0] : undefined;
  }

  get id(): string {
    return this.owner?.id ?? '';
  }

  /** Whether something below it could run, as far as its own cap does not hold it back. */
  get hasAsking(): boolean {
    return this.lanes === undefined ? this.asking !== 0 : !this.lanes.isEmpty;
  }

  /** The siblings inside of the highest priority that ask. */
  get firstAsking(): Siblings<TreeNode> | undefined {
    // Of the lowest bit that is set.
    return this.asking === 0 ? undefined : this.inside[31 - Math.clz32(this.asking & -this.asking)];
  }
}

/** Requests of one key, priority and set of named caps, in the order in which they came: what blocks one blocks all. */
export class Lane implements HeapItem {
  heapIndex = -1;
  readonly pool: Pool;
  readonly key: Key;
  readonly priority: number;
  readonly caps: readonly NamedCap[];
  readonly capsId: string;
  readonly node: TreeNode;
  first: Request | undefined;
  last: Request | undefined;
  /** The cap in whose lot it has a place, its node there, and whether it was let out of it to run. */
  waitsFor: NamedCap | undefined;
  lotNode: TreeNode | undefined;
  isLetOut = false;

  constructor(pool: Pool, key: Key, node: TreeNode, caps: readonly NamedCap[], capsId: string) {
    this.pool = pool;
    this.key = key;
    this.priority = node.priority;
    this.caps = caps;
    this.capsId = capsId;
    this.node = node;
  }

  append(request: Request): void {
    request.previous = this.last;
    if (this.last === undefined) this.first = request;
    else this.last.next = request;
    this.last = request;
  }

  remove(request: Request): void {
    if (request.previous === undefined) this.first = request.next;
    else request.previous.next = request.next;
    if (request.next === undefined) this.last = request.previous;
    else request.next.previous = request.previous;
    request.previous = undefined;
    request.next = undefined;
  }
}

/** Where charges of keys can be corrected. */
interface Correctable {
  correct(key: Key, priority: number, tokens: number): void;
}

/** A request from when it is queued until its slot is free again. It is among the waits or the leases, if these end. */
export class Request implements HeapItem {
  heapIndex = -1;
  /** Where it is among the waits, if it is not in a heap. */
  run: Run<Request> | undefined;
  /** When it gives up waiting, or its lease ends. */
  endsAt = 0;
  id: string;
  /** Its place among all requests, in the order in which they came. */
  arrival = 0;
  submittedAt = 0;
  /** Undefined: for ever. */
  leaseMs: number | undefined;
  lane: Lane;
  /** The tokens that are charged for it. */
  charge = 0;
  isHeld = false;
  previous: Request | undefined;
  next: Request | undefined;
  /** The lot that it waited in, where it was charged as well. */
  lot: Correctable | undefined;

  constructor(id: string, lane: Lane) {
    this.id = id;
    this.lane = lane;
  }
}
