import { IndexedHeap, type Order } from './indexed-heap.ts';
import { Run } from './run.ts';
import type { Request } from './state.ts';

const byEnd: Order<Request> = { keyOf: ({ endsAt }) => endsAt, isTieBefore: (a, b) => a.arrival < b.arrival };

function isBefore(a: Request, b: Request): boolean {
  return a.endsAt < b.endsAt || (a.endsAt === b.endsAt && a.arrival < b.arrival);
}

/** About as many limits as there are for most of what waits. */
const maxRuns = 4;

/** When what waits gives up, and when what runs is given up. */
export class Deadlines {
  readonly #runs: readonly Run<Request>[] = Array.from({ length: maxRuns }, () => new Run<Request>());
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
