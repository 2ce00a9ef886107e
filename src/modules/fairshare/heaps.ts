import { ArrayHeap } from './array-heap.ts';
import type { Cells } from './cells.ts';
import { intBytes } from './layout.ts';

/** Where the second of two rows is in a heap. */
const second = intBytes;

/** By what rows are ordered. */
export interface Order {
  keyOf(row: number): number;
  /** Whether `a` is before `b`, of two with equal keys; it stays the same while they are in the heap. */
  readonly isTieBefore: (a: number, b: number) => boolean;
}

/**
 * Heaps that are fields of rows. Most hold one row or two, as a tenant with few keys or a key with one lane: these are
 * two cells, the least first. Those that had three are an array heap until they are empty, and know it by its negative
 * number. A row can be in one heap at a time.
 */
export class Heaps {
  readonly #cells: Cells;
  readonly #slotField: number;
  readonly #order: Order;
  readonly #arrays: ArrayHeap[] = [];
  /** Those that are empty, to be used again. */
  readonly #idle: number[] = [];

  constructor(cells: Cells, slotField: number, order: Order) {
    this.#cells = cells;
    this.#slotField = slotField;
    this.#order = order;
  }

  isEmpty(heap: number): boolean {
    return this.#cells.int(heap) === 0;
  }

  size(heap: number): number {
    const first = this.#cells.int(heap);
    if (first < 0) return this.#arrayOf(first).size;
    if (first === 0) return 0;
    return this.#cells.int(heap + second) === 0 ? 1 : 2;
  }

  /** In no order. */
  rows(heap: number): number[] {
    const first = this.#cells.int(heap);
    return first < 0 ? this.#arrayOf(first).rows : [first, this.#cells.int(heap + second)].filter((row) => row !== 0);
  }

  /** 0 without rows. */
  peek(heap: number): number {
    const first = this.#cells.int(heap);
    return first < 0 ? this.#arrayOf(first).peek() : first;
  }

  /** Infinite without rows. */
  leastKey(heap: number): number {
    const first = this.#cells.int(heap);
    if (first < 0) return this.#arrayOf(first).leastKey;
    return first === 0 ? Number.POSITIVE_INFINITY : this.#order.keyOf(first);
  }

  push(heap: number, row: number): void {
    const cells = this.#cells;
    const first = cells.int(heap);
    if (first < 0) {
      this.#arrayOf(first).push(row, this.#order.keyOf(row));
      return;
    }
    const other = cells.int(heap + second);
    if (other !== 0) {
      this.#widen(heap, first, other).push(row, this.#order.keyOf(row));
      return;
    }
    cells.setInt(row + this.#slotField, 1);
    if (first === 0) cells.setInt(heap, row);
    else this.#arrange(heap, first, row);
  }

  /** The key of a row of this heap has changed. */
  update(heap: number, row: number): void {
    const first = this.#cells.int(heap);
    if (first < 0) {
      this.#arrayOf(first).update(row, this.#order.keyOf(row));
      return;
    }
    const other = this.#cells.int(heap + second);
    if (other !== 0) this.#arrange(heap, first, other);
  }

  remove(heap: number, row: number): void {
    const cells = this.#cells;
    const first = cells.int(heap);
    if (first < 0) {
      const array = this.#arrayOf(first);
      array.remove(row);
      if (array.size > 0) return;
      cells.setInt(heap, 0);
      this.#idle.push(first);
      return;
    }
    if (first === row) cells.setInt(heap, cells.int(heap + second));
    cells.setInt(heap + second, 0);
    cells.setInt(row + this.#slotField, 0);
  }

  #arrange(heap: number, a: number, b: number): void {
    const difference = this.#order.keyOf(b) - this.#order.keyOf(a);
    const isInOrder = difference > 0 || (difference === 0 && !this.#order.isTieBefore(b, a));
    this.#cells.setInt(heap, isInOrder ? a : b);
    this.#cells.setInt(heap + second, isInOrder ? b : a);
  }

  #widen(heap: number, a: number, b: number): ArrayHeap {
    let number = this.#idle.pop();
    if (number === undefined) {
      this.#arrays.push(new ArrayHeap(this.#cells, this.#slotField, this.#order.isTieBefore));
      number = -this.#arrays.length;
    }
    this.#cells.setInt(heap, number);
    this.#cells.setInt(heap + second, 0);
    const array = this.#arrayOf(number);
    for (const row of [a, b]) array.push(row, this.#order.keyOf(row));
    return array;
  }

  #arrayOf(number: number): ArrayHeap {
    const array = this.#arrays[-number - 1];
    if (array === undefined) throw new Error('a heap refers to an array heap that there is not');
    return array;
  }
}
