import type { KeySettings, Position, Refusal, Submission, Submitted, TenantSettings } from './api.ts';
import { defaultWeight } from './directory.ts';
import type { Dispatcher } from './dispatcher.ts';
import { countBefore, placed, type Standing, turnAmong } from './position.ts';
import { blockOf, type QueueLimits } from './queue-bounds.ts';
import type { Siblings } from './siblings.ts';
import { type Cap, type Key, noMaximum, priorities, type Tenant, type TreeNode } from './state.ts';
import { type Tree, weightIn } from './tree.ts';

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
  const { directory } = dispatcher;
  const tenant = directory.tenants.get(prospect.tenantId);
  const key = directory.keys.get(prospect.keyId);
  const way = wayOf(entry.tree, { dispatcher, prospect, tenant, key });
  const figures = {
    expectedSlots: way.expectedSlots,
    inFlight: way.tenantNode?.inFlight ?? 0,
    queued: way.tenantNode?.waiting ?? 0,
  };
  const maxima = {
    tenant: { id: prospect.tenantId, max: prospect.tenant.maxInFlight ?? noMaximum },
    key: { id: prospect.keyId, max: prospect.key.maxInFlight ?? noMaximum },
    caps: new Map(prospect.caps.map(({ id, max }) => [id, { id, max: max ?? noMaximum }])),
  };
  const queueing = { bounds: prospect.tenant, queued: tenant?.queued ?? 0 };
  const end = limits.endOf(entry, queueing, prospect.deadline ?? unbounded, now);
  const blocked = blockOf(maxima, { ...maxima.key, tenant: maxima.tenant }, [...maxima.caps.keys()]);
  if (blocked !== undefined) return { submitted: blocked, position: undefined, ...figures };
  const isFull = ({ max }: Pick<Cap, 'max'>, used: Pick<Cap, 'inFlight'> | undefined): boolean =>
    (used?.inFlight ?? 0) >= max;
  const waits =
    entry.pool.isFull ||
    dispatcher.ceiling.isFull ||
    isFull(maxima.tenant, tenant) ||
    isFull(maxima.key, key) ||
    [...maxima.caps.values()].some((cap) => isFull(cap, directory.caps.get(cap.id)));
  // No slot is free that somebody could use who waits, so one that is free is for whoever comes.
  if (!waits) return { submitted: { outcome: 'GRANTED' }, position: undefined, ...figures };
  const refusal = limits.refusalOf(entry, queueing, end, now, 0);
  if (refusal !== undefined) return { submitted: refusal, position: undefined, ...figures };
  return { submitted: { outcome: 'QUEUED' }, position: placed(entry.pool, way.position, now), ...figures };
}

interface Asking {
  readonly dispatcher: Dispatcher;
  readonly prospect: Prospect;
  readonly tenant: Tenant | undefined;
  readonly key: Key | undefined;
}

interface Way {
  readonly tenantNode: TreeNode | undefined;
  readonly expectedSlots: number;
  readonly position: number;
}

/** What the request would have at each level on its way from the pool down to its key, and up again in the order. */
function wayOf(tree: Tree, { dispatcher, prospect, tenant, key }: Asking): Way {
  const { pool, root } = tree;
  const { groupId, weight } = prospect.tenant;
  const priority = priorities.indexOf(prospect.priority ?? 'NORMAL');
  const group = dispatcher.directory.groups.get(groupId);
  const isHierarchical = dispatcher.algorithm === 'HIERARCHICAL';
  const groupNode = isHierarchical && group !== undefined ? tree.groups.get(group) : undefined;
  const tenantNode = tenant === undefined ? undefined : tree.tenants.get(tenant);
  const keyNode = key?.nodes.find((node) => node.tree === tree && node.priority === priority);
  const ofPool = root.inside[0];
  const atGroup = isHierarchical
    ? levelOf(groupNode, ofPool, { weight: group?.weight ?? defaultWeight, slots: pool.max, waiting: root.waiting })
    : undefined;
  const atTenant = levelOf(tenantNode, isHierarchical ? groupNode?.inside[0] : ofPool, {
    weight: weightIn(pool, weight),
    slots: atGroup?.slots ?? pool.max,
    waiting: isHierarchical ? (groupNode?.waiting ?? 0) : root.waiting,
  });
  const queued = tenantNode?.queuedByPriority ?? [];
  const atKey = levelOf(keyNode, tenantNode?.inside[priority], {
    weight: prospect.key.weight,
    slots: atTenant.slots,
    waiting: queued[priority] ?? 0,
  });
  let position = turnAmong(atKey, (keyNode?.waiting ?? 0) + 1, pool.meanCharge);
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

/** How one more request makes a member stand among its siblings, and what its part of the slots is then. */
function levelOf(
  node: TreeNode | undefined,
  siblings: Siblings<TreeNode> | undefined,
  { weight, slots, waiting }: Share,
): Standing & { readonly slots: number } {
  const isActive = node?.isActive ?? false;
  const othersWeight = (siblings?.activeWeight ?? 0) - (isActive ? (node?.weight ?? 0) : 0);
  const share = (slots * weight) / (othersWeight + weight);
  const virtualTime = siblings?.virtualTime ?? 0;
  const start = node?.isAsking ? node.start : Math.max(node?.start ?? 0, virtualTime);
  // As `Siblings.join` decides about whoever comes back.
  const comesBack = (node?.waiting ?? 0) === 0 && start <= virtualTime && Math.floor(share) > (node?.inFlight ?? 0);
  return {
    weight,
    lead: start - (siblings?.nextStartWith(start) ?? start),
    isOwed: node?.place === 'owed' || comesBack,
    othersWeight,
    othersWaiting: waiting - (node?.waiting ?? 0),
    slots: share,
  };
}
