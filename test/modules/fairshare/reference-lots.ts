import type { Lane, Member, Tree } from './reference-records.ts';
import { Trees } from './reference-trees.ts';

/**
 * Lanes that wait for a named cap, in a lot for each cap and pool: there they take turns by the same rules as in a pool,
 * and no more are let out to compete for the pool than the cap has free slots.
 */
export class Lots extends Trees {
  #letOut = 0;
  /** A lane that meets another full cap gives its place to the next, in the loop that let it out. */
  readonly #refilling = new Set<string>();

  /** A lane has a first request that came just now, or was let out. */
  protected admit(lane: Lane, isNew: boolean): void {
    for (const cap of lane.caps) {
      // Behind those who wait for the cap already; whoever was let out of another lot has waited.
      if (this.isFull(cap) || (isNew && this.#hasWaiting(this.#lotOf(cap, lane.pool)))) {
        this.park(lane, cap);
        this.refill(cap);
        return;
      }
    }
    lane.place = 'ready';
    const key = this.keyMember(this.treeOf(lane.pool), lane);
    this.raise(key, isNew);
    if (key.isHeldBack || this.parentOf(key)?.isHeldBack === true) this.leaveLot(lane);
  }

  /** A lane takes its place in the lot of a cap, or takes it again. */
  protected park(lane: Lane, cap: string): void {
    const lot = this.#lotOf(cap, lane.pool);
    if (lane.lot !== lot) this.leaveLot(lane);
    const tree = this.#openLot(cap, lane.pool);
    const isNew = lane.lot !== tree;
    lane.letOut = 0;
    lane.lot = tree;
    const path = this.pathOf(tree, lane);
    if (isNew) {
      const [first] = this.queueOf(lane);
      for (const member of path) if (this.waitsIn(member) === 1) member.arrival = first?.arrival ?? 0;
    }
    lane.place = 'in lot';
    this.raise(this.keyMember(tree, lane), false);
  }

  /** A lane that could run, as far as its key knows, meets a full cap. */
  protected holdBack(lane: Lane, cap: string): void {
    lane.place = 'nowhere';
    this.lower(this.keyMember(this.treeOf(lane.pool), lane));
    this.park(lane, cap);
  }

  /** Others can use what was meant for lanes that cannot run now, as their key or tenant is held back. */
  protected leaveLots(member: Member): void {
    const ofMember = ({ pool, keyId, tenantId, priority, letOut }: Lane): boolean =>
      letOut > 0 &&
      pool === member.tree.pool &&
      (member.level === 'KEY' ? keyId === member.id && priority === member.priority : tenantId === member.id);
    if (member.level !== 'KEY' && member.level !== 'TENANT') return;
    for (const lane of this.lanes.filter(ofMember).sort((a, b) => a.letOut - b.letOut)) this.leaveLot(lane);
  }

  /** The first request of a lane has begun to run. */
  protected served(lane: Lane, tokens: number): void {
    const { lot } = lane;
    if (lot === undefined) return;
    for (const member of this.pathOf(lot, lane)) member.charged += tokens;
    if (this.queueOf(lane).length === 0) {
      this.leaveLot(lane);
    } else if (this.#hasWaiting(lot)) {
      this.holdBack(lane, lot.cap ?? '');
      this.refill(lot.cap ?? '');
    }
  }

  /** What it was charged in a lot is corrected there as well, as far as it is remembered. */
  protected correctInLot(lane: Lane, lot: Tree | undefined, difference: number): void {
    if (lot === undefined || !this.trees.includes(lot)) return;
    for (const member of this.pathOf(lot, lane)) {
      if (this.isRemembered(member)) member.charged = Math.max(0, member.charged + difference);
    }
  }

  /** Gives up its place in a lot, so that another one can go on. */
  protected leaveLot(lane: Lane): void {
    const { lot } = lane;
    if (lot === undefined) return;
    if (lane.place === 'in lot') lane.place = 'nowhere';
    this.lower(this.keyMember(lot, lane));
    Object.assign(lane, { lot: undefined, letOut: 0 });
    this.forgetIdle();
    this.refill(lot.cap ?? '');
  }

  /** Lets as many lanes out, of those whose turn it is, as the cap has free slots: in each pool, for any may be full. */
  protected refill(cap: string): void {
    if (this.#refilling.has(cap)) return;
    this.#refilling.add(cap);
    for (const lot of this.trees.filter((each) => each.cap === cap)) {
      const letOut = (): number => this.lanes.filter((lane) => lane.lot === lot && lane.letOut > 0).length;
      while (letOut() < this.freeOf(cap)) {
        const lane = this.#nextOf(lot);
        if (lane === undefined) break;
        this.#letOut += 1;
        lane.letOut = this.#letOut;
        this.admit(lane, false);
      }
    }
    this.#refilling.delete(cap);
  }

  #nextOf(lot: Tree): Lane | undefined {
    let member: Member | undefined = this.member(lot, 'POOL', lot.pool);
    while (member !== undefined && member.level !== 'KEY') {
      member = this.next(member);
      if (member !== undefined) this.select(member);
    }
    const key = member;
    if (key === undefined) return undefined;
    const [lane] = this.lanes
      .filter((each) => each.lot === lot && each.place === 'in lot' && this.keyMember(lot, each) === key)
      .sort((a, b) => (this.queueOf(a)[0]?.arrival ?? 0) - (this.queueOf(b)[0]?.arrival ?? 0));
    if (lane === undefined) return undefined;
    lane.place = 'nowhere';
    this.lower(key);
    this.forgetIdle();
    return lane;
  }

  #lotOf(cap: string, pool: string): Tree | undefined {
    return this.trees.find((each) => each.cap === cap && each.pool === pool);
  }

  #hasWaiting(lot: Tree | undefined): boolean {
    return lot !== undefined && this.lanes.some((lane) => lane.lot === lot && lane.place === 'in lot');
  }

  #openLot(cap: string, pool: string): Tree {
    const known = this.#lotOf(cap, pool);
    if (known !== undefined) return known;
    const made = { pool, cap, members: [] };
    this.trees.push(made);
    return made;
  }
}
