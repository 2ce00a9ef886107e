import type { Principal } from '../../access/principal.ts';
import { isWithin } from '../../access/visibility.ts';
import { foldName } from '../../graph/commands/validation.ts';
import type {
  DeploymentTotals,
  FairshareSnapshot,
  GroupShare,
  KeyShare,
  PoolShares,
  SlotTotals,
  StatsSnapshot,
  StatsTotals,
  TenantShare,
} from './snapshot.ts';

/** Which rows are wanted, of those that may be seen. Ids are UUIDs, and names of models folded. */
export interface ViewFilter {
  readonly pool?: string | undefined;
  readonly tenantId?: string | undefined;
}

interface ShareView {
  /** Null: not for the caller's eyes, as are the totals. */
  readonly groups: readonly GroupShare[] | null;
  readonly tenants: readonly TenantShare[];
  readonly keys: readonly KeyShare[];
}

export interface PoolView extends ShareView {
  readonly model: string;
  readonly modelId: string | null;
  readonly totals: SlotTotals | null;
}

/** A snapshot as far as somebody may see it. */
export interface FairshareView extends Omit<FairshareSnapshot, 'totals' | 'pools' | 'groups'>, ShareView {
  readonly totals: DeploymentTotals | null;
  readonly pools: readonly PoolView[];
}

export interface StatsView extends Omit<StatsSnapshot, 'totals'> {
  readonly totals: StatsTotals | null;
}

/** Whether somebody sees what the deployment does as a whole, which says something of other tenants. */
export const seesTotals = ({ tenantId, scopes }: Pick<Principal, 'tenantId' | 'scopes'>): boolean =>
  tenantId === undefined || scopes.has('fairshare:totals');

/** The rows of a pool, or of all of them, that a principal may see and wants. */
function rowsFor(shares: ShareView | PoolShares, principal: Principal, { tenantId }: ViewFilter): ShareView {
  const isWanted = (row: { readonly tenantId: string }): boolean =>
    (tenantId === undefined || row.tenantId === tenantId) &&
    (principal.tenantId === undefined || row.tenantId === principal.tenantId);
  const tenants = shares.tenants.filter(isWanted);
  const isOfOne = principal.tenantId !== undefined || tenantId !== undefined;
  const isGroupInSight = ({ groupId }: GroupShare): boolean =>
    !isOfOne || tenants.some((tenant) => tenant.groupId === groupId);
  return {
    // What a group has, others of its tenants have as well.
    groups: seesTotals(principal) ? (shares.groups?.filter(isGroupInSight) ?? null) : null,
    tenants,
    keys: shares.keys.filter((key) => isWanted(key) && isWithin(principal, key)),
  };
}

/** What a principal sees of a snapshot: whoever belongs to a tenant, the rows of that tenant. */
export function fairshareFor(snapshot: FairshareSnapshot, principal: Principal, filter: ViewFilter): FairshareView {
  if (principal.tenantId === undefined && filter.pool === undefined && filter.tenantId === undefined) return snapshot;
  const showsTotals = seesTotals(principal);
  const inPool =
    filter.pool === undefined ? snapshot.pools : snapshot.pools.filter(({ model }) => foldName(model) === filter.pool);
  const pools = inPool.map((pool): PoolView => {
    const rows = rowsFor(pool, principal, filter);
    return { model: pool.model, modelId: pool.modelId, totals: showsTotals ? pool.totals : null, ...rows };
  });
  const [only] = pools;
  const rows = filter.pool === undefined ? rowsFor(snapshot, principal, filter) : (only ?? noRows(showsTotals));
  return {
    ...snapshot,
    totals: showsTotals ? snapshot.totals : null,
    groups: rows.groups,
    tenants: rows.tenants,
    keys: rows.keys,
    // Which models others use is not for a tenant to know.
    pools:
      principal.tenantId === undefined && filter.tenantId === undefined
        ? pools
        : pools.filter(({ tenants }) => tenants.length > 0),
  };
}

const noRows = (showsTotals: boolean): ShareView => ({ groups: showsTotals ? [] : null, tenants: [], keys: [] });

/** What a principal sees of the statistics: whoever belongs to a tenant, those of that tenant. */
export function statsFor(snapshot: StatsSnapshot, principal: Principal): StatsView {
  const { tenantId } = principal;
  if (tenantId === undefined) return snapshot;
  return {
    ...snapshot,
    totals: seesTotals(principal) ? snapshot.totals : null,
    tenants: snapshot.tenants.filter((tenant) => tenant.tenantId === tenantId),
  };
}
