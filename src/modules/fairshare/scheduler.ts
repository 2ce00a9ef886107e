import type {
  Adoption,
  Advanced,
  Grant,
  GroupSettings,
  KeySettings,
  PoolSettings,
  Position,
  Refusal,
  SchedulerOptions,
  Submission,
  Submitted,
  TenantSettings,
} from './api.ts';
import { Deadlines } from './deadlines.ts';
import { Dispatcher } from './dispatcher.ts';
import { Figures } from './figures.ts';
import { type Outlook, outlookOf, type Prospect } from './outlook.ts';
import { noteGrant, positionOf } from './position.ts';
import { blockOf, QueueLimits } from './queue-bounds.ts';
import { type SchedulerSnapshot, takeSnapshot } from './snapshot.ts';
import { type Lane, noMaximum, type Pool, priorities, Request } from './state.ts';
import type { Algorithm } from './tree.ts';

const unbounded = Number.POSITIVE_INFINITY;
const granted: Submitted = { outcome: 'GRANTED' };
const queued: Submitted = { outcome: 'QUEUED' };
const unknownPool: Refusal = { outcome: 'REFUSED', reason: 'UNKNOWN_POOL' };
const noCaps: readonly string[] = [];
/** Requests that wait outlive two collections of the young, each of which would copy a new object. */
const keptRequests = 256;

/**
 * Every request is charged for one token at least, also one that turns out to have cost nothing: else a tenant whose
 * requests cost nothing would stay first for ever.
 */
const atLeastOne = (tokens: number): number => Math.max(1, tokens);

/**
 * Decides who is served next: weighted fair queueing of the slots of pools, by group, tenant and key. It does no I/O
 * and has no clock: `now` is told, and the same calls give the same decisions. After every call no slot is free that
 * somebody who waits could use; whom a call granted one, besides the request that it was about, is told by
 * `takeGrants`.
 */
export class Scheduler {
  readonly #limits: QueueLimits;
  readonly #dispatcher: Dispatcher;
  readonly #deadlines = new Deadlines();
  /** What runs and waits of one at a time. */
  readonly figures: Figures;
  readonly #requests = new Map<string, Request>();
  /** Objects of requests that ended, for those that come next: nothing refers to them any more. */
  readonly #ended: Request[] = [];
  #grants: Grant[] = [];
  #now = 0;
  #arrivals = 0;
  readonly #totals = {
    submitted: 0,
    refused: 0,
    granted: 0,
    adopted: 0,
    settled: 0,
    released: 0,
    expired: 0,
    withdrawn: 0,
    timedOut: 0,
  };
  /** The request that a call is about, whose grant is that call's answer. */
  #subject: Request | undefined;
  /** Made once, since it is handed over at every dispatch. */
  readonly #onGrant = (request: Request): void => {
    const now = this.#now;
    this.#totals.granted += 1;
    this.#deadlines.stopWaiting(request);
    if (request.leaseMs !== undefined) this.#deadlines.hold(request, now + request.leaseMs);
    noteGrant(request.lane.pool, request.charge, now);
    if (request !== this.#subject) this.#grants.push({ id: request.id, waitedMs: now - request.submittedAt });
  };

  constructor(options: SchedulerOptions) {
    this.#dispatcher = new Dispatcher(options.algorithm);
    this.#limits = new QueueLimits(options, this.#dispatcher);
    this.figures = new Figures(this.#dispatcher);
    this.#dispatcher.ceiling.max = options.ceiling ?? noMaximum;
  }

  /**
   * Asks for a slot.
   *
   * @throws when a request of this id waits or runs already, or its key is another tenant's
   */
  submit(submission: Submission, now: number): Submitted {
    this.#totals.submitted += 1;
    const entry = this.#dispatcher.pools.get(submission.pool);
    if (entry === undefined || entry.pool.isRemoved) return this.#refuse(unknownPool);
    const { pool } = entry;
    const { id, tenantId, caps = noCaps, deadline = unbounded } = submission;
    if (this.#requests.has(id)) throw new Error(`request ${id} waits or runs already`);
    const key = this.#dispatcher.directory.key(submission.keyId, tenantId);
    const { tenant } = key;
    const end = this.#limits.endOf(entry, tenant, deadline, now);
    const hasSlot = !pool.isFull && !this.#dispatcher.ceiling.isFull;
    const refusal =
      blockOf(this.#dispatcher.directory, key, caps) ??
      (hasSlot ? undefined : this.#limits.refusalOf(entry, tenant, end, now, 0));
    if (refusal !== undefined) {
      this.#dispatcher.directory.dropKey(key);
      return this.#refuse(refusal);
    }
    const lane = this.#dispatcher.laneOf(entry, key, priorities.indexOf(submission.priority ?? 'NORMAL'), caps);
    const request = this.#makeRequest(submission, lane, submission.leaseMs, now);
    this.#dispatcher.enqueue(request);
    if (hasSlot) {
      this.#subject = request;
      this.#dispatch(now);
      this.#subject = undefined;
      if (request.isHeld) return granted;
      // A cap is full, so it has to wait with the pool's slots free.
      const bound = this.#limits.refusalOf(entry, tenant, end, now, 1);
      if (bound !== undefined) {
        this.#remove(request);
        return this.#refuse(bound);
      }
    }
    this.#deadlines.wait(request, end);
    return queued;
  }

  /** Counts a request that was granted before a restart: it may exceed every cap, which then drains. */
  adopt(adoption: Adoption, now: number): void {
    const { id, pool, keyId, tenantId, caps = noCaps, priority = 'NORMAL', expiresAt } = adoption;
    if (this.#requests.has(id)) throw new Error(`request ${id} waits or runs already`);
    let entry = this.#dispatcher.pools.get(pool);
    if (entry === undefined) {
      entry = this.#dispatcher.makePool(pool);
      entry.pool.isRemoved = true;
    }
    const key = this.#dispatcher.directory.key(keyId, tenantId);
    const lane = this.#dispatcher.laneOf(entry, key, priorities.indexOf(priority), caps);
    const request = this.#makeRequest(adoption, lane, undefined, now);
    this.#dispatcher.adopt(request);
    this.#deadlines.hold(request, expiresAt);
    this.#totals.adopted += 1;
  }

  /** A request has ended and cost this many tokens. Gives whether it was running: a second time changes nothing. */
  settle(id: string, tokens: number, now: number): boolean {
    const request = this.#held(id);
    if (request === undefined) return false;
    this.#totals.settled += 1;
    this.#end(request, atLeastOne(tokens));
    this.#dispatch(now);
    return true;
  }

  /** Whoever asked is gone: a request that waits leaves its queue, one that runs ends and gets its charge back. */
  cancel(id: string, now: number): 'WITHDRAWN' | 'RELEASED' | undefined {
    const request = this.#requests.get(id);
    if (request === undefined) return undefined;
    const { isHeld } = request;
    if (isHeld) {
      this.#totals.released += 1;
      this.#end(request, atLeastOne(0));
    } else {
      this.#withdraw(request);
    }
    this.#dispatch(now);
    return isHeld ? 'RELEASED' : 'WITHDRAWN';
  }

  /** Gives a lease another end. Gives whether it was running. */
  renew(id: string, expiresAt: number): boolean {
    const request = this.#held(id);
    if (request === undefined) return false;
    this.#deadlines.stopHolding(request);
    this.#deadlines.hold(request, expiresAt);
    return true;
  }

  /** When `advance` has something to do; undefined when it never has, as things are. */
  nextEventAt(): number | undefined {
    return this.#deadlines.nextAt;
  }

  /** Ends what was due by now, in the order in which it was due. */
  advance(now: number): Advanced {
    const timedOut: string[] = [];
    const expired: string[] = [];
    for (let due = this.#deadlines.due(now); due !== undefined; due = this.#deadlines.due(now)) {
      if (due.isHeld) {
        expired.push(due.id);
        this.#totals.expired += 1;
        this.#end(due, due.charge);
      } else {
        timedOut.push(due.id);
        this.#totals.timedOut += 1;
        this.#remove(due);
      }
      this.#dispatch(now);
    }
    return { timedOut, expired };
  }

  /** Whoever waited and was granted a slot since this was asked last, in that order. */
  takeGrants(): readonly Grant[] {
    if (this.#grants.length === 0) return [];
    const grants = this.#grants;
    this.#grants = [];
    return grants;
  }

  /** Undefined when it does not wait. */
  positionOf(id: string, now: number): Position | undefined {
    const request = this.#requests.get(id);
    return request === undefined || request.isHeld ? undefined : positionOf(request, now);
  }

  /** What `submit` would answer now. Changes nothing. */
  outlook(prospect: Prospect, now: number): Outlook {
    return outlookOf({ dispatcher: this.#dispatcher, limits: this.#limits }, prospect, now);
  }

  snapshot(now: number): SchedulerSnapshot {
    const { algorithm, ceiling, pools } = this.#dispatcher;
    const totals = { ...this.#totals, held: ceiling.inFlight, queued: this.#dispatcher.queued };
    return takeSnapshot(
      pools.values(),
      { algorithm, ceiling: ceiling.max === noMaximum ? null : ceiling.max, totals },
      now,
    );
  }

  /** Takes effect at once; everybody starts level, and nothing that waits or runs is lost. */
  setAlgorithm(algorithm: Algorithm, now: number): void {
    this.#dispatcher.setAlgorithm(algorithm);
    this.#dispatch(now);
  }

  /** Null: as many as the pools have. */
  setCeiling(ceiling: number | null, now: number): void {
    this.#dispatcher.ceiling.max = ceiling ?? noMaximum;
    this.#dispatch(now);
  }

  /** A capacity below what runs drains; a larger one is used at once. */
  setPool(name: string, { capacity, weightPercent = 100, ...bounds }: PoolSettings, now: number): void {
    const { pool } = this.#dispatcher.pools.get(name) ?? this.#dispatcher.makePool(name);
    pool.isRemoved = false;
    pool.max = capacity;
    pool.weightPercent = weightPercent;
    pool.bounds = bounds;
    this.#reweigh(pool);
    this.#dispatcher.freed(pool);
    this.#dispatch(now);
  }

  /** Gives those who waited for it. What runs goes on. */
  removePool(name: string, now: number): readonly string[] {
    const entry = this.#dispatcher.pools.get(name);
    if (entry === undefined) return [];
    const { pool } = entry;
    const evicted = this.#evict(({ lane }) => lane.pool === pool);
    pool.isRemoved = true;
    pool.max = 0;
    this.#reweigh(pool);
    this.#dispatcher.dropIfDrained(pool);
    this.#dispatch(now);
    return evicted;
  }

  setGroup(id: string, { weight }: GroupSettings): void {
    const group = this.#dispatcher.directory.group(id);
    group.isSet = true;
    group.weight = weight;
    for (const tree of this.#dispatcher.trees()) tree.reweighGroup(group);
  }

  /** A group that tenants are still in has the default weight from now on. */
  removeGroup(id: string): void {
    const { directory } = this.#dispatcher;
    const group = directory.groups.get(id);
    if (group === undefined) return;
    directory.resetGroup(group);
    for (const tree of this.#dispatcher.trees()) tree.reweighGroup(group);
    directory.dropGroup(group);
  }

  setTenant(id: string, { groupId, weight, maxInFlight, ...bounds }: TenantSettings, now: number): void {
    const tenant = this.#dispatcher.directory.tenant(id);
    tenant.isSet = true;
    tenant.weight = weight;
    tenant.max = maxInFlight ?? noMaximum;
    tenant.bounds = bounds;
    const isMoved = this.#dispatcher.directory.assign(tenant, groupId);
    for (const tree of this.#dispatcher.trees()) {
      tree.reweighTenant(tenant);
      if (isMoved) tree.moveTenant(tenant);
    }
    this.#dispatcher.freed(tenant);
    this.#dispatch(now);
  }

  /** Gives those who waited. What runs goes on. */
  removeTenant(id: string, now: number): readonly string[] {
    const { directory } = this.#dispatcher;
    const tenant = directory.tenants.get(id);
    if (tenant === undefined) return [];
    const evicted = this.#evict(({ lane }) => lane.key.tenant === tenant);
    directory.resetTenant(tenant);
    for (const tree of this.#dispatcher.trees()) tree.reweighTenant(tenant);
    this.#dispatcher.freed(tenant);
    directory.dropTenant(tenant);
    this.#dispatch(now);
    return evicted;
  }

  setKey(id: string, { tenantId, weight, maxInFlight }: KeySettings, now: number): void {
    const key = this.#dispatcher.directory.key(id, tenantId);
    key.isSet = true;
    key.weight = weight;
    key.max = maxInFlight ?? noMaximum;
    for (const tree of this.#dispatcher.trees()) tree.reweighKey(key);
    this.#dispatcher.freed(key);
    this.#dispatch(now);
  }

  /** Gives those who waited. What runs goes on. */
  removeKey(id: string, now: number): readonly string[] {
    const { directory } = this.#dispatcher;
    const key = directory.keys.get(id);
    if (key === undefined) return [];
    const evicted = this.#evict(({ lane }) => lane.key === key);
    directory.resetKey(key);
    for (const tree of this.#dispatcher.trees()) tree.reweighKey(key);
    this.#dispatcher.freed(key);
    directory.dropKey(key);
    this.#dispatch(now);
    return evicted;
  }

  /** Of whatever requests name in `caps`. Null: no bound; it still counts while requests name it. */
  setCap(id: string, max: number | null, now: number): void {
    const cap = this.#dispatcher.directory.cap(id);
    cap.isSet = max !== null;
    cap.max = max ?? noMaximum;
    this.#dispatcher.freed(cap);
    this.#dispatcher.directory.dropCap(cap);
    this.#dispatch(now);
  }

  #reweigh(pool: Pool): void {
    for (const tree of this.#dispatcher.trees()) if (tree.pool === pool) tree.reweighPool();
  }

  #dispatch(now: number): void {
    this.#now = now;
    this.#dispatcher.dispatch(this.#onGrant);
  }

  #refuse(refusal: Refusal): Refusal {
    this.#totals.refused += 1;
    return refusal;
  }

  #held(id: string): Request | undefined {
    const request = this.#requests.get(id);
    return request?.isHeld === true ? request : undefined;
  }

  #makeRequest(
    { id, cost }: Submission | Adoption,
    lane: Lane,
    leaseMs: number | undefined,
    submittedAt: number,
  ): Request {
    this.#arrivals += 1;
    const request = this.#ended.pop() ?? new Request(id, lane);
    request.id = id;
    request.lane = lane;
    request.arrival = this.#arrivals;
    request.submittedAt = submittedAt;
    request.leaseMs = leaseMs;
    request.charge = atLeastOne(cost);
    request.isHeld = false;
    request.lot = undefined;
    this.#requests.set(id, request);
    return request;
  }

  #reuse(request: Request): void {
    if (this.#ended.length < keptRequests) this.#ended.push(request);
  }

  #end(request: Request, tokens: number): void {
    this.#deadlines.stopHolding(request);
    this.#requests.delete(request.id);
    this.#dispatcher.end(request, tokens);
    this.#reuse(request);
  }

  #remove(request: Request): void {
    this.#deadlines.stopWaiting(request);
    this.#requests.delete(request.id);
    this.#dispatcher.withdraw(request);
    this.#reuse(request);
  }

  #withdraw(request: Request): void {
    this.#totals.withdrawn += 1;
    this.#remove(request);
  }

  #evict(isMeant: (request: Request) => boolean): string[] {
    const evicted = [...this.#requests.values()].filter((request) => !request.isHeld && isMeant(request));
    for (const request of evicted) this.#withdraw(request);
    return evicted.map(({ id }) => id);
  }
}
