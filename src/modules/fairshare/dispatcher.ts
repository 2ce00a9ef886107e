import type { Forest } from './forest.ts';
import { Lanes } from './lanes.ts';
import { keyFields, laneFields, levels, nodeFields, poolFields, requestFields, tenantFields } from './layout.ts';
import { Parking } from './parking.ts';
import { NamedCap, Pool } from './state.ts';
import type { Tree } from './tree.ts';

const { waiting, parent, cap: capOfNode, level, priority, owner, asking } = nodeFields;
const { max, inFlight } = poolFields;
const { tenant: tenantOfKey, requests } = keyFields;
const { queued } = tenantFields;
const { first, node: nodeOfLane } = laneFields;
const { lane: laneOfRequest, charge, arrival, isHeld, lot } = requestFields;

export interface PoolEntry {
  readonly pool: Pool;
  readonly tree: Tree;
}

/** Who waits, who runs, and whose turn it is. Times and bounds of queues are its caller's. */
export class Dispatcher {
  readonly forest: Forest;
  readonly lanes: Lanes;
  readonly pools = new Map<string, PoolEntry>();
  readonly #parking: Parking;

  constructor(forest: Forest) {
    this.forest = forest;
    this.lanes = new Lanes(forest);
    this.#parking = new Parking(forest, this.lanes);
  }

  /** How many wait. */
  get queued(): number {
    return this.forest.cells.int(this.forest.deployment + waiting);
  }

  /** A new pool has no slots. */
  makePool(name: string): PoolEntry {
    const pool = new Pool(name, this.forest.directory.make(name, poolFields.size));
    this.forest.cells.setInt(pool.row + max, 0);
    const entry = { pool, tree: this.forest.plant(pool, 'pool') };
    this.pools.set(name, entry);
    return entry;
  }

  enqueue(request: number): void {
    const { cells, walks } = this.forest;
    const lane = cells.int(request + laneOfRequest);
    const node = cells.int(lane + nodeOfLane);
    const isFirst = cells.int(lane + first) === 0;
    this.lanes.append(lane, request);
    this.#use(lane);
    this.#countQueued(node, 1);
    walks.countWaiting(node, cells.get(request + arrival));
    if (isFirst) this.#parking.admit(lane, 'new');
  }

  /** A request stops waiting. */
  withdraw(request: number): void {
    const { cells, walks } = this.forest;
    const lane = cells.int(request + laneOfRequest);
    const node = cells.int(lane + nodeOfLane);
    const key = cells.int(node + owner);
    const wasFirst = cells.int(lane + first) === request;
    this.lanes.remove(lane, request);
    if (wasFirst) this.#parking.firstChanged(lane);
    if (cells.int(lane + first) === 0) this.#parking.abandon(lane);
    this.lanes.leave(lane);
    this.#countQueued(node, -1);
    walks.countWithdrawn(node);
    this.#leave(key);
  }

  /** Counts a request that runs already. */
  adopt(request: number): void {
    const { cells, walks } = this.forest;
    const lane = cells.int(request + laneOfRequest);
    this.#use(lane);
    cells.setByte(request + isHeld, 1);
    walks.countAdopted(cells.int(lane + nodeOfLane), cells.get(request + charge));
    this.#countRunning(lane, 1);
  }

  /** A request has ended; `tokens` is what it cost. */
  end(request: number, tokens: number): void {
    const { cells, walks } = this.forest;
    const lane = cells.int(request + laneOfRequest);
    const node = cells.int(lane + nodeOfLane);
    const key = cells.int(node + owner);
    const tenant = cells.int(key + tenantOfKey);
    const caps = this.lanes.capsOf(lane);
    const pool = this.poolOf(lane);
    const difference = tokens - cells.get(request + charge);
    if (difference !== 0) this.#parking.correct(request, lane, difference);
    this.#countRunning(lane, -1);
    this.lanes.leave(lane);
    // From here on the node may be gone.
    walks.countEnd(node, difference);
    this.#parking.freed(pool.row);
    this.#parking.freed(tenant);
    this.#parking.freed(key);
    for (const cap of caps) this.#parking.refill(cap);
    this.#leave(key);
    this.dropIfDrained(pool);
  }

  /** Grants as long as somebody waits who can run. */
  dispatch(onGrant: (request: number) => void): void {
    const { cells, deployment, ceiling } = this.forest;
    while (cells.int(deployment + asking) !== 0 && !ceiling.isFull) {
      const lane = this.#nextLane();
      if (lane !== 0) onGrant(this.#grant(lane));
    }
  }

  dropIfDrained({ isRemoved, row, id }: Pool): void {
    if (!isRemoved || this.forest.cells.int(row + inFlight) > 0) return;
    const entry = this.pools.get(id);
    if (entry === undefined) return;
    this.pools.delete(id);
    this.forest.fell(entry.tree);
    this.forest.directory.release(row, poolFields.size);
  }

  poolOf(lane: number): Pool {
    const tree = this.forest.treeOf(this.forest.cells.int(lane + nodeOfLane));
    if (tree === undefined) throw new Error('a lane is in no tree');
    return tree.pool;
  }

  setAlgorithm(algorithm: 'HIERARCHICAL' | 'WEIGHTED'): void {
    this.forest.algorithm = algorithm;
    for (const tree of this.forest.trees) tree.setAlgorithm(algorithm);
  }

  /** A cap may have been raised: a named one, or the row of a pool, tenant or key. */
  freed(cap: number | NamedCap): void {
    if (cap instanceof NamedCap) this.#parking.refill(cap);
    else this.#parking.freed(cap);
  }

  /** Whose turn it is; 0 when a full cap was met, and what it holds back put aside. */
  #nextLane(): number {
    const { cells, walks } = this.forest;
    let node = this.forest.deployment;
    while (cells.byte(node + level) !== levels.KEY) {
      node = walks.next(node);
      if (node === 0) throw new Error('a node asks, and nobody in it');
      const cap = cells.int(node + capOfNode);
      if (cap !== 0 && cells.int(cap + inFlight) >= cells.int(cap + max)) {
        this.#parking.park(node);
        return 0;
      }
    }
    const lane = this.lanes.firstAt(node);
    for (const cap of this.lanes.capsOf(lane)) {
      if (cap.isFull) {
        this.#parking.holdBack(lane, cap);
        return 0;
      }
    }
    return lane;
  }

  #grant(lane: number): number {
    const { cells, walks } = this.forest;
    const node = cells.int(lane + nodeOfLane);
    const request = cells.int(lane + first);
    const tokens = cells.get(request + charge);
    this.lanes.remove(lane, request);
    walks.countGrant(node, tokens);
    this.#countQueued(node, -1);
    this.#countRunning(lane, 1);
    cells.setByte(request + isHeld, 1);
    cells.setInt(request + lot, this.lanes.lotOf(lane));
    this.#parking.firstChanged(lane);
    this.#parking.served(lane, tokens);
    return request;
  }

  #countQueued(node: number, difference: 1 | -1): void {
    const { cells, walks } = this.forest;
    cells.addInt(cells.int(cells.int(node + owner) + tenantOfKey) + queued, difference);
    walks.countQueued(cells.int(node + parent), cells.byte(node + priority), difference);
  }

  #countRunning(lane: number, difference: 1 | -1): void {
    const { cells, ceiling } = this.forest;
    const key = this.lanes.keyOf(lane);
    ceiling.inFlight += difference;
    cells.addInt(this.poolOf(lane).row + inFlight, difference);
    cells.addInt(key + inFlight, difference);
    cells.addInt(cells.int(key + tenantOfKey) + inFlight, difference);
    for (const cap of this.lanes.capsOf(lane)) cap.inFlight += difference;
  }

  /** Counts the requests of a key and of caps, which are forgotten when there are none. */
  #use(lane: number): void {
    this.forest.cells.addInt(this.lanes.keyOf(lane) + requests, 1);
    this.lanes.use(lane);
  }

  #leave(key: number): void {
    const { cells, directory } = this.forest;
    cells.addInt(key + requests, -1);
    if (cells.int(key + requests) === 0) directory.dropKey(key);
  }
}
