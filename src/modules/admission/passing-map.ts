import { IdTable } from '../fairshare/id-table.ts';

/** The row before the first and after the last one: nobody's. */
const end = 0;

/**
 * A map for entries that come and go all the time, in the order in which they came.
 *
 * A `Map` makes a new table whenever the places of removed entries have used its own up, and the table before points to
 * it. Once one of them has become old, collections of young objects take it for alive, and with it the next one, and so
 * on: every table there ever was, and whatever was in it when it was replaced, until everything is collected. At 1,000
 * requests a second that was nearly all that requests are made of. Here entries have rows, which are used again.
 */
export class PassingMap<Value> {
  readonly #rows = new IdTable((row) => this.#keys[row] ?? '');
  readonly #keys: string[] = [''];
  readonly #values: (Value | undefined)[] = [undefined];
  readonly #next: number[] = [end];
  readonly #previous: number[] = [end];
  readonly #free: number[] = [];

  get size(): number {
    return this.#keys.length - 1 - this.#free.length;
  }

  get(key: string): Value | undefined {
    return this.#values[this.#rows.get(key)];
  }

  /** The oldest first. */
  values(): Value[] {
    const values: Value[] = [];
    for (let row = this.#next[end] ?? end; row !== end; row = this.#next[row] ?? end) {
      const value = this.#values[row];
      if (value !== undefined) values.push(value);
    }
    return values;
  }

  set(key: string, value: Value): void {
    const known = this.#rows.get(key);
    if (known !== end) {
      this.#values[known] = value;
      return;
    }
    const row = this.#free.pop() ?? this.#keys.length;
    this.#keys[row] = key;
    this.#values[row] = value;
    this.#rows.add(key, row);
    this.#link(this.#previous[end] ?? end, row);
    this.#link(row, end);
  }

  /** Gives whether it was there. */
  delete(key: string): boolean {
    const row = this.#rows.get(key);
    if (row === end) return false;
    this.#rows.delete(key);
    this.#keys[row] = '';
    this.#values[row] = undefined;
    this.#link(this.#previous[row] ?? end, this.#next[row] ?? end);
    this.#free.push(row);
    return true;
  }

  #link(before: number, after: number): void {
    this.#next[before] = after;
    this.#previous[after] = before;
  }
}
