import { isWithin } from '../../access/visibility.ts';
import type { Lease } from '../../database/generated/client.ts';
import { type Leases, viewOf } from './leases.ts';
import type { Caller, LeaseFilter, LeaseList, LeaseListCall, LeasePlace } from './owner.ts';

/** Whether somebody sees a lease: a gateway its own, whatever others hold. */
export const sees = (caller: Caller, row: Lease): boolean =>
  (caller.kind !== 'GATEWAY' || row.credentialId === caller.credentialId) && isWithin(caller, row);

/** Where a lease stands: by the time of its grant, and of leases of the same time by its id. */
const compareToPlace = (row: Lease, place: LeasePlace): number =>
  row.grantedAt.getTime() - place.grantedAt || compareIds(row.id, place.id);

const compareIds = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);

const compareRows = (a: Lease, b: Lease): number =>
  a.grantedAt.getTime() - b.grantedAt.getTime() || compareIds(a.id, b.id);

/** The part that is asked for of the list of leases that somebody sees. */
export function leaseList(leases: Leases, call: LeaseListCall): LeaseList {
  const { caller, filter, size, backward, after, before } = call;
  const conditions = Object.entries(filter) as [keyof LeaseFilter, string | undefined][];
  const isWanted = (row: Lease) => conditions.every(([field, id]) => id === undefined || row[field] === id);
  const sign = call.direction === 'ASC' ? 1 : -1;
  const rows: Lease[] = [];
  let totalCount = 0;
  for (const { row } of filter.gatewayId === undefined ? leases.all() : leases.ofGateway(filter.gatewayId)) {
    if (!sees(caller, row) || !isWanted(row)) continue;
    totalCount += 1;
    if (size === 0) continue;
    const isAfter = after === null || sign * compareToPlace(row, after) > 0;
    if (isAfter && (before === null || sign * compareToPlace(row, before) < 0)) rows.push(row);
  }
  if (size === 0) return { leases: [], hasNextPage: false, hasPreviousPage: false, totalCount };
  // They are mostly kept in the order of their grants, in which sorting is one walk.
  rows.sort((a, b) => sign * compareRows(a, b));
  const hasMore = rows.length > size;
  const page = (backward ? rows.slice(-size) : rows.slice(0, size)).map(viewOf);
  return backward
    ? { leases: page, hasPreviousPage: hasMore, hasNextPage: before !== null, totalCount }
    : { leases: page, hasNextPage: hasMore, hasPreviousPage: after !== null, totalCount };
}
