import type { Cells } from './cells.ts';
import { requestFields } from './layout.ts';

const { slot, run: runOfRequest } = requestFields;

/** Below this, gaps do not matter. */
const fewPlaces = 64;

/**
 * Waits that came in the order in which they end, as all do that have the same limit: so nothing has to be sorted, and
 * one that is over leaves a gap. With many waiting, a heap would be the part of a decision that costs most.
 */
export class Run {
  readonly #cells: Cells;
  readonly #number: number;
  /** By place, from `#firstPlace` on: the request, which is 0 in a gap, and when it ends. */
  #requests = new Int32Array(fewPlaces);
  #ends = new Float64Array(fewPlaces);
  #firstPlace = 0;
  #endPlace = 0;
  #size = 0;

  /** `number`: by which requests know that they are in it. */
  constructor(cells: Cells, number: number) {
    this.#cells = cells;
    this.#number = number;
  }

  /** 0 when there is none. */
  get first(): number {
    return this.#size === 0 ? 0 : (this.#requests[this.#skipGaps()] ?? 0);
  }

  /** When the first ends; infinite when there is none. */
  get firstEnd(): number {
    return this.#size === 0 ? Number.POSITIVE_INFINITY : (this.#ends[this.#skipGaps()] ?? 0);
  }

  /** When the last ends; less than anything when there is none. */
  get lastEnd(): number {
    return this.#size === 0 ? Number.NEGATIVE_INFINITY : (this.#ends[this.#endPlace - 1] ?? 0);
  }

  append(request: number, end: number): void {
    if (this.#endPlace === this.#requests.length) this.#grow();
    this.#cells.setByte(request + runOfRequest, this.#number);
    this.#cells.setInt(request + slot, this.#endPlace);
    this.#requests[this.#endPlace] = request;
    this.#ends[this.#endPlace] = end;
    this.#endPlace += 1;
    this.#size += 1;
  }

  remove(request: number): void {
    this.#requests[this.#cells.int(request + slot)] = 0;
    this.#cells.setByte(request + runOfRequest, 0);
    this.#cells.setInt(request + slot, 0);
    this.#size -= 1;
    if (this.#endPlace > fewPlaces && this.#size * 2 < this.#endPlace) this.#closeGaps();
  }

  #skipGaps(): number {
    while (this.#requests[this.#firstPlace] === 0) this.#firstPlace += 1;
    return this.#firstPlace;
  }

  #grow(): void {
    const requests = new Int32Array(2 * this.#requests.length);
    requests.set(this.#requests);
    this.#requests = requests;
    const ends = new Float64Array(requests.length);
    ends.set(this.#ends);
    this.#ends = ends;
  }

  /** Looks at all that wait, and has at least half as many that were removed since the last time to pay for it. */
  #closeGaps(): void {
    let place = 0;
    for (let index = this.#firstPlace; index < this.#endPlace; index += 1) {
      const request = this.#requests[index] ?? 0;
      if (request === 0) continue;
      this.#requests[place] = request;
      this.#ends[place] = this.#ends[index] ?? 0;
      this.#cells.setInt(request + slot, place);
      place += 1;
    }
    this.#firstPlace = 0;
    this.#endPlace = place;
  }
}
