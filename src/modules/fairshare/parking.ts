import type { Forest } from './forest.ts';
import type { Lanes } from './lanes.ts';
import { keyFields, laneFields, levels, nodeFields, requestFields } from './layout.ts';
import type { NamedCap, Pool } from './state.ts';
import type { Tree } from './tree.ts';

const { level, parent, cap: capOfNode, isParked, priority, owner, siblings } = nodeFields;
const { max, inFlight, parked } = keyFields;
const { first, node: nodeOfLane, lot: lotOfLane, lotNode, isLetOut } = laneFields;

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
  readonly #forest: Forest;
  readonly #lanes: Lanes;
  readonly #byCap = new Map<NamedCap, Map<Pool, Lot>>();
  /** By the number of their tree. */
  readonly #lots = new Map<number, Lot>();
  /** By tenants' nodes: the lanes that were let out to run. */
  readonly #letOut = new Map<number, Set<number>>();

  constructor(forest: Forest, lanes: Lanes) {
    this.#forest = forest;
    this.#lanes = lanes;
  }

  park(node: number): void {
    const { cells, siblings: among, walks } = this.#forest;
    this.#forest.park(node, cells.int(node + capOfNode));
    among.leave(node);
    const above = cells.int(node + parent);
    walks.lower(above);
    // Others can use what was meant for lanes that cannot run now.
    const letOut = this.#letOut.get(cells.byte(node + level) === levels.KEY ? above : node);
    for (const lane of [...(letOut ?? [])]) {
      const key = cells.int(lane + nodeOfLane);
      if (key === node || cells.int(key + parent) === node) this.abandon(lane);
    }
  }

  /** The cap of a pool, tenant or key may have free slots. */
  freed(cap: number): void {
    const { cells, walks } = this.#forest;
    if (cells.int(cap + parked) === 0 || cells.int(cap + inFlight) >= cells.int(cap + max)) return;
    for (let node = this.#forest.unparkFirst(cap); node !== 0; node = this.#forest.unparkFirst(cap)) {
      if (walks.hasAsking(node)) walks.raise(node, 'waited');
    }
  }

  /** A lane has a first request that came just now, or may have got one that can run. */
  admit(lane: number, which: 'new' | 'waited' = 'waited'): void {
    const { cells, walks } = this.#forest;
    const node = cells.int(lane + nodeOfLane);
    const caps = this.#lanes.capsOf(lane);
    for (const cap of caps) {
      // Behind those who wait for the cap already; whoever was let out of another lot has waited.
      if (cap.isFull || (which === 'new' && this.#hasWaiting(cap, this.#poolOf(lane)))) {
        this.#parkLane(lane, cap);
        this.refill(cap);
        return;
      }
    }
    if (cells.int(lane + first) === 0) return;
    this.#lanes.ready(lane, node);
    walks.raise(node, which);
    if (cells.byte(node + isParked) + cells.byte(cells.int(node + parent) + isParked) > 0) this.abandon(lane);
  }

  /** A lane that could run, as far as its key knows, meets a full cap. */
  holdBack(lane: number, cap: NamedCap): void {
    this.#lanes.unready(lane, this.#forest.cells.int(lane + nodeOfLane));
    this.#parkLane(lane, cap);
  }

  /** The first request of a lane has begun to run; the lane may be empty now. */
  served(lane: number, tokens: number): void {
    const { cells, siblings: among } = this.#forest;
    const lot = this.#lotOf(lane);
    if (lot === undefined) return;
    for (let node = cells.int(lane + lotNode); cells.int(node + siblings) !== 0; node = cells.int(node + parent)) {
      among.charge(node, tokens);
    }
    if (cells.int(lane + first) === 0) {
      this.abandon(lane);
    } else if (this.#isWaitedFor(lot)) {
      this.holdBack(lane, lot.cap);
      this.refill(lot.cap);
    }
  }

  /** What was charged for a request in a lot that it waited in is corrected there as well. */
  correct(request: number, lane: number, tokens: number): void {
    const { cells } = this.#forest;
    const lot = this.#lots.get(cells.int(request + requestFields.lot));
    if (lot === undefined) return;
    const node = cells.int(lane + nodeOfLane);
    lot.tree.correct(cells.int(node + owner), cells.byte(node + priority), tokens);
  }

  /** The first request of a lane has changed, or there is none. */
  firstChanged(lane: number): void {
    const { cells } = this.#forest;
    const isInLot = this.#lanes.lotOf(lane) !== 0 && cells.int(lane + isLetOut) === 0;
    const node = cells.int(lane + (isInLot ? lotNode : nodeOfLane));
    if (cells.int(lane + first) === 0) this.#lanes.unready(lane, node);
    else this.#lanes.reorder(lane, node);
  }

  /** A lane has no more requests, or none that could run. */
  abandon(lane: number): void {
    const lot = this.#lotOf(lane);
    if (lot === undefined) return;
    this.#leaveLot(lane, lot);
    this.refill(lot.cap);
  }

  /** Lets as many lanes out, of those whose turn it is, as the cap has free slots: in each pool, for any may be full. */
  refill(cap: NamedCap): void {
    // A lane that meets another full cap gives its place to the next, in the loop that let it out.
    if (cap.lots === 0 || cap.isRefilling) return;
    cap.isRefilling = true;
    for (const lot of this.#byCap.get(cap)?.values() ?? []) {
      // It may be closed on the way, and another one have its rows.
      while (lot.letOut < cap.free && this.#lots.has(lot.tree.number)) {
        const lane = this.#next(lot);
        if (lane === 0) break;
        this.#letGo(lane, lot);
        this.admit(lane);
      }
    }
    cap.isRefilling = false;
  }

  #tenantNodeOf(lane: number): number {
    const { cells } = this.#forest;
    return cells.int(cells.int(lane + nodeOfLane) + parent);
  }

  #letGo(lane: number, lot: Lot): void {
    this.#forest.cells.setInt(lane + isLetOut, 1);
    lot.letOut += 1;
    const tenant = this.#tenantNodeOf(lane);
    const letOut = this.#letOut.get(tenant) ?? new Set<number>();
    letOut.add(lane);
    this.#letOut.set(tenant, letOut);
  }

  #takeBack(lane: number, lot: Lot): void {
    this.#forest.cells.setInt(lane + isLetOut, 0);
    lot.letOut -= 1;
    const tenant = this.#tenantNodeOf(lane);
    const letOut = this.#letOut.get(tenant);
    letOut?.delete(lane);
    if (letOut?.size === 0) this.#letOut.delete(tenant);
  }

  /** In which a lane has a place. */
  #lotOf(lane: number): Lot | undefined {
    const number = this.#lanes.lotOf(lane);
    return number === 0 ? undefined : this.#lots.get(number);
  }

  #poolOf(lane: number): Pool {
    const tree = this.#forest.treeOf(this.#forest.cells.int(lane + nodeOfLane));
    if (tree === undefined) throw new Error('a lane is in no tree');
    return tree.pool;
  }

  #isWaitedFor({ tree }: Lot): boolean {
    return this.#forest.walks.hasAsking(tree.root);
  }

  #hasWaiting(cap: NamedCap, pool: Pool): boolean {
    const lot = cap.lots === 0 ? undefined : this.#byCap.get(cap)?.get(pool);
    return lot !== undefined && this.#isWaitedFor(lot);
  }

  #openLot(cap: NamedCap, pool: Pool): Lot {
    const lots = this.#byCap.get(cap) ?? new Map<Pool, Lot>();
    const known = lots.get(pool);
    if (known !== undefined) return known;
    const lot: Lot = { cap, tree: this.#forest.plant(pool, 'lot'), letOut: 0 };
    this.#lots.set(lot.tree.number, lot);
    lots.set(pool, lot);
    this.#byCap.set(cap, lots);
    cap.lots = lots.size;
    return lot;
  }

  #closeLot({ cap, tree }: Lot): void {
    this.#lots.delete(tree.number);
    this.#forest.fell(tree);
    const lots = this.#byCap.get(cap);
    lots?.delete(tree.pool);
    cap.lots = lots?.size ?? 0;
    if (cap.lots === 0) this.#byCap.delete(cap);
  }

  #parkLane(lane: number, cap: NamedCap): void {
    const { cells, walks } = this.#forest;
    const before = this.#lotOf(lane);
    // Another one can go on in its place.
    if (before !== undefined && before.cap !== cap) this.abandon(lane);
    const lot = this.#openLot(cap, this.#poolOf(lane));
    if (cells.int(lane + lotOfLane) === 0) {
      const node = cells.int(lane + nodeOfLane);
      const made = lot.tree.keyNode(cells.int(node + owner), cells.byte(node + priority));
      cells.setInt(lane + lotOfLane, lot.tree.number);
      cells.setInt(lane + lotNode, made);
      walks.countWaiting(made, cells.get(cells.int(lane + first) + requestFields.arrival));
    } else if (cells.int(lane + isLetOut) !== 0) {
      this.#takeBack(lane, lot);
    }
    if (cells.int(lane + first) === 0) return;
    const node = cells.int(lane + lotNode);
    this.#lanes.ready(lane, node);
    walks.raise(node, 'waited');
  }

  /** Whose turn it is; 0 when nobody waits. */
  #next({ tree }: Lot): number {
    const { cells, siblings: among, walks } = this.#forest;
    let node = tree.root;
    while (cells.byte(node + level) !== levels.KEY) {
      node = walks.next(node);
      if (node === 0) return 0;
      among.select(node);
    }
    const lane = this.#lanes.firstAt(node);
    if (lane !== 0) this.#lanes.unready(lane, node);
    return lane;
  }

  #leaveLot(lane: number, lot: Lot): void {
    const { cells, siblings: among, walks } = this.#forest;
    const node = cells.int(lane + lotNode);
    if (cells.int(lane + isLetOut) !== 0) this.#takeBack(lane, lot);
    else this.#lanes.unready(lane, node);
    walks.countWithdrawn(node);
    cells.setInt(lane + lotOfLane, 0);
    cells.setInt(lane + lotNode, 0);
    if (!among.isActive(lot.tree.root)) this.#closeLot(lot);
  }
}
