import type { Logger } from 'pino';
import { laterInBackground } from './background.ts';

interface WriteBehindOptions<Entry> {
  /** Writes what was collected, all of it or nothing. */
  readonly write: (entries: ReadonlyMap<string, Entry>) => Promise<void>;
  /** Adds an entry that could not be written to the one that was collected meanwhile. */
  readonly merge: (newer: Entry, unwritten: Entry) => void;
  readonly log: Logger;
  /** What is logged when it could not be written. */
  readonly failure: string;
}

/**
 * Collects what comes often, and writes it in batches: it costs whoever brings it nothing. What could not be written
 * waits for the next time; what was not written yet is lost with the process. Nothing is done while there is nothing.
 */
export class WriteBehind<Entry> {
  readonly #options: WriteBehindOptions<Entry>;
  #entries = new Map<string, Entry>();
  /** Nothing: it is not to write by itself. */
  #intervalMs: number | undefined;
  /** Prevents the next time; nothing: there is none. */
  #stop: (() => void) | undefined;
  #flushing: Promise<void> = Promise.resolve();

  constructor(options: WriteBehindOptions<Entry>) {
    this.#options = options;
  }

  /** Writes what is collected `intervalMs` later, with all that comes until then. */
  start(intervalMs: number): void {
    this.#intervalMs = intervalMs;
    this.#flushLater();
  }

  async close(): Promise<void> {
    this.#intervalMs = undefined;
    this.#stop?.();
    await this.#flushOrLog();
  }

  /** What is collected under a key; whoever brings more adds to it. */
  get(key: string): Entry | undefined {
    return this.#entries.get(key);
  }

  set(key: string, entry: Entry): void {
    this.#entries.set(key, entry);
    this.#flushLater();
  }

  /** Writes what was collected so far. */
  flush(): Promise<void> {
    // One after the other, so that what one could not write is not written twice.
    this.#flushing = this.#flushing.catch(() => undefined).then(() => this.#write());
    return this.#flushing;
  }

  #flushLater(): void {
    if (this.#intervalMs === undefined || this.#stop !== undefined || this.#entries.size === 0) return;
    this.#stop = laterInBackground(this.#intervalMs, () => {
      this.#stop = undefined;
      return this.#flushOrLog();
    });
  }

  async #flushOrLog(): Promise<void> {
    try {
      await this.flush();
    } catch (error) {
      this.#options.log.error({ err: error }, this.#options.failure);
    }
  }

  async #write(): Promise<void> {
    const entries = this.#entries;
    if (entries.size === 0) return;
    this.#entries = new Map();
    try {
      await this.#options.write(entries);
    } catch (error) {
      this.#takeBack(entries);
      throw error;
    }
  }

  #takeBack(entries: ReadonlyMap<string, Entry>): void {
    for (const [key, entry] of entries) {
      const newer = this.#entries.get(key);
      if (newer === undefined) this.#entries.set(key, entry);
      else this.#options.merge(newer, entry);
    }
    this.#flushLater();
  }
}
