import { Directory } from './directory.ts';
import { Parking } from './parking.ts';
import { Siblings } from './siblings.ts';
import { Cap, type Key, Lane, NamedCap, type NodeCap, Pool, type Request, TreeNode } from './state.ts';
import { type Algorithm, Tree } from './tree.ts';
import { countAdopted, countEnd, countGrant, countWaiting, countWithdrawn, lower } from './walks.ts';

export interface PoolEntry {
  readonly pool: Pool;
  readonly tree: Tree;
}

const noCaps: readonly NamedCap[] = [];

/** Who waits, who runs, and whose turn it is. Times and bounds of queues are its caller's. */
export class Dispatcher {
  readonly directory = new Directory();
  readonly pools = new Map<string, PoolEntry>();
  readonly ceiling = new Cap('ceiling');
  algorithm: Algorithm;
  /** Above the pools: their order counts when the ceiling leaves less than they could use. */
  readonly #deployment = new TreeNode('DEPLOYMENT', 1, undefined, undefined);
  readonly #siblings: Siblings<TreeNode>;
  readonly #parking: Parking;

  constructor(algorithm: Algorithm) {
    this.algorithm = algorithm;
    this.#parking = new Parking(algorithm, this.directory);
    this.#siblings = new Siblings<TreeNode>(
      {
        slotsOf: () => Math.min(this.ceiling.max, this.#siblings.activeWeight),
        forget: () => undefined,
        emptied: () => undefined,
      },
      this.#deployment,
      0,
    );
    this.#deployment.inside[0] = this.#siblings;
  }

  /** How many wait. */
  get queued(): number {
    return this.#deployment.waiting;
  }

  /** A new pool has no slots. */
  makePool(name: string): PoolEntry {
    const pool = new Pool(name);
    pool.max = 0;
    const tree = new Tree(pool, this.algorithm, this.directory);
    tree.root.parent = this.#deployment;
    tree.root.siblings = this.#siblings;
    const entry = { pool, tree };
    this.pools.set(name, entry);
    return entry;
  }

  /** Where a request of this key waits. */
  laneOf({ pool, tree }: PoolEntry, key: Key, priority: number, capIds: readonly string[]): Lane {
    const node = tree.keyNode(key, priority);
    const capsId = capIds.length === 0 ? '' : JSON.stringify(capIds);
    const known = capsId === '' ? node.plainLane : node.lanesByCaps?.get(capsId);
    if (known !== undefined) return known;
    const caps = capsId === '' ? noCaps : capIds.map((id) => this.directory.cap(id));
    const lane = new Lane(pool, key, node, caps, capsId);
    if (capsId === '') {
      node.plainLane = lane;
    } else {
      node.lanesByCaps ??= new Map();
      node.lanesByCaps.set(capsId, lane);
    }
    return lane;
  }

  enqueue(request: Request): void {
    const { lane } = request;
    const isFirst = lane.first === undefined;
    lane.append(request);
    this.#use(lane, 1);
    this.#countQueued(lane, 1);
    countWaiting(lane.node, request.arrival);
    if (isFirst) this.#parking.admit(lane, 'new');
  }

  /** A request stops waiting. */
  withdraw(request: Request): void {
    const { lane } = request;
    const wasFirst = lane.first === request;
    lane.remove(request);
    if (wasFirst) this.#firstChanged(lane);
    if (lane.first === undefined) this.#parking.abandon(lane);
    this.#countQueued(lane, -1);
    countWithdrawn(lane.node);
    this.#use(lane, -1);
  }

  /** Counts a request that runs already. */
  adopt(request: Request): void {
    const { lane } = request;
    this.#use(lane, 1);
    request.isHeld = true;
    countAdopted(lane.node, request.charge);
    this.#countRunning(lane, 1);
    this.#dropIfEmpty(lane);
  }

  /** A request has ended; `tokens` is what it cost. */
  end(request: Request, tokens: number): void {
    const { lane, lot } = request;
    const difference = tokens - request.charge;
    if (difference !== 0) lot?.correct(lane.key, lane.priority, difference);
    countEnd(lane.node, difference);
    this.#countRunning(lane, -1);
    this.#parking.freed(lane.pool);
    this.#parking.freed(lane.key.tenant);
    this.#parking.freed(lane.key);
    for (const cap of lane.caps) this.#parking.refill(cap);
    this.#use(lane, -1);
    this.dropIfDrained(lane.pool);
  }

  /** Grants as long as somebody waits who can run. */
  dispatch(onGrant: (request: Request) => void): void {
    while (this.#siblings.hasAsking && !this.ceiling.isFull) {
      const lane = this.#nextLane();
      if (lane?.first !== undefined) onGrant(this.#grant(lane, lane.first));
    }
  }

  dropIfDrained({ isRemoved, inFlight, id }: Pool): void {
    if (isRemoved && inFlight === 0) this.pools.delete(id);
  }

  /** Those of the pools, and those in which lanes wait for caps. */
  *trees(): Iterable<Tree> {
    for (const { tree } of this.pools.values()) yield tree;
    yield* this.#parking.trees();
  }

  setAlgorithm(algorithm: Algorithm): void {
    this.algorithm = algorithm;
    for (const { tree } of this.pools.values()) tree.setAlgorithm(algorithm);
    this.#parking.setAlgorithm(algorithm);
  }

  /** A cap may have been raised. */
  freed(cap: NodeCap | NamedCap): void {
    if (cap instanceof NamedCap) this.#parking.refill(cap);
    else this.#parking.freed(cap);
  }

  /** Whose turn it is; nobody when a full cap was met, and what it holds back put aside. */
  #nextLane(): Lane | undefined {
    let node = this.#deployment;
    while (node.lanes === undefined) {
      const child = node.firstAsking?.next();
      if (child === undefined) throw new Error('a node asks, and nobody in it');
      if (child.cap?.isFull) {
        this.#parking.park(child, child.cap);
        return undefined;
      }
      node = child;
    }
    const lane = node.lanes.peek();
    if (lane === undefined) throw new Error('a key asks, and none of its lanes');
    for (const cap of lane.caps) {
      if (cap.isFull) {
        this.#parking.holdBack(lane, cap);
        return undefined;
      }
    }
    return lane;
  }

  #grant(lane: Lane, request: Request): Request {
    lane.remove(request);
    countGrant(lane.node, request.charge);
    this.#countQueued(lane, -1);
    this.#countRunning(lane, 1);
    this.#firstChanged(lane);
    request.isHeld = true;
    request.lot = this.#parking.treeOf(lane);
    this.#parking.served(lane, request.charge);
    return request;
  }

  /** A lane has another first request, or none. */
  #firstChanged(lane: Lane): void {
    const isInLot = lane.waitsFor !== undefined && !lane.isLetOut;
    const node = isInLot ? lane.lotNode : lane.node;
    if (lane.first !== undefined) {
      if (lane.heapIndex >= 0) node?.lanes?.update(lane);
      return;
    }
    if (lane.heapIndex >= 0) {
      node?.lanes?.remove(lane);
      if (node !== undefined) lower(node);
    }
    this.#dropIfEmpty(lane);
  }

  #dropIfEmpty({ first, capsId, node }: Lane): void {
    if (first === undefined && capsId !== '') node.lanesByCaps?.delete(capsId);
  }

  #countQueued({ key, node, priority }: Lane, difference: 1 | -1): void {
    key.tenant.queued += difference;
    const queued = node.parent?.queuedByPriority;
    if (queued !== undefined) queued[priority] = (queued[priority] ?? 0) + difference;
  }

  #countRunning({ pool, key, caps }: Lane, difference: 1 | -1): void {
    this.ceiling.inFlight += difference;
    pool.inFlight += difference;
    key.inFlight += difference;
    key.tenant.inFlight += difference;
    for (const cap of caps) cap.inFlight += difference;
  }

  /** Counts the requests of a key and of caps, which are forgotten when there are none. */
  #use({ key, caps }: Lane, difference: 1 | -1): void {
    key.requests += difference;
    for (const cap of caps) cap.requests += difference;
    if (difference > 0) return;
    if (key.requests === 0) this.directory.dropKey(key);
    for (const cap of caps) if (cap.requests === 0) this.directory.dropCap(cap);
  }
}
