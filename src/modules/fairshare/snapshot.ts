import type { Totals } from './api.ts';
import type { Dispatcher, PoolEntry } from './dispatcher.ts';
import {
  keyNodeFields,
  laneFields,
  nodeFields,
  noMaximum,
  requestFields,
  tenantFields,
  tenantNodeFields,
} from './layout.ts';
import { grantsPerSecond } from './position.ts';
import { slotShares } from './slot-shares.ts';
import type { Algorithm } from './state.ts';

const { inFlight, waiting, servedTokens, weight, owner, place } = nodeFields;

/** What a group, tenant or key has, and what it should have by its weight. */
export interface ShareRow {
  readonly weight: number;
  readonly inFlight: number;
  readonly queued: number;
  /**
   * Its part of the slots by the weights of those who wait or run; of a key, its part of what its tenant has. Of all
   * pools together: of the slots of those in which anybody waits or runs.
   */
  readonly weightShare: number;
  /** Its part in slots: a fraction. */
  readonly expectedSlots: number;
  /** Its part in whole slots. Not a bound: it takes more while others leave theirs idle. */
  readonly slotCap: number;
  /** What it has beyond its slots. */
  readonly borrowed: number;
  /** Since it became active: actual tokens of what was settled, estimates of what runs. */
  readonly servedTokens: number;
  /** servedTokens / weight. */
  readonly shareScore: number;
  /** For how long its oldest request has waited; null when none waits. */
  readonly oldestWaitMs: number | null;
}

interface GroupRow extends ShareRow {
  readonly id: string;
}

interface TenantRow extends GroupRow {
  readonly groupId: string;
  readonly maxInFlight: number | null;
}

interface KeyRow extends GroupRow {
  readonly tenantId: string;
  readonly maxInFlight: number | null;
}

interface Rows {
  readonly groups: readonly GroupRow[];
  readonly tenants: readonly TenantRow[];
  readonly keys: readonly KeyRow[];
}

interface PoolSnapshot extends Rows {
  readonly name: string;
  readonly capacity: number;
  readonly inFlight: number;
  readonly queued: number;
  /** What groups have beyond their slots; tenants, when they share the pool directly. */
  readonly borrowed: number;
  readonly oldestWaitMs: number | null;
  /** Lately; null before the first. */
  readonly grantsPerSecond: number | null;
}

/** Everything in it is a copy, made at once. Rows are in the order of their ids; a tenant's weight is its own, not the pool's. */
export interface SchedulerSnapshot extends Rows {
  readonly algorithm: Algorithm;
  /** Null: as many as the pools have. */
  readonly ceiling: number | null;
  /** Of all pools together. */
  readonly capacity: number;
  readonly inFlight: number;
  readonly queued: number;
  readonly borrowed: number;
  readonly oldestWaitMs: number | null;
  readonly totals: Totals;
  readonly pools: readonly PoolSnapshot[];
}

type Mutable<Row> = { -readonly [Field in keyof Row]: Row[Field] };

const byId = (a: { readonly id: string }, b: { readonly id: string }): number =>
  a.id < b.id ? -1 : a.id > b.id ? 1 : 0;

const maximum = (max: number): number | null => (max === noMaximum ? null : max);

const longer = (a: number | null, b: number | null): number | null =>
  a === null ? b : b === null ? a : Math.max(a, b);

const sumOf = <Item>(items: readonly Item[], pick: (item: Item) => number): number =>
  items.reduce((sum, item) => sum + pick(item), 0);

function emptyRow(id: string, weight: number): Mutable<GroupRow> {
  return {
    id,
    weight,
    inFlight: 0,
    queued: 0,
    weightShare: 0,
    expectedSlots: 0,
    slotCap: 0,
    borrowed: 0,
    servedTokens: 0,
    shareScore: 0,
    oldestWaitMs: null,
  };
}

function add(
  row: Mutable<ShareRow>,
  other: Pick<ShareRow, 'inFlight' | 'queued' | 'servedTokens' | 'oldestWaitMs'>,
): void {
  row.inFlight += other.inFlight;
  row.queued += other.queued;
  row.servedTokens += other.servedTokens;
  row.oldestWaitMs = longer(row.oldestWaitMs, other.oldestWaitMs);
}

/** Gives rows their parts of these slots; whoever neither waits nor runs has none. */
function share(
  rows: readonly Mutable<ShareRow>[],
  weightOf: (row: ShareRow) => number,
  of: Pick<ShareRow, 'weightShare' | 'expectedSlots' | 'slotCap'>,
): void {
  const active = rows.filter(({ inFlight, queued }) => inFlight + queued > 0);
  const weights = active.map(weightOf);
  const weightSum = sumOf(weights, (weight) => weight);
  const slotCaps = slotShares(of.slotCap, weights);
  for (const [index, row] of active.entries()) {
    const part = (weights[index] ?? 0) / weightSum;
    row.weightShare = of.weightShare * part;
    row.expectedSlots = of.expectedSlots * part;
    row.slotCap = slotCaps[index] ?? 0;
  }
  for (const row of rows) row.borrowed = Math.max(0, row.inFlight - row.slotCap);
}

interface TenantParts {
  readonly row: Mutable<TenantRow>;
  readonly group: number;
  readonly effectiveWeight: number;
  readonly keys: Mutable<KeyRow>[];
}

/** Reads the rows of a pool. */
class Reader {
  readonly #dispatcher: Dispatcher;
  readonly #now: number;

  constructor(dispatcher: Dispatcher, now: number) {
    this.#dispatcher = dispatcher;
    this.#now = now;
  }

  tenantsOf({ tree }: PoolEntry): TenantParts[] {
    const { cells, directory } = this.#dispatcher.forest;
    return [...tree.tenants].map(([tenant, node]) => {
      const group = cells.int(tenant + tenantFields.group);
      const row = {
        ...emptyRow(directory.idOf(tenant), cells.get(tenant + tenantFields.weight)),
        ...this.#figuresOf(node),
        groupId: directory.idOf(group),
        maxInFlight: maximum(cells.int(tenant + tenantFields.max)),
      };
      const keys = this.#keysOf(node, row.id);
      row.oldestWaitMs = keys.reduce<number | null>((oldest, key) => longer(oldest, key.oldestWaitMs), null);
      return { row, group, effectiveWeight: cells.get(node + weight), keys };
    });
  }

  groupRow(group: number): Mutable<GroupRow> {
    const { cells, directory } = this.#dispatcher.forest;
    return emptyRow(directory.idOf(group), cells.get(group + tenantFields.weight));
  }

  servedTokensOf(node: number): number {
    return this.#dispatcher.forest.cells.get(node + servedTokens);
  }

  #figuresOf(node: number): Pick<ShareRow, 'inFlight' | 'queued' | 'servedTokens'> {
    const { cells } = this.#dispatcher.forest;
    return {
      inFlight: cells.int(node + inFlight),
      queued: cells.int(node + waiting),
      servedTokens: cells.get(node + servedTokens),
    };
  }

  /** A key has a node for each priority. */
  #keysOf(tenantNode: number, tenantId: string): Mutable<KeyRow>[] {
    const { cells, directory, siblings } = this.#dispatcher.forest;
    const rows = new Map<number, Mutable<KeyRow>>();
    let node = cells.int(tenantNode + tenantNodeFields.firstKey);
    for (; node !== 0; node = cells.int(node + keyNodeFields.nextInTenant)) {
      // Nodes without anything to tell are only there to be found again.
      if (!siblings.isActive(node) && cells.byte(node + place) === 0) continue;
      const key = cells.int(node + owner);
      const row = rows.get(key) ?? {
        ...emptyRow(directory.idOf(key), cells.get(key + tenantFields.weight)),
        tenantId,
        maxInFlight: maximum(cells.int(key + tenantFields.max)),
      };
      rows.set(key, row);
      add(row, { ...this.#figuresOf(node), oldestWaitMs: this.#oldestWaitMs(node) });
    }
    return [...rows.values()];
  }

  #oldestWaitMs(node: number): number | null {
    const { forest, lanes } = this.#dispatcher;
    let oldest: number | null = null;
    for (const lane of lanes.lanesIn(node)) {
      const first = forest.cells.int(lane + laneFields.first);
      if (first !== 0) oldest = longer(oldest, this.#now - forest.cells.get(first + requestFields.submittedAt));
    }
    return oldest;
  }
}

function snapshotOf(entry: PoolEntry, dispatcher: Dispatcher, now: number): PoolSnapshot {
  const { cells, algorithm } = dispatcher.forest;
  const { pool, tree } = entry;
  const reader = new Reader(dispatcher, now);
  const capacity = cells.int(pool.row + tenantFields.max);
  const whole = { weightShare: 1, expectedSlots: capacity, slotCap: capacity };
  const groups = new Map<number, { readonly row: Mutable<GroupRow>; readonly members: TenantParts[] }>();
  const tenants = reader.tenantsOf(entry);
  for (const parts of tenants) {
    const known = groups.get(parts.group) ?? { row: reader.groupRow(parts.group), members: [] };
    groups.set(parts.group, known);
    known.members.push(parts);
    add(known.row, parts.row);
  }
  for (const [group, node] of tree.groups) {
    const row = groups.get(group)?.row;
    // Tenants that were forgotten count as well.
    if (row !== undefined) row.servedTokens = reader.servedTokensOf(node);
  }
  const groupRows = [...groups.values()].map(({ row }) => row).sort(byId);
  const tenantRows = tenants.map(({ row }) => row).sort(byId);
  const effectiveWeights = new Map<ShareRow, number>(tenants.map((parts) => [parts.row, parts.effectiveWeight]));
  const weightOf = (row: ShareRow): number => effectiveWeights.get(row) ?? row.weight;
  if (algorithm === 'HIERARCHICAL') {
    share(groupRows, weightOf, whole);
    for (const { row, members } of groups.values()) {
      const rows = members.map((parts) => parts.row).sort(byId);
      share(rows, weightOf, row);
    }
  } else {
    share(tenantRows, weightOf, whole);
    for (const { row, members } of groups.values()) {
      row.weightShare = sumOf(members, (parts) => parts.row.weightShare);
      row.expectedSlots = sumOf(members, (parts) => parts.row.expectedSlots);
      row.slotCap = sumOf(members, (parts) => parts.row.slotCap);
      row.borrowed = Math.max(0, row.inFlight - row.slotCap);
    }
  }
  for (const { row, keys } of tenants) share(keys.sort(byId), weightOf, { ...row, weightShare: 1 });
  const keyRows = tenants.flatMap(({ keys }) => keys).sort(byId);
  for (const row of [...groupRows, ...tenantRows, ...keyRows]) row.shareScore = row.servedTokens / weightOf(row);
  return {
    name: pool.id,
    capacity,
    inFlight: cells.int(pool.row + tenantFields.inFlight),
    queued: cells.int(tree.root + waiting),
    borrowed: sumOf(algorithm === 'HIERARCHICAL' ? groupRows : tenantRows, ({ borrowed }) => borrowed),
    oldestWaitMs: tenantRows.reduce<number | null>((oldest, row) => longer(oldest, row.oldestWaitMs), null),
    grantsPerSecond: grantsPerSecond(pool, now),
    groups: groupRows,
    tenants: tenantRows,
    keys: keyRows,
  };
}

/** Rows of the same id in several pools as one. */
function merge<Row extends GroupRow>(pools: readonly (readonly Row[])[], shareOf: (row: ShareRow) => number): Row[] {
  const merged = new Map<string, Mutable<Row>>();
  for (const row of pools.flat()) {
    const known = merged.get(row.id);
    if (known === undefined) {
      merged.set(row.id, { ...row });
      continue;
    }
    add(known, row);
    known.expectedSlots += row.expectedSlots;
    known.slotCap += row.slotCap;
    known.borrowed += row.borrowed;
    known.shareScore += row.shareScore;
  }
  const rows = [...merged.values()];
  for (const row of rows) row.weightShare = shareOf(row);
  return rows.sort(byId);
}

export function takeSnapshot(
  dispatcher: Dispatcher,
  of: Pick<SchedulerSnapshot, 'algorithm' | 'ceiling' | 'totals'>,
  now: number,
): SchedulerSnapshot {
  const pools = [...dispatcher.pools.values()].map((entry) => snapshotOf(entry, dispatcher, now));
  pools.sort((a, b) => (a.name < b.name ? -1 : 1));
  // Slots of pools that nobody uses are no part of what is shared.
  const shared = sumOf(pools, (pool) => (pool.inFlight + pool.queued > 0 ? pool.capacity : 0));
  const ofShared = ({ expectedSlots }: ShareRow): number => (shared === 0 ? 0 : expectedSlots / shared);
  const tenants = merge(
    pools.map((pool) => pool.tenants),
    ofShared,
  );
  const slotsOfTenants = new Map(tenants.map(({ id, expectedSlots }) => [id, expectedSlots]));
  const keys = merge(
    pools.map((pool) => pool.keys),
    () => 0,
  ).map((row) => {
    const slots = slotsOfTenants.get(row.tenantId) ?? 0;
    return { ...row, weightShare: slots === 0 ? 0 : row.expectedSlots / slots };
  });
  return {
    ...of,
    capacity: sumOf(pools, (pool) => pool.capacity),
    inFlight: sumOf(pools, (pool) => pool.inFlight),
    queued: sumOf(pools, (pool) => pool.queued),
    borrowed: sumOf(pools, (pool) => pool.borrowed),
    oldestWaitMs: pools.reduce<number | null>((oldest, pool) => longer(oldest, pool.oldestWaitMs), null),
    pools,
    groups: merge(
      pools.map((pool) => pool.groups),
      ofShared,
    ),
    tenants,
    keys,
  };
}
