import { type Cells, Store } from './cells.ts';
import type { Forest } from './forest.ts';
import { keyNodeFields, laneFields, nodeFields, requestFields } from './layout.ts';
import type { NamedCap } from './state.ts';

const { first, last, node: nodeOfLane, caps: capsOfLane, lot: lotOfLane, requests } = laneFields;
const { previous, next } = requestFields;
const { plainLane } = keyNodeFields;

interface CapLane {
  readonly lane: number;
  readonly caps: readonly NamedCap[];
  /** What names them, in their order. */
  readonly capsId: string;
}

const noCaps: readonly NamedCap[] = [];

/** Lanes, and the requests that wait in them. A lane of requests that name caps is there while it has any. */
export class Lanes {
  readonly #forest: Forest;
  readonly #cells: Cells;
  readonly #withCaps = new Store<CapLane>();
  /** By key node and what names the caps. */
  readonly #byCaps = new Map<number, Map<string, number>>();

  constructor(forest: Forest) {
    this.#forest = forest;
    this.#cells = forest.cells;
  }

  /** Where requests of this key node wait that name these caps. */
  laneOf(node: number, capIds: readonly string[]): number {
    if (capIds.length === 0) return node + plainLane;
    const capsId = JSON.stringify(capIds);
    const known = this.#byCaps.get(node)?.get(capsId);
    if (known !== undefined) return known;
    const cells = this.#cells;
    const lane = cells.allocate(laneFields.size);
    const caps = capIds.map((id) => this.#forest.directory.cap(id));
    cells.setInt(lane + nodeOfLane, node);
    cells.setInt(lane + capsOfLane, this.#withCaps.add({ lane, caps, capsId }));
    const ofNode = this.#byCaps.get(node) ?? new Map<string, number>();
    ofNode.set(capsId, lane);
    this.#byCaps.set(node, ofNode);
    return lane;
  }

  /** Of a key node. */
  lanesIn(node: number): number[] {
    return [node + plainLane, ...(this.#byCaps.get(node)?.values() ?? [])];
  }

  capsOf(lane: number): readonly NamedCap[] {
    const index = this.#cells.int(lane + capsOfLane);
    return index === 0 ? noCaps : (this.#withCaps.get(index)?.caps ?? noCaps);
  }

  /** The number of the lot in which a lane has a place; 0 for none, as always without caps. */
  lotOf(lane: number): number {
    return this.#cells.int(lane + capsOfLane) === 0 ? 0 : this.#cells.int(lane + lotOfLane);
  }

  /** One more request waits or runs. */
  use(lane: number): void {
    if (this.#cells.int(lane + capsOfLane) === 0) return;
    this.#cells.addInt(lane + requests, 1);
    for (const cap of this.capsOf(lane)) cap.requests += 1;
  }

  /** One less waits or runs: the lane, and caps that are not set, are forgotten when there are none. */
  leave(lane: number): void {
    const cells = this.#cells;
    const index = cells.int(lane + capsOfLane);
    if (index === 0) return;
    const known = this.#withCaps.get(index);
    for (const cap of known?.caps ?? noCaps) {
      cap.requests -= 1;
      this.#forest.directory.dropCap(cap);
    }
    cells.addInt(lane + requests, -1);
    if (cells.int(lane + requests) > 0 || known === undefined) return;
    const node = cells.int(lane + nodeOfLane);
    const ofNode = this.#byCaps.get(node);
    ofNode?.delete(known.capsId);
    if (ofNode?.size === 0) this.#byCaps.delete(node);
    this.#withCaps.remove(index);
    cells.release(lane, laneFields.size);
  }

  append(lane: number, request: number): void {
    const cells = this.#cells;
    const before = cells.int(lane + last);
    cells.setInt(request + previous, before);
    cells.setInt(request + next, 0);
    cells.setInt(before === 0 ? lane + first : before + next, request);
    cells.setInt(lane + last, request);
  }

  remove(lane: number, request: number): void {
    const cells = this.#cells;
    const before = cells.int(request + previous);
    const after = cells.int(request + next);
    cells.setInt(before === 0 ? lane + first : before + next, after);
    cells.setInt(after === 0 ? lane + last : after + previous, before);
  }

  /** A lane could run, as far as its key knows; or waits in a lot, at its key's node there. */
  ready(lane: number, node: number): void {
    this.#forest.lanes.push(node + keyNodeFields.lanes, lane);
  }

  unready(lane: number, node: number): void {
    if (this.#cells.int(lane + laneFields.slot) === 0) return;
    this.#forest.lanes.remove(node + keyNodeFields.lanes, lane);
    this.#forest.walks.lower(node);
  }

  /** A lane has another first request. */
  reorder(lane: number, node: number): void {
    if (this.#cells.int(lane + laneFields.slot) !== 0) this.#forest.lanes.update(node + keyNodeFields.lanes, lane);
  }

  /** Which one is first at a key's node; 0 when there is none. */
  firstAt(node: number): number {
    return this.#forest.lanes.peek(node + keyNodeFields.lanes);
  }

  keyOf(lane: number): number {
    return this.#cells.int(this.#cells.int(lane + nodeOfLane) + nodeFields.owner);
  }
}
