import { ArrayHeap } from './array-heap.ts';
import type { Cells } from './cells.ts';
import { requestFields } from './layout.ts';
import { Run } from './run.ts';

const { slot, run: runOfRequest, arrival } = requestFields;

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
    const hasComeBefore = (a: number, b: number): boolean => this.#hasComeBefore(a, b);
    this.#runs = Array.from({ length: maxRuns }, (_, index) => new Run(cells, index + 1));
    this.#otherWaits = new ArrayHeap(cells, slot, hasComeBefore);
    this.#leases = new ArrayHeap(cells, slot, hasComeBefore);
  }

  wait(request: number, until: number): void {
    if (until === Number.POSITIVE_INFINITY) return;
    for (const run of this.#runs) {
      if (run.lastEnd > until) continue;
      run.append(request, until);
      return;
    }
    this.#otherWaits.push(request, until);
  }

  hold(request: number, until: number): void {
    if (until !== Number.POSITIVE_INFINITY) this.#leases.push(request, until);
  }

  stopWaiting(request: number): void {
    const run = this.#runs[this.#cells.byte(request + runOfRequest) - 1];
    if (run !== undefined) run.remove(request);
    else if (this.#cells.int(request + slot) !== 0) this.#otherWaits.remove(request);
  }

  stopHolding(request: number): void {
    if (this.#cells.int(request + slot) !== 0) this.#leases.remove(request);
  }

  /** When something is due; undefined when nothing ever is. */
  get nextAt(): number | undefined {
    const next = Math.min(this.#firstWait().end, this.#leases.leastKey);
    return next === Number.POSITIVE_INFINITY ? undefined : next;
  }

  /**
   * What is due first, or 0. Of a lease and a wait that end at the same time the lease comes first, so that its slot can
   * still go to who waits.
   */
  due(now: number): number {
    const wait = this.#firstWait();
    const leaseEnd = this.#leases.leastKey;
    if (Math.min(wait.end, leaseEnd) > now) return 0;
    return leaseEnd <= wait.end ? this.#leases.peek() : wait.request;
  }

  #firstWait(): { readonly request: number; readonly end: number } {
    let request = this.#otherWaits.peek();
    let end = this.#otherWaits.leastKey;
    for (const run of this.#runs) {
      const { first, firstEnd } = run;
      if (firstEnd > end || first === 0) continue;
      if (firstEnd === end && !this.#hasComeBefore(first, request)) continue;
      request = first;
      end = firstEnd;
    }
    return { request, end };
  }

  #hasComeBefore(a: number, b: number): boolean {
    return this.#cells.get(a + arrival) < this.#cells.get(b + arrival);
  }
}
