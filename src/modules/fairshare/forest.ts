import { Cells, Store } from './cells.ts';
import { Directory } from './directory.ts';
import { Heaps } from './heaps.ts';
import {
  intBytes,
  keyFields,
  keyNodeFields,
  laneFields,
  levels,
  nodeFields,
  places,
  requestFields,
  siblingsFields,
} from './layout.ts';
import { type Keeper, Siblings } from './siblings.ts';
import { type Algorithm, Cap, type Pool, priorities } from './state.ts';
import { Tree } from './tree.ts';
import { Walks } from './walks.ts';

const { level, owner, tree, place, inside, isParked, nextParked } = nodeFields;
const { parked } = keyFields;
const { nextOfKey } = keyNodeFields;

/** All trees, with what they have in common. */
export class Forest implements Keeper {
  readonly cells = new Cells();
  readonly names = new Store<string>();
  readonly directory: Directory;
  readonly siblings: Siblings;
  readonly walks: Walks;
  /** Of key nodes: lanes by the arrival of their first request, which is unique. */
  readonly lanes: Heaps;
  /** Above the pools: their order counts when the ceiling leaves less than they could use. */
  readonly deployment: number;
  readonly ceiling = new Cap();
  algorithm: Algorithm;
  /** By numbers that are never given again. */
  readonly #trees = new Map<number, Tree>();
  #treeCount = 0;

  constructor(algorithm: Algorithm) {
    const { cells } = this;
    this.algorithm = algorithm;
    this.directory = new Directory(cells, this.names, this);
    this.siblings = new Siblings(cells, this);
    this.walks = new Walks(cells, this.siblings, (tenant) => this.#treeOf(tenant).emptied(tenant));
    this.lanes = new Heaps(cells, laneFields.slot, {
      keyOf: (lane) => cells.get(cells.int(lane + laneFields.first) + requestFields.arrival),
      isTieBefore: () => false,
    });
    this.deployment = cells.allocate(nodeFields.size);
  }

  /** Of a pool, below the deployment, or of a lot in it. */
  plant(pool: Pool, kind: 'pool' | 'lot'): Tree {
    this.#treeCount += 1;
    const made = new Tree(this, pool, this.#treeCount, kind);
    this.#trees.set(made.number, made);
    return made;
  }

  fell(felled: Tree): void {
    felled.close();
    this.#trees.delete(felled.number);
  }

  treeOf(node: number): Tree | undefined {
    return this.#trees.get(this.cells.int(node + tree));
  }

  byNumber(number: number): Tree | undefined {
    return this.#trees.get(number);
  }

  /** A tree that is closed on the way is left out. */
  get trees(): Iterable<Tree> {
    return this.#trees.values();
  }

  idOf(member: number): string {
    return this.directory.idOf(this.cells.int(member + owner));
  }

  slotsOf(node: number): number {
    const { cells } = this;
    if (node === this.deployment) {
      return Math.min(this.ceiling.max, cells.get(node + inside + siblingsFields.activeWeight));
    }
    return cells.byte(node + level) === levels.POOL ? this.#treeOf(node).slots : this.siblings.shareOf(node);
  }

  forget(member: number): void {
    this.treeOf(member)?.forget(member);
  }

  isAhead(key: number): boolean {
    return this.#nodesOf(key).some((node) => this.cells.byte(node + place) === places.ahead);
  }

  releaseNodes(key: number): void {
    for (const node of this.#nodesOf(key)) this.#treeOf(node).releaseKeyNode(node);
  }

  reweighKey(key: number): void {
    for (const node of this.#nodesOf(key)) this.siblings.reweigh(node, this.cells.get(key + keyFields.weight));
  }

  /** A node that is held back by its cap. */
  park(node: number, cap: number): void {
    this.cells.setByte(node + isParked, 1);
    this.cells.setInt(node + nextParked, this.cells.int(cap + parked));
    this.cells.setInt(cap + parked, node);
  }

  /** The first node that a cap holds back, which it no longer does; 0 when there is none. */
  unparkFirst(cap: number): number {
    const node = this.cells.int(cap + parked);
    if (node === 0) return 0;
    this.cells.setInt(cap + parked, this.cells.int(node + nextParked));
    this.cells.setByte(node + isParked, 0);
    return node;
  }

  unpark(node: number): void {
    const { cells } = this;
    if (cells.byte(node + isParked) === 0) return;
    cells.setByte(node + isParked, 0);
    let link = cells.int(node + nodeFields.cap) + parked;
    while (cells.int(link) !== node) link = cells.int(link) + nextParked;
    cells.setInt(link, cells.int(node + nextParked));
  }

  #nodesOf(key: number): number[] {
    const { cells } = this;
    return priorities.flatMap((_, index) => {
      const nodes: number[] = [];
      let node = cells.int(key + keyFields.nodes + index * intBytes);
      for (; node !== 0; node = cells.int(node + nextOfKey)) nodes.push(node);
      return nodes;
    });
  }

  #treeOf(node: number): Tree {
    const known = this.treeOf(node);
    if (known === undefined) throw new Error('a node is in no tree');
    return known;
  }
}
