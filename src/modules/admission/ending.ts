import { LRUCache } from 'lru-cache';
import type { Logger } from 'pino';
import type { Clock } from '../../graph/context.ts';
import type { Ledger } from '../limits/ledger/ledger.ts';
import type { Reservation } from '../limits/ledger/reservation.ts';
import type { Activity } from './activity.ts';
import { isClaimedBy, leaseNotFound, notWritten, requestKey, requestNotFound } from './answers.ts';
import { type CatalogState, pricesOf } from './catalog.ts';
import { chargeOf } from './costs.ts';
import type { Holding } from './holding.ts';
import type { Held } from './leases.ts';
import type { Caller, CancelAnswer, CancelCall, Cancellation, SettleAnswer, SettleCall } from './owner.ts';
import type { Records } from './records.ts';
import { lateFigures, settledRecord, unsettledRecord } from './settlement.ts';
import type { Slots } from './slots.ts';

interface Parts {
  readonly holding: Holding;
  readonly slots: Slots;
  readonly ledger: Ledger;
  readonly records: Records;
  readonly catalog: () => CatalogState;
  readonly clock: Clock;
  readonly activity: Activity;
  readonly log: Logger;
}

/** What ended lately, so that a repetition is answered as the first time, and late figures correct what was counted. */
const endedMax = 20_000;

interface Cancelled {
  readonly credentialId: string;
  readonly cancellation: Cancellation;
  readonly leaseId: string | null;
}

/** Ends leases, each once: settled, given back, or expired. */
export class Ending {
  readonly #parts: Parts;
  readonly #cancelled = new LRUCache<string, Cancelled>({ max: endedMax });
  readonly #expired = new LRUCache<string, Reservation>({ max: endedMax });

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  get #now(): number {
    return this.#parts.clock.now().getTime();
  }

  async settle(call: SettleCall): Promise<SettleAnswer> {
    const { activity, catalog, holding, ledger, records, slots } = this.#parts;
    const { leaseId } = call;
    const held = holding.leases.get(leaseId);
    try {
      if (held === undefined) return await this.#settleLate(call);
      const { row, reservation } = held;
      if (!isClaimedBy(row, call)) return leaseNotFound;
      const now = this.#now;
      const prices = pricesOf(catalog(), row.modelId);
      const charge = chargeOf(prices, call);
      holding.remove(held);
      ledger.settle(reservation, charge, now);
      slots.settle(leaseId, charge.tokens);
      activity.settled(row.tenantId, charge.tokens);
      const { record, isNew } = await records.add(settledRecord(row, call, prices, now));
      return { outcome: 'SETTLED', record, isRepeated: !isNew };
    } catch (error) {
      return notWritten(error);
    }
  }

  /** Cancels what does not wait: gives a slot back that is held, and says what became of one that is not. */
  async cancel(call: CancelCall): Promise<CancelAnswer> {
    const { caller, leaseId, requestId } = call;
    const { holding, records } = this.#parts;
    const name = leaseId ?? requestKey(caller, requestId ?? '');
    const named = leaseId === null ? holding.ofRequest(name) : holding.leases.get(leaseId);
    const held = named !== undefined && isClaimedBy(named.row, call) ? named : undefined;
    try {
      if (held !== undefined) {
        this.release(held);
        for (const each of [held.row.id, requestKey(caller, held.row.requestId)]) {
          this.noteCancelled(each, caller, 'RELEASED', held.row.id);
        }
        await records.release(held.row.id);
        return { outcome: 'CANCELLED', cancellation: 'RELEASED' };
      }
      const before = this.#cancelled.get(name);
      if (before?.credentialId === caller.credentialId) {
        if (before.leaseId !== null) await records.released(before.leaseId);
        return { outcome: 'CANCELLED', cancellation: before.cancellation };
      }
      const record = leaseId === null ? undefined : await records.find(leaseId);
      if (record !== undefined && isClaimedBy(record, call)) return { outcome: 'ENDED', settlement: record.settlement };
    } catch (error) {
      return notWritten(error);
    }
    return leaseId === null ? requestNotFound : leaseNotFound;
  }

  /** Has the same be answered when it is cancelled again. @param leaseId of one that was held */
  noteCancelled(
    name: string,
    { credentialId }: Caller,
    cancellation: Cancellation,
    leaseId: string | null = null,
  ): void {
    this.#cancelled.set(name, { credentialId, cancellation, leaseId });
  }

  /** Gives everything back. */
  release(held: Held): void {
    const { holding, ledger, slots } = this.#parts;
    holding.remove(held);
    slots.cancel(held.row.id);
    ledger.cancel(held.reservation, this.#now);
  }

  /** A lease that nobody renewed: its slot is free already, and what it was expected to use stays counted. */
  expired(leaseId: string): void {
    const { holding, log, records } = this.#parts;
    const held = holding.leases.get(leaseId);
    if (held === undefined) return;
    holding.remove(held);
    this.#expired.set(leaseId, held.reservation);
    const record = unsettledRecord(held.row, held.reservation.costNanoUsd, this.#now);
    records.add(record).catch((error: unknown) => {
      log.warn({ err: error }, 'the record of an expired lease could not be written yet');
    });
  }

  /** Settles what has ended already: gives the record that there is, which it corrects once if nothing was known. */
  async #settleLate(call: SettleCall): Promise<SettleAnswer> {
    const { activity, catalog, ledger, records } = this.#parts;
    const known = await records.find(call.leaseId);
    if (known === undefined || !isClaimedBy(known, call)) return leaseNotFound;
    if (known.settlement !== 'UNSETTLED') return { outcome: 'SETTLED', record: known, isRepeated: true };
    const prices = pricesOf(catalog(), known.modelId);
    const settled = await records.correct(lateFigures(call, prices));
    if (settled === undefined) return leaseNotFound;
    const charge = chargeOf(prices, call);
    if (settled.isNew) activity.settled(known.tenantId, charge.tokens);
    const reservation = settled.isNew ? this.#expired.get(call.leaseId) : undefined;
    if (reservation !== undefined) {
      this.#expired.delete(call.leaseId);
      ledger.settle(reservation, charge, this.#now);
    }
    return { outcome: 'SETTLED', record: settled.record, isRepeated: !settled.isNew };
  }
}
