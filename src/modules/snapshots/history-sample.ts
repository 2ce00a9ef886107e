import type { FairshareSnapshot, HistorySample } from './snapshot.ts';

interface Activity {
  readonly inFlight: number;
  readonly queued: number;
}

const isActive = ({ inFlight, queued }: Activity): boolean => inFlight + queued > 0;

const slotsOf = ({ totals, groups, tenants }: Pick<HistorySample, 'totals' | 'groups' | 'tenants'>) => ({
  totals: { inFlight: totals.inFlight, queued: totals.queued, borrowed: totals.borrowed },
  groups: groups.filter(isActive).map(({ groupId, name, inFlight, queued }) => ({ groupId, name, inFlight, queued })),
  tenants: tenants
    .filter(isActive)
    .map(({ tenantId, name, inFlight, queued }) => ({ tenantId, name, inFlight, queued })),
});

/** What the history keeps of a snapshot and nothing else: a small part of it where few are active. */
export const sampleOf = (snapshot: FairshareSnapshot): HistorySample => ({
  asOf: snapshot.asOf,
  ...slotsOf(snapshot),
  pools: snapshot.pools
    .filter(({ totals }) => isActive(totals))
    .map((pool) => ({ model: pool.model, ...slotsOf(pool) })),
});
