import type { Cells } from './cells.ts';
import { intBytes, keyNodeFields, levels, nodeFields, siblingsFields, tenantNodeFields } from './layout.ts';
import type { Siblings } from './siblings.ts';

const { waiting, inFlight, servedTokens, arrival, parent, level, asking, inside, isParked } = nodeFields;
const amongWhom = nodeFields.siblings;
const { lanes } = keyNodeFields;
const { queued } = tenantNodeFields;
const sizeInside = siblingsFields.size;
const { KEY: isKey, TENANT: isTenant } = levels;

/** What an event at a key changes on the way up to the root, and who is next on the way down. */
export class Walks {
  readonly #cells: Cells;
  readonly #siblings: Siblings;
  readonly #onIdleTenant: (tenant: number) => void;

  constructor(cells: Cells, siblings: Siblings, onIdleTenant: (tenant: number) => void) {
    this.#cells = cells;
    this.#siblings = siblings;
    this.#onIdleTenant = onIdleTenant;
  }

  /** Whether something below a node could run, as far as its own cap does not hold it back. */
  hasAsking(node: number): boolean {
    const cells = this.#cells;
    return cells.int(node + (cells.byte(node + level) === isKey ? lanes : asking)) !== 0;
  }

  /** Whose turn it is, of those inside of the highest priority that ask; 0 when none does. */
  next(node: number): number {
    const bits = this.#cells.int(node + asking);
    // The lowest bit that is set.
    return bits === 0 ? 0 : this.#siblings.next(node + inside + sizeInside * (31 - Math.clz32(bits & -bits)));
  }

  /**
   * Something below this node could run from now on, so it and what is above it ask among their siblings. Only a request
   * that came just now makes somebody come back: whoever waited for a cap, or was moved, was not idle.
   */
  raise(from: number, first: 'new' | 'waited'): void {
    const cells = this.#cells;
    for (let node = from; cells.int(node + amongWhom) !== 0; node = cells.int(node + parent)) {
      if (this.#siblings.isAsking(node) || cells.byte(node + isParked) !== 0) return;
      this.#siblings.join(node, first === 'new' && cells.int(node + waiting) === 1);
    }
  }

  /** Something below this node can no longer run; nodes below which nothing can, ask no more. */
  lower(from: number): void {
    const cells = this.#cells;
    for (let node = from; cells.int(node + amongWhom) !== 0; node = cells.int(node + parent)) {
      if (this.hasAsking(node)) return;
      this.#siblings.leave(node);
    }
  }

  /** Counts a request that waits from now on, from a node up to the root; before the node is raised. */
  countWaiting(from: number, arrivedAs: number): void {
    const cells = this.#cells;
    for (let node = from; node !== 0; node = cells.int(node + parent)) {
      const wasActive = this.#siblings.isActive(node);
      cells.addInt(node + waiting, 1);
      this.#changed(node, wasActive, true);
      if (cells.int(node + waiting) === 1) cells.set(node + arrival, arrivedAs);
    }
  }

  /** Counts a request that waits no more, from a node up to the root; after the node is lowered. */
  countWithdrawn(from: number): void {
    const cells = this.#cells;
    for (let node = from; node !== 0; ) {
      // A node may be gone when it is idle.
      const above = cells.int(node + parent);
      cells.addInt(node + waiting, -1);
      this.#changed(node, true, this.#siblings.isActive(node));
      node = above;
    }
  }

  /** The first request of a key's lane starts to run: every level moves on and is charged. */
  countGrant(key: number, tokens: number): void {
    const cells = this.#cells;
    const siblings = this.#siblings;
    for (let node = key; node !== 0; node = cells.int(node + parent)) {
      const isShared = cells.int(node + amongWhom) !== 0;
      if (isShared) siblings.select(node);
      cells.addInt(node + waiting, -1);
      cells.addInt(node + inFlight, 1);
      cells.add(node + servedTokens, tokens);
      if (!isShared) return;
      siblings.charge(node, tokens);
      siblings.payOwed(node);
    }
  }

  /** A request that runs already is counted and charged, whatever the order and the caps say. */
  countAdopted(key: number, tokens: number): void {
    const cells = this.#cells;
    for (let node = key; node !== 0; node = cells.int(node + parent)) {
      const wasActive = this.#siblings.isActive(node);
      cells.addInt(node + inFlight, 1);
      cells.add(node + servedTokens, tokens);
      this.#changed(node, wasActive, true);
      if (cells.int(node + amongWhom) !== 0) this.#siblings.adopt(node, tokens);
    }
  }

  /** A request has ended, and cost this many tokens more or less than it was charged. */
  countEnd(key: number, difference: number): void {
    const cells = this.#cells;
    for (let node = key; node !== 0; ) {
      const above = cells.int(node + parent);
      cells.addInt(node + inFlight, -1);
      cells.add(node + servedTokens, difference);
      if (difference !== 0 && above !== 0) this.#siblings.correct(node, difference);
      this.#changed(node, true, this.#siblings.isActive(node));
      node = above;
    }
  }

  /** What waits and runs at a node is counted, or no longer, from a new or former parent up to below the root. */
  countMoved(moved: number, from: number, root: number, sign: 1 | -1): void {
    const cells = this.#cells;
    for (let node = from; node !== 0 && node !== root; ) {
      const above = cells.int(node + parent);
      const wasActive = this.#siblings.isActive(node);
      const waited = cells.int(node + waiting) > 0;
      for (const field of [waiting, inFlight]) cells.addInt(node + field, sign * cells.int(moved + field));
      cells.add(node + servedTokens, sign * cells.get(moved + servedTokens));
      if (!waited) cells.set(node + arrival, cells.get(moved + arrival));
      this.#changed(node, wasActive, this.#siblings.isActive(node));
      node = above;
    }
  }

  /** How many of a tenant wait of one priority. */
  countQueued(tenant: number, priority: number, difference: 1 | -1): void {
    this.#cells.addInt(tenant + queued + priority * intBytes, difference);
  }

  /** A node becomes one of those who share, or is none any more. */
  #changed(node: number, wasActive: boolean, isActive: boolean): void {
    if (isActive === wasActive) return;
    const cells = this.#cells;
    const isShared = cells.int(node + amongWhom) !== 0;
    if (isActive) {
      if (isShared) this.#siblings.activate(node);
      return;
    }
    const at = cells.byte(node + level);
    if (at !== isKey) {
      this.#siblings.forgetAll(node + inside);
      if (at === isTenant) {
        this.#siblings.forgetAll(node + inside + sizeInside);
        this.#siblings.forgetAll(node + inside + 2 * sizeInside);
        this.#onIdleTenant(node);
      }
    }
    if (isShared) this.#siblings.deactivate(node);
  }
}
