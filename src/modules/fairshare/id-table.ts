/** So full at most, that a place is found at the first or second look. */
const maxLoad = 0.5;

/** FNV-1a, with its upper bits mixed into the lower ones, which choose the place. */
function hashOf(id: string): number {
  let hash = 0x811c9dc5;
  for (let index = 0; index < id.length; index += 1) hash = Math.imul(hash ^ id.charCodeAt(index), 0x01000193);
  return hash ^ (hash >>> 15);
}

/**
 * Rows by their ids. A `Map` of as many strings looks at several places that are anywhere in memory for each id, its
 * neighbours' strings among them; here hashes and rows lie side by side, and only the string that is found is compared.
 *
 * Open addressing with linear probing: each row is at the place that its hash says, or right behind others there.
 */
export class IdTable {
  readonly #idOf: (row: number) => string;
  /** By place: a hash, and the row, which is 0 where nobody is. */
  #places = new Int32Array(2 * 64);
  #mask = 63;
  #size = 0;

  constructor(idOf: (row: number) => string) {
    this.#idOf = idOf;
  }

  /** 0 when there is none. */
  get(id: string): number {
    return this.#rowAt(this.#find(id, hashOf(id)));
  }

  /** In no order. */
  rows(): number[] {
    return Array.from({ length: this.#mask + 1 }, (_, place) => this.#rowAt(place)).filter((row) => row !== 0);
  }

  /** Of an id that is not there. */
  add(id: string, row: number): void {
    this.#size += 1;
    if (this.#size > maxLoad * (this.#mask + 1)) this.#grow();
    const hash = hashOf(id);
    this.#put(this.#find(id, hash), hash, row);
  }

  /** Gives whether it was there. */
  delete(id: string): boolean {
    let gap = this.#find(id, hashOf(id));
    if (this.#rowAt(gap) === 0) return false;
    this.#size -= 1;
    // Whoever is behind moves up into the gap, unless that is before its own place.
    for (let place = (gap + 1) & this.#mask; this.#rowAt(place) !== 0; place = (place + 1) & this.#mask) {
      const hash = this.#hashAt(place);
      if (((place - hash) & this.#mask) < ((place - gap) & this.#mask)) continue;
      this.#put(gap, hash, this.#rowAt(place));
      gap = place;
    }
    this.#put(gap, 0, 0);
    return true;
  }

  /** Where an id is, or would be. */
  #find(id: string, hash: number): number {
    let place = hash & this.#mask;
    for (let row = this.#rowAt(place); row !== 0; row = this.#rowAt(place)) {
      if (this.#hashAt(place) === hash && this.#idOf(row) === id) break;
      place = (place + 1) & this.#mask;
    }
    return place;
  }

  #grow(): void {
    const before = this.#places;
    this.#mask = 2 * this.#mask + 1;
    this.#places = new Int32Array(2 * before.length);
    for (let index = 0; index < before.length; index += 2) {
      const hash = before[index] ?? 0;
      const row = before[index + 1] ?? 0;
      if (row === 0) continue;
      let place = hash & this.#mask;
      while (this.#rowAt(place) !== 0) place = (place + 1) & this.#mask;
      this.#put(place, hash, row);
    }
  }

  #hashAt(place: number): number {
    return this.#places[2 * place] ?? 0;
  }

  #rowAt(place: number): number {
    return this.#places[2 * place + 1] ?? 0;
  }

  #put(place: number, hash: number, row: number): void {
    this.#places[2 * place] = hash;
    this.#places[2 * place + 1] = row;
  }
}
