import type { KeySettings, Position, Refusal, Submission, Submitted, TenantSettings } from './api.ts';
import { defaultWeight } from './directory.ts';
import type { Dispatcher } from './dispatcher.ts';
import type { Forest } from './forest.ts';
import { groupFields, nodeFields, places, poolFields, siblingsFields } from './layout.ts';
import { countBefore, placed, queuedAt, type Standing, turnAmong } from './position.ts';
import { type Bounded, firstBlock, type QueueLimits } from './queue-bounds.ts';
import { priorities } from './state.ts';
import { type Tree, weightIn } from './tree.ts';

const { max, inFlight } = poolFields;

/** A request that nobody has made, and how those are whom it would be for, whether they are known here or not. */
export interface Prospect extends Pick<Submission, 'pool' | 'tenantId' | 'keyId' | 'priority' | 'deadline'> {
  readonly tenant: TenantSettings;
  readonly key: Omit<KeySettings, 'tenantId'>;
  /** Further caps, the narrowest first. Null: no bound. */
  readonly caps: readonly { readonly id: string; readonly max: number | null }[];
}

/** What would become of a request that came now. */
export interface Outlook {
  readonly submitted: Submitted;
  /** Of one that would wait. */
  readonly position: Position | undefined;
  /** The tenant's part of the pool's slots, by the weights of those who wait or run there, with this request. */
  readonly expectedSlots: number;
  /** Of the tenant in this pool. */
  readonly inFlight: number;
  readonly queued: number;
}

const unbounded = Number.POSITIVE_INFINITY;
const noOutlook = { position: undefined, expectedSlots: 0, inFlight: 0, queued: 0 };
const unknownPool: Refusal = { outcome: 'REFUSED', reason: 'UNKNOWN_POOL' };

interface Scene {
  readonly dispatcher: Dispatcher;
  readonly limits: QueueLimits;
}

/** Decides as `submit` does, by the same rules, and changes nothing. */
export function outlookOf({ dispatcher, limits }: Scene, prospect: Prospect, now: number): Outlook {
  const entry = dispatcher.pools.get(prospect.pool);
  if (entry === undefined || entry.pool.isRemoved) return { submitted: unknownPool, ...noOutlook };
  const { forest } = dispatcher;
  const { cells, directory, ceiling } = forest;
  const tenant = directory.tenants.get(prospect.tenantId) ?? 0;
  const key = directory.keys.get(prospect.keyId);
  const way = wayOf(entry.tree, { forest, prospect, tenant, key });
  const figures = {
    expectedSlots: way.expectedSlots,
    inFlight: way.tenantNode === 0 ? 0 : cells.int(way.tenantNode + nodeFields.inFlight),
    queued: way.tenantNode === 0 ? 0 : cells.int(way.tenantNode + nodeFields.waiting),
  };
  const usedBy = (row: number): number => (row === 0 ? 0 : cells.int(row + inFlight));
  const bounds: readonly (Bounded & { readonly used: number })[] = [
    { by: 'TENANT', id: prospect.tenantId, max: prospect.tenant.maxInFlight, used: usedBy(tenant) },
    { by: 'KEY', id: prospect.keyId, max: prospect.key.maxInFlight, used: usedBy(key) },
    ...prospect.caps.map(({ id, max: ofCap }) => {
      return { by: 'CAP', id, max: ofCap, used: directory.caps.get(id)?.inFlight ?? 0 } as const;
    }),
  ];
  const blocked = firstBlock(bounds);
  if (blocked !== undefined) return { submitted: blocked, position: undefined, ...figures };
  const { row } = entry.pool;
  const waits =
    cells.int(row + inFlight) >= cells.int(row + max) ||
    ceiling.isFull ||
    bounds.some((bound) => bound.used >= (bound.max ?? unbounded));
  // No slot is free that somebody could use who waits, so one that is free is for whoever comes.
  if (!waits) return { submitted: { outcome: 'GRANTED' }, position: undefined, ...figures };
  const queueing = { bounds: prospect.tenant, queued: tenant === 0 ? 0 : directory.queueOf(tenant).queued };
  const end = limits.endOf(entry, queueing, prospect.deadline ?? unbounded, now);
  const refusal = limits.refusalOf(entry, queueing, end, now);
  if (refusal !== undefined) return { submitted: refusal, position: undefined, ...figures };
  return { submitted: { outcome: 'QUEUED' }, position: placed(entry.pool, way.position, now), ...figures };
}

interface Asking {
  readonly forest: Forest;
  readonly prospect: Prospect;
  /** Rows; 0 when nobody is known by their ids. */
  readonly tenant: number;
  readonly key: number;
}

interface Way {
  readonly tenantNode: number;
  readonly expectedSlots: number;
  readonly position: number;
}

/** What the request would have at each level on its way from the pool down to its key, and up again in the order. */
function wayOf(tree: Tree, { forest, prospect, tenant, key }: Asking): Way {
  const { pool, root, slots } = tree;
  const { cells, directory } = forest;
  const { groupId, weight } = prospect.tenant;
  const priority = priorities.indexOf(prospect.priority ?? 'NORMAL');
  const group = directory.groups.get(groupId) ?? 0;
  const isHierarchical = forest.algorithm === 'HIERARCHICAL';
  const groupNode = isHierarchical ? (tree.groups.get(group) ?? 0) : 0;
  const tenantNode = tree.tenants.get(tenant) ?? 0;
  const keyNode = key === 0 ? 0 : tree.knownKeyNode(key, priority);
  const waitingAt = (node: number): number => (node === 0 ? 0 : cells.int(node + nodeFields.waiting));
  const insideOf = (node: number, index = 0): number =>
    node === 0 ? 0 : node + nodeFields.inside + index * siblingsFields.size;
  const atGroup = isHierarchical
    ? levelOf(forest, groupNode, insideOf(root), {
        weight: group === 0 ? defaultWeight : cells.get(group + groupFields.weight),
        slots,
        waiting: waitingAt(root),
      })
    : undefined;
  const aboveTenant = isHierarchical ? groupNode : root;
  const atTenant = levelOf(forest, tenantNode, insideOf(aboveTenant), {
    weight: weightIn(pool, weight),
    slots: atGroup?.slots ?? slots,
    waiting: waitingAt(aboveTenant),
  });
  const queued = tenantNode === 0 ? [] : queuedAt(forest, tenantNode);
  const atKey = levelOf(forest, keyNode, insideOf(tenantNode, priority), {
    weight: prospect.key.weight,
    slots: atTenant.slots,
    waiting: queued[priority] ?? 0,
  });
  let position = turnAmong(atKey, waitingAt(keyNode) + 1, pool.meanCharge);
  position += countBefore(queued, priority);
  position = turnAmong(atTenant, position, pool.meanCharge);
  if (atGroup !== undefined) position = turnAmong(atGroup, position, pool.meanCharge);
  return { tenantNode, expectedSlots: atTenant.slots, position };
}

interface Share {
  readonly weight: number;
  /** The slots that the siblings share, and how many of them wait. */
  readonly slots: number;
  readonly waiting: number;
}

/** What is known of a member, of whom nothing may be there yet. */
function memberOf({ cells, siblings: order }: Forest, node: number, virtualTime: number) {
  if (node === 0) return { weight: 0, start: virtualTime, waiting: 0, inFlight: 0, isActive: false, isOwed: false };
  return {
    weight: cells.get(node + nodeFields.weight),
    start: order.askingStartOf(node),
    waiting: cells.int(node + nodeFields.waiting),
    inFlight: cells.int(node + nodeFields.inFlight),
    isActive: order.isActive(node),
    isOwed: cells.byte(node + nodeFields.place) === places.owed,
  };
}

/** How one more request makes a member stand among its siblings, and what its part of the slots is then; 0 for none. */
function levelOf(
  forest: Forest,
  node: number,
  among: number,
  { weight, slots, waiting }: Share,
): Standing & { readonly slots: number } {
  const { cells, siblings: order } = forest;
  const [activeWeight, virtualTime] =
    among === 0
      ? [0, 0]
      : [cells.get(among + siblingsFields.activeWeight), cells.get(among + siblingsFields.virtualTime)];
  const member = memberOf(forest, node, virtualTime);
  const { start } = member;
  const othersWeight = activeWeight - (member.isActive ? member.weight : 0);
  const share = (slots * weight) / (othersWeight + weight);
  // As `Siblings.join` decides about whoever comes back.
  const comesBack = member.waiting === 0 && start <= virtualTime && Math.floor(share) > member.inFlight;
  return {
    weight,
    lead: start - (among === 0 ? start : order.nextStartWith(among, start)),
    isOwed: member.isOwed || comesBack,
    othersWeight,
    othersWaiting: waiting - member.waiting,
    slots: share,
  };
}
