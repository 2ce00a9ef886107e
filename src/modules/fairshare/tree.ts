import type { Cells } from './cells.ts';
import type { Directory } from './directory.ts';
import {
  intBytes,
  keyFields,
  keyNodeFields,
  laneFields,
  levels,
  nodeFields,
  poolFields,
  siblingsFields,
  tenantFields,
  tenantNodeFields,
} from './layout.ts';
import type { Siblings } from './siblings.ts';
import type { Algorithm, Pool } from './state.ts';
import type { Walks } from './walks.ts';

const { weight, parent, siblings, cap, owner, level, priority, tree, servedTokens, arrival, inside } = nodeFields;
const { max } = poolFields;
const { nodes } = tenantFields;
const { plainLane, nextOfKey, nextInTenant, previousInTenant } = keyNodeFields;
const { firstKey, keyCount } = tenantNodeFields;

/**
 * How many nodes of keys a tenant that waits or runs keeps, although some have nothing to do: most keys come back within
 * moments, and making a node costs more than finding one.
 */
const keptKeyNodes = 8;

/** What a tenant's weight comes to in a pool. */
export const weightIn = ({ weightPercent }: Pick<Pool, 'weightPercent'>, weightOfTenant: number): number =>
  Math.max(1, Math.round((weightOfTenant * weightPercent) / 100));

/** What a tree has in common with the others. */
interface Grounds {
  readonly cells: Cells;
  readonly directory: Directory;
  readonly siblings: Siblings;
  readonly walks: Walks;
  /** Above the pools. */
  readonly deployment: number;
  readonly algorithm: Algorithm;
  /** A node is not held back by its cap any more. */
  unpark(node: number): void;
}

/** Groups, tenants and keys that wait or run in one pool, or were given something in advance there. */
export class Tree {
  readonly number: number;
  readonly root: number;
  readonly pool: Pool;
  /** The nodes of groups and tenants, by these. */
  readonly groups = new Map<number, number>();
  readonly tenants = new Map<number, number>();
  readonly #grounds: Grounds;
  /** Not the pool itself but a lot in it, where lanes wait for another cap: it only has their order. */
  readonly #isLot: boolean;
  #algorithm: Algorithm;

  constructor(grounds: Grounds, pool: Pool, number: number, kind: 'pool' | 'lot') {
    this.#grounds = grounds;
    this.#isLot = kind === 'lot';
    this.#algorithm = grounds.algorithm;
    this.pool = pool;
    this.number = number;
    this.root = this.#make(nodeFields.size, levels.POOL, pool.row, this.#rootWeight);
    if (!this.#isLot) this.#putInto(this.root, grounds.deployment, 0);
  }

  /** Without any left in it. */
  close(): void {
    this.#grounds.unpark(this.root);
    if (!this.#isLot) this.#grounds.siblings.remove(this.root);
    this.#grounds.cells.release(this.root, nodeFields.size);
  }

  get slots(): number {
    return this.#isLot ? 0 : this.#grounds.cells.int(this.pool.row + max);
  }

  /** The node of a key, with those above it. */
  keyNode(key: number, ofPriority: number): number {
    const known = this.knownKeyNode(key, ofPriority);
    if (known !== 0) return known;
    const { cells } = this.#grounds;
    const node = this.#make(keyNodeFields.size, levels.KEY, key, cells.get(key + keyFields.weight));
    cells.setByte(node + priority, ofPriority);
    cells.setInt(node + plainLane + laneFields.node, node);
    const link = key + keyFields.nodes + ofPriority * intBytes;
    cells.setInt(node + nextOfKey, cells.int(link));
    cells.setInt(link, node);
    const tenant = this.#tenantNode(cells.int(key + keyFields.tenant));
    const first = cells.int(tenant + firstKey);
    cells.setInt(node + nextInTenant, first);
    if (first !== 0) cells.setInt(first + previousInTenant, node);
    cells.setInt(tenant + firstKey, node);
    cells.addInt(tenant + keyCount, 1);
    this.#putInto(node, tenant, ofPriority);
    return node;
  }

  /** Corrects a charge of a key, and of those above it, as far as they are remembered. */
  correct(key: number, ofPriority: number, tokens: number): void {
    const { cells, siblings: among } = this.#grounds;
    const tenant = cells.int(key + keyFields.tenant);
    const group = this.#algorithm === 'WEIGHTED' ? 0 : (this.groups.get(cells.int(tenant + tenantFields.group)) ?? 0);
    const tenantNode = this.tenants.get(tenant) ?? 0;
    for (const node of [this.knownKeyNode(key, ofPriority), tenantNode, group]) {
      if (node !== 0 && among.isRemembered(node)) among.correct(node, tokens);
    }
  }

  /** A node is idle and level with the others: its row may be gone then. */
  forget(node: number): void {
    const { cells, directory } = this.#grounds;
    const row = cells.int(node + owner);
    const at = cells.byte(node + level);
    if (at === levels.KEY) {
      cells.set(node + servedTokens, 0);
      this.#grounds.unpark(node);
      if (directory.dropKey(row)) return;
      if (cells.int(cells.int(node + parent) + keyCount) > keptKeyNodes) this.releaseKeyNode(node);
    } else if (at === levels.TENANT) {
      this.#grounds.unpark(node);
      this.tenants.delete(row);
      cells.release(node, tenantNodeFields.size);
      cells.addInt(row + nodes, -1);
      directory.dropTenant(row);
    } else if (at === levels.GROUP) {
      this.groups.delete(row);
      cells.release(node, nodeFields.size);
      cells.addInt(row + nodes, -1);
      directory.dropGroup(row);
    }
  }

  /** Nobody inside of a tenant waits or runs, and all are level. */
  emptied(tenant: number): void {
    const { cells } = this.#grounds;
    for (let node = cells.int(tenant + firstKey); node !== 0; node = cells.int(tenant + firstKey)) {
      this.releaseKeyNode(node);
    }
  }

  /** Nothing is kept of a key in this tree. */
  releaseKeyNode(node: number): void {
    const { cells } = this.#grounds;
    this.#grounds.unpark(node);
    let link = cells.int(node + owner) + keyFields.nodes + cells.byte(node + priority) * intBytes;
    while (cells.int(link) !== node) link = cells.int(link) + nextOfKey;
    cells.setInt(link, cells.int(node + nextOfKey));
    const tenant = cells.int(node + parent);
    const previous = cells.int(node + previousInTenant);
    const next = cells.int(node + nextInTenant);
    cells.setInt(previous === 0 ? tenant + firstKey : previous + nextInTenant, next);
    if (next !== 0) cells.setInt(next + previousInTenant, previous);
    cells.addInt(tenant + keyCount, -1);
    cells.release(node, keyNodeFields.size);
  }

  reweighPool(): void {
    this.#grounds.siblings.reweigh(this.root, this.#rootWeight);
    for (const tenant of this.tenants.keys()) this.reweighTenant(tenant);
  }

  reweighGroup(group: number): void {
    const node = this.groups.get(group);
    if (node !== undefined) this.#grounds.siblings.reweigh(node, this.#grounds.cells.get(group + keyFields.weight));
  }

  reweighTenant(tenant: number): void {
    const node = this.tenants.get(tenant);
    if (node !== undefined) this.#grounds.siblings.reweigh(node, this.#effectiveWeight(tenant));
  }

  /** Puts a tenant where it belongs now, with all that waits and runs; it starts level with those there. */
  moveTenant(tenant: number): void {
    const { cells, siblings: among, walks } = this.#grounds;
    const node = this.tenants.get(tenant);
    if (node === undefined) return;
    const from = cells.int(node + parent);
    among.remove(node);
    if (!among.isActive(node)) {
      this.forget(node);
      return;
    }
    const to = this.#parentOf(tenant);
    this.#putInto(node, to, 0);
    among.activate(node);
    walks.countMoved(node, to, this.root, 1);
    if (walks.hasAsking(node)) walks.raise(node, 'waited');
    // Only now, so that the pool asks all the time and keeps its place among the pools.
    walks.lower(from);
    walks.countMoved(node, from, this.root, -1);
  }

  setAlgorithm(algorithm: Algorithm): void {
    const { cells, siblings: among } = this.#grounds;
    if (algorithm === this.#algorithm) return;
    this.#algorithm = algorithm;
    // A group waits since the first of its tenants does.
    const byArrival = [...this.tenants].sort(([, a], [, b]) => cells.get(a + arrival) - cells.get(b + arrival));
    for (const [tenant] of byArrival) this.moveTenant(tenant);
    // Groups that nobody is in now, and were given something in advance.
    for (const node of [...this.groups.values()]) {
      if (among.isActive(node)) continue;
      among.remove(node);
      this.forget(node);
    }
  }

  /** The node of a key that is known here; 0 when there is none. */
  knownKeyNode(key: number, ofPriority: number): number {
    const { cells } = this.#grounds;
    let node = cells.int(key + keyFields.nodes + ofPriority * intBytes);
    while (node !== 0 && cells.int(node + tree) !== this.number) node = cells.int(node + nextOfKey);
    return node;
  }

  get #rootWeight(): number {
    return Math.max(1, this.#grounds.cells.int(this.pool.row + max));
  }

  #effectiveWeight(tenant: number): number {
    return weightIn(this.pool, this.#grounds.cells.get(tenant + tenantFields.weight));
  }

  #make(size: number, at: number, row: number, itsWeight: number): number {
    const { cells } = this.#grounds;
    const node = cells.allocate(size);
    cells.setByte(node + level, at);
    cells.setInt(node + owner, row);
    cells.set(node + weight, itsWeight);
    cells.setInt(node + tree, this.number);
    if (!this.#isLot && at !== levels.GROUP) cells.setInt(node + cap, row);
    return node;
  }

  #putInto(node: number, above: number, index: number): void {
    const { cells } = this.#grounds;
    cells.setInt(node + parent, above);
    cells.setInt(node + siblings, above + inside + index * siblingsFields.size);
  }

  #tenantNode(tenant: number): number {
    const known = this.tenants.get(tenant);
    if (known !== undefined) return known;
    const node = this.#make(tenantNodeFields.size, levels.TENANT, tenant, this.#effectiveWeight(tenant));
    this.#putInto(node, this.#parentOf(tenant), 0);
    this.tenants.set(tenant, node);
    this.#grounds.cells.addInt(tenant + nodes, 1);
    return node;
  }

  #parentOf(tenant: number): number {
    if (this.#algorithm === 'WEIGHTED') return this.root;
    const { cells } = this.#grounds;
    const group = cells.int(tenant + tenantFields.group);
    const known = this.groups.get(group);
    if (known !== undefined) return known;
    const node = this.#make(nodeFields.size, levels.GROUP, group, cells.get(group + tenantFields.weight));
    this.#putInto(node, this.root, 0);
    this.groups.set(group, node);
    cells.addInt(group + nodes, 1);
    return node;
  }
}
