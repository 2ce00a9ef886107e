/** A line of memory: what the processor fetches at once. */
const lineBytes = 64;

/**
 * Rows of numbers, side by side in one buffer. A decision looks at some ten rows that may be anywhere among a million:
 * what it needs of each lies in one or two lines of memory, where objects would be a dozen, and the collector of garbage
 * has nothing to look through.
 *
 * A row is known by its first byte, and a field by how many bytes it is from there (see `layout.ts`, which says what kind
 * of number it holds as well): `get(tenant + weight)`. No row begins at byte 0, which means none.
 */
export class Cells {
  #doubles = new Float64Array(8_192);
  #ints = new Int32Array(this.#doubles.buffer);
  #bytes = new Int8Array(this.#doubles.buffer);
  #end = lineBytes;
  /** Rows that were given back, by how many lines they have. */
  readonly #free: number[][] = [];

  /** A double, as are those that `set` and `add` are for. */
  get(cell: number): number {
    return this.#doubles[cell >> 3] ?? 0;
  }

  set(cell: number, value: number): void {
    this.#doubles[cell >> 3] = value;
  }

  add(cell: number, difference: number): void {
    this.#doubles[cell >> 3] = (this.#doubles[cell >> 3] ?? 0) + difference;
  }

  /** A row, count or place: a whole number below 2^31. */
  int(cell: number): number {
    return this.#ints[cell >> 2] ?? 0;
  }

  setInt(cell: number, value: number): void {
    this.#ints[cell >> 2] = value;
  }

  addInt(cell: number, difference: number): void {
    this.#ints[cell >> 2] = (this.#ints[cell >> 2] ?? 0) + difference;
  }

  /** A whole number below 2^7. */
  byte(cell: number): number {
    return this.#bytes[cell] ?? 0;
  }

  setByte(cell: number, value: number): void {
    this.#bytes[cell] = value;
  }

  /** All of its fields are 0. */
  allocate(size: number): number {
    const lines = Math.ceil(size / lineBytes);
    const free = this.#free[lines]?.pop();
    if (free !== undefined) {
      this.#bytes.fill(0, free, free + size);
      return free;
    }
    const row = this.#end;
    this.#end += lines * lineBytes;
    if (this.#end > this.#bytes.length) this.#grow();
    return row;
  }

  /** Nothing may know the row any more. */
  release(row: number, size: number): void {
    const lines = Math.ceil(size / lineBytes);
    let free = this.#free[lines];
    if (free === undefined) {
      free = [];
      this.#free[lines] = free;
    }
    free.push(row);
  }

  #grow(): void {
    const larger = new Float64Array(2 * this.#doubles.length);
    larger.set(this.#doubles);
    this.#doubles = larger;
    this.#ints = new Int32Array(larger.buffer);
    this.#bytes = new Int8Array(larger.buffer);
  }
}

/** What rows refer to that is no number, by numbers from 1 on. */
export class Store<Item> {
  readonly #items: (Item | undefined)[] = [undefined];
  readonly #free: number[] = [];

  add(item: Item): number {
    const index = this.#free.pop() ?? this.#items.length;
    this.#items[index] = item;
    return index;
  }

  get(index: number): Item | undefined {
    return this.#items[index];
  }

  set(index: number, item: Item): void {
    this.#items[index] = item;
  }

  remove(index: number): void {
    this.#items[index] = undefined;
    this.#free.push(index);
  }
}
