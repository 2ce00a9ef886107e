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
import { Configuration } from './configuration.ts';
import { Deadlines } from './deadlines.ts';
import { Dispatcher } from './dispatcher.ts';
import { Figures } from './figures.ts';
import { Forest } from './forest.ts';
import { keyFields, laneFields, nodeFields, noMaximum, poolFields, requestFields } from './layout.ts';
import { type Outlook, outlookOf, type Prospect } from './outlook.ts';
import { noteGrant, positionOf } from './position.ts';
import { blockOf, QueueLimits } from './queue-bounds.ts';
import { atLeastOne, Requests } from './requests.ts';
import { type SchedulerSnapshot, takeSnapshot } from './snapshot.ts';
import { type Algorithm, priorities } from './state.ts';

const { max, inFlight } = poolFields;
const { owner } = nodeFields;
const { charge, submittedAt, leaseMs, lane: laneOfRequest } = requestFields;

const unbounded = Number.POSITIVE_INFINITY;
const granted: Submitted = { outcome: 'GRANTED' };
const queued: Submitted = { outcome: 'QUEUED' };
const unknownPool: Refusal = { outcome: 'REFUSED', reason: 'UNKNOWN_POOL' };
const noCaps: readonly string[] = [];

/**
 * Decides who is served next: weighted fair queueing of the slots of pools, by group, tenant and key. It does no I/O
 * and has no clock: `now` is told, and the same calls give the same decisions. After every call no slot is free that
 * somebody who waits could use; whom a call granted one, besides the request that it was about, is told by
 * `takeGrants`.
 */
export class Scheduler {
  readonly #forest: Forest;
  readonly #dispatcher: Dispatcher;
  readonly #configuration: Configuration;
  readonly #limits: QueueLimits;
  readonly #deadlines: Deadlines;
  readonly #requests: Requests;
  /** What runs and waits of one at a time. */
  readonly figures: Figures;
  #grants: Grant[] = [];
  #now = 0;
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
  /** The request that a call is about, whose grant is that call's answer; 0 for none. */
  #subject = 0;
  /** Made once, since it is handed over at every dispatch. */
  readonly #onGrant = (request: number): void => {
    const { cells } = this.#forest;
    const now = this.#now;
    this.#totals.granted += 1;
    this.#deadlines.stopWaiting(request);
    const lasts = cells.get(request + leaseMs);
    if (lasts >= 0) this.#deadlines.hold(request, now + lasts);
    noteGrant(this.#dispatcher.poolOf(cells.int(request + laneOfRequest)), cells.get(request + charge), now);
    if (request === this.#subject) return;
    this.#grants.push({ id: this.#requests.idOf(request), waitedMs: now - cells.get(request + submittedAt) });
  };

  constructor(options: SchedulerOptions) {
    this.#forest = new Forest(options.algorithm);
    this.#forest.ceiling.max = options.ceiling ?? noMaximum;
    this.#dispatcher = new Dispatcher(this.#forest);
    this.#configuration = new Configuration(this.#dispatcher);
    this.#limits = new QueueLimits(options, this.#dispatcher);
    this.figures = new Figures(this.#dispatcher);
    this.#deadlines = new Deadlines(this.#forest.cells);
    this.#requests = new Requests(this.#forest.cells);
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
    const { cells, directory, ceiling } = this.#forest;
    const { id, keyId, tenantId, caps = noCaps, deadline = unbounded } = submission;
    this.#requests.refuseKnown(id);
    const key = directory.key(keyId, tenantId);
    const tenant = cells.int(key + keyFields.tenant);
    const queue = directory.queueOf(tenant);
    const end = this.#limits.endOf(entry, queue, deadline, now);
    const noWait = this.#limits.refusalOf(entry, queue, end, now);
    const { row } = entry.pool;
    const hasSlot = cells.int(row + inFlight) < cells.int(row + max) && !ceiling.isFull;
    const refusal = blockOf(this.#forest, key, caps) ?? (hasSlot ? undefined : noWait);
    if (refusal !== undefined) {
      directory.dropKey(key);
      return this.#refuse(refusal);
    }
    const node = entry.tree.keyNode(key, priorities.indexOf(submission.priority ?? 'NORMAL'));
    const request = this.#requests.add(submission, this.#dispatcher.lanes.laneOf(node, caps), submission.leaseMs, now);
    this.#dispatcher.enqueue(request);
    if (hasSlot) {
      this.#subject = request;
      this.#dispatch(now);
      this.#subject = 0;
      if (this.#requests.isHeld(request)) return granted;
      // A cap is full, so it has to wait with the pool's slots free.
      if (noWait !== undefined) {
        this.#remove(request);
        return this.#refuse(noWait);
      }
    }
    this.#deadlines.wait(request, end);
    return queued;
  }

  /** Counts a request that was granted before a restart: it may exceed every cap, which then drains. */
  adopt(adoption: Adoption, now: number): void {
    const { id, pool, keyId, tenantId, caps = noCaps, priority = 'NORMAL', expiresAt } = adoption;
    this.#requests.refuseKnown(id);
    let entry = this.#dispatcher.pools.get(pool);
    if (entry === undefined) {
      entry = this.#dispatcher.makePool(pool);
      entry.pool.isRemoved = true;
    }
    const node = entry.tree.keyNode(this.#forest.directory.key(keyId, tenantId), priorities.indexOf(priority));
    const request = this.#requests.add(adoption, this.#dispatcher.lanes.laneOf(node, caps), undefined, now);
    this.#dispatcher.adopt(request);
    this.#deadlines.hold(request, expiresAt);
    this.#totals.adopted += 1;
  }

  /** A request has ended and cost this many tokens. Gives whether it was running: a second time changes nothing. */
  settle(id: string, tokens: number, now: number): boolean {
    const request = this.#requests.held(id);
    if (request === 0) return false;
    this.#totals.settled += 1;
    this.#end(request, atLeastOne(tokens));
    this.#dispatch(now);
    return true;
  }

  /** Whoever asked is gone: a request that waits leaves its queue, one that runs ends and gets its charge back. */
  cancel(id: string, now: number): 'WITHDRAWN' | 'RELEASED' | undefined {
    const request = this.#requests.byId(id);
    if (request === 0) return undefined;
    const isHeld = this.#requests.isHeld(request);
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
    const request = this.#requests.held(id);
    if (request === 0) return false;
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
    for (let due = this.#deadlines.due(now); due !== 0; due = this.#deadlines.due(now)) {
      const id = this.#requests.idOf(due);
      if (this.#requests.isHeld(due)) {
        expired.push(id);
        this.#totals.expired += 1;
        this.#end(due, this.#forest.cells.get(due + charge));
      } else {
        timedOut.push(id);
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
    const request = this.#requests.byId(id);
    return request === 0 || this.#requests.isHeld(request) ? undefined : positionOf(this.#dispatcher, request, now);
  }

  /** What `submit` would answer now. Changes nothing. */
  outlook(prospect: Prospect, now: number): Outlook {
    return outlookOf({ dispatcher: this.#dispatcher, limits: this.#limits }, prospect, now);
  }

  snapshot(now: number): SchedulerSnapshot {
    const { algorithm, ceiling } = this.#forest;
    const totals = { ...this.#totals, held: ceiling.inFlight, queued: this.#dispatcher.queued };
    return takeSnapshot(
      this.#dispatcher,
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
    this.#forest.ceiling.max = ceiling ?? noMaximum;
    this.#dispatch(now);
  }

  /** A capacity below what runs drains; a larger one is used at once. */
  setPool(name: string, settings: PoolSettings, now: number): void {
    this.#configuration.setPool(name, settings);
    this.#dispatch(now);
  }

  /** Gives those who waited for it. What runs goes on. */
  removePool(name: string, now: number): readonly string[] {
    const entry = this.#dispatcher.pools.get(name);
    if (entry === undefined) return [];
    const evicted = this.#evict((node) => this.#forest.treeOf(node) === entry.tree);
    this.#configuration.removePool(entry.pool);
    this.#dispatch(now);
    return evicted;
  }

  setGroup(id: string, settings: GroupSettings): void {
    this.#configuration.setGroup(id, settings);
  }

  /** A group that tenants are still in has the default weight from now on. */
  removeGroup(id: string): void {
    this.#configuration.removeGroup(id);
  }

  setTenant(id: string, settings: TenantSettings, now: number): void {
    this.#configuration.setTenant(id, settings);
    this.#dispatch(now);
  }

  /** Gives those who waited. What runs goes on. */
  removeTenant(id: string, now: number): readonly string[] {
    const { cells, directory } = this.#forest;
    const tenant = directory.tenants.get(id);
    if (tenant === undefined) return [];
    const evicted = this.#evict((node) => cells.int(cells.int(node + owner) + keyFields.tenant) === tenant);
    // Unless it was there only for those.
    if (directory.tenants.get(id) === tenant) this.#configuration.removeTenant(tenant);
    this.#dispatch(now);
    return evicted;
  }

  setKey(id: string, settings: KeySettings, now: number): void {
    this.#configuration.setKey(id, settings);
    this.#dispatch(now);
  }

  /** Gives those who waited. What runs goes on. */
  removeKey(id: string, now: number): readonly string[] {
    const { cells, directory } = this.#forest;
    const key = directory.keys.get(id);
    if (key === 0) return [];
    const evicted = this.#evict((node) => cells.int(node + owner) === key);
    if (directory.keys.get(id) === key) this.#configuration.removeKey(key);
    this.#dispatch(now);
    return evicted;
  }

  /** Of whatever requests name in `caps`. Null: no bound; it still counts while requests name it. */
  setCap(id: string, newMax: number | null, now: number): void {
    this.#configuration.setCap(id, newMax);
    this.#dispatch(now);
  }

  #dispatch(now: number): void {
    this.#now = now;
    this.#dispatcher.dispatch(this.#onGrant);
  }

  #refuse(refusal: Refusal): Refusal {
    this.#totals.refused += 1;
    return refusal;
  }

  #end(request: number, tokens: number): void {
    this.#deadlines.stopHolding(request);
    this.#requests.delete(request);
    this.#dispatcher.end(request, tokens);
    this.#requests.reuse(request);
  }

  #remove(request: number): void {
    this.#deadlines.stopWaiting(request);
    this.#requests.delete(request);
    this.#dispatcher.withdraw(request);
    this.#requests.reuse(request);
  }

  #withdraw(request: number): void {
    this.#totals.withdrawn += 1;
    this.#remove(request);
  }

  /** Those who wait at nodes of keys that are meant. */
  #evict(isMeant: (node: number) => boolean): string[] {
    const { cells } = this.#forest;
    const nodeOf = (request: number): number => cells.int(cells.int(request + laneOfRequest) + laneFields.node);
    const evicted = this.#requests.all().filter((each) => !this.#requests.isHeld(each) && isMeant(nodeOf(each)));
    const ids = evicted.map((request) => this.#requests.idOf(request));
    for (const request of evicted) this.#withdraw(request);
    return ids;
  }
}
