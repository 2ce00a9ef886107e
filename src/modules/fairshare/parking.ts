import type { Directory } from './directory.ts';
import type { Lane, NamedCap, NodeCap, Pool, TreeNode } from './state.ts';
import { type Algorithm, Tree } from './tree.ts';
import { countWaiting, countWithdrawn, lower, raise } from './walks.ts';

/** Lanes of one pool that have to wait for one cap, in the order in which they may go on. */
interface Lot {
  readonly cap: NamedCap;
  readonly tree: Tree;
  /** Lanes that may run now, of those that have a place here. */
  letOut: number;
}

/**
 * Keeps what a full cap holds back out of the way of everything else.
 *
 * Pools, tenants and keys are whole nodes: they leave their siblings, and come back when their cap has a free slot. A
 * named cap may hold back lanes of many keys and tenants. They wait in a tree of their own for each pool, with its own
 * virtual time, so that a cap that is short is shared as fairly as a pool is. When it has a free slot, the lane whose
 * turn it is, and no more lanes than there are slots, goes back to compete for the pool, and queues up for the cap
 * again once it is served. So a request that needs a scarce cap takes its turn there first, and then in the pool.
 */
export class Parking {
  readonly #lots = new Map<NamedCap, Map<Pool, Lot>>();
  readonly #directory: Directory;
  #algorithm: Algorithm;

  constructor(algorithm: Algorithm, directory: Directory) {
    this.#algorithm = algorithm;
    this.#directory = directory;
  }

  *trees(): Iterable<Tree> {
    for (const lots of this.#lots.values()) for (const { tree } of lots.values()) yield tree;
  }

  setAlgorithm(algorithm: Algorithm): void {
    this.#algorithm = algorithm;
    for (const tree of this.trees()) tree.setAlgorithm(algorithm);
  }

  park(node: TreeNode, cap: NodeCap): void {
    node.isParked = true;
    cap.parked.push(node);
    node.siblings?.leave(node);
    if (node.parent === undefined) return;
    lower(node.parent);
    // Others can use what was meant for lanes that cannot run now.
    const letOut = node.level === 'KEY' ? node.parent.letOut : node.letOut;
    for (const lane of [...(letOut ?? [])]) {
      if (lane.node === node || lane.node.parent === node) this.abandon(lane);
    }
  }

  /** The cap may have free slots. */
  freed(cap: NodeCap): void {
    if (cap.parked.length === 0 || cap.isFull) return;
    for (const node of cap.parked.splice(0)) {
      node.isParked = false;
      if (node.hasAsking) raise(node, 'waited');
    }
  }

  /** A lane has a first request that came just now, or may have got one that can run. */
  admit(lane: Lane, first: 'new' | 'waited' = 'waited'): void {
    for (const cap of lane.caps) {
      // Behind those who wait for the cap already; whoever was let out of another lot has waited.
      if (cap.isFull || (first === 'new' && this.#hasWaiting(cap, lane.pool))) {
        this.#parkLane(lane, cap);
        this.refill(cap);
        return;
      }
    }
    const { lanes, isParked, parent } = lane.node;
    if (lane.first === undefined || lanes === undefined) return;
    lanes.push(lane);
    raise(lane.node, first);
    if (isParked || parent?.isParked === true) this.abandon(lane);
  }

  /** Of the lot in which a lane has a place. */
  treeOf({ waitsFor, pool }: Lane): Tree | undefined {
    return waitsFor === undefined ? undefined : this.#lotOf(waitsFor, pool)?.tree;
  }

  /** A lane that could run, as far as its key knows, meets a full cap. */
  holdBack(lane: Lane, cap: NamedCap): void {
    lane.node.lanes?.remove(lane);
    lower(lane.node);
    this.#parkLane(lane, cap);
  }

  /** The first request of a lane has begun to run; `lane` may be empty now. */
  served(lane: Lane, tokens: number): void {
    const { lotNode, waitsFor } = lane;
    if (lotNode === undefined || waitsFor === undefined) return;
    for (let node: TreeNode | undefined = lotNode; node !== undefined; node = node.parent) {
      node.siblings?.charge(node, tokens);
    }
    if (lane.first === undefined) {
      this.abandon(lane);
    } else if (this.#lotOf(waitsFor, lane.pool)?.tree.root.hasAsking) {
      lane.node.lanes?.remove(lane);
      lower(lane.node);
      this.#parkLane(lane, waitsFor);
      this.refill(waitsFor);
    }
  }

  /** A lane has no more requests, or none that could run. */
  abandon(lane: Lane): void {
    const { waitsFor } = lane;
    if (waitsFor === undefined) return;
    this.#leaveLot(lane);
    this.refill(waitsFor);
  }

  /** Lets as many lanes out, of those whose turn it is, as the cap has free slots: in each pool, for any may be full. */
  refill(cap: NamedCap): void {
    // A lane that meets another full cap gives its place to the next, in the loop that let it out.
    if (cap.lots === 0 || cap.isRefilling) return;
    cap.isRefilling = true;
    for (const lot of this.#lots.get(cap)?.values() ?? []) {
      while (lot.letOut < cap.free) {
        const lane = this.#next(lot);
        if (lane === undefined) break;
        this.#letOut(lane, lot);
        this.admit(lane);
      }
    }
    cap.isRefilling = false;
  }

  #letOut(lane: Lane, lot: Lot): void {
    lane.isLetOut = true;
    lot.letOut += 1;
    const tenant = lane.node.parent;
    if (tenant === undefined) return;
    tenant.letOut ??= new Set();
    tenant.letOut.add(lane);
  }

  #takeBack(lane: Lane, lot: Lot | undefined): void {
    lane.isLetOut = false;
    if (lot !== undefined) lot.letOut -= 1;
    lane.node.parent?.letOut?.delete(lane);
  }

  #lotOf(cap: NamedCap, pool: Pool): Lot | undefined {
    return this.#lots.get(cap)?.get(pool);
  }

  #hasWaiting(cap: NamedCap, pool: Pool): boolean {
    return cap.lots > 0 && this.#lotOf(cap, pool)?.tree.root.hasAsking === true;
  }

  #openLot(cap: NamedCap, pool: Pool): Lot {
    const known = this.#lotOf(cap, pool);
    if (known !== undefined) return known;
    const lot: Lot = { cap, tree: new Tree(pool, this.#algorithm, this.#directory, 'lot'), letOut: 0 };
    const lots = this.#lots.get(cap) ?? new Map<Pool, Lot>();
    lots.set(pool, lot);
    this.#lots.set(cap, lots);
    cap.lots = lots.size;
    return lot;
  }

  #parkLane(lane: Lane, cap: NamedCap): void {
    const { waitsFor } = lane;
    if (waitsFor !== cap && waitsFor !== undefined) {
      this.#leaveLot(lane);
      // Another one can go on in its place.
      this.refill(waitsFor);
    }
    const lot = this.#openLot(cap, lane.pool);
    if (lane.waitsFor === undefined) {
      lane.waitsFor = cap;
      lane.lotNode = lot.tree.keyNode(lane.key, lane.priority);
      countWaiting(lane.lotNode, lane.first?.arrival ?? 0);
    } else if (lane.isLetOut) {
      this.#takeBack(lane, lot);
    }
    if (lane.lotNode === undefined || lane.first === undefined) return;
    lane.lotNode.lanes?.push(lane);
    raise(lane.lotNode, 'waited');
  }

  #next({ tree }: Lot): Lane | undefined {
    let node: TreeNode | undefined = tree.root;
    while (node !== undefined && node.lanes === undefined) {
      node = node.firstAsking?.next();
      if (node !== undefined) node.siblings?.select(node);
    }
    const lane = node?.lanes?.peek();
    if (node === undefined || lane === undefined) return undefined;
    node.lanes?.remove(lane);
    lower(node);
    return lane;
  }

  #leaveLot(lane: Lane): void {
    const { waitsFor, lotNode } = lane;
    if (waitsFor === undefined || lotNode === undefined) return;
    const lot = this.#lotOf(waitsFor, lane.pool);
    if (lane.isLetOut) {
      this.#takeBack(lane, lot);
    } else if (lane.heapIndex >= 0) {
      lotNode.lanes?.remove(lane);
      lower(lotNode);
    }
    countWithdrawn(lotNode);
    lane.waitsFor = undefined;
    lane.lotNode = undefined;
    if (lot === undefined || lot.tree.root.isActive) return;
    const lots = this.#lots.get(waitsFor);
    lots?.delete(lane.pool);
    waitsFor.lots = lots?.size ?? 0;
    if (waitsFor.lots === 0) this.#lots.delete(waitsFor);
  }
}
