import type { Logger } from 'pino';
import type { Database } from '../../database/database.ts';
import type { Lease } from '../../database/generated/client.ts';
import type { Clock } from '../../graph/context.ts';
import { newId } from '../../graph/ids.ts';
import type { Timers } from '../../live/timers.ts';
import type { KeyDirectory } from '../keys/directory.ts';
import { isTighter, type LayerStack } from '../limits/ledger/layers.ts';
import { type Decision, Ledger } from '../limits/ledger/ledger.ts';
import type { Reservation } from '../limits/ledger/reservation.ts';
import type { Activity, NamedTenant } from './activity.ts';
import { isStopping, notWritten, requestKey } from './answers.ts';
import { Attempt } from './attempt.ts';
import type { CatalogState } from './catalog.ts';
import { amountsOf } from './costs.ts';
import { Counters } from './counters.ts';
import { decide, refusalOfWish, type Wish } from './decision.ts';
import { Ending } from './ending.ts';
import { Explaining } from './explaining.ts';
import { Holding } from './holding.ts';
import { leaseList, sees } from './lease-list.ts';
import { leaseRow } from './lease-row.ts';
import { type Held, viewOf } from './leases.ts';
import type {
  AdmissionOwner,
  AdmitAnswer,
  AdmitCall,
  Caller,
  CancelAnswer,
  CancelCall,
  EffectiveLimitsAnswer,
  ExplainAnswer,
  ExplainCall,
  HeldByGateway,
  LeaseList,
  LeaseListCall,
  LeaseView,
  LimitTarget,
  LiveFigures,
  NearestLimitsCall,
  QueuedRequestView,
  RefusedCall,
  RenewAnswer,
  RenewCall,
  SettleAnswer,
  SettleCall,
} from './owner.ts';
import { PassingMap } from './passing-map.ts';
import { Records } from './records.ts';
import { type LimitView, type RefusalView, refusalFor, refusalOfLimit } from './refusals.ts';
import { Review } from './review.ts';
import { askedFor, isSameRequest } from './same-request.ts';
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

/** Decides in this process: about slots with the scheduler, about limits with the ledger. */
export class LocalOwner implements AdmissionOwner {
  readonly ledger = new Ledger();
  readonly slots: Slots;
  readonly counters: Counters;
  readonly records: Records;
  readonly holding: Holding;
  readonly review: Review;
  readonly #parts: LocalOwnerParts;
  readonly #ending: Ending;
  readonly #explaining: Explaining;
  /** Those that are not decided yet. */
  readonly #attempts = new PassingMap<Attempt>();
  #isOpen = true;

  constructor(parts: LocalOwnerParts) {
    this.#parts = parts;
    const { activity, clock, timers, catalog } = parts;
    const slots = new Slots({
      clock,
      timers,
      catalog: catalog(),
      onExpired: (id) => this.#ending.expired(id),
      onChanged: () => activity.changed(),
    });
    this.slots = slots;
    const { ledger } = this;
    const holding = new Holding({ ...parts, slots });
    this.holding = holding;
    this.review = new Review({ slots, leases: holding.leases, clock });
    this.counters = new Counters({ ...parts, ledger });
    this.records = new Records(parts);
    this.#explaining = new Explaining({ ...parts, slots, ledger, counters: this.counters });
    this.#ending = new Ending({ ...parts, holding, slots, ledger, records: this.records });
  }

  get #now(): number {
    return this.#parts.clock.now().getTime();
  }

  async admit(call: AdmitCall, signal: AbortSignal | undefined): Promise<AdmitAnswer> {
    if (!this.#isOpen) return isStopping;
    const key = call.requestId === null ? undefined : requestKey(call.caller, call.requestId);
    let attempt = key === undefined ? undefined : this.#attempts.get(key);
    // One that is still decided about may have a lease that is not kept yet, or that nobody will be given.
    const held = key === undefined || attempt !== undefined ? undefined : this.holding.ofRequest(key);
    if (attempt?.isAbandoned) attempt = undefined;
    const before = attempt?.call ?? (held && askedFor(held));
    if (before !== undefined && !isSameRequest(call, before)) {
      return this.#refuse(refusalFor('REQUEST_ID_REUSED'), undefined);
    }
    if (held !== undefined) return { outcome: 'ADMITTED', lease: viewOf(held.row) };
    const joined = attempt ?? this.#begin(call, key);
    return joined.join(signal, () => this.slots.cancel(joined.id));
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

  renew(call: RenewCall): Promise<RenewAnswer> {
    return this.holding.renew(call);
  }

  settle(call: SettleCall): Promise<SettleAnswer> {
    return this.#ending.settle(call);
  }

  async cancel(call: CancelCall): Promise<CancelAnswer> {
    const { caller, requestId } = call;
    const key = requestId === null ? undefined : requestKey(caller, requestId);
    const attempt = key === undefined ? undefined : this.#attempts.get(key);
    if (key === undefined || attempt === undefined) return this.#ending.cancel(call);
    attempt.isAbandoned = true;
    this.slots.cancel(attempt.id);
    this.#ending.noteCancelled(key, caller, 'WITHDRAWN');
    return { outcome: 'CANCELLED', cancellation: 'WITHDRAWN' };
  }

  heard(heartbeat: HeldByGateway): Promise<void> {
    return this.holding.heard(heartbeat);
  }

  explain(call: ExplainCall): Promise<ExplainAnswer> {
    return this.#isOpen ? this.#explaining.explain(call) : Promise.resolve(isStopping);
  }

  effectiveLimits(target: LimitTarget): Promise<EffectiveLimitsAnswer> {
    return this.#explaining.effectiveLimits(target);
  }

  nearestLimits(call: NearestLimitsCall): Promise<readonly LimitView[]> {
    return this.#explaining.nearestLimits(call);
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

  leasesOf(caller: Caller, ids: readonly string[]): Promise<readonly LeaseView[]> {
    const held = ids.flatMap((id) => this.holding.leases.get(id) ?? []);
    return Promise.resolve(held.flatMap(({ row }) => (sees(caller, row) ? [viewOf(row)] : [])));
  }

  leaseList(call: LeaseListCall): Promise<LeaseList> {
    return Promise.resolve(leaseList(this.holding.leases, call));
  }

  figures(): Promise<LiveFigures> {
    const { inFlight, queued, pools } = this.slots.snapshot();
    const models = Object.fromEntries(
      pools.map((pool) => [pool.name, { inFlight: pool.inFlight, queued: pool.queued }]),
    );
    return Promise.resolve({ inFlight, queued, models });
  }

  async refused({ tenant, reason }: RefusedCall): Promise<void> {
    this.#parts.activity.refused(tenant ?? undefined, reason);
  }

  /** Takes back what an earlier process had granted. */
  adopt(row: Lease, reservation: Reservation, caps: readonly string[]): void {
    this.holding.add({ row, reservation }, this.#now);
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
    const decision = this.ledger.reserve(stack, amountsOf(call, wish.model), now);
    if (!decision.admitted) return this.#refuse(refusalOfLimit(decision.refusal), tenant);
    let { reservation } = decision;
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
      const again = await this.#decideAgain(attempt, attempt.wish.party.stack, stack, reservation);
      if (!again.admitted) return this.#refuse(refusalOfLimit(again.refusal), tenant);
      reservation = again.reservation;
    }
    const answer = await this.#grant(attempt, attempt.wish, reservation, requested === 'GRANTED' ? 'FAST' : 'QUEUED');
    if (answer.outcome === 'ADMITTED') activity.admitted(tenant, answer.lease.queueWaitMs);
    return answer;
  }

  /** Decides one that waited by limits that were set or lowered meanwhile, as if it had taken nothing yet. */
  async #decideAgain(
    { id }: Attempt,
    stack: LayerStack,
    before: LayerStack,
    reservation: Reservation,
  ): Promise<Decision> {
    if (!isTighter(stack, before)) return { admitted: true, reservation };
    try {
      await this.counters.seeds(stack, this.#now);
    } catch (error) {
      this.slots.cancel(id);
      this.ledger.cancel(reservation, this.#now);
      throw error;
    }
    this.ledger.cancel(reservation, this.#now);
    const decision = this.ledger.reserve(stack, reservation, this.#now);
    if (!decision.admitted) this.slots.cancel(id);
    return decision;
  }

  /** Why one that has got its slot after all may not have it any more. */
  #refusalAfterWait(attempt: Attempt): RefusalView | undefined {
    if (attempt.isAbandoned) return refusalFor('CANCELLED');
    return attempt.wish && refusalOfWish(attempt.wish, this.#parts.clock.now());
  }

  async #grant(attempt: Attempt, wish: Wish, reservation: Reservation, admission: Lease['admission']) {
    const { instanceId, store } = this.#parts;
    // One that found a free slot did not wait for it, also when the clock went on while it was decided.
    const grantedAt = admission === 'FAST' ? attempt.queuedAt : this.#now;
    const held: Held = {
      row: leaseRow(attempt, { instanceId, wish, reservation, admission, grantedAt }),
      reservation,
      userExternalId: attempt.call.userExternalId,
    };
    this.holding.add(held, held.row.grantedAt.getTime());
    try {
      await store.grant(held.row);
    } catch (error) {
      this.#ending.release(held);
      return notWritten(error);
    }
    if (attempt.isAbandoned) {
      this.#ending.release(held);
      this.records.releaseUnasked(attempt.id);
      return this.#refuse(refusalFor('CANCELLED'), wish.party.identity.tenant);
    }
    return { outcome: 'ADMITTED', lease: viewOf(held.row) } as const;
  }

  #refuse(refusal: RefusalView, tenant: NamedTenant | undefined): AdmitAnswer {
    this.#parts.activity.refused(tenant, refusal.reason);
    return { outcome: 'REFUSED', refusal };
  }
}
