import { type Lane, type Level, type Member, plain, Records, type Tree } from './reference-records.ts';

/**
 * Members of trees: who asks, and whose turn it is. Only what is history is kept: the account of each, the virtual time
 * of each lot of siblings, and who is held back.
 */
export class Trees extends Records {
  /** Of pools, and of lots in the order in which they were opened. */
  protected trees: Tree[] = [];
  protected readonly deployment = this.member({ pool: '', cap: undefined, members: [] }, 'DEPLOYMENT', '');

  /** Of a pool itself. */
  protected treeOf(pool: string): Tree {
    const known = this.trees.find((each) => each.pool === pool && each.cap === undefined);
    if (known !== undefined) return known;
    const made = { pool, cap: undefined, members: [] };
    this.trees.push(made);
    return made;
  }

  protected member(tree: Tree, level: Level, id: string, tenantId = '', priority = plain): Member {
    const known = tree.members.find((each) => each.level === level && each.id === id && each.priority === priority);
    if (known !== undefined) return known;
    const made: Member = {
      ...{
        tree,
        level,
        id,
        tenantId,
        priority,
        base: 0,
        charged: 0,
        weight: 0,
        arrival: 0,
        asking: 'no',
        owedSlots: 0,
      },
      ...{ isHeldBack: false, virtualTimes: new Map() },
    };
    made.weight = this.#weightOf(made);
    tree.members.push(made);
    return made;
  }

  protected keyMember(tree: Tree, { keyId, tenantId, priority }: Lane): Member {
    return this.member(tree, 'KEY', keyId, tenantId, priority);
  }

  /** From a key up. */
  protected pathOf(tree: Tree, lane: Lane): Member[] {
    const path = [this.keyMember(tree, lane)];
    for (let [member] = path; member !== undefined; ) {
      member = this.parentOf(member);
      if (member !== undefined) path.push(member);
    }
    return path;
  }

  protected parentOf({ tree, level, id, tenantId }: Member): Member | undefined {
    if (level === 'KEY') return this.member(tree, 'TENANT', tenantId, tenantId);
    if (level === 'TENANT' && this.algorithm === 'HIERARCHICAL') {
      return this.member(tree, 'GROUP', this.tenantOf(id).groupId);
    }
    if (level === 'TENANT' || level === 'GROUP') return this.member(tree, 'POOL', tree.pool);
    return level === 'POOL' && tree.cap === undefined ? this.deployment : undefined;
  }

  protected childrenOf(parent: Member, priority: string): Member[] {
    const all = parent.level === 'DEPLOYMENT' ? this.trees.flatMap(({ members }) => members) : parent.tree.members;
    return all.filter((each) => each.priority === priority && this.parentOf(each) === parent);
  }

  #siblingsOf(member: Member): Member[] {
    const parent = this.parentOf(member);
    return parent === undefined ? [] : this.childrenOf(parent, member.priority);
  }

  #belongs({ tree, level, id, priority }: Member, lane: Lane): boolean {
    if (level === 'DEPLOYMENT') return true;
    if (tree.pool !== lane.pool) return false;
    if (level === 'GROUP') return this.algorithm === 'HIERARCHICAL' && this.tenantOf(lane.tenantId).groupId === id;
    if (level === 'TENANT') return lane.tenantId === id;
    return level === 'POOL' || (lane.keyId === id && lane.priority === priority);
  }

  /** Requests; of a lot, lanes. */
  protected waitsIn(member: Member): number {
    const { tree } = member;
    if (tree.cap === undefined) return this.waiting((lane) => this.#belongs(member, lane));
    return this.lanes.filter((lane) => lane.lot === tree && this.#belongs(member, lane)).length;
  }

  protected runsIn(member: Member): number {
    return member.tree.cap === undefined ? this.running((lane) => this.#belongs(member, lane)) : 0;
  }

  protected isActive(member: Member): boolean {
    return this.waitsIn(member) + this.runsIn(member) > 0;
  }

  protected virtualTimeOf(member: Member): number {
    return this.parentOf(member)?.virtualTimes.get(member.priority) ?? 0;
  }

  #startOf({ base, charged, weight }: Member): number {
    return base + charged / weight;
  }

  #weightOf({ tree, level, id }: Member): number {
    if (level === 'DEPLOYMENT') return 1;
    const { capacity, weightPercent } = this.poolOf(tree.pool);
    if (level === 'POOL') return Math.max(1, capacity);
    if (level === 'GROUP') return this.groups.get(id) ?? 100;
    if (level === 'KEY') return this.keyOf(id).weight;
    return Math.max(1, Math.round((this.tenantOf(id).weight * weightPercent) / 100));
  }

  /** Its part of its parent's slots, by the weights of those who wait or run. */
  #shareOf(member: Member): number {
    const parent = this.parentOf(member);
    const active = this.#siblingsOf(member).filter((each) => this.isActive(each));
    const weight = active.reduce((sum, each) => sum + each.weight, 0);
    if (parent === undefined || weight === 0) return 0;
    const slots =
      parent.level === 'DEPLOYMENT'
        ? Math.min(this.ceiling, weight)
        : parent.level === 'POOL'
          ? this.poolOf(parent.tree.pool).capacity
          : this.#shareOf(parent);
    return (slots * member.weight) / weight;
  }

  /** Of what a full cap can hold back. */
  protected hasRoom({ tree, level, id }: Member): boolean {
    if (tree.cap !== undefined) return true;
    if (level === 'POOL') return this.running(({ pool }) => pool === tree.pool) < this.poolOf(tree.pool).capacity;
    if (level === 'TENANT') return this.running(({ tenantId }) => tenantId === id) < this.tenantOf(id).max;
    if (level === 'KEY') return this.running(({ keyId }) => keyId === id) < this.keyOf(id).max;
    return true;
  }

  protected asks(member: Member): boolean {
    const { level, tree } = member;
    if (level !== 'KEY') return this.childrenOf(member, plain).some(isAsking) || this.#asksByPriority(member);
    return this.lanes.some((lane) =>
      this.#belongs(member, lane) && tree.cap === undefined
        ? lane.place === 'ready'
        : lane.place === 'in lot' && lane.lot === tree && this.#belongs(member, lane),
    );
  }

  #asksByPriority(member: Member): boolean {
    return ['HIGH', 'LOW'].some((priority) => this.childrenOf(member, priority).some(isAsking));
  }

  /** It and those above it begin to ask. Only who has a new request was idle until now. */
  protected raise(from: Member, isNew: boolean): void {
    for (let member: Member | undefined = from; member !== undefined; member = this.parentOf(member)) {
      if (this.parentOf(member) === undefined || member.asking !== 'no' || member.isHeldBack) return;
      const now = this.virtualTimeOf(member);
      const start = this.#startOf(member);
      member.asking = 'in order';
      if (start < now) Object.assign(member, { base: now, charged: 0 });
      // Back from having nothing to ask for, and nothing taken in advance: it is owed its share of the slots.
      if (!isNew || this.waitsIn(member) > 1 || start > now) continue;
      const owedSlots = Math.floor(this.#shareOf(member)) - this.runsIn(member);
      if (owedSlots > 0) Object.assign(member, { asking: 'owed', owedSlots });
    }
  }

  /** Those below whom nothing asks ask no more. */
  protected lower(from: Member): void {
    for (let member: Member | undefined = from; member !== undefined; member = this.parentOf(member)) {
      if (this.asks(member)) return;
      Object.assign(member, { asking: 'no', owedSlots: 0 });
    }
  }

  /** Whose turn it is among those inside. */
  protected next(parent: Member): Member | undefined {
    for (const priority of ['HIGH', plain, 'LOW']) {
      const asking = this.childrenOf(parent, priority).filter(isAsking);
      for (const first of asking.filter((each) => each.asking === 'owed').sort((a, b) => a.arrival - b.arrival)) {
        if (this.runsIn(first) + 1 <= this.#shareOf(first)) return first;
        // Others have come since, of whom it has its share.
        Object.assign(first, { asking: 'in order', owedSlots: 0 });
      }
      const [first] = asking.sort((a, b) => (this.#isBefore(a, b) ? -1 : 1));
      if (first !== undefined) return first;
    }
    return undefined;
  }

  #isBefore(a: Member, b: Member): boolean {
    const difference = this.#startOf(a) - this.#startOf(b) || a.arrival - b.arrival;
    return difference < 0 || (difference === 0 && a.id < b.id);
  }

  /** A member is served: the time of its siblings moves on to its start. */
  protected select(member: Member): void {
    const parent = this.parentOf(member);
    if (parent === undefined) return;
    const others = this.#siblingsOf(member).filter((each) => each !== member && isAsking(each));
    // What is given in advance is out of order, and moves nobody's time on.
    if (member.asking === 'owed' && others.length > 0) return;
    parent.virtualTimes.set(member.priority, Math.max(this.virtualTimeOf(member), this.#startOf(member)));
  }

  protected payOwed(member: Member): void {
    if (member.asking !== 'owed') return;
    member.owedSlots -= 1;
    if (member.owedSlots === 0) member.asking = 'in order';
  }

  /** Runs already, and is charged: from now on, unless it took something in advance or waits for its turn. */
  protected adoptAt(member: Member, tokens: number): void {
    const now = this.virtualTimeOf(member);
    if (member.asking === 'no' && this.#startOf(member) < now) Object.assign(member, { base: now, charged: 0 });
    member.charged += tokens;
  }

  /** Those of whom something is remembered: who waits or runs, or is idle and took something in advance. */
  protected isRemembered(member: Member): boolean {
    return this.isActive(member) || this.#startOf(member) > this.virtualTimeOf(member);
  }

  #forget(member: Member): void {
    Object.assign(member, { base: 0, charged: 0, asking: 'no', owedSlots: 0 });
  }

  #forgetWhole(member: Member): void {
    this.#forget(member);
    if (member.level !== 'POOL') member.isHeldBack = false;
  }

  /** Nothing is kept of those who are idle and not ahead, nor of anybody in a member that is idle. */
  protected forgetIdle(): void {
    for (const member of [this.deployment, ...this.trees.flatMap(({ members }) => members)]) {
      if (this.isActive(member)) continue;
      member.virtualTimes.clear();
      for (const priority of ['HIGH', plain, 'LOW'])
        for (const each of this.childrenOf(member, priority)) this.#forgetWhole(each);
      if (member.level !== 'DEPLOYMENT' && !this.isRemembered(member)) this.#forgetWhole(member);
    }
    this.trees = this.trees.filter(
      ({ cap, members }) => cap === undefined || members.some((each) => this.isActive(each)),
    );
    for (const [id, { isSet }] of this.tenants) if (!isSet && !this.#isTenantKnown(id)) this.tenants.delete(id);
  }

  /** By a key, or for what it took in advance. */
  #isTenantKnown(id: string): boolean {
    return (
      [...this.keys.values()].some(({ tenantId }) => tenantId === id) ||
      this.requests.some(({ lane }) => lane.tenantId === id) ||
      this.trees.some(({ members }) =>
        members.some(
          (each) =>
            (each.level === 'TENANT' || each.level === 'KEY') && each.tenantId === id && this.isRemembered(each),
        ),
      )
    );
  }

  /** Those whose cap has room again ask again. */
  protected letGo(): void {
    for (const level of ['POOL', 'TENANT', 'KEY']) {
      for (const member of this.trees.flatMap(({ members }) => members)) {
        if (member.level !== level || !member.isHeldBack || !this.hasRoom(member)) continue;
        member.isHeldBack = false;
        if (this.asks(member)) this.raise(member, false);
      }
    }
  }

  /** What lies ahead of the virtual time is rescaled, so that a new weight acts on what waits already. */
  protected reweighAll(): void {
    for (const member of this.trees.flatMap(({ members }) => members)) {
      const weight = this.#weightOf(member);
      if (weight === member.weight) continue;
      const now = this.virtualTimeOf(member);
      const lead = this.#startOf(member) - now;
      const start = lead > 0 ? now + (lead * member.weight) / weight : this.#startOf(member);
      member.weight = weight;
      member.base = start - member.charged / weight;
    }
  }

  /** A tenant starts level in its new group. */
  protected move(id: string, groupId: string): void {
    const moved = this.trees
      .flatMap(({ members }) => members)
      .filter((each) => each.level === 'TENANT' && each.id === id);
    const before = moved.map((member) => this.parentOf(member));
    for (const member of moved) this.#forget(member);
    this.tenants.set(id, { ...this.tenantOf(id), groupId });
    for (const member of moved) if (this.isActive(member)) this.#arrive(member);
    if (this.algorithm === 'HIERARCHICAL') for (const parent of before) if (parent !== undefined) this.lower(parent);
    this.forgetIdle();
  }

  /** Within a pool all start level. */
  protected changeAlgorithm(algorithm: 'HIERARCHICAL' | 'WEIGHTED'): void {
    if (algorithm === this.algorithm) return;
    const moved = this.trees
      .flatMap(({ members }) => members)
      .filter(({ level }) => level === 'TENANT' || level === 'GROUP');
    for (const member of moved) {
      this.#forget(member);
      // Nobody is in groups while tenants share a pool directly.
      if (member.level === 'GROUP') member.virtualTimes.clear();
    }
    this.algorithm = algorithm;
    const groups = new Set(moved.filter(({ level }) => level === 'TENANT').map((tenant) => this.parentOf(tenant)));
    for (const group of groups) {
      if (group?.level !== 'GROUP') continue;
      const waiting = this.childrenOf(group, plain).filter((each) => this.waitsIn(each) > 0);
      if (waiting.length > 0) group.arrival = Math.min(...waiting.map(({ arrival }) => arrival));
    }
    for (const tenant of moved) if (tenant.level === 'TENANT' && this.isActive(tenant)) this.#arrive(tenant);
    this.forgetIdle();
  }

  /** A tenant is among other siblings now, with all that waits and runs. */
  #arrive(tenant: Member): void {
    const group = this.parentOf(tenant);
    const waits = this.waitsIn(tenant);
    if (group?.level === 'GROUP' && waits > 0 && this.waitsIn(group) === waits) group.arrival = tenant.arrival;
    if (this.asks(tenant)) this.raise(tenant, false);
  }
}

const isAsking = ({ asking }: Member): boolean => asking !== 'no';
