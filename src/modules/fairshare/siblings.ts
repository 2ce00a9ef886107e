import type { Cells } from './cells.ts';
import { Heaps } from './heaps.ts';
import { nodeFields, places, siblingsFields } from './layout.ts';

const { weight, base, charged, place, slot, waiting, inFlight, parent, siblings, arrival, priority } = nodeFields;
const { owedSlots, asking } = nodeFields;
const { virtualTime, activeWeight, ordered, owed, ahead } = siblingsFields;
const { none: nowhere, ordered: isOrdered, owed: isOwed, ahead: isAhead } = places;

/** What siblings have to know of the trees that they are in. */
export interface Keeper {
  idOf(member: number): string;
  /** The slots that those inside of a node share; may be a fraction. */
  slotsOf(owner: number): number;
  /** This member is idle and level with the others, so nothing of it needs to be kept: its row may be gone then. */
  forget(member: number): void;
}

/**
 * Start-time fair queueing among members of one level. The virtual time is the start of whoever was served last in
 * order; a member that begins to ask starts at it, or later if it is ahead, and serving it puts its start off by
 * tokens / weight. So two that keep asking differ in tokens / weight by no more than one request of each.
 *
 * A member that comes back from being idle, and has taken nothing in advance, is owed its share of the slots, and is
 * served first until it has them. That is an advance: it is charged like everything else, and is made up for before
 * it is served in order again.
 */
export class Siblings {
  readonly #cells: Cells;
  readonly #keeper: Keeper;
  readonly #byStart: Heaps;
  readonly #byReturn: Heaps;

  constructor(cells: Cells, keeper: Keeper) {
    this.#cells = cells;
    this.#keeper = keeper;
    const isIdBefore = (a: number, b: number): boolean => keeper.idOf(a) < keeper.idOf(b);
    const arrivalOf = (member: number): number => cells.get(member + arrival);
    this.#byReturn = new Heaps(cells, slot, { keyOf: arrivalOf, isTieBefore: isIdBefore });
    this.#byStart = new Heaps(cells, slot, {
      keyOf: (member) => this.startOf(member),
      isTieBefore: (a, b) => {
        const difference = arrivalOf(a) - arrivalOf(b);
        return difference < 0 || (difference === 0 && isIdBefore(a, b));
      },
    });
  }

  /**
   * A member's next turn in virtual time. Computed from whole tokens each time, so that adding shares of them does not
   * collect rounding errors and members that are level stay exactly level.
   */
  startOf(member: number): number {
    const cells = this.#cells;
    return cells.get(member + base) + cells.get(member + charged) / cells.get(member + weight);
  }

  isAsking(member: number): boolean {
    const at = this.#cells.byte(member + place);
    return at === isOrdered || at === isOwed;
  }

  isActive(member: number): boolean {
    return this.#cells.int(member + waiting) + this.#cells.int(member + inFlight) > 0;
  }

  /** It waits or runs, or is idle and took something in advance. */
  isRemembered(member: number): boolean {
    return this.isActive(member) || this.#cells.byte(member + place) === isAhead;
  }

  /** Where a member starts that asks, or would if it asked now. */
  askingStartOf(member: number): number {
    const start = this.startOf(member);
    return this.isAsking(member) ? start : Math.max(start, this.#timeOf(member));
  }

  /** The start of whoever is next in order with one that starts there. */
  nextStartWith(among: number, start: number): number {
    return Math.min(start, this.#byStart.leastKey(among + ordered));
  }

  /** A member's part of the slots, by the weights of those who wait or run. */
  shareOf(member: number): number {
    const cells = this.#cells;
    const sum = cells.get(cells.int(member + siblings) + activeWeight);
    return sum === 0 ? 0 : (this.#keeper.slotsOf(cells.int(member + parent)) * cells.get(member + weight)) / sum;
  }

  /** A member has something that could run. `isBack`: it waited for nothing before. */
  join(member: number, isBack: boolean): void {
    const cells = this.#cells;
    const among = cells.int(member + siblings);
    const now = cells.get(among + virtualTime);
    const start = this.startOf(member);
    // Time in which it did not ask gives it no credit.
    if (start < now) this.#restart(member, now);
    if (isBack && start <= now) {
      const slots = Math.floor(this.shareOf(member)) - cells.int(member + inFlight);
      if (slots > 0) {
        cells.setInt(member + owedSlots, slots);
        this.#put(member, isOwed);
        return;
      }
    }
    this.#put(member, isOrdered);
  }

  /** A member has nothing that could run. */
  leave(member: number): void {
    this.#takeOut(member);
  }

  /** Whose turn it is; 0 when nobody asks. */
  next(among: number): number {
    const heap = among + owed;
    for (let first = this.#byReturn.peek(heap); first !== 0; first = this.#byReturn.peek(heap)) {
      // Others may have come since, of whom it has its share.
      if (this.#cells.int(first + inFlight) + 1 <= this.shareOf(first)) return first;
      this.#takeOut(first);
      this.#put(first, isOrdered);
    }
    return this.#byStart.peek(among + ordered);
  }

  /** Moves the virtual time on, as the member that asks is served. */
  select(member: number): void {
    const cells = this.#cells;
    const among = cells.int(member + siblings);
    const start = this.startOf(member);
    if (start <= cells.get(among + virtualTime)) return;
    // An advance is out of order, and must not make others who come later wait for it.
    const isAdvance =
      cells.byte(member + place) === isOwed &&
      (!this.#byStart.isEmpty(among + ordered) || this.#byReturn.size(among + owed) > 1);
    if (isAdvance) return;
    cells.set(among + virtualTime, start);
    this.#forgetLevel(among, start);
  }

  /** Puts the member's next turn off by what it was given. */
  charge(member: number, tokens: number): void {
    this.#cells.add(member + charged, tokens);
    this.#reckon(member);
  }

  /** Charges for what runs already, as if it were given now: a member that was level is charged from the virtual time on. */
  adopt(member: number, tokens: number): void {
    const now = this.#timeOf(member);
    if (!this.isAsking(member) && this.startOf(member) < now) this.#restart(member, now);
    this.charge(member, tokens);
  }

  /** One of the slots that the member was owed is given to it. */
  payOwed(member: number): void {
    const cells = this.#cells;
    if (cells.byte(member + place) !== isOwed) return;
    cells.addInt(member + owedSlots, -1);
    if (cells.int(member + owedSlots) > 0) return;
    this.#takeOut(member);
    this.#put(member, isOrdered);
  }

  /**
   * Changes a charge after the fact. Never below where its account began, so that nothing is given back of turns that
   * passed by long ago.
   */
  correct(member: number, tokens: number): void {
    const cells = this.#cells;
    cells.set(member + charged, Math.max(0, cells.get(member + charged) + tokens));
    this.#reckon(member);
  }

  /** Rescales what lies ahead, so that a new weight acts on what waits already. */
  reweigh(member: number, to: number): void {
    const cells = this.#cells;
    const from = cells.get(member + weight);
    if (to === from) return;
    const among = cells.int(member + siblings);
    if (among !== 0) {
      if (this.isActive(member)) cells.add(among + activeWeight, to - from);
      const now = cells.get(among + virtualTime);
      const start = this.startOf(member);
      const rescaled = start > now ? now + ((start - now) * from) / to : start;
      cells.set(member + base, rescaled - cells.get(member + charged) / to);
    }
    cells.set(member + weight, to);
    this.#reckon(member);
  }

  /** A member waits or runs. */
  activate(member: number): void {
    const cells = this.#cells;
    cells.add(cells.int(member + siblings) + activeWeight, cells.get(member + weight));
    if (cells.byte(member + place) === isAhead) this.#takeOut(member);
  }

  /** A member neither waits nor runs. */
  deactivate(member: number): void {
    const cells = this.#cells;
    cells.add(cells.int(member + siblings) + activeWeight, -cells.get(member + weight));
    this.#rest(member);
  }

  /** Takes a member out, with nothing left of it. */
  remove(member: number): void {
    const cells = this.#cells;
    this.#takeOut(member);
    if (this.isActive(member)) cells.add(cells.int(member + siblings) + activeWeight, -cells.get(member + weight));
    this.#restart(member, 0);
  }

  /** When none waits or runs, all are level. */
  forgetAll(among: number): void {
    for (const member of this.#byStart.rows(among + ahead)) this.#forget(member);
    this.#cells.set(among + virtualTime, 0);
  }

  #timeOf(member: number): number {
    return this.#cells.get(this.#cells.int(member + siblings) + virtualTime);
  }

  #rest(member: number): void {
    if (this.startOf(member) > this.#timeOf(member)) this.#put(member, isAhead);
    else this.#forget(member);
  }

  #forget(member: number): void {
    this.remove(member);
    this.#keeper.forget(member);
  }

  #forgetLevel(among: number, now: number): void {
    const heap = among + ahead;
    while (this.#byStart.leastKey(heap) <= now) this.#forget(this.#byStart.peek(heap));
  }

  #restart(member: number, start: number): void {
    this.#cells.set(member + base, start);
    this.#cells.set(member + charged, 0);
  }

  #reckon(member: number): void {
    const cells = this.#cells;
    const at = cells.byte(member + place);
    if (at === isOrdered) {
      this.#byStart.update(cells.int(member + siblings) + ordered, member);
    } else if (at === isAhead) {
      this.#takeOut(member);
      this.#rest(member);
    }
  }

  #put(member: number, at: 1 | 2 | 3): void {
    const cells = this.#cells;
    const among = cells.int(member + siblings);
    cells.setByte(member + place, at);
    if (at === isAhead) {
      this.#byStart.push(among + ahead, member);
      return;
    }
    if (at === isOrdered) this.#byStart.push(among + ordered, member);
    else this.#byReturn.push(among + owed, member);
    const owner = cells.int(member + parent);
    cells.setInt(owner + asking, cells.int(owner + asking) | (1 << cells.byte(member + priority)));
  }

  #takeOut(member: number): void {
    const cells = this.#cells;
    const at = cells.byte(member + place);
    if (at === nowhere) return;
    const among = cells.int(member + siblings);
    if (at === isOrdered) this.#byStart.remove(among + ordered, member);
    else if (at === isOwed) this.#byReturn.remove(among + owed, member);
    else this.#byStart.remove(among + ahead, member);
    cells.setByte(member + place, nowhere);
    cells.setInt(member + owedSlots, 0);
    if (at === isAhead || !this.#byStart.isEmpty(among + ordered) || !this.#byReturn.isEmpty(among + owed)) return;
    const owner = cells.int(member + parent);
    cells.setInt(owner + asking, cells.int(owner + asking) & ~(1 << cells.byte(member + priority)));
  }
}
