import type { FairshareAlgorithm } from '../../database/generated/enums.ts';
import type { SnapshotStamp } from '../../live/snapshot-hub.ts';
import type { ShareRow } from '../fairshare/snapshot.ts';

/** How several processes share the slots. */
export const fairshareModes = {
  LOCAL: { description: 'The process that answered decides, for all of them.' },
  SHARED: { description: 'Several processes take their slots from the same ones: limits hold for the deployment.' },
  SPLIT: { description: 'Each of several processes has its part of the slots.' },
  DELEGATED: { description: 'Another process decides for all of them, and this shows what that one sees.' },
  FALLBACK: {
    description:
      'Another process decides and is not reached at the moment: this is what it saw last, at `asOf`, or nothing.',
  },
} as const;

type FairshareMode = keyof typeof fairshareModes;

/** Ids are UUIDs. */
export interface GroupShare extends ShareRow {
  readonly groupId: string;
  readonly name: string;
}

export interface TenantShare extends ShareRow {
  readonly tenantId: string;
  readonly name: string;
  readonly groupId: string;
  readonly groupName: string;
  readonly maxInFlight: number | null;
}

export interface KeyShare extends ShareRow {
  readonly keyId: string;
  readonly name: string;
  readonly tenantId: string;
  /** What the key belongs to within its tenant, for who may see it. */
  readonly productId: string | null;
  readonly engineId: string | null;
  readonly userId: string | null;
  readonly appId: string | null;
  readonly maxInFlight: number | null;
}

interface Shares {
  readonly groups: readonly GroupShare[];
  readonly tenants: readonly TenantShare[];
  readonly keys: readonly KeyShare[];
}

/** What the slots of a pool, or of all of them, are taken by. */
export interface SlotTotals {
  readonly capacity: number;
  readonly configuredCapacity: number;
  readonly inFlight: number;
  readonly queued: number;
  readonly borrowed: number;
  readonly oldestWaitMs: number | null;
  /** Of all processes together; null where each describes itself. */
  readonly clusterInFlight: number | null;
}

export interface PoolShares extends Shares {
  /** The model whose slots it has. */
  readonly model: string;
  /** Null: requests for it come without a model of the registry. */
  readonly modelId: string | null;
  readonly totals: SlotTotals;
}

export interface DeploymentTotals extends SlotTotals {
  readonly ceiling: number | null;
  readonly configuredCeiling: number | null;
  readonly defaultModelCapacity: number;
  readonly sharedSlots: number | null;
}

export interface FairshareSnapshot extends SnapshotStamp, Shares {
  readonly algorithm: FairshareAlgorithm;
  readonly mode: FairshareMode;
  readonly replicas: number;
  readonly isReplicaAware: boolean;
  readonly totals: DeploymentTotals;
  readonly pools: readonly PoolShares[];
}

export interface RefusalRate {
  readonly reason: string;
  readonly perSecond: number;
}

/** What happens per second, over the last seconds. */
export interface Activity {
  readonly inFlight: number;
  readonly queued: number;
  readonly admittedPerSecond: number;
  readonly refusedPerSecond: number;
  readonly settledPerSecond: number;
  readonly tokensPerSecond: number;
  readonly refusals: readonly RefusalRate[];
  /** Null: nothing was admitted lately. */
  readonly queueWaitP50Ms: number | null;
  readonly queueWaitP99Ms: number | null;
  /** Null: nothing waits. */
  readonly oldestWaitMs: number | null;
}

export interface TenantActivity extends Activity {
  readonly tenantId: string;
  readonly name: string;
}

export interface StatsTotals extends Activity {
  readonly maxInFlight: number;
  readonly gatewaysAlive: number;
}

export interface StatsSnapshot extends SnapshotStamp {
  readonly totals: StatsTotals;
  /** Those with something in flight or waiting, or with activity in the last seconds. */
  readonly tenants: readonly TenantActivity[];
}

/** What the history keeps of somebody. */
type SampleOf<Row extends ShareRow & { readonly name: string }, Id extends keyof Row> = Pick<
  Row,
  Id | 'name' | 'inFlight' | 'queued'
>;

interface SlotsSample {
  readonly totals: Pick<SlotTotals, 'inFlight' | 'queued' | 'borrowed'>;
  readonly groups: readonly SampleOf<GroupShare, 'groupId'>[];
  readonly tenants: readonly SampleOf<TenantShare, 'tenantId'>[];
}

/** What the history keeps of a moment: a small part of a snapshot. */
export interface HistorySample extends SlotsSample, Pick<SnapshotStamp, 'asOf'> {
  readonly pools: readonly (SlotsSample & Pick<PoolShares, 'model'>)[];
}

/** What there are snapshots of. */
export interface SnapshotOf {
  readonly fairshare: FairshareSnapshot;
  readonly stats: StatsSnapshot;
}

export type SnapshotKind = keyof SnapshotOf;

/** How another process asks for the next snapshot. */
export interface SnapshotCall<Kind extends SnapshotKind = SnapshotKind> {
  readonly kind: Kind;
  /** The last one that it has: the next is waited for. Null: the one of this moment. */
  readonly after: { readonly instanceId: string; readonly seq: number } | null;
  /** How far apart they are at least. */
  readonly everyMs: number;
}

/** Gives snapshots to other processes. */
export interface SnapshotFeed {
  /** Whoever does not wait any more aborts, and is given any. */
  next(call: SnapshotCall, signal: AbortSignal): Promise<SnapshotOf[SnapshotKind]>;
  /** What their history keeps of this moment. */
  sample(): HistorySample;
}

/** Where snapshots come from. What it returns is not changed any more. */
export interface SnapshotSource {
  fairshare(stamp: SnapshotStamp): FairshareSnapshot;
  stats(stamp: SnapshotStamp): StatsSnapshot;
  /** Calls the listener with every change of what snapshots show; it returns at once. */
  onChanged(listener: () => void): () => void;
  /** Fulfilled when what it gives is of this moment, which another process knows; nothing when it always is. */
  refreshed?(kind: SnapshotKind): Promise<void> | undefined;
  /**
   * What the history keeps of this moment, which another process knows, or nothing when that one cannot be asked; absent
   * when a snapshot says it.
   */
  sampled?(): Promise<HistorySample | undefined> | undefined;
  /** Told how often changes are wanted, at most; nothing: nobody follows. */
  wanted?(kind: SnapshotKind, everyMs: number | undefined): void;
}
