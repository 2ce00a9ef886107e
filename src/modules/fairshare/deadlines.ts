import { IndexedHeap, type Order } from './indexed-heap.ts';
import type { Request } from './state.ts';

const byEnd: Order<Request> = { keyOf: ({ endsAt }) => endsAt, isTieBefore: (a, b) => a.arrival < b.arrival };

function isBefore(a: Request, b: Request): boolean {
  return a.endsAt < b.endsAt || (a.endsAt === b.endsAt && a.arrival < b.arrival);
}

/** About as many limits as there are for most of what waits. */
const maxRuns = 4;
/** Below this, gaps do not matter. */
const fewPlaces = 64;

/**
 * Waits that came in the order in which they end, as all do that have the same limit: so nothing has to be sorted, and
 * one that is over leaves a gap. With many waiting, a heap would be the part of a decision that costs most.
 */
class Run {
  readonly #places: (Request | undefined)[] = [];
  #firstPlace = 0;
  #size = 0;
  lastEnd = Number.NEGATIVE_INFINITY;

  get first(): Request | undefined {
    if (this.#size === 0) return undefined;
    while (this.#places[this.#firstPlace] === undefined) this.#firstPlace += 1;
    return this.#places[this.#firstPlace];
  }

  append(request: Request): void {
    request.run = this;
    request.heapIndex = this.#places.length;
    this.#places.push(request);
    this.#size += 1;
    this.lastEnd = request.endsAt;
  }

  remove(request: Request): void {
    this.#places[request.heapIndex] = undefined;
    request.heapIndex = -1;
    request.run = undefined;
    this.#size -= 1;
    if (this.#size === 0) this.lastEnd = Number.NEGATIVE_INFINITY;
    if (this.#places.length > fewPlaces && this.#size * 2 < this.#places.length) this.#closeGaps();
  }

  #closeGaps(): void {
    let place = 0;
    for (let index = this.#firstPlace; index < this.#places.length; index += 1) {
      const request = this.#places[index];
      if (request === undefined) continue;
      this.#places[place] = request;
      request.heapIndex = place;
      place += 1;
    }
    this.#places.length = place;
    this.#firstPlace = 0;
  }
}

/** When what waits gives up, and when what runs is given up. */
export class Deadlines {
  readonly #runs: readonly Run[] = Array.from({ length: maxRuns }, () => new Run());
  /** Waits that end before the last one of every run. */
  readonly #otherWaits = new IndexedHeap(byEnd);
  readonly #leases = new IndexedHeap(byEnd);

  wait(request: Request, until: number): void {
    if (until === Number.POSITIVE_INFINITY) return;
    request.endsAt = until;
    for (const run of this.#runs) {
      if (run.lastEnd > until) continue;
      run.append(request);
      return;
    }
    this.#otherWaits.push(request);
  }

  hold(request: Request, until: number): void {
    if (until === Number.POSITIVE_INFINITY) return;
    request.endsAt = until;
    this.#leases.push(request);
  }

  stopWaiting(request: Request): void {
    if (request.run !== undefined) request.run.remove(request);
    else if (request.heapIndex >= 0) this.#otherWaits.remove(request);
  }

  stopHolding(request: Request): void {
    if (request.heapIndex >= 0) this.#leases.remove(request);
  }

  /** When something is due; undefined when nothing ever is. */
  get nextAt(): number | undefined {
    const wait = this.#firstWait();
    const lease = this.#leases.peek();
    if (wait === undefined) return lease?.endsAt;
    return lease === undefined ? wait.endsAt : Math.min(wait.endsAt, lease.endsAt);
  }

  /**
   * What is due first. Of a lease and a wait that end at the same time the lease comes first, so that its slot can still
   * go to who waits.
   */
  due(now: number): Request | undefined {
    const wait = this.#firstWait();
    const lease = this.#leases.peek();
    const first = wait === undefined || (lease !== undefined && lease.endsAt <= wait.endsAt) ? lease : wait;
    return first === undefined || first.endsAt > now ? undefined : first;
  }

  #firstWait(): Request | undefined {
    let first = this.#otherWaits.peek();
    for (const run of this.#runs) {
      const request = run.first;
      if (request !== undefined && (first === undefined || isBefore(request, first))) first = request;
    }
    return first;
  }
}

export type { Run };
