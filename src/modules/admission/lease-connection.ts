import type { Position } from '../../database/pages.ts';
import { type Connection, connectionOf, readPageArguments } from '../../graph/connections.ts';
import type { ListRequest } from '../../graph/lists.ts';
import type { AdmissionOwner, Caller, LeaseFilter, LeasePlace, LeaseView } from './owner.ts';

/** What lists of leases can be sorted by. They are no rows of a table: whoever decides has them in memory. */
export const leaseRows = { name: 'Lease', sorts: { grantedAt: 'time' }, columns: [], columnsOf: () => [] } as const;

export type LeaseListRequest = ListRequest<LeaseView>;

const placeOf = (position: Position | undefined): LeasePlace | null =>
  position === undefined ? null : { grantedAt: new Date(position.value).getTime(), id: position.id };

/** The list of leases as a connection: one question to whoever decides, which takes a page with it and no more. */
export async function readLeaseList(
  owner: Pick<AdmissionOwner, 'leaseList'>,
  caller: Caller,
  filter: LeaseFilter,
  { order, paging, selection }: LeaseListRequest,
): Promise<Connection<LeaseView>> {
  const { size, backward, after, before } = readPageArguments(leaseRows, paging, order);
  const found = await owner.leaseList({
    caller,
    filter,
    direction: order.direction,
    size: (selection?.paged ?? true) ? size : 0,
    backward,
    after: placeOf(after),
    before: placeOf(before),
  });
  return connectionOf(leaseRows, order, { ...found, rows: found.leases }, () => found.totalCount);
}
