import type { Directory } from './directory.ts';
import { type Keeper, Siblings } from './siblings.ts';
import { Group, Key, type Pool, Tenant, TreeNode } from './state.ts';
import { countMoved, lower, raise } from './walks.ts';

/** Whether groups share a pool and tenants share what their group is given, or tenants share it directly. */
export type Algorithm = 'HIERARCHICAL' | 'WEIGHTED';

/**
 * How many nodes of keys a tenant that waits or runs keeps, although some have nothing to do: most keys come back within
 * moments, and making a node costs more than finding one.
 */
const keptKeyNodes = 8;

function unlink(node: TreeNode, { nodes }: Key): void {
  nodes.splice(nodes.indexOf(node), 1);
}

/** What a tenant's weight comes to in a pool. */
export const weightIn = ({ weightPercent }: Pick<Pool, 'weightPercent'>, weight: number): number =>
  Math.max(1, Math.round((weight * weightPercent) / 100));

/** Groups, tenants and keys that wait or run in one pool, or were given something in advance there. */
export class Tree implements Keeper<TreeNode> {
  readonly root: TreeNode;
  readonly pool: Pool;
  readonly groups = new Map<Group, TreeNode>();
  readonly tenants = new Map<Tenant, TreeNode>();
  /** Not the pool itself but a lot in it, where lanes wait for another cap: it only has their order. */
  readonly #isLot: boolean;
  readonly #directory: Directory;
  #algorithm: Algorithm;

  constructor(pool: Pool, algorithm: Algorithm, directory: Directory, kind: 'pool' | 'lot' = 'pool') {
    this.pool = pool;
    this.#directory = directory;
    this.#algorithm = algorithm;
    this.#isLot = kind === 'lot';
    this.root = new TreeNode('POOL', Math.max(1, pool.max), pool, this.#isLot ? undefined : pool);
  }

  /** The node of a key, with those above it. */
  keyNode(key: Key, priority: number): TreeNode {
    const known = this.#knownKeyNode(key, priority);
    if (known !== undefined) return known;
    const { nodes } = key;
    const made = new TreeNode('KEY', key.weight, key, this.#isLot ? undefined : key, priority);
    made.tree = this;
    nodes.push(made);
    const tenant = this.#tenantNode(key.tenant);
    const ofTenant = tenant.keyNodes ?? [];
    made.indexInTenant = ofTenant.length;
    ofTenant.push(made);
    this.#putInto(made, tenant, priority);
    return made;
  }

  /** Corrects a charge of a key, and of those above it, as far as they are remembered. */
  correct(key: Key, priority: number, tokens: number): void {
    const group = this.#algorithm === 'WEIGHTED' ? undefined : this.groups.get(key.tenant.group);
    for (const node of [this.#knownKeyNode(key, priority), this.tenants.get(key.tenant), group]) {
      if (node?.isActive || node?.place === 'ahead') node.siblings?.correct(node, tokens);
    }
  }

  slotsOf(owner: TreeNode): number {
    if (owner.siblings !== undefined && owner.level !== 'POOL') return owner.siblings.shareOf(owner);
    return this.#isLot ? 0 : this.pool.max;
  }

  forget(node: TreeNode): void {
    const { owner, parent } = node;
    if (owner instanceof Key) {
      node.servedTokens = 0;
      node.isParked = false;
      this.#directory.dropKey(owner);
      if (parent?.keyNodes === undefined || parent.keyNodes.length <= keptKeyNodes) return;
      // The last one takes its place.
      const last = parent.keyNodes.pop();
      if (last !== undefined && last !== node) {
        parent.keyNodes[node.indexInTenant] = last;
        last.indexInTenant = node.indexInTenant;
      }
      unlink(node, owner);
    } else if (owner instanceof Tenant) {
      if (!this.tenants.delete(owner)) return;
      owner.nodes -= 1;
      this.#directory.dropTenant(owner);
    } else if (owner instanceof Group) {
      if (!this.groups.delete(owner)) return;
      owner.nodes -= 1;
      this.#directory.dropGroup(owner);
    }
  }

  emptied({ keyNodes }: TreeNode): void {
    if (keyNodes === undefined) return;
    for (const node of keyNodes) if (node.owner instanceof Key) unlink(node, node.owner);
    keyNodes.length = 0;
  }

  reweighPool(): void {
    reweigh(this.root, Math.max(1, this.pool.max));
    for (const [tenant, node] of this.tenants) reweigh(node, weightIn(this.pool, tenant.weight));
  }

  reweighGroup(group: Group): void {
    reweigh(this.groups.get(group), group.weight);
  }

  reweighTenant(tenant: Tenant): void {
    reweigh(this.tenants.get(tenant), weightIn(this.pool, tenant.weight));
  }

  reweighKey(key: Key): void {
    for (const node of key.nodes) if (node.tree === this) reweigh(node, key.weight);
  }

  /** Puts a tenant where it belongs now, with all that waits and runs; it starts level with those there. */
  moveTenant(tenant: Tenant): void {
    const node = this.tenants.get(tenant);
    const from = node?.parent;
    if (node === undefined || from === undefined) return;
    if (!node.isActive) {
      node.siblings?.remove(node);
      this.forget(node);
      return;
    }
    node.siblings?.remove(node);
    const to = this.#parentOf(tenant);
    this.#putInto(node, to, 0);
    node.siblings?.activate(node);
    countMoved(node, to, this.root, 1);
    if (node.hasAsking) raise(node, 'waited');
    // Only now, so that the pool asks all the time and keeps its place among the pools.
    lower(from);
    countMoved(node, from, this.root, -1);
  }

  setAlgorithm(algorithm: Algorithm): void {
    if (algorithm === this.#algorithm) return;
    this.#algorithm = algorithm;
    // A group waits since the first of its tenants does.
    const byArrival = [...this.tenants].sort(([, a], [, b]) => a.arrival - b.arrival);
    for (const [tenant] of byArrival) this.moveTenant(tenant);
    // Groups that nobody is in now, and were given something in advance.
    for (const node of [...this.groups.values()]) {
      if (node.isActive) continue;
      node.siblings?.remove(node);
      this.forget(node);
    }
  }

  #knownKeyNode({ nodes }: Key, priority: number): TreeNode | undefined {
    for (let index = 0; index < nodes.length; index += 1) {
      const node = nodes[index];
      if (node?.tree === this && node.priority === priority) return node;
    }
    return undefined;
  }

  #putInto(node: TreeNode, parent: TreeNode, index: number): void {
    node.parent = parent;
    let siblings = parent.inside[index];
    if (siblings === undefined) {
      siblings = new Siblings<TreeNode>(this, parent, index);
      parent.inside[index] = siblings;
    }
    node.siblings = siblings;
  }

  #tenantNode(tenant: Tenant): TreeNode {
    const known = this.tenants.get(tenant);
    if (known !== undefined) return known;
    const made = new TreeNode('TENANT', weightIn(this.pool, tenant.weight), tenant, this.#isLot ? undefined : tenant);
    this.#putInto(made, this.#parentOf(tenant), 0);
    this.tenants.set(tenant, made);
    tenant.nodes += 1;
    return made;
  }

  #parentOf({ group }: Tenant): TreeNode {
    if (this.#algorithm === 'WEIGHTED') return this.root;
    const known = this.groups.get(group);
    if (known !== undefined) return known;
    const made = new TreeNode('GROUP', group.weight, group, undefined);
    this.#putInto(made, this.root, 0);
    this.groups.set(group, made);
    group.nodes += 1;
    return made;
  }
}

function reweigh(node: TreeNode | undefined, weight: number): void {
  if (node === undefined) return;
  if (node.siblings === undefined) node.weight = weight;
  else node.siblings.reweigh(node, weight);
}
