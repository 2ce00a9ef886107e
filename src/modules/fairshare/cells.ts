/**
 * Rows of numbers, side by side in one array. A decision looks at some twenty rows that may be anywhere among a million:
 * as rows each is one or two lines of memory, where objects would be a dozen, and the collector of garbage has nothing
 * to look through.
 *
 * A row is known by its first cell, and a field by how far it is from there (see `layout.ts`): `get(tenant + weight)`.
 * No row begins at cell 0, which means none.
 */
export class Cells {
  #values = new Float64Array(4_096);
  #end = 8;
  /** Rows that were given back, by their size. */
  readonly #free: number[][] = [];

  get(cell: number): number {
    return this.#values[cell] ?? 0;
  }

  /** For rows and whole numbers up to 2^31: in registers they are cheaper than fractions. */
  int(cell: number): number {
    return (this.#values[cell] ?? 0) | 0;
  }

  set(cell: number, value: number): void {
    this.#values[cell] = value;
  }

  add(cell: number, difference: number): void {
    this.#values[cell] = (this.#values[cell] ?? 0) + difference;
  }

  /** All of its fields are 0. */
  allocate(size: number): number {
    const free = this.#free[size]?.pop();
    if (free !== undefined) {
      this.#values.fill(0, free, free + size);
      return free;
    }
    const row = this.#end;
    this.#end += size;
    if (this.#end > this.#values.length) {
      const larger = new Float64Array(2 * this.#values.length);
      larger.set(this.#values);
      this.#values = larger;
    }
    return row;
  }

  /** Nothing may know the row any more. */
  release(row: number, size: number): void {
    let free = this.#free[size];
    if (free === undefined) {
      free = [];
      this.#free[size] = free;
    }
    free.push(row);
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
