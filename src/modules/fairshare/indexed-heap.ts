/** What can be in a heap; in one at a time, since it knows its place by itself. */
export interface HeapItem {
  /** Where it is in its heap; -1 outside. */
  heapIndex: number;
}

/** Children of one node lie side by side in memory, so a wide heap waits for memory less often than a binary one. */
const arity = 4;

/**
 * The least first, by key and then by tie; any item can be changed or taken out in O(log n). The heaps on npm search for
 * an item before they remove it, in O(n).
 *
 * Most hold one item, as a tenant with one key or a key with one lane: that one takes no arrays.
 */
export class IndexedHeap<Item extends HeapItem> {
  #only: Item | undefined;
  #onlyKey = 0;
  #onlyTie = 0;
  #more: Arrays<Item> | undefined;

  get size(): number {
    return this.#only === undefined ? (this.#more?.size ?? 0) : 1;
  }

  /** In no order. */
  get items(): readonly Item[] {
    return this.#only === undefined ? (this.#more?.items ?? []) : [this.#only];
  }

  peek(): Item | undefined {
    return this.#only ?? this.#more?.items[0];
  }

  /** The least key; infinite without items. */
  get leastKey(): number {
    return this.#only === undefined ? (this.#more?.keys[0] ?? Number.POSITIVE_INFINITY) : this.#onlyKey;
  }

  push(item: Item, key: number, tie: number): void {
    const only = this.#only;
    if (only === undefined && (this.#more === undefined || this.#more.size === 0)) {
      this.#only = item;
      this.#onlyKey = key;
      this.#onlyTie = tie;
      item.heapIndex = 0;
      return;
    }
    this.#more ??= new Arrays();
    if (only !== undefined) {
      this.#only = undefined;
      this.#more.push(only, this.#onlyKey, this.#onlyTie);
    }
    this.#more.push(item, key, tie);
  }

  /** Gives an item of this heap another key; its tie stays. */
  update(item: Item, key: number): void {
    if (this.#only === undefined) this.#more?.update(item, key);
    else this.#onlyKey = key;
  }

  remove(item: Item): void {
    if (this.#only === undefined) this.#more?.remove(item);
    else this.#only = undefined;
    item.heapIndex = -1;
  }
}

/** Keys lie in arrays of numbers of their own, so that comparing touches no item. */
class Arrays<Item extends HeapItem> {
  readonly items: Item[] = [];
  readonly keys: number[] = [];
  readonly #ties: number[] = [];

  get size(): number {
    return this.items.length;
  }

  push(item: Item, key: number, tie: number): void {
    this.items.push(item);
    this.keys.push(key);
    this.#ties.push(tie);
    this.#rise(this.items.length - 1, item, key, tie);
  }

  update(item: Item, key: number): void {
    const index = item.heapIndex;
    const before = this.keys[index] as number;
    const tie = this.#ties[index] as number;
    if (key < before) this.#rise(index, item, key, tie);
    else this.#sink(index, item, key, tie);
  }

  remove(item: Item): void {
    const index = item.heapIndex;
    const last = this.items.pop();
    const key = this.keys.pop();
    const tie = this.#ties.pop();
    if (last === undefined || key === undefined || tie === undefined || last === item) return;
    const parent = Math.floor((index - 1) / arity);
    if (index > 0 && this.#isBefore(key, tie, parent)) this.#rise(index, last, key, tie);
    else this.#sink(index, last, key, tie);
  }

  // Indexes below the length have an item, which the type of an array does not say.

  #isBefore(key: number, tie: number, index: number): boolean {
    const other = this.keys[index] as number;
    return key < other || (key === other && tie < (this.#ties[index] as number));
  }

  #place(index: number, item: Item, key: number, tie: number): void {
    this.items[index] = item;
    this.keys[index] = key;
    this.#ties[index] = tie;
    item.heapIndex = index;
  }

  #move(from: number, to: number): void {
    this.#place(to, this.items[from] as Item, this.keys[from] as number, this.#ties[from] as number);
  }

  #rise(from: number, item: Item, key: number, tie: number): void {
    let index = from;
    while (index > 0) {
      const parent = Math.floor((index - 1) / arity);
      if (!this.#isBefore(key, tie, parent)) break;
      this.#move(parent, index);
      index = parent;
    }
    this.#place(index, item, key, tie);
  }

  #sink(from: number, item: Item, key: number, tie: number): void {
    const size = this.items.length;
    let index = from;
    for (;;) {
      const first = index * arity + 1;
      if (first >= size) break;
      let least = first;
      const end = Math.min(first + arity, size);
      for (let child = first + 1; child < end; child += 1) {
        if (this.#isBefore(this.keys[child] as number, this.#ties[child] as number, least)) least = child;
      }
      if (this.#isBefore(key, tie, least)) break;
      this.#move(least, index);
      index = least;
    }
    this.#place(index, item, key, tie);
  }
}
