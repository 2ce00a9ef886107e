import type { Logger } from 'pino';
import type { Database } from '../../database/database.ts';
import type { Layer, LayerStack } from '../limits/ledger/layers.ts';
import type { Ledger, UnknownUse } from '../limits/ledger/ledger.ts';
import { withoutOwner } from './counted-owners.ts';
import { usedSince } from './recount.ts';
import type { AdmissionStore } from './store.ts';

interface Parts {
  readonly ledger: Ledger;
  readonly store: Pick<AdmissionStore, 'count'>;
  readonly database: Database;
  readonly log: Logger;
}

/** In so many parts everything is written that has changed. */
const partsOfRound = 10;

/** Whether any limit counts more than the last minute, so that what was used before it was set has to be known. */
const countsPast = ({ limits: { tokensPerDay, budget } }: Layer): boolean => tokensPerDay !== null || budget !== null;

/** Keeps the counters of limits, and asks the records for what was used before there was a counter. */
export class Counters {
  readonly #parts: Parts;
  readonly #seeding = new Map<string, Promise<void>>();
  #writing: Promise<void> | undefined;
  /** Of the round that is under way, how many parts are left, and how much each has. */
  #partsLeft = 0;
  #part = 0;

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  /** What has to be known before a request that meets these limits is decided; nothing, mostly. */
  seeds({ layers, timeZone }: LayerStack, now: number): Promise<unknown> | undefined {
    if (!layers.some(countsPast)) return undefined;
    const { ledger } = this.#parts;
    const unknown = ledger.unknown({ layers, timeZone }, now);
    if (unknown.length === 0) return undefined;
    return Promise.all(unknown.map((use) => this.#seed(use, timeZone, now)));
  }

  /** The ledger as it would be for a request that meets these limits: without a word to the one that counts. */
  foreseen(stack: LayerStack, now: number): Ledger | Promise<Ledger> {
    const { ledger } = this.#parts;
    const unknown = stack.layers.some(countsPast) ? ledger.unknown(stack, now) : [];
    return unknown.length === 0 ? ledger : this.#foreseen(stack, unknown, now);
  }

  async #foreseen(stack: LayerStack, unknown: readonly UnknownUse[], now: number): Promise<Ledger> {
    const { database } = this.#parts;
    const uses = await Promise.all(
      unknown.map(async (use) => [use, await usedSince(database, use.layer.owner, use.since)] as const),
    );
    // Only now: requests were admitted meanwhile.
    const copy = this.#parts.ledger.copyOf(stack);
    for (const [use, used] of uses) copy.seed(use, used, stack.timeZone, now);
    return copy;
  }

  /** Whether something is being written. */
  get isWriting(): boolean {
    return this.#writing !== undefined;
  }

  /** Whether all that was counted is written. */
  get isWritten(): boolean {
    return !this.isWriting && this.#parts.ledger.changedCount === 0;
  }

  /** Whether there is nothing that could be forgotten. */
  get isEmpty(): boolean {
    return this.#parts.ledger.size === 0;
  }

  /** Writes what has changed. What could not be written is written the next time. */
  async flush(): Promise<void> {
    await this.#writing;
    await this.#write(Number.POSITIVE_INFINITY);
  }

  /**
   * Writes a part of what has changed; to be called again and again. Each round writes all that had changed when it
   * began. Written at once, the counters of a few hundred keys would keep requests waiting for a hundredth of a second.
   */
  async writePart(): Promise<void> {
    if (this.isWriting) return;
    if (this.#partsLeft === 0) {
      const { changedCount } = this.#parts.ledger;
      if (changedCount === 0) return;
      this.#partsLeft = partsOfRound;
      this.#part = Math.ceil(changedCount / partsOfRound);
    }
    this.#partsLeft -= 1;
    await this.#write(this.#part);
  }

  /** Forgets counters that count for nothing any more, here and where they are kept. */
  async sweep(now: number): Promise<void> {
    // What could not be written would be forgotten before it is written again.
    if (this.isWriting) return;
    const { database, ledger } = this.#parts;
    const forgotten = ledger.sweep(now);
    if (forgotten.length === 0) return;
    // One that counts again by then has another end, whoever is first.
    await database.prisma.limitCounter.deleteMany({
      where: { key: { in: forgotten }, expiresAt: { lte: new Date(now) } },
    });
  }

  /**
   * Forgets counters without an end whose owner was deleted, here and where they are kept. Looks at a part of all, from
   * where the last call stopped. What a request of theirs that still runs makes anew is found the next time.
   */
  async forgetGone(): Promise<void> {
    const { database, ledger } = this.#parts;
    const gone = await withoutOwner(database, ledger.endless());
    if (gone.length === 0) return;
    // What is being written would be there again.
    await this.#writing;
    for (const key of gone) ledger.forget(key);
    await database.prisma.limitCounter.deleteMany({ where: { key: { in: gone } } });
  }

  #write(atMost: number): Promise<void> {
    const { ledger, store, log } = this.#parts;
    const changed = ledger.takeChanged(atMost);
    if (changed.length === 0) return Promise.resolve();
    this.#writing = store
      .count(changed)
      .catch((error: unknown) => {
        ledger.putBackChanged(changed.map(({ key }) => key));
        log.warn({ err: error }, 'counters of limits could not be written; the next turn tries again');
      })
      .finally(() => {
        this.#writing = undefined;
      });
    return this.#writing;
  }

  #seed(use: UnknownUse, timeZone: string, now: number): Promise<void> {
    const name = `${use.layer.key} ${use.counter} ${use.since}`;
    let seeding = this.#seeding.get(name);
    if (seeding === undefined) {
      const { database, ledger } = this.#parts;
      seeding = usedSince(database, use.layer.owner, use.since)
        .then((used) => ledger.seed(use, used, timeZone, now))
        .finally(() => this.#seeding.delete(name));
      this.#seeding.set(name, seeding);
    }
    return seeding;
  }
}
