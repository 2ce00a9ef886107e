import type { Adoption, Submission } from './api.ts';
import { type Cells, Store } from './cells.ts';
import { IdTable } from './id-table.ts';
import { requestFields } from './layout.ts';

const { lane: laneOfRequest, arrival, submittedAt, leaseMs, charge, isHeld, lot, id: idOfRequest } = requestFields;

/**
 * Every request is charged for one token at least, also one that turns out to have cost nothing: else a tenant whose
 * requests cost nothing would stay first for ever.
 */
export const atLeastOne = (tokens: number): number => Math.max(1, tokens);

/** Requests that wait or run, by their ids. */
export class Requests {
  readonly #cells: Cells;
  readonly #byId = new IdTable((request) => this.idOf(request));
  readonly #ids = new Store<string>();
  /** Rows of requests that ended, each with its place among the ids, for those that come next. */
  readonly #free: number[] = [];
  #arrivals = 0;

  constructor(cells: Cells) {
    this.#cells = cells;
  }

  /** @throws when it is there already */
  refuseKnown(id: string): void {
    if (this.#byId.get(id) !== 0) throw new Error(`request ${id} waits or runs already`);
  }

  /** 0 when there is none. */
  byId(id: string): number {
    return this.#byId.get(id);
  }

  held(id: string): number {
    const request = this.byId(id);
    return request !== 0 && this.isHeld(request) ? request : 0;
  }

  isHeld(request: number): boolean {
    return this.#cells.byte(request + isHeld) !== 0;
  }

  idOf(request: number): string {
    return this.#ids.get(this.#cells.int(request + idOfRequest)) ?? '';
  }

  /** In the order in which they came. */
  all(): number[] {
    const arrivalOf = (request: number): number => this.#cells.get(request + arrival);
    return this.#byId.rows().sort((a, b) => arrivalOf(a) - arrivalOf(b));
  }

  add({ id, cost }: Submission | Adoption, lane: number, lasts: number | undefined, now: number): number {
    const cells = this.#cells;
    const request = this.#free.pop() ?? this.#make();
    this.#ids.set(cells.int(request + idOfRequest), id);
    this.#arrivals += 1;
    cells.set(request + arrival, this.#arrivals);
    cells.setInt(request + laneOfRequest, lane);
    cells.set(request + submittedAt, now);
    cells.set(request + leaseMs, lasts ?? -1);
    cells.set(request + charge, atLeastOne(cost));
    cells.setByte(request + isHeld, 0);
    cells.setInt(request + lot, 0);
    this.#byId.add(id, request);
    return request;
  }

  delete(request: number): void {
    this.#byId.delete(this.idOf(request));
  }

  /** Nothing knows the row any more. */
  reuse(request: number): void {
    this.#free.push(request);
  }

  #make(): number {
    const request = this.#cells.allocate(requestFields.size);
    this.#cells.setInt(request + idOfRequest, this.#ids.add(''));
    return request;
  }
}
