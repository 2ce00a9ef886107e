/** What can be in a heap; in one at a time, since it knows its place by itself. */
export interface HeapItem {
  /** By which its heap finds it; -1 outside. */
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
    return this.#only ?? this.#more?.peek();
  }

  /** The least key; infinite without items. */
  get leastKey(): number {
    return this.#only === undefined ? (this.#more?.leastKey ?? Number.POSITIVE_INFINITY) : this.#onlyKey;
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
    if (only !== undefined) {
      this.#only = undefined;
      if (this.#more === undefined) this.#more = new Arrays(only, this.#onlyKey, this.#onlyTie);
      else this.#more.push(only, this.#onlyKey, this.#onlyTie);
    }
    this.#more?.push(item, key, tie);
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

/**
 * The heap proper, of slots: an item keeps its slot for as long as it is in the heap. So comparing and moving touch only
 * arrays of numbers, which lie close together, and none of the items, which with many tenants are anywhere in memory.
 * Indexes below the size have a value, which the type of an array does not say.
 */
class Arrays<Item extends HeapItem> {
  // By index in the heap. Literals of the first item, since empty arrays grow to 17 places at once.
  readonly #keys: number[];
  readonly #ties: number[];
  readonly #slots: number[];
  // By slot.
  readonly #itemOf: (Item | undefined)[];
  readonly #indexOf: number[];
  readonly #freeSlots: number[] = [];

  constructor(item: Item, key: number, tie: number) {
    this.#keys = [key];
    this.#ties = [tie];
    this.#slots = [0];
    this.#itemOf = [item];
    this.#indexOf = [0];
    item.heapIndex = 0;
  }

  get size(): number {
    return this.#keys.length;
  }

  get items(): readonly Item[] {
    return this.#itemOf.filter((item) => item !== undefined);
  }

  get leastKey(): number | undefined {
    return this.#keys[0];
  }

  peek(): Item | undefined {
    const slot = this.#slots[0];
    return slot === undefined ? undefined : this.#itemOf[slot];
  }

  push(item: Item, key: number, tie: number): void {
    const slot = this.#freeSlots.pop() ?? this.#itemOf.length;
    this.#itemOf[slot] = item;
    item.heapIndex = slot;
    const index = this.#keys.length;
    this.#keys.push(key);
    this.#ties.push(tie);
    this.#slots.push(slot);
    this.#indexOf[slot] = index;
    this.#rise(index, slot, key, tie);
  }

  update(item: Item, key: number): void {
    const slot = item.heapIndex;
    const index = this.#indexOf[slot] as number;
    const before = this.#keys[index] as number;
    const tie = this.#ties[index] as number;
    if (key < before) this.#rise(index, slot, key, tie);
    else this.#sink(index, slot, key, tie);
  }

  remove(item: Item): void {
    const removed = item.heapIndex;
    const index = this.#indexOf[removed] as number;
    this.#itemOf[removed] = undefined;
    this.#freeSlots.push(removed);
    const slot = this.#slots.pop() as number;
    const key = this.#keys.pop() as number;
    const tie = this.#ties.pop() as number;
    if (slot === removed) return;
    const parent = Math.floor((index - 1) / arity);
    if (index > 0 && this.#isBefore(key, tie, parent)) this.#rise(index, slot, key, tie);
    else this.#sink(index, slot, key, tie);
  }

  #isBefore(key: number, tie: number, index: number): boolean {
    const other = this.#keys[index] as number;
    return key < other || (key === other && tie < (this.#ties[index] as number));
  }

  #place(index: number, slot: number, key: number, tie: number): void {
    this.#slots[index] = slot;
    this.#keys[index] = key;
    this.#ties[index] = tie;
    this.#indexOf[slot] = index;
  }

  #move(from: number, to: number): void {
    this.#place(to, this.#slots[from] as number, this.#keys[from] as number, this.#ties[from] as number);
  }

  #rise(from: number, slot: number, key: number, tie: number): void {
    let index = from;
    while (index > 0) {
      const parent = Math.floor((index - 1) / arity);
      if (!this.#isBefore(key, tie, parent)) break;
      this.#move(parent, index);
      index = parent;
    }
    this.#place(index, slot, key, tie);
  }

  #sink(from: number, slot: number, key: number, tie: number): void {
    const size = this.#keys.length;
    let index = from;
    for (;;) {
      const first = index * arity + 1;
      if (first >= size) break;
      let least = first;
      const end = Math.min(first + arity, size);
      for (let child = first + 1; child < end; child += 1) {
        if (this.#isBefore(this.#keys[child] as number, this.#ties[child] as number, least)) least = child;
      }
      if (this.#isBefore(key, tie, least)) break;
      this.#move(least, index);
      index = least;
    }
    this.#place(index, slot, key, tie);
  }
}
