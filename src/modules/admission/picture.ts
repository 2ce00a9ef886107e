import type { SnapshotStamp } from '../../live/snapshot-hub.ts';
import type { SchedulerSnapshot } from '../fairshare/snapshot.ts';
import type {
  FairshareSnapshot,
  HistorySample,
  KeyShare,
  PoolShares,
  SlotTotals,
  SnapshotKind,
  SnapshotOf,
  SnapshotSource,
  StatsSnapshot,
} from '../snapshots/snapshot.ts';
import type { ActivityMeter, TenantRates } from './activity-meter.ts';
import type { CatalogState } from './catalog.ts';
import { ownersOf, unroutedPool } from './decision.ts';
import type { Holding } from './holding.ts';
import type { Slots } from './slots.ts';

/** What a process decides with. */
export interface Deciding {
  readonly slots: Pick<Slots, 'snapshot' | 'identityOf' | 'tenantOf'>;
  readonly holding: Pick<Holding, 'heardAt'>;
  readonly catalog: CatalogState;
}

/** The process that decides, when it is another one, and how many there are. */
export interface Elsewhere {
  /** As this process knows while it decides. */
  readonly replicas: number;
  readonly isReached: boolean;
  /** What it showed last. */
  newest<Kind extends SnapshotKind>(kind: Kind): SnapshotOf[Kind] | undefined;
  refreshed(kind: SnapshotKind): Promise<void> | undefined;
  sampled(): Promise<HistorySample | undefined> | undefined;
  wanted(kind: SnapshotKind, everyMs: number | undefined): void;
}

interface Parts {
  readonly meter: ActivityMeter;
  /** Nothing while another process decides. */
  readonly deciding: () => Deciding | undefined;
  readonly elsewhere: Elsewhere;
  readonly silenceMs: number;
  readonly clock: { now(): Date };
}

type FairshareContent = Omit<FairshareSnapshot, keyof SnapshotStamp>;
type SchedulerRows = Pick<SchedulerSnapshot, 'groups' | 'tenants' | 'keys'>;
type SchedulerFigures = Pick<SchedulerSnapshot, 'capacity' | 'inFlight' | 'queued' | 'borrowed' | 'oldestWaitMs'>;

/** Of what runs on after it was deleted. */
const deletedName = '(deleted)';

const totalsOf = ({ capacity, inFlight, queued, borrowed, oldestWaitMs }: SchedulerFigures): SlotTotals => ({
  capacity,
  configuredCapacity: capacity,
  inFlight,
  queued,
  borrowed,
  oldestWaitMs,
  // One process decides for all of them.
  clusterInFlight: inFlight,
});

const noSlots: SlotTotals = {
  capacity: 0,
  configuredCapacity: 0,
  inFlight: 0,
  queued: 0,
  borrowed: 0,
  oldestWaitMs: null,
  // What the others have is not known here.
  clusterInFlight: null,
};

/** What a process shows that does not decide, and has not heard of the one that does. */
const decidedElsewhere: FairshareContent = {
  // The default: which one it is, whoever decides knows.
  algorithm: 'HIERARCHICAL',
  mode: 'FALLBACK',
  replicas: 1,
  isReplicaAware: true,
  totals: { ...noSlots, ceiling: null, configuredCeiling: null, defaultModelCapacity: 0, sharedSlots: null },
  groups: [],
  tenants: [],
  keys: [],
  pools: [],
};

const noRates: TenantRates = {
  name: undefined,
  admittedPerSecond: 0,
  refusedPerSecond: 0,
  settledPerSecond: 0,
  tokensPerSecond: 0,
  refusals: [],
  queueWaitP50Ms: null,
  queueWaitP99Ms: null,
};

const byText = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);

/** Slots that requests can get: those of models that are enabled. */
const usableSlots = ({ catalog }: Deciding, { pools }: SchedulerSnapshot): number =>
  pools.reduce((sum, pool) => sum + (catalog.models.get(pool.name)?.isEnabled === false ? 0 : pool.capacity), 0);

/** The rows of the scheduler with the names of those whose they are. */
function named({ slots, catalog }: Deciding, { groups, tenants, keys }: SchedulerRows) {
  const groupName = (id: string): string => catalog.groups.get(id)?.name ?? deletedName;
  return {
    groups: groups.map(({ id, ...row }) => ({ ...row, groupId: id, name: groupName(id) })),
    tenants: tenants.map(({ id, ...row }) => ({
      ...row,
      tenantId: id,
      name: slots.tenantOf(id)?.name ?? deletedName,
      groupName: groupName(row.groupId),
    })),
    keys: keys.map(({ id, ...row }): KeyShare => {
      const identity = slots.identityOf(id);
      const { productId, engineId, userId, appId } =
        identity === undefined ? { productId: null, engineId: null, userId: null, appId: null } : ownersOf(identity);
      return { ...row, keyId: id, name: identity?.key.name ?? deletedName, productId, engineId, userId, appId };
    }),
  };
}

function poolsOf(deciding: Deciding, { pools }: SchedulerSnapshot): PoolShares[] {
  return pools
    .map((pool): PoolShares => {
      const isRouted = pool.name !== unroutedPool;
      const model = isRouted ? (deciding.catalog.models.get(pool.name)?.name ?? deletedName) : unroutedPool;
      return { model, modelId: isRouted ? pool.name : null, totals: totalsOf(pool), ...named(deciding, pool) };
    })
    .sort((a, b) => byText(a.model, b.model));
}

/** Shows what admission does, to those who follow it live. */
export class AdmissionPicture implements SnapshotSource {
  readonly #parts: Parts;
  #latest:
    | { readonly of: Deciding['slots']; readonly changes: number; readonly at: number; seen: SchedulerSnapshot }
    | undefined;

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  fairshare(stamp: SnapshotStamp): FairshareSnapshot {
    const deciding = this.#parts.deciding();
    if (deciding === undefined) {
      const { elsewhere } = this.#parts;
      const newest = elsewhere.newest('fairshare');
      if (newest === undefined) return { ...stamp, ...decidedElsewhere };
      return { ...newest, ...stamp, asOf: newest.asOf, mode: elsewhere.isReached ? 'DELEGATED' : 'FALLBACK' };
    }
    const scheduler = this.#scheduler(deciding);
    const { settings } = deciding.catalog;
    return {
      ...stamp,
      algorithm: scheduler.algorithm,
      mode: 'LOCAL',
      replicas: this.#parts.elsewhere.replicas,
      isReplicaAware: true,
      totals: {
        ...totalsOf({ ...scheduler, capacity: usableSlots(deciding, scheduler) }),
        ceiling: scheduler.ceiling,
        configuredCeiling: settings.ceiling,
        defaultModelCapacity: settings.modelDefault,
        sharedSlots: null,
      },
      ...named(deciding, scheduler),
      pools: poolsOf(deciding, scheduler),
    };
  }

  stats(stamp: SnapshotStamp): StatsSnapshot {
    const { all, tenants: ratesOf } = this.#parts.meter.rates();
    const deciding = this.#parts.deciding();
    if (deciding === undefined) {
      const newest = this.#parts.elsewhere.newest('stats');
      if (newest !== undefined) return { ...newest, ...stamp, asOf: newest.asOf };
      const nothing = { inFlight: 0, queued: 0, oldestWaitMs: null };
      return { ...stamp, totals: { ...all, ...nothing, maxInFlight: 0, gatewaysAlive: 0 }, tenants: [] };
    }
    const scheduler = this.#scheduler(deciding);
    const { ceiling, inFlight, queued, oldestWaitMs } = scheduler;
    const capacity = usableSlots(deciding, scheduler);
    const rows = new Map(
      scheduler.tenants.filter((row) => row.inFlight + row.queued > 0).map((row) => [row.id, row] as const),
    );
    const tenantIds = [...new Set([...rows.keys(), ...ratesOf.keys()])].sort(byText);
    return {
      ...stamp,
      totals: {
        ...all,
        inFlight,
        queued,
        oldestWaitMs,
        maxInFlight: Math.min(capacity, ceiling ?? capacity),
        gatewaysAlive: this.#gatewaysAlive(deciding),
      },
      tenants: tenantIds.map((tenantId) => {
        const { name, ...rates } = ratesOf.get(tenantId) ?? noRates;
        const row = rows.get(tenantId);
        return {
          tenantId,
          name: deciding.slots.tenantOf(tenantId)?.name ?? name ?? deletedName,
          ...rates,
          inFlight: row?.inFlight ?? 0,
          queued: row?.queued ?? 0,
          oldestWaitMs: row?.oldestWaitMs ?? null,
        };
      }),
    };
  }

  onChanged(listener: () => void): () => void {
    return this.#parts.meter.onChanged(listener);
  }

  refreshed(kind: SnapshotKind): Promise<void> | undefined {
    return this.#parts.elsewhere.refreshed(kind);
  }

  sampled(): Promise<HistorySample | undefined> | undefined {
    return this.#parts.elsewhere.sampled();
  }

  wanted(kind: SnapshotKind, everyMs: number | undefined): void {
    this.#parts.elsewhere.wanted(kind, everyMs);
  }

  /** The same again when nothing changed, not even how long requests have waited. */
  #scheduler({ slots }: Deciding): SchedulerSnapshot {
    const { meter, clock } = this.#parts;
    const { changes } = meter;
    const at = clock.now().getTime();
    const latest = this.#latest;
    if (latest?.of === slots && latest.changes === changes && (latest.at === at || latest.seen.queued === 0)) {
      return latest.seen;
    }
    const seen = slots.snapshot();
    this.#latest = { of: slots, changes, at, seen };
    return seen;
  }

  #gatewaysAlive({ catalog, holding }: Deciding): number {
    const { clock, silenceMs } = this.#parts;
    const since = clock.now().getTime() - silenceMs;
    return [...catalog.gateways.values()].filter(
      ({ id, isGone, lastHeartbeatAt }) => !isGone && Math.max(lastHeartbeatAt, holding.heardAt(id) ?? 0) >= since,
    ).length;
  }
}
