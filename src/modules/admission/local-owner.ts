import { LRUCache } from 'lru-cache';
import type { Logger } from 'pino';
import { isWithin } from '../../access/visibility.ts';
import type { Database } from '../../database/database.ts';
import type { Lease } from '../../database/generated/client.ts';
import { NotWrittenError } from '../../database/group-commit.ts';
import type { Clock } from '../../graph/context.ts';
import { newId } from '../../graph/ids.ts';
import type { Timers } from '../../live/timers.ts';
import type { KeyDirectory } from '../keys/directory.ts';
import { Ledger } from '../limits/ledger/ledger.ts';
import type { Reservation } from '../limits/ledger/reservation.ts';
import type { Activity, NamedTenant } from './activity.ts';
import { Attempt } from './attempt.ts';
import type { CatalogState } from './catalog.ts';
import { costOf, nanoOf, noPrices, type PicoPrices } from './costs.ts';
import { Counters } from './counters.ts';
import { decide, refusalOfWish, type Wish } from './decision.ts';
import { leaseRow } from './lease-row.ts';
import { type Held, Leases, viewOf } from './leases.ts';
import type {
  AdmissionOwner,
  AdmitAnswer,
  AdmitCall,
  Caller,
  CancelAnswer,
  CancelCall,
  Cancellation,
  HeldByGateway,
  LeaseView,
  LiveFigures,
  NotFound,
  QueuedRequestView,
  RenewAnswer,
  RenewCall,
  SettleAnswer,
  SettleCall,
  Unavailable,
} from './owner.ts';
import { Records } from './records.ts';
import { type RefusalView, refusalFor, refusalOfLimit } from './refusals.ts';
import { Review } from './review.ts';
import { lateFigures, settledRecord, unsettledRecord } from './settlement.ts';
import { Slots } from './slots.ts';
import type { AdmissionStore } from './store.ts';

export interface LocalOwnerParts {
  readonly instanceId: string;
  readonly database: Database;
  readonly store: AdmissionStore;
  readonly directory: KeyDirectory;
  readonly catalog: () => CatalogState;
  /** Fulfilled when changes that were heard of are in the catalog; nothing when they are. */
  readonly catalogUnderWay: () => Promise<void> | undefined;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly log: Logger;
  readonly activity: Activity;
  /** Told when a gateway holds leases, whose silence ends them. */
  readonly onGatewayHolds: () => void;
}

/** What ended lately, so that a repetition is answered as the first time, and late figures correct what was counted. */
const endedMax = 20_000;
const msPerSecond = 1_000;

const requestKey = ({ credentialId }: Pick<Caller, 'credentialId'>, requestId: string): string =>
  `${credentialId}\n${requestId}`;

const leaseNotFound: NotFound = { outcome: 'NOT_FOUND', type: 'lease', path: ['leaseId'] };

const unavailable = (message: string): Unavailable => ({ outcome: 'UNAVAILABLE', message, retryAfterMs: 1_000 });

const isStopping = unavailable('This server is stopping. Try again: another one takes over.');

/** Decides in this process: about slots with the scheduler, about limits with the ledger. */
export class LocalOwner implements AdmissionOwner {
  readonly ledger = new Ledger();
  readonly slots: Slots;
  readonly counters: Counters;
  readonly records: Records;
  readonly leases = new Leases();
  readonly review: Review;
  readonly #parts: LocalOwnerParts;
  /** Those that are not decided yet. */
  readonly #attempts = new Map<string, Attempt>();
  readonly #leaseByRequest = new Map<string, string>();
  readonly #cancelled = new LRUCache<string, { readonly credentialId: string; readonly cancellation: Cancellation }>({
    max: endedMax,
  });
  readonly #expired = new LRUCache<string, Reservation>({ max: endedMax });
  readonly #lastHeardOf = new Map<string, number>();
  #isOpen = true;

  constructor(parts: LocalOwnerParts) {
    this.#parts = parts;
    const { activity, clock, timers, catalog } = parts;
    this.slots = new Slots({
      clock,
      timers,
      catalog: catalog(),
      onExpired: (id) => this.#onExpired(id),
      onChanged: () => activity.changed(),
    });
    this.review = new Review({ slots: this.slots, leases: this.leases, clock });
    this.counters = new Counters({ ...parts, ledger: this.ledger });
    this.records = new Records(parts);
  }

  get #now(): number {
    return this.#parts.clock.now().getTime();
  }

  async admit(call: AdmitCall, signal: AbortSignal | undefined): Promise<AdmitAnswer> {
    if (!this.#isOpen) return isStopping;
    const key = call.requestId === null ? undefined : requestKey(call.caller, call.requestId);
    const heldId = key === undefined ? undefined : this.#leaseByRequest.get(key);
    const held = heldId === undefined ? undefined : this.leases.get(heldId);
    if (held !== undefined) return { outcome: 'ADMITTED', lease: viewOf(held.row) };
    let attempt = key === undefined ? undefined : this.#attempts.get(key);
    if (attempt === undefined || attempt.isAbandoned) attempt = this.#begin(call, key);
    const { id } = attempt;
    return attempt.join(signal, () => this.slots.cancel(id));
  }

  #begin(call: AdmitCall, key: string | undefined): Attempt {
    const attempt = new Attempt(call, newId(), this.#now, (begun) => this.#run(begun));
    if (key === undefined) return attempt;
    this.#attempts.set(key, attempt);
    const forget = (): void => {
      if (this.#attempts.get(key) === attempt) this.#attempts.delete(key);
    };
    attempt.answer.then(forget, forget);
    return attempt;
  }

  async renew({ caller, leaseId, leaseSeconds }: RenewCall): Promise<RenewAnswer> {
    const held = this.leases.get(leaseId);
    if (held === undefined || held.row.credentialId !== caller.credentialId) return leaseNotFound;
    try {
      await this.#extend(held, leaseSeconds ?? held.row.leaseSeconds);
    } catch (error) {
      return notWritten(error);
    }
    return { outcome: 'RENEWED', lease: viewOf(held.row) };
  }

  async settle(call: SettleCall): Promise<SettleAnswer> {
    const { caller, leaseId, inputTokens, outputTokens } = call;
    const held = this.leases.get(leaseId);
    try {
      if (held === undefined) return await this.#settleLate(call);
      const { row, reservation } = held;
      if (row.credentialId !== caller.credentialId) return leaseNotFound;
      const now = this.#now;
      const prices = this.#pricesOf(row.modelId);
      const tokens = inputTokens + outputTokens;
      this.#end(held);
      this.ledger.settle(reservation, { tokens, costNanoUsd: nanoOf(costOf(prices, call)) }, now);
      this.slots.settle(leaseId, tokens);
      this.#parts.activity.settled(row.tenantId, tokens);
      const { record, isNew } = await this.records.add(settledRecord(row, call, prices, now));
      return { outcome: 'SETTLED', record, isRepeated: !isNew };
    } catch (error) {
      return notWritten(error);
    }
  }

  async cancel({ caller, leaseId, requestId }: CancelCall): Promise<CancelAnswer> {
    const key = requestId === null ? undefined : requestKey(caller, requestId);
    const attempt = key === undefined ? undefined : this.#attempts.get(key);
    if (attempt !== undefined) {
      attempt.isAbandoned = true;
      this.slots.cancel(attempt.id);
      this.#cancelled.set(key ?? '', { credentialId: caller.credentialId, cancellation: 'WITHDRAWN' });
      return { outcome: 'CANCELLED', cancellation: 'WITHDRAWN' };
    }
    const id = leaseId ?? (key === undefined ? undefined : this.#leaseByRequest.get(key));
    const held = id === undefined ? undefined : this.leases.get(id);
    if (held?.row.credentialId === caller.credentialId) {
      this.#release(held);
      const done = { credentialId: caller.credentialId, cancellation: 'RELEASED' } as const;
      this.#cancelled.set(held.row.id, done);
      this.#cancelled.set(requestKey(caller, held.row.requestId), done);
      try {
        await this.#parts.store.release(held.row.id);
      } catch (error) {
        return notWritten(error);
      }
      return { outcome: 'CANCELLED', cancellation: 'RELEASED' };
    }
    const before = this.#cancelled.get(leaseId ?? key ?? '');
    if (before?.credentialId === caller.credentialId) {
      return { outcome: 'CANCELLED', cancellation: before.cancellation };
    }
    try {
      const record = leaseId === null ? undefined : await this.records.find(leaseId);
      if (record?.credentialId === caller.credentialId) return { outcome: 'ENDED', settlement: record.settlement };
    } catch (error) {
      return notWritten(error);
    }
    return leaseId === null ? { outcome: 'NOT_FOUND', type: 'request', path: ['requestId'] } : leaseNotFound;
  }

  async heard({ gatewayId, leaseIds, at }: HeldByGateway): Promise<void> {
    this.#heardOf(gatewayId, at);
    const held = leaseIds.flatMap((id) => this.leases.get(id) ?? []);
    // Half of a lease is left: one that is renewed with every heartbeat would be written with every heartbeat.
    const due = held.filter(
      ({ row }) => row.gatewayId === gatewayId && row.expiresAt.getTime() - at < (row.leaseSeconds * msPerSecond) / 2,
    );
    await Promise.all(due.map((each) => this.#extend(each, each.row.leaseSeconds)));
  }

  queuedRequest(caller: Caller, requestId: string): Promise<QueuedRequestView | null> {
    const attempt = this.#attempts.get(requestKey(caller, requestId));
    const position = attempt && this.slots.positionOf(attempt.id);
    if (attempt?.wish === undefined || position === undefined) return Promise.resolve(null);
    const { identity } = attempt.wish.party;
    return Promise.resolve({
      requestId,
      modelName: attempt.wish.modelName,
      tenantId: identity.tenant.id,
      keyId: identity.key.id,
      ...position,
      since: attempt.queuedAt,
    });
  }

  leasesOf(caller: Caller, ids: readonly string[] | null): Promise<readonly LeaseView[]> {
    const candidates = ids === null ? this.leases.all() : ids.flatMap((id) => this.leases.get(id) ?? []);
    const views: LeaseView[] = [];
    for (const { row } of candidates) {
      // A gateway sees its own, whatever others hold.
      const isOwn = caller.kind !== 'GATEWAY' || row.credentialId === caller.credentialId;
      if (isOwn && isWithin(caller, row)) views.push(viewOf(row));
    }
    return Promise.resolve(views);
  }

  figures(): Promise<LiveFigures> {
    const { inFlight, queued, pools } = this.slots.snapshot();
    const models = Object.fromEntries(
      pools.map((pool) => [pool.name, { inFlight: pool.inFlight, queued: pool.queued }]),
    );
    return Promise.resolve({ inFlight, queued, models });
  }

  /** Takes back what an earlier process had granted. */
  adopt(row: Lease, reservation: Reservation, caps: readonly string[]): void {
    const held: Held = { row, reservation };
    this.leases.add(held);
    this.#leaseByRequest.set(requestKey(row, row.requestId), row.id);
    this.#holds(held, this.#now);
    this.slots.adopt({
      id: row.id,
      pool: row.pool,
      tenantId: row.tenantId,
      keyId: row.keyId,
      cost: Number(row.estimatedInputTokens + row.estimatedOutputTokens),
      expiresAt: row.expiresAt.getTime(),
      caps,
    });
  }

  /** When each gateway that holds leases was heard of last. */
  *heardOf(): Iterable<readonly [gatewayId: string, at: number]> {
    for (const id of this.leases.gateways()) yield [id, this.#lastHeardOf.get(id) ?? 0];
  }

  /** Ends the leases of a gateway that nothing was heard of. */
  expireLeasesOf(gatewayId: string): void {
    this.slots.expire(this.leases.ofGateway(gatewayId));
  }

  /** Refuses what waits and what comes from now on; what runs can still be settled. */
  stop(): void {
    this.#isOpen = false;
    this.slots.stopWaiting();
  }

  async #run(attempt: Attempt): Promise<AdmitAnswer> {
    const { call } = attempt;
    const { activity, catalog, catalogUnderWay, clock, directory } = this.#parts;
    // A gateway that has just been registered, a model that has just been made.
    const underWay = catalogUnderWay();
    if (underWay !== undefined) await underWay;
    const look = () => decide(directory, call, catalog, () => clock.now());
    let decided = await look();
    const seeds = 'wish' in decided ? this.counters.seeds(decided.wish.party.stack, this.#now) : undefined;
    if (seeds !== undefined) {
      await seeds;
      // What changed meanwhile has changed.
      decided = await look();
    }
    if ('notFound' in decided) return decided.notFound;
    if ('refusal' in decided) return this.#refuse(decided.refusal, decided.tenant);
    const { wish } = decided;
    attempt.wish = wish;
    const { stack, identity } = wish.party;
    const { tenant } = identity;
    if (!this.#isOpen) return isStopping;
    if (attempt.isAbandoned) return this.#refuse(refusalFor('CANCELLED'), tenant);
    const now = this.#now;
    attempt.queuedAt = now;
    const tokens = call.estimatedInputTokens + call.estimatedOutputTokens;
    const estimate = { inputTokens: call.estimatedInputTokens, outputTokens: call.estimatedOutputTokens };
    const costNanoUsd = nanoOf(costOf(wish.model?.prices ?? noPrices, estimate));
    const decision = this.ledger.reserve(stack, { requests: 1, tokens, costNanoUsd }, now);
    if (!decision.admitted) return this.#refuse(refusalOfLimit(decision.refusal), tenant);
    const { reservation } = decision;
    const requested = this.slots.request(attempt, wish);
    if (requested !== 'GRANTED') {
      const end = await requested;
      const refusal = end === 'STOPPED' ? end : 'refusal' in end ? end.refusal : this.#refusalAfterWait(attempt);
      if (refusal !== undefined) {
        // Without effect where the scheduler has ended it already.
        this.slots.cancel(attempt.id);
        this.ledger.cancel(reservation, this.#now);
        return refusal === 'STOPPED' ? isStopping : this.#refuse(refusal, tenant);
      }
    }
    const answer = await this.#grant(attempt, attempt.wish, reservation, requested === 'GRANTED' ? 'FAST' : 'QUEUED');
    if (answer.outcome === 'ADMITTED') activity.admitted(tenant, answer.lease.queueWaitMs);
    return answer;
  }

  /** Why one that has got its slot after all may not have it any more. */
  #refusalAfterWait(attempt: Attempt): RefusalView | undefined {
    if (attempt.isAbandoned) return refusalFor('CANCELLED');
    return attempt.wish && refusalOfWish(attempt.wish, this.#parts.clock.now());
  }

  async #grant(attempt: Attempt, wish: Wish, reservation: Reservation, admission: Lease['admission']) {
    const { instanceId, store } = this.#parts;
    const held: Held = {
      row: leaseRow(attempt, { instanceId, wish, reservation, admission, grantedAt: this.#now }),
      reservation,
    };
    this.leases.add(held);
    this.#leaseByRequest.set(requestKey(held.row, held.row.requestId), attempt.id);
    this.#holds(held, held.row.grantedAt.getTime());
    try {
      await store.grant(held.row);
    } catch (error) {
      this.#release(held);
      return notWritten(error);
    }
    if (attempt.isAbandoned) {
      this.#release(held);
      store.release(attempt.id).catch((error: unknown) => {
        this.#parts.log.warn({ err: error }, 'a lease that nobody wanted any more could not be removed; it expires');
      });
      return this.#refuse(refusalFor('CANCELLED'), wish.party.identity.tenant);
    }
    return { outcome: 'ADMITTED', lease: viewOf(held.row) } as const;
  }

  async #extend(held: Held, leaseSeconds: number): Promise<void> {
    const expiresAt = new Date(this.#now + leaseSeconds * msPerSecond);
    held.row = { ...held.row, leaseSeconds, expiresAt };
    this.slots.renew(held.row.id, expiresAt.getTime());
    await this.#parts.store.renew({ id: held.row.id, expiresAt });
  }

  /** Settles what has ended already: gives the record that there is, which it corrects once if nothing was known. */
  async #settleLate(call: SettleCall): Promise<SettleAnswer> {
    const known = await this.records.find(call.leaseId);
    if (known === undefined || known.credentialId !== call.caller.credentialId) return leaseNotFound;
    if (known.settlement !== 'UNSETTLED') return { outcome: 'SETTLED', record: known, isRepeated: true };
    const prices = this.#pricesOf(known.modelId);
    const settled = await this.records.correct(lateFigures(call, prices));
    if (settled === undefined) return leaseNotFound;
    const reservation = settled.isNew ? this.#expired.get(call.leaseId) : undefined;
    if (reservation !== undefined) {
      this.#expired.delete(call.leaseId);
      const tokens = call.inputTokens + call.outputTokens;
      this.ledger.settle(reservation, { tokens, costNanoUsd: nanoOf(costOf(prices, call)) }, this.#now);
    }
    return { outcome: 'SETTLED', record: settled.record, isRepeated: !settled.isNew };
  }

  /** A lease that nobody renewed: its slot is free already, and what it was expected to use stays counted. */
  #onExpired(id: string): void {
    const held = this.leases.get(id);
    if (held === undefined) return;
    this.#end(held);
    this.#expired.set(id, held.reservation);
    const record = unsettledRecord(held.row, held.reservation.costNanoUsd, this.#now);
    this.records.add(record).catch((error: unknown) => {
      this.#parts.log.warn({ err: error }, 'the record of an expired lease could not be written yet');
    });
  }

  /** Gives everything back. */
  #release(held: Held): void {
    this.#end(held);
    this.slots.cancel(held.row.id);
    this.ledger.cancel(held.reservation, this.#now);
  }

  #end({ row }: Held): void {
    this.leases.remove(row.id);
    this.#leaseByRequest.delete(requestKey(row, row.requestId));
  }

  #refuse(refusal: RefusalView, tenant: NamedTenant | undefined): AdmitAnswer {
    this.#parts.activity.refused(tenant, refusal.reason);
    return { outcome: 'REFUSED', refusal };
  }

  #holds({ row: { gatewayId } }: Held, at: number): void {
    if (gatewayId === null) return;
    this.#heardOf(gatewayId, at);
    this.#parts.onGatewayHolds();
  }

  #heardOf(gatewayId: string, at: number): void {
    this.#lastHeardOf.set(gatewayId, Math.max(at, this.#lastHeardOf.get(gatewayId) ?? 0));
  }

  #pricesOf(modelId: string | null): PicoPrices {
    return (modelId === null ? undefined : this.#parts.catalog().models.get(modelId)?.prices) ?? noPrices;
  }
}

/** What is said when the database does not keep up. */
function notWritten(error: unknown): Unavailable {
  if (error instanceof NotWrittenError) {
    return { outcome: 'UNAVAILABLE', message: error.message, retryAfterMs: error.retryAfterMs };
  }
  throw error;
}
