/**
 * The rules of the scheduler, written down as plainly as possible: no heaps, no counters, no indexes. Whatever can be
 * derived is derived by looking through everything, each time. Only what is history is kept: the account of each member
 * of the tree, the virtual time of each lot of siblings, and who is held back.
 *
 * It leaves out named caps, adoption, removal and the bounds of queues.
 */
import type { Grant, Submission, Submitted } from '../../../src/modules/fairshare/api.ts';

type Level = 'DEPLOYMENT' | 'POOL' | 'GROUP' | 'TENANT' | 'KEY';

interface Waiting extends Submission {
  readonly arrival: number;
  readonly submittedAt: number;
  charge: number;
  endsAt: number;
  isHeld: boolean;
}

interface Member {
  readonly level: Level;
  readonly pool: string;
  readonly id: string;
  /** Of a key; others have one lot of siblings inside, of NORMAL. */
  readonly priority: string;
  /** Its account: where it began, and the tokens since. */
  base: number;
  charged: number;
  weight: number;
  /** Of the request that made it wait. */
  arrival: number;
  /** Asking: something below it could run, as far as full caps were met. */
  asking: 'no' | 'in order' | 'owed';
  owedSlots: number;
  /** Its cap was met when it was full, and has had no room since. */
  isHeldBack: boolean;
  /** Of those inside, by priority. */
  readonly virtualTimes: Map<string, number>;
}

interface Definition {
  weight: number;
  max: number;
  groupId: string;
}

const infinite = Number.POSITIVE_INFINITY;
const plain = 'NORMAL';

export class ReferenceScheduler {
  #algorithm: 'HIERARCHICAL' | 'WEIGHTED' = 'HIERARCHICAL';
  #ceiling = infinite;
  readonly #pools = new Map<string, { capacity: number; weightPercent: number }>();
  readonly #groups = new Map<string, number>();
  readonly #tenants = new Map<string, Definition>();
  readonly #keys = new Map<string, Omit<Definition, 'groupId'>>();
  #requests: Waiting[] = [];
  readonly #members: Member[] = [];
  #grants: Grant[] = [];
  #arrivals = 0;
  readonly #deployment = this.#member('DEPLOYMENT', '', '', plain);

  submit(submission: Submission, now: number): Submitted {
    const { pool, tenantId, keyId, cost, deadline = infinite } = submission;
    if (!this.#pools.has(pool)) return { outcome: 'REFUSED', reason: 'UNKNOWN_POOL' };
    if (this.#tenant(tenantId).max === 0) return { outcome: 'REFUSED', reason: 'BLOCKED', by: 'TENANT', id: tenantId };
    if (this.#key(keyId).max === 0) return { outcome: 'REFUSED', reason: 'BLOCKED', by: 'KEY', id: keyId };
    const late: Submitted = { outcome: 'REFUSED', reason: 'DEADLINE' };
    const hasSlot = this.#running().length < this.#ceiling && this.#hasRoom(this.#member('POOL', pool, pool, plain));
    if (!hasSlot && deadline <= now) return late;
    this.#arrivals += 1;
    const charge = Math.max(1, cost);
    const request = {
      ...submission,
      arrival: this.#arrivals,
      submittedAt: now,
      charge,
      endsAt: deadline,
      isHeld: false,
    };
    const path = this.#pathOf(request);
    const key = this.#keyOf(request);
    const isFirst = this.#waitingIn(key).length === 0;
    this.#requests.push(request);
    for (const member of path) if (this.#waitingIn(member).length === 1) member.arrival = request.arrival;
    if (isFirst) this.#raise(key, true);
    // Without a free slot there is nothing to decide, so no cap is met.
    if (hasSlot) this.#dispatch(now, request);
    if (request.isHeld) return { outcome: 'GRANTED' };
    if (deadline > now) return { outcome: 'QUEUED' };
    this.#withdraw(request);
    return late;
  }

  settle(id: string, tokens: number, now: number): boolean {
    const request = this.#requests.find((each) => each.id === id && each.isHeld);
    if (request === undefined) return false;
    this.#end(request, Math.max(1, tokens));
    this.#dispatch(now);
    return true;
  }

  cancel(id: string, now: number): 'WITHDRAWN' | 'RELEASED' | undefined {
    const request = this.#requests.find((each) => each.id === id);
    if (request === undefined) return undefined;
    if (request.isHeld) this.#end(request, 1);
    else this.#withdraw(request);
    this.#dispatch(now);
    return request.isHeld ? 'RELEASED' : 'WITHDRAWN';
  }

  renew(id: string, expiresAt: number): boolean {
    const request = this.#requests.find((each) => each.id === id && each.isHeld);
    if (request !== undefined) request.endsAt = expiresAt;
    return request !== undefined;
  }

  advance(now: number): { timedOut: string[]; expired: string[] } {
    const timedOut: string[] = [];
    const expired: string[] = [];
    for (;;) {
      const [first] = this.#requests
        .filter(({ endsAt }) => endsAt <= now)
        .sort((a, b) => a.endsAt - b.endsAt || Number(b.isHeld) - Number(a.isHeld) || a.arrival - b.arrival);
      if (first === undefined) return { timedOut, expired };
      (first.isHeld ? expired : timedOut).push(first.id);
      if (first.isHeld) this.#end(first, first.charge);
      else this.#withdraw(first);
      this.#dispatch(now);
    }
  }

  takeGrants(): Grant[] {
    const grants = this.#grants;
    this.#grants = [];
    return grants;
  }

  setAlgorithm(algorithm: 'HIERARCHICAL' | 'WEIGHTED', now: number): void {
    if (algorithm !== this.#algorithm) {
      // Within a pool all start level.
      const moved = this.#members.filter(({ level }) => level === 'TENANT' || level === 'GROUP');
      for (const member of moved) this.#forget(member);
      this.#algorithm = algorithm;
      const tenants = moved.filter((member) => member.level === 'TENANT' && this.#isActive(member));
      for (const group of this.#members.filter(({ level }) => level === 'GROUP')) {
        const waiting = this.#childrenOf(group, plain).filter((each) => this.#waitingIn(each).length > 0);
        if (waiting.length > 0) group.arrival = Math.min(...waiting.map(({ arrival }) => arrival));
      }
      for (const tenant of tenants) this.#arrive(tenant);
    }
    this.#dispatch(now);
  }

  setCeiling(ceiling: number | null, now: number): void {
    this.#ceiling = ceiling ?? infinite;
    this.#dispatch(now);
  }

  setPool(
    name: string,
    { capacity, weightPercent = 100 }: { capacity: number; weightPercent?: number | undefined },
    now: number,
  ): void {
    this.#pools.set(name, { capacity, weightPercent });
    this.#reweighAll();
    this.#letGo();
    this.#dispatch(now);
  }

  setGroup(id: string, { weight }: { weight: number }): void {
    this.#groups.set(id, weight);
    this.#reweighAll();
  }

  setTenant(
    id: string,
    settings: { groupId: string; weight: number; maxInFlight?: number | null | undefined },
    now: number,
  ): void {
    const { groupId, weight, maxInFlight } = settings;
    const before = this.#tenant(id).groupId;
    this.#tenants.set(id, { groupId: before, weight, max: maxInFlight ?? infinite });
    this.#reweighAll();
    if (groupId !== before) this.#move(id, groupId);
    this.#letGo();
    this.#dispatch(now);
  }

  setKey(
    id: string,
    { weight, maxInFlight }: { weight: number; maxInFlight?: number | null | undefined },
    now: number,
  ): void {
    this.#keys.set(id, { weight, max: maxInFlight ?? infinite });
    this.#reweighAll();
    this.#letGo();
    this.#dispatch(now);
  }

  #tenant(id: string): Definition {
    return this.#tenants.get(id) ?? { weight: 100, max: infinite, groupId: 'default' };
  }

  #key(id: string): Omit<Definition, 'groupId'> {
    return this.#keys.get(id) ?? { weight: 100, max: infinite };
  }

  #running(): Waiting[] {
    return this.#requests.filter(({ isHeld }) => isHeld);
  }

  #member(level: Level, pool: string, id: string, priority: string): Member {
    const known = this.#members.find(
      (each) => each.level === level && each.pool === pool && each.id === id && each.priority === priority,
    );
    if (known !== undefined) return known;
    const made: Member = {
      ...{ level, pool, id, priority, base: 0, charged: 0, weight: 0, arrival: 0, asking: 'no', owedSlots: 0 },
      ...{ isHeldBack: false, virtualTimes: new Map() },
    };
    made.weight = this.#weightOf(made);
    this.#members.push(made);
    return made;
  }

  #weightOf({ level, pool, id }: Member): number {
    if (level === 'DEPLOYMENT') return 1;
    const { capacity, weightPercent } = this.#pools.get(pool) ?? { capacity: 0, weightPercent: 100 };
    if (level === 'POOL') return Math.max(1, capacity);
    if (level === 'GROUP') return this.#groups.get(id) ?? 100;
    if (level === 'KEY') return this.#key(id).weight;
    return Math.max(1, Math.round((this.#tenant(id).weight * weightPercent) / 100));
  }

  #keyOf({ pool, keyId, priority = plain }: Submission): Member {
    return this.#member('KEY', pool, keyId, priority);
  }

  /** From the key up. */
  #pathOf(request: Submission): Member[] {
    const { pool, tenantId } = request;
    const group = this.#member('GROUP', pool, this.#tenant(tenantId).groupId, plain);
    return [
      this.#keyOf(request),
      this.#member('TENANT', pool, tenantId, plain),
      ...(this.#algorithm === 'HIERARCHICAL' ? [group] : []),
      this.#member('POOL', pool, pool, plain),
      this.#deployment,
    ];
  }

  #parentOf(member: Member): Member | undefined {
    const { level, pool, id } = member;
    if (level === 'DEPLOYMENT') return undefined;
    if (level === 'POOL') return this.#deployment;
    if (level === 'KEY') return this.#member('TENANT', pool, id.slice(0, id.indexOf('.')), plain);
    if (level === 'TENANT' && this.#algorithm === 'HIERARCHICAL') {
      return this.#member('GROUP', pool, this.#tenant(id).groupId, plain);
    }
    return this.#member('POOL', pool, pool, plain);
  }

  #childrenOf(parent: Member, priority: string): Member[] {
    return this.#members.filter((each) => this.#parentOf(each) === parent && each.priority === priority);
  }

  #siblingsOf(member: Member): Member[] {
    const parent = this.#parentOf(member);
    return parent === undefined ? [] : this.#childrenOf(parent, member.priority);
  }

  #waitingIn(member: Member): Waiting[] {
    return this.#requests.filter((each) => !each.isHeld && this.#pathOf(each).includes(member));
  }

  #runningIn(member: Member): Waiting[] {
    return this.#running().filter((each) => this.#pathOf(each).includes(member));
  }

  #isActive(member: Member): boolean {
    return this.#waitingIn(member).length + this.#runningIn(member).length > 0;
  }

  #virtualTimeOf(member: Member): number {
    return this.#parentOf(member)?.virtualTimes.get(member.priority) ?? 0;
  }

  #startOf({ base, charged, weight }: Member): number {
    return base + charged / weight;
  }

  /** Its part of its parent's slots, by the weights of those who wait or run. */
  #shareOf(member: Member): number {
    const parent = this.#parentOf(member);
    const active = this.#siblingsOf(member).filter((each) => this.#isActive(each));
    const weight = active.reduce((sum, each) => sum + each.weight, 0);
    if (parent === undefined || weight === 0) return 0;
    const slots =
      parent.level === 'DEPLOYMENT'
        ? Math.min(this.#ceiling, weight)
        : parent.level === 'POOL'
          ? (this.#pools.get(parent.pool)?.capacity ?? 0)
          : this.#shareOf(parent);
    return (slots * member.weight) / weight;
  }

  /** Of what a full cap can hold back. */
  #hasRoom({ level, pool, id }: Member): boolean {
    if (level === 'POOL') {
      return this.#running().filter((each) => each.pool === pool).length < (this.#pools.get(pool)?.capacity ?? 0);
    }
    if (level === 'TENANT') return this.#running().filter((each) => each.tenantId === id).length < this.#tenant(id).max;
    if (level === 'KEY') return this.#running().filter((each) => each.keyId === id).length < this.#key(id).max;
    return true;
  }

  #asks(member: Member): boolean {
    if (member.level === 'KEY') return this.#waitingIn(member).length > 0;
    return this.#members.some((each) => this.#parentOf(each) === member && each.asking !== 'no');
  }

  /** It and those above it begin to ask. */
  #raise(from: Member, isNew: boolean): void {
    for (let member: Member | undefined = from; member !== undefined; member = this.#parentOf(member)) {
      if (member.level === 'DEPLOYMENT' || member.asking !== 'no' || member.isHeldBack) return;
      const now = this.#virtualTimeOf(member);
      const start = this.#startOf(member);
      member.asking = 'in order';
      if (start < now) Object.assign(member, { base: now, charged: 0 });
      // Back from having nothing to ask for, and nothing taken in advance: it is owed its share of the slots.
      if (!isNew || this.#waitingIn(member).length > 1 || start > now) continue;
      const owedSlots = Math.floor(this.#shareOf(member)) - this.#runningIn(member).length;
      if (owedSlots > 0) Object.assign(member, { asking: 'owed', owedSlots });
    }
  }

  /** Those below whom nothing asks ask no more. */
  #lower(from: Member): void {
    for (let member: Member | undefined = from; member !== undefined; member = this.#parentOf(member)) {
      if (this.#asks(member)) return;
      Object.assign(member, { asking: 'no', owedSlots: 0 });
    }
  }

  #forget(member: Member): void {
    Object.assign(member, { base: 0, charged: 0, asking: 'no', owedSlots: 0 });
  }

  /** Nothing is kept of those who are idle and not ahead, nor of anybody in a member that is idle. */
  #forgetIdle(): void {
    for (const member of this.#members) {
      if (this.#isActive(member)) continue;
      member.virtualTimes.clear();
      for (const each of this.#members) if (this.#parentOf(each) === member) this.#forgetWhole(each);
      if (member.level !== 'DEPLOYMENT' && this.#startOf(member) <= this.#virtualTimeOf(member))
        this.#forgetWhole(member);
    }
  }

  #forgetWhole(member: Member): void {
    this.#forget(member);
    if (member.level !== 'POOL') member.isHeldBack = false;
  }

  #isBefore(a: Member, b: Member): boolean {
    const difference = this.#startOf(a) - this.#startOf(b) || a.arrival - b.arrival;
    return difference < 0 || (difference === 0 && a.id < b.id);
  }

  /** Whose turn it is among those inside. */
  #next(parent: Member): Member | undefined {
    for (const priority of ['HIGH', plain, 'LOW']) {
      const asking = this.#childrenOf(parent, priority).filter((each) => each.asking !== 'no');
      for (const first of asking.filter((each) => each.asking === 'owed').sort((a, b) => a.arrival - b.arrival)) {
        if (this.#runningIn(first).length + 1 <= this.#shareOf(first)) return first;
        // Others have come since, of whom it has its share.
        Object.assign(first, { asking: 'in order', owedSlots: 0 });
      }
      const [first] = asking.sort((a, b) => (this.#isBefore(a, b) ? -1 : 1));
      if (first !== undefined) return first;
    }
    return undefined;
  }

  #dispatch(now: number, subject?: Waiting): void {
    while (this.#asks(this.#deployment) && this.#running().length < this.#ceiling) {
      let member = this.#deployment;
      while (member.level !== 'KEY') {
        const next = this.#next(member);
        if (next === undefined) throw new Error(`nobody asks in ${member.level} ${member.id}`);
        member = next;
        if (!this.#hasRoom(member)) break;
      }
      if (!this.#hasRoom(member)) {
        Object.assign(member, { isHeldBack: true, asking: 'no', owedSlots: 0 });
        const parent = this.#parentOf(member);
        if (parent !== undefined) this.#lower(parent);
        continue;
      }
      const [request] = this.#waitingIn(member).sort((a, b) => a.arrival - b.arrival);
      if (request === undefined) throw new Error(`nothing waits in ${member.id}`);
      this.#grant(request, now);
      if (request !== subject) this.#grants.push({ id: request.id, waitedMs: now - request.submittedAt });
    }
  }

  #grant(request: Waiting, now: number): void {
    for (const member of this.#pathOf(request)) {
      const parent = this.#parentOf(member);
      if (parent === undefined) continue;
      const others = this.#siblingsOf(member).filter((each) => each !== member && each.asking !== 'no');
      // What is given in advance is out of order, and moves nobody's time on.
      const isAdvance = member.asking === 'owed' && others.length > 0;
      if (!isAdvance) {
        parent.virtualTimes.set(member.priority, Math.max(this.#virtualTimeOf(member), this.#startOf(member)));
      }
      member.charged += request.charge;
      if (member.asking === 'owed') {
        member.owedSlots -= 1;
        if (member.owedSlots === 0) member.asking = 'in order';
      }
    }
    request.isHeld = true;
    request.endsAt = request.leaseMs === undefined ? infinite : now + request.leaseMs;
    this.#lower(this.#keyOf(request));
    this.#forgetIdle();
  }

  #end(request: Waiting, tokens: number): void {
    for (const member of this.#pathOf(request)) member.charged = Math.max(0, member.charged + tokens - request.charge);
    this.#requests = this.#requests.filter((each) => each !== request);
    this.#forgetIdle();
    this.#letGo();
  }

  #withdraw(request: Waiting): void {
    this.#requests = this.#requests.filter((each) => each !== request);
    this.#lower(this.#keyOf(request));
    this.#forgetIdle();
  }

  /** Those whose cap has room again ask again. */
  #letGo(): void {
    for (const level of ['POOL', 'TENANT', 'KEY']) {
      for (const member of this.#members) {
        if (member.level !== level || !member.isHeldBack || !this.#hasRoom(member)) continue;
        member.isHeldBack = false;
        if (this.#asks(member)) this.#raise(member, false);
      }
    }
  }

  /** What lies ahead of the virtual time is rescaled, so that a new weight acts on what waits already. */
  #reweighAll(): void {
    for (const member of this.#members) {
      const weight = this.#weightOf(member);
      if (weight === member.weight) continue;
      const now = this.#virtualTimeOf(member);
      const lead = this.#startOf(member) - now;
      const start = lead > 0 ? now + (lead * member.weight) / weight : this.#startOf(member);
      member.weight = weight;
      member.base = start - member.charged / weight;
    }
  }

  /** A tenant starts level in its new group. */
  #move(id: string, groupId: string): void {
    const moved = this.#members.filter((each) => each.level === 'TENANT' && each.id === id);
    const isTreeChanged = this.#algorithm === 'HIERARCHICAL';
    const before = moved.map((member) => this.#parentOf(member));
    for (const member of moved) this.#forget(member);
    this.#tenants.set(id, { ...this.#tenant(id), groupId });
    for (const member of moved) if (this.#isActive(member)) this.#arrive(member);
    for (const parent of before) if (parent !== undefined && isTreeChanged) this.#lower(parent);
    this.#forgetIdle();
  }

  /** A tenant is among other siblings now, with all that waits and runs. */
  #arrive(tenant: Member): void {
    const group = this.#parentOf(tenant);
    const waits = this.#waitingIn(tenant).length;
    if (group?.level === 'GROUP' && waits > 0 && this.#waitingIn(group).length === waits)
      group.arrival = tenant.arrival;
    if (this.#asks(tenant)) this.#raise(tenant, false);
  }
}
