/** What can be in a heap; in one at a time, since it knows its place by itself. */
export interface HeapItem {
  /** By which its heap finds it; -1 outside. */
  heapIndex: number;
}

/** By what items are ordered. */
export interface Order<Item> {
  keyOf(item: Item): number;
  /** Whether `a` is before `b`, of two with equal keys; it stays the same while they are in the heap. */
  isTieBefore(a: Item, b: Item): boolean;
}

/** Children of one node lie side by side in memory, so a wide heap waits for memory less often than a binary one. */
const arity = 4;

/**
 * The least first, by key and then by the rule for ties; any item can be changed or taken out in O(log n). The heaps on npm search for
 * an item before they remove it, in O(n).
 *
 * Most hold one item or two, as a tenant with few keys or a key with one lane: these take no arrays.
 */
export class IndexedHeap<Item extends HeapItem> {
  readonly #order: Order<Item>;
  #first: Item | undefined;
  #second: Item | undefined;
  /** Where all are as soon as there are three, until there are none. */
  #more: Arrays<Item> | undefined;

  constructor(order: Order<Item>) {
    this.#order = order;
  }

  get isEmpty(): boolean {
    return this.#first === undefined && (this.#more === undefined || this.#more.size === 0);
  }

  get size(): number {
    if (this.#first === undefined) return this.#more?.size ?? 0;
    return this.#second === undefined ? 1 : 2;
  }

  /** In no order. */
  get items(): readonly Item[] {
    if (this.#first === undefined) return this.#more?.items ?? [];
    return this.#second === undefined ? [this.#first] : [this.#first, this.#second];
  }

  peek(): Item | undefined {
    return this.#first ?? this.#more?.peek();
  }

  /** The least key; infinite without items. */
  get leastKey(): number {
    if (this.#first !== undefined) return this.#order.keyOf(this.#first);
    return this.#more?.leastKey ?? Number.POSITIVE_INFINITY;
  }

  push(item: Item): void {
    const first = this.#first;
    const second = this.#second;
    if (first === undefined) {
      if (this.#more !== undefined && this.#more.size > 0) {
        this.#more.push(item);
        return;
      }
      this.#first = item;
    } else if (second === undefined) {
      this.#second = item;
      this.#arrange(first, item);
    } else {
      this.#more ??= new Arrays(this.#order);
      this.#more.push(first);
      this.#more.push(second);
      this.#more.push(item);
      this.#first = undefined;
      this.#second = undefined;
      return;
    }
    item.heapIndex = 0;
  }

  /** The key of an item of this heap has changed. */
  update(item: Item): void {
    const first = this.#first;
    const second = this.#second;
    if (first === undefined) this.#more?.update(item);
    else if (second !== undefined) this.#arrange(first, second);
  }

  remove(item: Item): void {
    if (this.#first === undefined) {
      this.#more?.remove(item);
    } else {
      if (this.#first === item) this.#first = this.#second;
      this.#second = undefined;
    }
    item.heapIndex = -1;
  }

  #arrange(first: Item, second: Item): void {
    const difference = this.#order.keyOf(second) - this.#order.keyOf(first);
    if (difference > 0 || (difference === 0 && !this.#order.isTieBefore(second, first))) return;
    this.#first = second;
    this.#second = first;
  }
}

/**
 * The heap proper, of slots: an item keeps its slot for as long as it is in the heap. So comparing and moving touch only
 * arrays of numbers, which lie close together, and none of the items, which with many tenants are anywhere in memory.
 * Indexes below the size have a value, which the type of an array does not say.
 */
class Arrays<Item extends HeapItem> {
  readonly #order: Order<Item>;
  // By index in the heap.
  readonly #keys: number[] = [];
  readonly #slots: number[] = [];
  // By slot.
  readonly #itemOf: (Item | undefined)[] = [];
  readonly #indexOf: number[] = [];
  readonly #freeSlots: number[] = [];

  constructor(order: Order<Item>) {
    this.#order = order;
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

  push(item: Item): void {
    const slot = this.#freeSlots.pop() ?? this.#itemOf.length;
    const key = this.#order.keyOf(item);
    this.#itemOf[slot] = item;
    item.heapIndex = slot;
    const index = this.#keys.length;
    this.#keys.push(key);
    this.#slots.push(slot);
    this.#indexOf[slot] = index;
    this.#rise(index, slot, key);
  }

  update(item: Item): void {
    const slot = item.heapIndex;
    const key = this.#order.keyOf(item);
    const index = this.#indexOf[slot] as number;
    if (key < (this.#keys[index] as number)) this.#rise(index, slot, key);
    else this.#sink(index, slot, key);
  }

  remove(item: Item): void {
    const removed = item.heapIndex;
    const index = this.#indexOf[removed] as number;
    this.#itemOf[removed] = undefined;
    this.#freeSlots.push(removed);
    const slot = this.#slots.pop() as number;
    const key = this.#keys.pop() as number;
    if (slot === removed) return;
    if (index > 0 && this.#isBefore(key, slot, Math.floor((index - 1) / arity))) this.#rise(index, slot, key);
    else this.#sink(index, slot, key);
  }

  #isBefore(key: number, slot: number, index: number): boolean {
    const other = this.#keys[index] as number;
    return key < other || (key === other && this.#isTieBefore(slot, index));
  }

  #isTieBefore(slot: number, index: number): boolean {
    return this.#order.isTieBefore(this.#itemOf[slot] as Item, this.#itemOf[this.#slots[index] as number] as Item);
  }

  #place(index: number, slot: number, key: number): void {
    this.#slots[index] = slot;
    this.#keys[index] = key;
    this.#indexOf[slot] = index;
  }

  #rise(from: number, slot: number, key: number): void {
    let index = from;
    while (index > 0) {
      const parent = Math.floor((index - 1) / arity);
      if (!this.#isBefore(key, slot, parent)) break;
      this.#place(index, this.#slots[parent] as number, this.#keys[parent] as number);
      index = parent;
    }
    this.#place(index, slot, key);
  }

  #sink(from: number, slot: number, key: number): void {
    const size = this.#keys.length;
    let index = from;
    for (;;) {
      const first = index * arity + 1;
      if (first >= size) break;
      let least = first;
      let leastKey = this.#keys[first] as number;
      const end = Math.min(first + arity, size);
      for (let child = first + 1; child < end; child += 1) {
        const childKey = this.#keys[child] as number;
        if (childKey > leastKey || (childKey === leastKey && !this.#isTieBefore(this.#slots[child] as number, least)))
          continue;
        least = child;
        leastKey = childKey;
      }
      if (key < leastKey || (key === leastKey && this.#isTieBefore(slot, least))) break;
      this.#place(index, this.#slots[least] as number, leastKey);
      index = least;
    }
    this.#place(index, slot, key);
  }
}
