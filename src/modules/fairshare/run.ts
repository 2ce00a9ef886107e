import type { HeapItem } from './indexed-heap.ts';

/** What waits until a time. */
export interface Ending<Item extends Ending<Item>> extends HeapItem {
  /** Where it is, if it is in a run; its place there is its `heapIndex`. */
  run: Run<Item> | undefined;
  readonly endsAt: number;
}

/** Below this, gaps do not matter. */
const fewPlaces = 64;

/**
 * Waits that came in the order in which they end, as all do that have the same limit: so nothing has to be sorted, and
 * one that is over leaves a gap. With many waiting, a heap would be the part of a decision that costs most.
 */
export class Run<Item extends Ending<Item>> {
  readonly #places: (Item | undefined)[] = [];
  #firstPlace = 0;
  #size = 0;
  lastEnd = Number.NEGATIVE_INFINITY;

  get first(): Item | undefined {
    if (this.#size === 0) return undefined;
    while (this.#places[this.#firstPlace] === undefined) this.#firstPlace += 1;
    return this.#places[this.#firstPlace];
  }

  append(item: Item): void {
    item.run = this;
    item.heapIndex = this.#places.length;
    this.#places.push(item);
    this.#size += 1;
    this.lastEnd = item.endsAt;
  }

  remove(item: Item): void {
    this.#places[item.heapIndex] = undefined;
    item.heapIndex = -1;
    item.run = undefined;
    this.#size -= 1;
    if (this.#size === 0) this.lastEnd = Number.NEGATIVE_INFINITY;
    if (this.#places.length > fewPlaces && this.#size * 2 < this.#places.length) this.#closeGaps();
  }

  #closeGaps(): void {
    let place = 0;
    for (let index = this.#firstPlace; index < this.#places.length; index += 1) {
      const item = this.#places[index];
      if (item === undefined) continue;
      this.#places[place] = item;
      item.heapIndex = place;
      place += 1;
    }
    this.#places.length = place;
    this.#firstPlace = 0;
  }
}
