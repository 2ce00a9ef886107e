import { Repeater } from '@repeaterjs/repeater';
import type { Reader } from '../../database/reader.ts';
import { RequestError } from '../../graph/errors.ts';
import type { Event, EventBus } from '../../live/event-bus.ts';
import { type AuditEntryRow, auditEntries } from './entity.ts';

/** The topic on which new entries are announced. */
export const entryTopic = 'AuditEntry.added';

/** Entries that may wait for a slow reader before it is told to read the log instead. */
const waitingMax = 1_000;

interface Subscriber {
  deliver(entry: AuditEntryRow): void;
  fail(error: unknown): void;
}

/**
 * Follows the log for any number of subscribers: however many there are, each new entry is read once. Entries that are
 * announced while others are being read are read together.
 */
export class AuditTail {
  readonly #reader: Reader;
  readonly #events: Pick<EventBus, 'on'>;
  readonly #subscribers = new Set<Subscriber>();
  #stopListening: (() => void) | undefined;
  #announced: string[] = [];
  #reading = false;

  constructor(reader: Reader, events: Pick<EventBus, 'on'>) {
    this.#reader = reader;
    this.#events = events;
  }

  /**
   * The entries that `wants` accepts, from now on. A reader that is a thousand entries behind gets the error
   * SUBSCRIBER_TOO_SLOW: none is left out silently.
   */
  follow(wants: (entry: AuditEntryRow) => boolean): AsyncIterable<AuditEntryRow> {
    return new Repeater<AuditEntryRow>(async (push, stop) => {
      let waiting = 0;
      const subscriber: Subscriber = {
        deliver: (entry) => {
          if (!wants(entry)) return;
          if (waiting >= waitingMax) return stop(tooSlow());
          waiting += 1;
          // Settles when the reader asks for more, or has gone.
          Promise.resolve(push(entry)).then(
            () => (waiting -= 1),
            () => undefined,
          );
        },
        fail: stop,
      };
      this.#add(subscriber);
      await stop;
      this.#remove(subscriber);
    });
  }

  #add(subscriber: Subscriber): void {
    this.#subscribers.add(subscriber);
    this.#stopListening ??= this.#events.on(entryTopic, (event) => void this.#read(event));
  }

  #remove(subscriber: Subscriber): void {
    this.#subscribers.delete(subscriber);
    if (this.#subscribers.size > 0) return;
    this.#stopListening?.();
    this.#stopListening = undefined;
  }

  async #read({ payload }: Event): Promise<void> {
    this.#announced.push(String(payload.id));
    if (this.#reading) return;
    this.#reading = true;
    try {
      while (this.#announced.length > 0) {
        const ids = this.#announced;
        this.#announced = [];
        const found = await this.#reader.byIds(auditEntries, ids);
        for (const id of ids) {
          const entry = found.get(id);
          if (entry !== undefined) for (const subscriber of this.#subscribers) subscriber.deliver(entry);
        }
      }
    } catch (error) {
      // Entries were missed, and whoever follows the log has to know.
      for (const subscriber of this.#subscribers) subscriber.fail(error);
    } finally {
      this.#reading = false;
    }
  }
}

const tooSlow = (): RequestError =>
  new RequestError(
    'SUBSCRIBER_TOO_SLOW',
    `More than ${waitingMax} entries wait to be sent. Read them with auditLog, then subscribe again.`,
  );
