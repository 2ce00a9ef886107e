import { LRUCache } from 'lru-cache';
import type { Event, EventBus } from './event-bus.ts';

/** A value, and the rows that it was made of. */
export interface Loaded<Value> {
  readonly value: Value;
  /** UUIDs. Without any, nothing could say that the value has changed, and it is not kept. */
  readonly dependsOn: readonly string[];
}

/** A load that is under way, and what has changed since it began. */
interface Load<Value> {
  readonly loaded: Promise<Loaded<Value>>;
  readonly changedRows: Set<string>;
  anythingMayHaveChanged: boolean;
}

export interface InvalidatedCacheOptions {
  readonly maxEntries: number;
  /** The node types of the rows that its entries depend on. */
  readonly types: readonly string[];
}

/**
 * Values that are remembered until a row changes of which they were made, in whatever process. They are only given from
 * memory while this process hears of such changes.
 */
export class InvalidatedCache<Value> {
  readonly #events: Pick<EventBus, 'isAlive' | 'onAtOnce' | 'onLost'>;
  readonly #entries: LRUCache<string, Loaded<Value>>;
  /** The keys of the entries that depend on a row, by the row's id. */
  readonly #keysByRow = new Map<string, Set<string>>();
  /** All loads that are under way. */
  readonly #loads = new Set<Load<Value>>();
  /** The youngest of each key. */
  readonly #youngest = new Map<string, Load<Value>>();
  readonly #stopListening: readonly (() => void)[];
  #isClosed = false;

  constructor(
    events: Pick<EventBus, 'isAlive' | 'onAtOnce' | 'onLost'>,
    { maxEntries, types }: InvalidatedCacheOptions,
  ) {
    this.#events = events;
    this.#entries = new LRUCache({ max: maxEntries, dispose: ({ dependsOn }, key) => this.#unlink(key, dependsOn) });
    this.#stopListening = [
      ...types.flatMap((type) => [
        events.onAtOnce(`${type}.changed`, (event) => this.#onChanged(event)),
        events.onAtOnce(`${type}.changedInBulk`, () => this.clear()),
      ]),
      events.onLost(() => this.clear()),
    ];
  }

  /** How many entries it has. */
  get size(): number {
    return this.#entries.size;
  }

  /**
   * The value of the key: at once when it is known, and else loaded. Callers who ask at the same time share one load,
   * unless something changed between them: what it was read of, only the load knows, and not before its end.
   */
  get(key: string, load: () => Promise<Loaded<Value>>): Value | Promise<Value> {
    if (this.#isClosed || !this.#events.isAlive) return load().then(valueIn);
    const entry = this.#entries.get(key);
    return entry === undefined ? this.#load(key, load) : entry.value;
  }

  #load(key: string, load: () => Promise<Loaded<Value>>): Promise<Value> {
    const underWay = this.#youngest.get(key);
    const isCurrent = underWay !== undefined && !underWay.anythingMayHaveChanged && underWay.changedRows.size === 0;
    const { loaded } = isCurrent ? underWay : this.#begin(key, load);
    return loaded.then(valueIn);
  }

  /** Forgets everything, and does not keep what is being loaded. */
  clear(): void {
    this.#entries.clear();
    for (const load of this.#loads) load.anythingMayHaveChanged = true;
  }

  /** Forgets everything and keeps nothing from now on. */
  close(): void {
    this.#isClosed = true;
    for (const stop of this.#stopListening) stop();
    this.clear();
  }

  #begin(key: string, load: () => Promise<Loaded<Value>>): Load<Value> {
    const begun: Load<Value> = { loaded: load(), changedRows: new Set(), anythingMayHaveChanged: false };
    this.#loads.add(begun);
    this.#youngest.set(key, begun);
    const end = (): boolean => {
      this.#loads.delete(begun);
      return this.#youngest.get(key) === begun && this.#youngest.delete(key);
    };
    begun.loaded.then(
      // One that was overtaken leaves it to the younger.
      (loaded) => end() && this.#keep(key, begun, loaded),
      end,
    );
    return begun;
  }

  #keep(key: string, { changedRows, anythingMayHaveChanged }: Load<Value>, loaded: Loaded<Value>): void {
    const { dependsOn } = loaded;
    if (this.#isClosed || anythingMayHaveChanged || !this.#events.isAlive) return;
    if (dependsOn.length === 0 || dependsOn.some((id) => changedRows.has(id))) return;
    this.#entries.set(key, loaded);
    for (const id of dependsOn) {
      const keys = this.#keysByRow.get(id) ?? new Set();
      this.#keysByRow.set(id, keys);
      keys.add(key);
    }
  }

  #unlink(key: string, dependsOn: readonly string[]): void {
    for (const id of dependsOn) {
      const keys = this.#keysByRow.get(id);
      keys?.delete(key);
      if (keys?.size === 0) this.#keysByRow.delete(id);
    }
  }

  #onChanged({ payload: { id } }: Event): void {
    if (typeof id !== 'string') {
      this.clear();
      return;
    }
    for (const key of this.#keysByRow.get(id) ?? []) this.#entries.delete(key);
    for (const load of this.#loads) load.changedRows.add(id);
  }
}

const valueIn = <Value>({ value }: Loaded<Value>): Value => value;
