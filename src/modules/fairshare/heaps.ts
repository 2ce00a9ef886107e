import { ArrayHeap, type Order } from './array-heap.ts';
import type { Cells } from './cells.ts';

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
    return this.#cells.int(heap + 1) === 0 ? 1 : 2;
  }

  /** In no order. */
  rows(heap: number): number[] {
    const first = this.#cells.int(heap);
    return first < 0 ? this.#arrayOf(first).rows : [first, this.#cells.int(heap + 1)].filter((row) => row !== 0);
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
      this.#arrayOf(first).push(row);
      return;
    }
    const second = cells.int(heap + 1);
    if (second !== 0) {
      this.#widen(heap, first, second).push(row);
      return;
    }
    cells.set(row + this.#slotField, 1);
    if (first === 0) cells.set(heap, row);
    else this.#arrange(heap, first, row);
  }

  /** The key of a row of this heap has changed. */
  update(heap: number, row: number): void {
    const first = this.#cells.int(heap);
    if (first < 0) {
      this.#arrayOf(first).update(row);
      return;
    }
    const second = this.#cells.int(heap + 1);
    if (second !== 0) this.#arrange(heap, first, second);
  }

  remove(heap: number, row: number): void {
    const cells = this.#cells;
    const first = cells.int(heap);
    if (first < 0) {
      const array = this.#arrayOf(first);
      array.remove(row);
      if (array.size > 0) return;
      cells.set(heap, 0);
      this.#idle.push(first);
      return;
    }
    if (first === row) cells.set(heap, cells.get(heap + 1));
    cells.set(heap + 1, 0);
    cells.set(row + this.#slotField, 0);
  }

  #arrange(heap: number, a: number, b: number): void {
    const difference = this.#order.keyOf(b) - this.#order.keyOf(a);
    const isInOrder = difference > 0 || (difference === 0 && !this.#order.isTieBefore(b, a));
    this.#cells.set(heap, isInOrder ? a : b);
    this.#cells.set(heap + 1, isInOrder ? b : a);
  }

  #widen(heap: number, first: number, second: number): ArrayHeap {
    let number = this.#idle.pop();
    if (number === undefined) {
      this.#arrays.push(new ArrayHeap(this.#cells, this.#slotField, this.#order));
      number = -this.#arrays.length;
    }
    this.#cells.set(heap, number);
    this.#cells.set(heap + 1, 0);
    const array = this.#arrayOf(number);
    array.push(first);
    array.push(second);
    return array;
  }

  #arrayOf(number: number): ArrayHeap {
    const array = this.#arrays[-number - 1];
    if (array === undefined) throw new Error('a heap refers to an array heap that there is not');
    return array;
  }
}
