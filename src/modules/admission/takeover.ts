import type { Logger } from 'pino';
import type { Database } from '../../database/database.ts';
import type { Lease } from '../../database/generated/client.ts';
import { type Reservation, unpackReservation } from '../limits/ledger/reservation.ts';
import { hasTenant } from './decision.ts';
import { keptCounters, keptLeases } from './kept.ts';
import { LocalOwner, type LocalOwnerParts } from './local-owner.ts';
import { gatewayCap, partyOf } from './parties.ts';
import { recounted } from './recount.ts';

/** Makes the owner of what was kept: counters go on, and leases hold their slots until they are renewed or expire. */
export async function takeOver(parts: LocalOwnerParts & { readonly database: Database }): Promise<LocalOwner> {
  const { clock, database, directory, log } = parts;
  const [kept, rows] = await Promise.all([keptCounters(database, clock.now()), keptLeases(database)]);
  const leases = rows.map((row) => ({ row, reservation: reservationOf(row, log) }));
  const counters = await recounted(
    database,
    kept,
    leases.map(({ reservation }) => reservation),
  );
  const identities = await Promise.all(
    [...new Set(rows.map(({ keyId }) => keyId))].map((id) => directory.findById(id)),
  );
  const owner = new LocalOwner(parts);
  for (const counter of counters) {
    // One that cannot be read is not to keep everything else from going on: it counts from the records.
    try {
      owner.ledger.restore(counter);
    } catch (error) {
      log.error({ err: error, counter: counter.key }, 'what was kept of a counter of limits cannot be read');
    }
  }
  for (const identity of identities) if (identity && hasTenant(identity)) owner.slots.meet(partyOf(identity, null));
  for (const { row, reservation } of leases) {
    const { userId, teamId, productId, gatewayId } = row;
    const caps = [
      ...(userId === null ? [] : [`USER:${userId}`]),
      ...(userId === null || teamId === null ? [] : [`TEAM_USER_SHARE:${teamId}:${userId}`]),
      ...(teamId === null ? [] : [`TEAM:${teamId}`]),
      ...(productId === null ? [] : [`PRODUCT:${productId}`]),
      ...(gatewayId === null ? [] : [gatewayCap(gatewayId)]),
    ];
    owner.adopt(row, reservation, caps);
  }
  return owner;
}

/** What a lease took of limits; as if it took nothing where that cannot be read: it holds its slot all the same. */
function reservationOf({ id, reservation }: Lease, log: Logger): Reservation {
  try {
    return unpackReservation(reservation);
  } catch (error) {
    log.error({ err: error, leaseId: id }, 'what a lease took of limits cannot be read');
    return { requests: 0, tokens: 0, costNanoUsd: 0n, timeZone: 'UTC', taken: [] };
  }
}
