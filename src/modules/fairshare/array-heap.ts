import type { Cells } from './cells.ts';

/** By what rows are ordered. */
export interface Order {
  keyOf(row: number): number;
  /** Whether `a` is before `b`, of two with equal keys; it stays the same while they are in the heap. */
  isTieBefore(a: number, b: number): boolean;
}

/** Children of one node lie side by side in memory, so a wide heap waits for memory less often than a binary one. */
const arity = 4;
const parentOf = (index: number): number => (index - 1) >> 2;

/**
 * The least first, by key and then by the rule for ties; any row can be changed or taken out in O(log n). The heaps on
 * npm search for an item before they remove it, in O(n).
 *
 * A row keeps its slot, which it knows, for as long as it is in the heap. So comparing and moving touch only arrays of
 * numbers, which lie close together, and none of the rows, which with many tenants are anywhere in memory. Indexes below
 * the size have a value, which the type of an array does not say.
 */
export class ArrayHeap {
  readonly #cells: Cells;
  /** The field of a row in which it knows its slot; 0 outside. */
  readonly #slotField: number;
  readonly #order: Order;
  // By index in the heap.
  readonly #keys: number[] = [];
  readonly #slots: number[] = [];
  // By slot, from 1 on.
  readonly #rowOf: number[] = [0];
  readonly #indexOf: number[] = [0];
  readonly #freeSlots: number[] = [];

  constructor(cells: Cells, slotField: number, order: Order) {
    this.#cells = cells;
    this.#slotField = slotField;
    this.#order = order;
  }

  get size(): number {
    return this.#keys.length;
  }

  /** In no order. */
  get rows(): number[] {
    return this.#slots.map((slot) => this.#rowOf[slot] as number);
  }

  /** Infinite without rows. */
  get leastKey(): number {
    return this.#keys[0] ?? Number.POSITIVE_INFINITY;
  }

  /** 0 without rows. */
  peek(): number {
    return this.#rowOf[this.#slots[0] ?? 0] as number;
  }

  push(row: number): void {
    const slot = this.#freeSlots.pop() ?? this.#rowOf.length;
    const key = this.#order.keyOf(row);
    this.#rowOf[slot] = row;
    this.#cells.set(row + this.#slotField, slot);
    const index = this.#keys.length;
    this.#keys.push(key);
    this.#slots.push(slot);
    this.#indexOf[slot] = index;
    this.#rise(index, slot, key);
  }

  /** The key of a row of this heap has changed. */
  update(row: number): void {
    const slot = this.#cells.int(row + this.#slotField);
    const key = this.#order.keyOf(row);
    const index = this.#indexOf[slot] as number;
    if (key < (this.#keys[index] as number)) this.#rise(index, slot, key);
    else this.#sink(index, slot, key);
  }

  remove(row: number): void {
    const removed = this.#cells.int(row + this.#slotField);
    this.#cells.set(row + this.#slotField, 0);
    const index = this.#indexOf[removed] as number;
    this.#freeSlots.push(removed);
    const slot = this.#slots.pop() as number;
    const key = this.#keys.pop() as number;
    if (slot === removed) return;
    if (index > 0 && this.#isBefore(key, slot, parentOf(index))) this.#rise(index, slot, key);
    else this.#sink(index, slot, key);
  }

  #isBefore(key: number, slot: number, index: number): boolean {
    const other = this.#keys[index] as number;
    return key < other || (key === other && this.#isTieBefore(slot, index));
  }

  #isTieBefore(slot: number, index: number): boolean {
    return this.#order.isTieBefore(this.#rowOf[slot] as number, this.#rowOf[this.#slots[index] as number] as number);
  }

  #place(index: number, slot: number, key: number): void {
    this.#slots[index] = slot;
    this.#keys[index] = key;
    this.#indexOf[slot] = index;
  }

  #rise(from: number, slot: number, key: number): void {
    let index = from;
    while (index > 0) {
      const parent = parentOf(index);
      if (!this.#isBefore(key, slot, parent)) break;
      this.#place(index, this.#slots[parent] as number, this.#keys[parent] as number);
      index = parent;
    }
    this.#place(index, slot, key);
  }

  #sink(from: number, slot: number, key: number): void {
    const size = this.#keys.length;
    let index = from;
    for (;;) {
      const first = index * arity + 1;
      if (first >= size) break;
      let least = first;
      let leastKey = this.#keys[first] as number;
      const end = Math.min(first + arity, size);
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
}
