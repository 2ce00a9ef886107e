import type { SnapshotStamp } from '../../src/live/snapshot-hub.ts';
import type { ShareRow } from '../../src/modules/fairshare/snapshot.ts';
import type {
  Activity,
  FairshareSnapshot,
  GroupShare,
  KeyShare,
  SnapshotSource,
  StatsSnapshot,
  TenantShare,
} from '../../src/modules/snapshots/snapshot.ts';

/** A tenant of a test with what it has of the slots. Ids are UUIDs. */
export interface SnapshotTenant {
  readonly id: string;
  readonly name: string;
  readonly groupId: string;
  readonly model: string;
  readonly keyIds: readonly string[];
  inFlight: number;
}

const share = (inFlight: number): ShareRow => ({
  weight: 100,
  inFlight,
  queued: inFlight * 2,
  weightShare: 0.5,
  expectedSlots: 12.5,
  slotCap: 12,
  borrowed: Math.max(0, inFlight - 12),
  servedTokens: inFlight * 1_000,
  shareScore: inFlight * 10,
  oldestWaitMs: inFlight === 0 ? null : inFlight * 7.5,
});

const activity = (inFlight: number): Activity => ({
  inFlight,
  queued: inFlight * 2,
  admittedPerSecond: inFlight === 0 ? 0 : inFlight + 0.5,
  refusedPerSecond: inFlight === 0 ? 0 : 0.25,
  settledPerSecond: inFlight,
  tokensPerSecond: inFlight * 100,
  refusals: [{ reason: 'RATE_LIMITED', perSecond: 0.25 }],
  queueWaitP50Ms: 1.5,
  queueWaitP99Ms: inFlight === 0 ? null : 20.25,
  oldestWaitMs: null,
});

const sum = (tenants: readonly SnapshotTenant[]): number =>
  tenants.reduce((total, { inFlight }) => total + inFlight, 0);

const rowsOf = (tenants: readonly SnapshotTenant[]) => ({
  groups: [...new Set(tenants.map(({ groupId }) => groupId))].map(
    (groupId): GroupShare => ({
      groupId,
      name: `group ${groupId.slice(-4)}`,
      ...share(sum(tenants.filter((tenant) => tenant.groupId === groupId))),
    }),
  ),
  tenants: tenants.map(
    ({ id, name, groupId, inFlight }): TenantShare => ({
      tenantId: id,
      name,
      groupId,
      groupName: `group ${groupId.slice(-4)}`,
      maxInFlight: null,
      ...share(inFlight),
    }),
  ),
  keys: tenants.flatMap(({ id, keyIds, inFlight }) =>
    keyIds.map(
      (keyId): KeyShare => ({
        keyId,
        name: `key ${keyId.slice(-4)}`,
        tenantId: id,
        productId: null,
        engineId: null,
        userId: null,
        appId: null,
        maxInFlight: 5,
        ...share(inFlight),
      }),
    ),
  ),
  totals: {
    capacity: 50,
    configuredCapacity: 60,
    inFlight: sum(tenants),
    queued: 2 * sum(tenants),
    borrowed: 0,
    oldestWaitMs: null,
    clusterInFlight: null,
  },
});

function admitOne([first]: readonly SnapshotTenant[]): void {
  if (first !== undefined) first.inFlight += 1;
}

/** Snapshots of what a test says, which counts how many were made. */
export class TestSnapshots implements SnapshotSource {
  tenants: SnapshotTenant[] = [];
  /** Of what waits: it gets longer by itself, so that snapshots of it age. */
  oldestWaitMs: number | null = null;
  /** Of shares, not of statistics. */
  taken = 0;
  failure: Error | undefined;
  readonly #listeners = new Set<() => void>();

  /** Changes what the next snapshot shows. */
  change(how: (tenants: SnapshotTenant[]) => void = admitOne): void {
    how(this.tenants);
    for (const listener of this.#listeners) listener();
  }

  fairshare(stamp: SnapshotStamp): FairshareSnapshot {
    if (this.failure !== undefined) throw this.failure;
    this.taken += 1;
    const tenants = this.tenants.map((tenant) => ({ ...tenant }));
    const { totals, ...rows } = rowsOf(tenants);
    return {
      ...stamp,
      algorithm: 'HIERARCHICAL',
      mode: 'LOCAL',
      replicas: 1,
      isReplicaAware: false,
      ...rows,
      totals: {
        ...totals,
        oldestWaitMs: this.oldestWaitMs,
        ceiling: 4_096,
        configuredCeiling: null,
        defaultModelCapacity: 32,
        sharedSlots: null,
      },
      pools: [...new Set(tenants.map(({ model }) => model))].map((model) => ({
        model,
        modelId: null,
        ...rowsOf(tenants.filter((tenant) => tenant.model === model)),
      })),
    };
  }

  stats(stamp: SnapshotStamp): StatsSnapshot {
    return {
      ...stamp,
      totals: { ...activity(sum(this.tenants)), maxInFlight: 50, gatewaysAlive: 2 },
      tenants: this.tenants.map(({ id, name, inFlight }) => ({ tenantId: id, name, ...activity(inFlight) })),
    };
  }

  onChanged(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }
}
