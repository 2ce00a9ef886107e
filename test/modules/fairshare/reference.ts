/**
 * The rules of the scheduler, written down as plainly as possible: no heaps, no counters, no indexes. It is the scheduler
 * to hold the other one against, decision by decision.
 */
import type {
  Adoption,
  GroupSettings,
  KeySettings,
  PoolSettings,
  QueueBound,
  Refusal,
  Submission,
  Submitted,
  TenantSettings,
} from '../../../src/modules/fairshare/api.ts';
import { Lots } from './reference-lots.ts';
import { infinite, type Lane, type Request } from './reference-records.ts';

export class ReferenceScheduler extends Lots {
  submit(submission: Submission, now: number): Submitted {
    const { pool, tenantId, keyId, caps = [], deadline = infinite } = submission;
    if (this.poolOf(pool).isRemoved) return { outcome: 'REFUSED', reason: 'UNKNOWN_POOL' };
    if (this.tenantOf(tenantId).max === 0) return { outcome: 'REFUSED', reason: 'BLOCKED', by: 'TENANT', id: tenantId };
    if (this.keyOf(keyId).max === 0) return { outcome: 'REFUSED', reason: 'BLOCKED', by: 'KEY', id: keyId };
    const cap = caps.find((each) => this.caps.get(each) === 0);
    if (cap !== undefined) return { outcome: 'REFUSED', reason: 'BLOCKED', by: 'CAP', id: cap };
    const { maxWaitMs: poolWaitMs = this.options.poolQueue?.maxWaitMs ?? infinite } = this.poolOf(pool);
    const { maxWaitMs: tenantWaitMs = this.options.tenantQueue?.maxWaitMs ?? infinite } = this.tenantOf(tenantId);
    const endsAt = Math.min(deadline, now + poolWaitMs, now + tenantWaitMs);
    const hasSlot = this.running() < this.ceiling && this.hasRoom(this.member(this.treeOf(pool), 'POOL', pool));
    const refusal = hasSlot ? undefined : this.#refusalOf(submission, endsAt, now);
    if (refusal !== undefined) return refusal;

    const request = this.record(submission, now);
    const { lane } = request;
    const isFirst = this.queueOf(lane).length === 0;
    this.requests.push(request);
    const path = this.pathOf(this.treeOf(pool), lane);
    for (const member of path) if (this.waitsIn(member) === 1) member.arrival = request.arrival;
    if (isFirst) this.admit(lane, true);
    // Without a free slot there is nothing to decide, so no cap of a tenant or key is met.
    if (hasSlot) this.#dispatch(now, request);
    if (request.isHeld) return { outcome: 'GRANTED' };
    this.requests = this.requests.filter((each) => each !== request);
    const late = this.#refusalOf(submission, endsAt, now);
    this.requests.push(request);
    if (hasSlot && late !== undefined) {
      this.#withdraw(request);
      return late;
    }
    request.endsAt = endsAt;
    return { outcome: 'QUEUED' };
  }

  adopt(adoption: Adoption, now: number): void {
    const { pool, expiresAt } = adoption;
    if (!this.pools.has(pool)) this.pools.set(pool, { ...this.poolOf(pool) });
    const request = this.record(adoption, now);
    this.requests.push(request);
    Object.assign(request, { isHeld: true, endsAt: expiresAt });
    for (const member of this.pathOf(this.treeOf(pool), request.lane)) this.adoptAt(member, request.charge);
  }

  settle(id: string, tokens: number, now: number): boolean {
    const request = this.requests.find((each) => each.id === id && each.isHeld);
    if (request === undefined) return false;
    this.#end(request, Math.max(1, tokens));
    this.#dispatch(now);
    return true;
  }

  cancel(id: string, now: number): 'WITHDRAWN' | 'RELEASED' | undefined {
    const request = this.requests.find((each) => each.id === id);
    if (request === undefined) return undefined;
    if (request.isHeld) this.#end(request, 1);
    else this.#withdraw(request);
    this.#dispatch(now);
    return request.isHeld ? 'RELEASED' : 'WITHDRAWN';
  }

  renew(id: string, expiresAt: number): boolean {
    const request = this.requests.find((each) => each.id === id && each.isHeld);
    if (request !== undefined) request.endsAt = expiresAt;
    return request !== undefined;
  }

  advance(now: number): { timedOut: string[]; expired: string[] } {
    const timedOut: string[] = [];
    const expired: string[] = [];
    for (;;) {
      const [first] = this.requests
        .filter(({ endsAt }) => endsAt <= now)
        .sort((a, b) => a.endsAt - b.endsAt || Number(b.isHeld) - Number(a.isHeld) || a.arrival - b.arrival);
      if (first === undefined) return { timedOut, expired };
      (first.isHeld ? expired : timedOut).push(first.id);
      if (first.isHeld) this.#end(first, first.charge);
      else this.#withdraw(first);
      this.#dispatch(now);
    }
  }

  setAlgorithm(algorithm: 'HIERARCHICAL' | 'WEIGHTED', now: number): void {
    this.changeAlgorithm(algorithm);
    this.#dispatch(now);
  }

  setCeiling(ceiling: number | null, now: number): void {
    this.ceiling = ceiling ?? infinite;
    this.#dispatch(now);
  }

  setPool(name: string, settings: PoolSettings, now: number): void {
    this.setPoolRecord(name, settings);
    this.#changed(now);
  }

  removePool(name: string, now: number): readonly string[] {
    if (!this.pools.has(name)) return [];
    const evicted = this.#evict(({ pool }) => pool === name);
    this.pools.set(name, { ...this.poolOf(name), capacity: 0, isRemoved: true });
    this.reweighAll();
    this.#dropDrained();
    this.#dispatch(now);
    return evicted;
  }

  setGroup(id: string, settings: GroupSettings): void {
    this.setGroupRecord(id, settings);
    this.reweighAll();
  }

  removeGroup(id: string): void {
    this.groups.delete(id);
    this.reweighAll();
  }

  setTenant(id: string, { groupId, weight, maxInFlight, ...bounds }: TenantSettings, now: number): void {
    const before = this.tenantOf(id).groupId;
    this.tenants.set(id, { groupId: before, weight, max: maxInFlight ?? infinite, isSet: true, ...bounds });
    this.reweighAll();
    if (groupId !== before) this.move(id, groupId);
    this.#changed(now);
  }

  removeTenant(id: string, now: number): readonly string[] {
    const evicted = this.#evict(({ tenantId }) => tenantId === id);
    this.resetTenant(id);
    this.#changed(now);
    return evicted;
  }

  setKey(id: string, { tenantId, weight, maxInFlight }: KeySettings, now: number): void {
    this.keys.set(id, { tenantId, weight, max: maxInFlight ?? infinite });
    this.#changed(now);
  }

  removeKey(id: string, now: number): readonly string[] {
    const evicted = this.#evict(({ keyId }) => keyId === id);
    this.keys.delete(id);
    this.#changed(now);
    return evicted;
  }

  setCap(id: string, max: number | null, now: number): void {
    if (max === null) this.caps.delete(id);
    else this.caps.set(id, max);
    this.refill(id);
    this.#dispatch(now);
  }

  #changed(now: number): void {
    this.reweighAll();
    this.letGo();
    this.forgetIdle();
    this.#dispatch(now);
  }

  /** Why a request may not wait until then. */
  #refusalOf({ pool, tenantId }: Submission, endsAt: number, now: number): Refusal | undefined {
    const { maxQueued, poolQueue, tenantQueue } = this.options;
    const bounds: [QueueBound, number, number | undefined][] = [
      [
        'TENANT',
        this.waiting((lane) => lane.tenantId === tenantId),
        this.tenantOf(tenantId).maxQueued ?? tenantQueue?.maxQueued,
      ],
      ['POOL', this.waiting((lane) => lane.pool === pool), this.poolOf(pool).maxQueued ?? poolQueue?.maxQueued],
      ['DEPLOYMENT', this.waiting(), maxQueued],
    ];
    for (const [bound, queued, limit] of bounds) {
      if (limit !== undefined && queued >= limit)
        return { outcome: 'REFUSED', reason: 'QUEUE_FULL', bound, limit, queued };
    }
    return endsAt <= now ? { outcome: 'REFUSED', reason: 'DEADLINE' } : undefined;
  }

  #dispatch(now: number, subject?: Request): void {
    while (this.asks(this.deployment) && this.running() < this.ceiling) {
      let member = this.deployment;
      while (member.level !== 'KEY') {
        const next = this.next(member);
        if (next === undefined) throw new Error(`nobody asks in ${member.level} ${member.id}`);
        member = next;
        if (!this.hasRoom(member)) break;
      }
      if (!this.hasRoom(member)) {
        Object.assign(member, { isHeldBack: true, asking: 'no', owedSlots: 0 });
        const parent = this.parentOf(member);
        if (parent !== undefined) this.lower(parent);
        this.leaveLots(member);
        continue;
      }
      const key = member;
      const [request] = this.lanes
        .filter((lane) => lane.place === 'ready' && this.keyMember(this.treeOf(lane.pool), lane) === key)
        .flatMap((lane) => this.queueOf(lane).slice(0, 1))
        .sort((a, b) => a.arrival - b.arrival);
      if (request === undefined) throw new Error(`nothing waits in ${member.id}`);
      const full = request.lane.caps.find((cap) => this.isFull(cap));
      if (full !== undefined) {
        this.holdBack(request.lane, full);
        continue;
      }
      this.#grant(request, now);
      if (request !== subject) this.grants.push({ id: request.id, waitedMs: now - request.submittedAt });
    }
  }

  #grant(request: Request, now: number): void {
    const { lane } = request;
    const tree = this.treeOf(lane.pool);
    for (const member of this.pathOf(tree, lane)) {
      this.select(member);
      member.charged += request.charge;
      this.payOwed(member);
    }
    request.isHeld = true;
    request.endsAt = request.leaseMs === undefined ? infinite : now + request.leaseMs;
    request.lot = lane.lot;
    if (this.queueOf(lane).length === 0) lane.place = 'nowhere';
    this.lower(this.keyMember(tree, lane));
    this.served(lane, request.charge);
    this.forgetIdle();
  }

  #end(request: Request, tokens: number): void {
    const { lane, lot } = request;
    const difference = tokens - request.charge;
    this.correctInLot(lane, lot, difference);
    for (const member of this.pathOf(this.treeOf(lane.pool), lane)) {
      member.charged = Math.max(0, member.charged + difference);
    }
    this.requests = this.requests.filter((each) => each !== request);
    this.forgetIdle();
    this.letGo();
    for (const cap of lane.caps) this.refill(cap);
    this.#dropDrained();
  }

  #withdraw(request: Request): void {
    const { lane } = request;
    this.requests = this.requests.filter((each) => each !== request);
    if (this.queueOf(lane).length === 0) {
      lane.place = 'nowhere';
      this.lower(this.keyMember(this.treeOf(lane.pool), lane));
      this.leaveLot(lane);
    }
    this.forgetIdle();
  }

  #evict(isMeant: (lane: Lane) => boolean): string[] {
    const evicted = this.requests.filter(({ isHeld, lane }) => !isHeld && isMeant(lane));
    for (const request of evicted) this.#withdraw(request);
    return evicted.map(({ id }) => id);
  }

  #dropDrained(): void {
    for (const [name, { isRemoved }] of this.pools) {
      if (!isRemoved || this.running(({ pool }) => pool === name) > 0) continue;
      this.pools.delete(name);
      this.trees = this.trees.filter(({ pool }) => pool !== name);
    }
  }
}
