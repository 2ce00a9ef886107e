interface Entry {
  readonly id: string;
  readonly name: string;
  readonly key: string;
  uses: number;
}

/** Ids with the names that they had, each kept once for as long as a number of it is in use. */
export class HistoryNames {
  readonly #numbers = new Map<string, number>();
  readonly #entries: Entry[] = [];
  readonly #free: number[] = [];

  /** The number of somebody, to be released as often as it was used. */
  use(id: string, name: string): number {
    const key = `${id} ${name}`;
    const known = this.#numbers.get(key);
    const entry = known === undefined ? undefined : this.#entries[known];
    if (known !== undefined && entry !== undefined) {
      entry.uses += 1;
      return known;
    }
    const number = this.#free.pop() ?? this.#entries.length;
    this.#entries[number] = { id, name, key, uses: 1 };
    this.#numbers.set(key, number);
    return number;
  }

  release(number: number): void {
    const entry = this.#entries[number];
    if (entry === undefined) return;
    entry.uses -= 1;
    if (entry.uses > 0) return;
    this.#numbers.delete(entry.key);
    this.#free.push(number);
  }

  /** @throws when the number is not in use */
  of(number: number): { readonly id: string; readonly name: string } {
    const entry = this.#entries[number];
    if (entry === undefined || entry.uses === 0) throw new Error(`Nobody has the number ${number}.`);
    return entry;
  }

  /** How many are kept. */
  get size(): number {
    return this.#numbers.size;
  }
}
