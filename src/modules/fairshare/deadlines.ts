import { IndexedHeap } from './indexed-heap.ts';
import type { Request } from './state.ts';

/** When what waits gives up, and when what runs is given up. */
export class Deadlines {
  readonly #waits = new IndexedHeap<Request>();
  readonly #leases = new IndexedHeap<Request>();

  wait(request: Request, until: number): void {
    if (until !== Number.POSITIVE_INFINITY) this.#waits.push(request, until, request.arrival);
  }

  hold(request: Request, until: number): void {
    if (until !== Number.POSITIVE_INFINITY) this.#leases.push(request, until, request.arrival);
  }

  stopWaiting(request: Request): void {
    if (request.heapIndex >= 0) this.#waits.remove(request);
  }

  stopHolding(request: Request): void {
    if (request.heapIndex >= 0) this.#leases.remove(request);
  }

  /** When something is due; undefined when nothing ever is. */
  get nextAt(): number | undefined {
    const at = Math.min(this.#waits.leastKey, this.#leases.leastKey);
    return at === Number.POSITIVE_INFINITY ? undefined : at;
  }

  /**
   * What is due first. Of a lease and a wait that end at the same time the lease comes first, so that its slot can still
   * go to who waits.
   */
  due(now: number): Request | undefined {
    const at = this.nextAt;
    if (at === undefined || at > now) return undefined;
    return this.#leases.leastKey <= this.#waits.leastKey ? this.#leases.peek() : this.#waits.peek();
  }
}
