import type { Cells } from './cells.ts';

/** Children of one node lie side by side in memory, so a wide heap waits for memory less often than a binary one. */
const arity = 4;

/** The first index, so that those of children begin at a multiple of their number and lie in one line of memory. */
const root = arity - 1;
const parentOf = (index: number): number => (index >> 2) + root - 1;
const firstChildOf = (index: number): number => (index - root + 1) * arity;

/**
 * The least first, by key and then by the rule for ties; any row can be changed or taken out in O(log n). The heaps on
 * npm search for an item before they remove it, in O(n).
 *
 * A row keeps its slot, which it knows, for as long as it is in the heap. So comparing and moving touch only arrays of
 * numbers, which lie close together, and none of the rows, which with many tenants are anywhere in memory. Indexes below
 * the end have a value, which the type of an array does not say.
 */
export class ArrayHeap {
  readonly #cells: Cells;
  /** The field of a row in which it knows its slot; 0 outside. */
  readonly #slotField: number;
  readonly #isRowBefore: (a: number, b: number) => boolean;
  // By index in the heap.
  #keys = new Float64Array(16);
  #slots = new Int32Array(16);
  // By slot, from 1 on.
  #rowOf = new Int32Array(16);
  #indexOf = new Int32Array(16);
  readonly #freeSlots: number[] = [];
  #end = root;
  #usedSlots = 0;

  /** `isTieBefore`: whether `a` is before `b`, of two with equal keys; it stays the same while they are in the heap. */
  constructor(cells: Cells, slotField: number, isTieBefore: (a: number, b: number) => boolean) {
    this.#cells = cells;
    this.#slotField = slotField;
    this.#isRowBefore = isTieBefore;
  }

  get size(): number {
    return this.#end - root;
  }

  /** In no order. */
  get rows(): number[] {
    return Array.from(this.#slots.subarray(root, this.#end), (slot) => this.#rowOf[slot] as number);
  }

  /** Infinite without rows. */
  get leastKey(): number {
    return this.#end === root ? Number.POSITIVE_INFINITY : (this.#keys[root] as number);
  }

  /** 0 without rows. */
  peek(): number {
    return this.#end === root ? 0 : (this.#rowOf[this.#slots[root] as number] as number);
  }

  push(row: number, key: number): void {
    if (this.#end === this.#keys.length) this.#grow();
    let slot = this.#freeSlots.pop();
    if (slot === undefined) {
      this.#usedSlots += 1;
      slot = this.#usedSlots;
    }
    this.#rowOf[slot] = row;
    this.#cells.setInt(row + this.#slotField, slot);
    this.#end += 1;
    this.#rise(this.#end - 1, slot, key);
  }

  /** A row of this heap has another key. */
  update(row: number, key: number): void {
    const slot = this.#cells.int(row + this.#slotField);
    const index = this.#indexOf[slot] as number;
    if (key < (this.#keys[index] as number)) this.#rise(index, slot, key);
    else this.#sink(index, slot, key);
  }

  remove(row: number): void {
    const removed = this.#cells.int(row + this.#slotField);
    this.#cells.setInt(row + this.#slotField, 0);
    const index = this.#indexOf[removed] as number;
    this.#freeSlots.push(removed);
    this.#end -= 1;
    const slot = this.#slots[this.#end] as number;
    const key = this.#keys[this.#end] as number;
    if (slot === removed) return;
    if (index > root && this.#isBefore(key, slot, parentOf(index))) this.#rise(index, slot, key);
    else this.#sink(index, slot, key);
  }

  #isBefore(key: number, slot: number, index: number): boolean {
    const other = this.#keys[index] as number;
    return key < other || (key === other && this.#isTieBefore(slot, index));
  }

  #isTieBefore(slot: number, index: number): boolean {
    return this.#isRowBefore(this.#rowOf[slot] as number, this.#rowOf[this.#slots[index] as number] as number);
  }

  #place(index: number, slot: number, key: number): void {
    this.#slots[index] = slot;
    this.#keys[index] = key;
    this.#indexOf[slot] = index;
  }

  #rise(from: number, slot: number, key: number): void {
    let index = from;
    while (index > root) {
      const parent = parentOf(index);
      if (!this.#isBefore(key, slot, parent)) break;
      this.#place(index, this.#slots[parent] as number, this.#keys[parent] as number);
      index = parent;
    }
    this.#place(index, slot, key);
  }

  #sink(from: number, slot: number, key: number): void {
    let index = from;
    for (;;) {
      const first = firstChildOf(index);
      if (first >= this.#end) break;
      let least = first;
      let leastKey = this.#keys[first] as number;
      const end = Math.min(first + arity, this.#end);
      for (let child = first + 1; child < end; child += 1) {
        const childKey = this.#keys[child] as number;
        if (childKey > leastKey || (childKey === leastKey && !this.#isTieBefore(this.#slots[child] as number, least)))
          continue;
        least = child;
        leastKey = childKey;
      }
      if (key < leastKey || (key === leastKey && this.#isTieBefore(slot, least))) break;
      this.#place(index, this.#slots[least] as number, leastKey);
      index = least;
    }
    this.#place(index, slot, key);
  }

  #grow(): void {
    const ofInts = (before: Int32Array): Int32Array<ArrayBuffer> => {
      const larger = new Int32Array(2 * before.length);
      larger.set(before);
      return larger;
    };
    const keys = new Float64Array(2 * this.#keys.length);
    keys.set(this.#keys);
    this.#keys = keys;
    this.#slots = ofInts(this.#slots);
    this.#rowOf = ofInts(this.#rowOf);
    this.#indexOf = ofInts(this.#indexOf);
  }
}
