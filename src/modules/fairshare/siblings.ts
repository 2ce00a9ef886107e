import { type HeapItem, IndexedHeap, type Order } from './indexed-heap.ts';

/**
 * Where a member stands among its siblings: in the order of service, ahead of that order since slots are owed to it,
 * idle but remembered for what it took in advance, or none of these.
 */
type Place = 'ordered' | 'owed' | 'ahead' | 'none';

/** Whoever shares slots with siblings: a pool, group, tenant or key. */
export abstract class Member implements HeapItem {
  heapIndex = -1;
  place: Place = 'none';
  weight: number;
  /** Virtual time at which its account begins, and the tokens that were charged since. */
  base = 0;
  charged = 0;
  /** The arrival that made it wait; among equals the earliest is first. */
  arrival = 0;
  /** How many slots it is still owed. */
  owedSlots = 0;
  /** Which of the siblings inside of it have somebody who asks, a bit for each: so that none of them is looked at in vain. */
  asking = 0;
  waiting = 0;
  inFlight = 0;
  /** Tokens served in this pool since it became active: estimates of what runs, actual figures of what was settled. */
  servedTokens = 0;

  constructor(weight: number) {
    this.weight = weight;
  }

  /**
   * Its next turn in virtual time. Computed from whole tokens each time, so that adding shares of them does not collect
   * rounding errors and members that are level stay exactly level.
   */
  get start(): number {
    return this.base + this.charged / this.weight;
  }

  abstract get id(): string;

  get isAsking(): boolean {
    return this.place === 'ordered' || this.place === 'owed';
  }

  get isActive(): boolean {
    return this.waiting + this.inFlight > 0;
  }
}

/** What siblings have to know of the tree that they are in. */
export interface Keeper<Kind extends Member> {
  /** The slots that those inside of a member share; may be a fraction. */
  slotsOf(owner: Kind): number;
  /** This member is idle and level with the others, so nothing of it needs to be kept. */
  forget(member: Kind): void;
  /** Nobody inside of this member waits or runs, and all are level. */
  emptied(owner: Kind): void;
}

const byStart: Order<Member> = {
  keyOf: (member) => member.start,
  isTieBefore: (a, b) => a.arrival < b.arrival || (a.arrival === b.arrival && a.id < b.id),
};
const byReturn: Order<Member> = { keyOf: (member) => member.arrival, isTieBefore: (a, b) => a.id < b.id };

/**
 * Start-time fair queueing among members of one level. The virtual time is the start of whoever was served last in
 * order; a member that begins to ask starts at it, or later if it is ahead, and serving it puts its start off by
 * tokens / weight. So two that keep asking differ in tokens / weight by no more than one request of each.
 *
 * A member that comes back from being idle, and has taken nothing in advance, is owed its share of the slots, and is
 * served first until it has them. That is an advance: it is charged like everything else, and is made up for before
 * it is served in order again.
 */
export class Siblings<Kind extends Member = Member> {
  virtualTime = 0;
  /** The sum of the weights of those who wait or run. */
  activeWeight = 0;
  readonly #keeper: Keeper<Kind>;
  /** Whose slots they share. */
  readonly #owner: Kind;
  readonly #bit: number;
  readonly #ordered = new IndexedHeap<Kind>(byStart);
  /** By their return. */
  #owed: IndexedHeap<Kind> | undefined;
  /** Idle members whose start is still to come. */
  #ahead: IndexedHeap<Kind> | undefined;

  /** `index`: which of its owner's it is. */
  constructor(keeper: Keeper<Kind>, owner: Kind, index: number) {
    this.#keeper = keeper;
    this.#owner = owner;
    this.#bit = 1 << index;
  }

  get hasAsking(): boolean {
    return (this.#owner.asking & this.#bit) !== 0;
  }

  /** The start of whoever is next in order; the virtual time when nobody is. */
  get nextStart(): number {
    return this.#ordered.isEmpty ? this.virtualTime : this.#ordered.leastKey;
  }

  /** The same for one that would be in order: its own start when nobody else is. */
  nextStartWith(start: number): number {
    return this.#ordered.isEmpty ? start : Math.min(start, this.#ordered.leastKey);
  }

  /** A member's part of the slots, by the weights of those who wait or run. */
  shareOf(member: Kind): number {
    return this.activeWeight === 0 ? 0 : (this.#keeper.slotsOf(this.#owner) * member.weight) / this.activeWeight;
  }

  /** A member has something that could run. `isBack`: it waited for nothing before. */
  join(member: Kind, isBack: boolean): void {
    const isLevel = member.start <= this.virtualTime;
    // Time in which it did not ask gives it no credit.
    if (member.start < this.virtualTime) this.#restart(member, this.virtualTime);
    if (isBack && isLevel) {
      const owedSlots = Math.floor(this.shareOf(member)) - member.inFlight;
      if (owedSlots > 0) {
        member.owedSlots = owedSlots;
        this.#owed ??= new IndexedHeap<Kind>(byReturn);
        this.#owed.push(member);
        member.place = 'owed';
        this.#owner.asking |= this.#bit;
        return;
      }
    }
    this.#putInOrder(member);
  }

  /** A member has nothing that could run. */
  leave(member: Kind): void {
    this.#takeOut(member);
  }

  /** Whose turn it is. */
  next(): Kind | undefined {
    for (let first = this.#owed?.peek(); first !== undefined; first = this.#owed?.peek()) {
      // Others may have come since, of whom it has its share.
      if (first.inFlight + 1 <= this.shareOf(first)) return first;
      this.#takeOut(first);
      this.#putInOrder(first);
    }
    return this.#ordered.peek();
  }

  /** Moves the virtual time on, as the member that asks is served. */
  select(member: Kind): void {
    // An advance is out of order, and must not make others who come later wait for it.
    const isAdvance = member.place === 'owed' && (!this.#ordered.isEmpty || (this.#owed?.size ?? 0) > 1);
    if (isAdvance || member.start <= this.virtualTime) return;
    this.virtualTime = member.start;
    this.#forgetLevel();
  }

  /** Puts the member's next turn off by what it was given. */
  charge(member: Kind, tokens: number): void {
    member.charged += tokens;
    this.#reckon(member);
  }

  /** Charges for what runs already, as if it were given now: a member that was level is charged from the virtual time on. */
  adopt(member: Kind, tokens: number): void {
    if (!member.isAsking && member.start < this.virtualTime) this.#restart(member, this.virtualTime);
    this.charge(member, tokens);
  }

  /** One of the slots that the member was owed is given to it. */
  payOwed(member: Kind): void {
    if (member.place !== 'owed') return;
    member.owedSlots -= 1;
    if (member.owedSlots > 0) return;
    this.#takeOut(member);
    this.#putInOrder(member);
  }

  /**
   * Changes a charge after the fact. Never below where its account began, so that nothing is given back of turns that
   * passed by long ago.
   */
  correct(member: Kind, tokens: number): void {
    member.charged = Math.max(0, member.charged + tokens);
    this.#reckon(member);
  }

  /** Rescales what lies ahead, so that a new weight acts on what waits already. */
  reweigh(member: Kind, weight: number): void {
    if (weight === member.weight) return;
    if (member.isActive) this.activeWeight += weight - member.weight;
    const lead = member.start - this.virtualTime;
    const start = lead > 0 ? this.virtualTime + (lead * member.weight) / weight : member.start;
    member.weight = weight;
    member.base = start - member.charged / weight;
    this.#reckon(member);
  }

  /** A member waits or runs. */
  activate(member: Kind): void {
    this.activeWeight += member.weight;
    if (member.place === 'ahead') this.#takeOut(member);
  }

  /** A member neither waits nor runs. */
  deactivate(member: Kind): void {
    this.activeWeight -= member.weight;
    this.#rest(member);
  }

  /** Takes a member out, with nothing left of it. */
  remove(member: Kind): void {
    this.#takeOut(member);
    if (member.isActive) this.activeWeight -= member.weight;
    this.#restart(member, 0);
  }

  /** When none waits or runs, all are level. */
  forgetAll(): void {
    if (this.#ahead !== undefined) for (const member of [...this.#ahead.items]) this.#forget(member);
    this.virtualTime = 0;
    this.#keeper.emptied(this.#owner);
  }

  #rest(member: Kind): void {
    if (member.start > this.virtualTime) {
      this.#ahead ??= new IndexedHeap<Kind>(byStart);
      this.#ahead.push(member);
      member.place = 'ahead';
    } else {
      this.#forget(member);
    }
  }

  #forget(member: Kind): void {
    this.remove(member);
    this.#keeper.forget(member);
  }

  #forgetLevel(): void {
    const ahead = this.#ahead;
    if (ahead === undefined) return;
    while (ahead.leastKey <= this.virtualTime) {
      const member = ahead.peek();
      if (member === undefined) return;
      this.#forget(member);
    }
  }

  #restart(member: Kind, start: number): void {
    member.base = start;
    member.charged = 0;
  }

  #reckon(member: Kind): void {
    if (member.place === 'ordered') {
      this.#ordered.update(member);
    } else if (member.place === 'ahead') {
      this.#takeOut(member);
      this.#rest(member);
    }
  }

  #putInOrder(member: Kind): void {
    this.#ordered.push(member);
    member.place = 'ordered';
    this.#owner.asking |= this.#bit;
  }

  #takeOut(member: Kind): void {
    if (member.place === 'ordered') this.#ordered.remove(member);
    else if (member.place === 'owed') this.#owed?.remove(member);
    else if (member.place === 'ahead') this.#ahead?.remove(member);
    member.place = 'none';
    member.owedSlots = 0;
    if (this.#ordered.isEmpty && (this.#owed === undefined || this.#owed.isEmpty)) this.#owner.asking &= ~this.#bit;
  }
}
