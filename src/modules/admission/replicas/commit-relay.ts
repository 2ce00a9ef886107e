import { setTimeout } from 'node:timers/promises';
import { LRUCache } from 'lru-cache';
import type { Logger } from 'pino';
import type { Announcement, Database } from '../../../database/database.ts';
import { UnreachableError } from './owner-connection.ts';

interface Parts {
  readonly commits: Pick<Database, 'onCommitted'>;
  /** Whether another process decides, and is reached. */
  readonly isReached: () => boolean;
  /** Fulfilled when the one that decides knows of it. */
  readonly tell: (announced: readonly Announcement[]) => Promise<void>;
  readonly log: Logger;
}

/** A command is answered after this time, also when the one that decides has not said that it knows of it. */
const waitMaxMs = 500;

/** After this long the one that decides has heard of it from Postgres, or knows that it hears nothing. */
const untoldForMs = 60_000;
const untoldMax = 10_000;

/**
 * Tells the process that decides what this one has committed, before the command is answered: whoever goes on from the
 * answer, wherever, finds it decided by what they have set. Postgres announces it as well, at a time of its own. Ids and
 * times of events say nothing of the order of commits, so that the events are told themselves, and not how far they are.
 */
export class CommitRelay {
  readonly #parts: Parts;
  readonly #untold = new LRUCache<string, Announcement>({ max: untoldMax, ttl: untoldForMs });
  readonly #stopListening: () => void;

  constructor(parts: Parts) {
    this.#parts = parts;
    this.#stopListening = parts.commits.onCommitted((announced) => this.#committed(announced));
  }

  /** To be called when another one that decides is reached, before anything else is asked of it. */
  resume(): void {
    void this.#tell([...this.#untold.rvalues()].filter((event) => event !== undefined));
  }

  close(): void {
    this.#stopListening();
  }

  async #committed(announced: readonly Announcement[]): Promise<void> {
    for (const event of announced) this.#untold.set(event.id, event);
    if (!this.#parts.isReached()) return;
    const waiting = new AbortController();
    await Promise.race([
      this.#tell(announced),
      setTimeout(waitMaxMs, undefined, { signal: waiting.signal }).catch(() => undefined),
    ]);
    waiting.abort();
  }

  async #tell(announced: readonly Announcement[]): Promise<void> {
    if (announced.length === 0) return;
    const { log, tell } = this.#parts;
    try {
      await tell(announced);
      for (const { id } of announced) this.#untold.delete(id);
    } catch (error) {
      if (!(error instanceof UnreachableError))
        log.warn({ err: error }, 'the server that decides was not told of changes');
    }
  }
}
