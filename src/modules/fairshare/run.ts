import type { Cells } from './cells.ts';
import { requestFields } from './layout.ts';

const { slot, run: runOfRequest, endsAt } = requestFields;

/** Below this, gaps do not matter. */
const fewPlaces = 64;

/**
 * Waits that came in the order in which they end, as all do that have the same limit: so nothing has to be sorted, and
 * one that is over leaves a gap. With many waiting, a heap would be the part of a decision that costs most.
 */
export class Run {
  readonly #cells: Cells;
  readonly #number: number;
  #places = new Int32Array(fewPlaces);
  #firstPlace = 0;
  #end = 0;
  #size = 0;
  lastEnd = Number.NEGATIVE_INFINITY;

  /** `number`: by which requests know that they are in it. */
  constructor(cells: Cells, number: number) {
    this.#cells = cells;
    this.#number = number;
  }

  /** 0 when there is none. */
  get first(): number {
    if (this.#size === 0) return 0;
    while (this.#places[this.#firstPlace] === 0) this.#firstPlace += 1;
    return this.#places[this.#firstPlace] ?? 0;
  }

  append(request: number): void {
    if (this.#end === this.#places.length) {
      const larger = new Int32Array(2 * this.#places.length);
      larger.set(this.#places);
      this.#places = larger;
    }
    this.#cells.set(request + runOfRequest, this.#number);
    this.#cells.set(request + slot, this.#end);
    this.#places[this.#end] = request;
    this.#end += 1;
    this.#size += 1;
    this.lastEnd = this.#cells.get(request + endsAt);
  }

  remove(request: number): void {
    this.#places[this.#cells.int(request + slot)] = 0;
    this.#cells.set(request + runOfRequest, 0);
    this.#cells.set(request + slot, 0);
    this.#size -= 1;
    if (this.#size === 0) this.lastEnd = Number.NEGATIVE_INFINITY;
    if (this.#end > fewPlaces && this.#size * 2 < this.#end) this.#closeGaps();
  }

  #closeGaps(): void {
    let place = 0;
    for (let index = this.#firstPlace; index < this.#end; index += 1) {
      const request = this.#places[index] ?? 0;
      if (request === 0) continue;
      this.#places[place] = request;
      this.#cells.set(request + slot, place);
      place += 1;
    }
    this.#firstPlace = 0;
    this.#end = place;
  }
}
