import { ArrayHeap, type Order } from './array-heap.ts';
import type { Cells } from './cells.ts';
import { requestFields } from './layout.ts';
import { Run } from './run.ts';

const { endsAt, slot, run: runOfRequest, arrival } = requestFields;

/** About as many limits as there are for most of what waits. */
const maxRuns = 4;

/** When what waits gives up, and when what runs is given up. */
export class Deadlines {
  readonly #cells: Cells;
  readonly #runs: readonly Run[];
  /** Waits that end before the last one of every run. */
  readonly #otherWaits: ArrayHeap;
  readonly #leases: ArrayHeap;

  constructor(cells: Cells) {
    this.#cells = cells;
    const byEnd: Order = {
      keyOf: (request) => cells.get(request + endsAt),
      isTieBefore: (a, b) => cells.get(a + arrival) < cells.get(b + arrival),
    };
    this.#runs = Array.from({ length: maxRuns }, (_, index) => new Run(cells, index + 1));
    this.#otherWaits = new ArrayHeap(cells, slot, byEnd);
    this.#leases = new ArrayHeap(cells, slot, byEnd);
  }

  wait(request: number, until: number): void {
    if (until === Number.POSITIVE_INFINITY) return;
    this.#cells.set(request + endsAt, until);
    for (const run of this.#runs) {
      if (run.lastEnd > until) continue;
      run.append(request);
      return;
    }
    this.#otherWaits.push(request);
  }

  hold(request: number, until: number): void {
    if (until === Number.POSITIVE_INFINITY) return;
    this.#cells.set(request + endsAt, until);
    this.#leases.push(request);
  }

  stopWaiting(request: number): void {
    const run = this.#runs[this.#cells.int(request + runOfRequest) - 1];
    if (run !== undefined) run.remove(request);
    else if (this.#cells.int(request + slot) !== 0) this.#otherWaits.remove(request);
  }

  stopHolding(request: number): void {
    if (this.#cells.int(request + slot) !== 0) this.#leases.remove(request);
  }

  /** When something is due; undefined when nothing ever is. */
  get nextAt(): number | undefined {
    const first = this.#first();
    return first === 0 ? undefined : this.#cells.get(first + endsAt);
  }

  /**
   * What is due first, or 0. Of a lease and a wait that end at the same time the lease comes first, so that its slot can
   * still go to who waits.
   */
  due(now: number): number {
    const first = this.#first();
    return first === 0 || this.#cells.get(first + endsAt) > now ? 0 : first;
  }

  #first(): number {
    const wait = this.#firstWait();
    const lease = this.#leases.peek();
    if (wait === 0 || lease === 0) return wait + lease;
    return this.#cells.get(lease + endsAt) <= this.#cells.get(wait + endsAt) ? lease : wait;
  }

  #firstWait(): number {
    let first = this.#otherWaits.peek();
    for (const run of this.#runs) {
      const request = run.first;
      if (request !== 0 && (first === 0 || this.#isBefore(request, first))) first = request;
    }
    return first;
  }

  #isBefore(a: number, b: number): boolean {
    const difference = this.#cells.get(a + endsAt) - this.#cells.get(b + endsAt);
    return difference < 0 || (difference === 0 && this.#cells.get(a + arrival) < this.#cells.get(b + arrival));
  }
}
