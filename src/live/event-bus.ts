import type { Logger } from 'pino';
import { z } from 'zod';
import { inBackground } from '../database/background.ts';
import type { Announcement, Database } from '../database/database.ts';
import { Listeners } from './listeners.ts';
import { defaultHeartbeat, type Heartbeat, ListeningConnection } from './listening-connection.ts';
import { outboxChannel } from './outbox.ts';

/** What a committed transaction announced, as every process receives it. */
export type Event = Announcement;

const eventSchema = z.object({
  id: z.uuid(),
  topic: z.string(),
  tenantId: z.string().nullable(),
  payload: z.record(z.string(), z.unknown()),
});

/** Events this old are read again after a lost connection: longer than any transaction is open. */
const overlapMs = 60_000;
const reconnectAfterMs = [100, 250, 500, 1_000, 2_000, 5_000] as const;

/**
 * Hears what any process of the deployment announces. One connection listens; when it breaks, it is made again and the
 * events that were announced meanwhile are read from the outbox.
 */
export class EventBus {
  readonly #database: Database;
  readonly #log: Logger;
  readonly #heartbeat: Heartbeat;
  readonly #inOrder = new Listeners<Event>();
  readonly #atOnce = new Listeners<Event>();
  readonly #connectionListeners = new Listeners<{ readonly topic: string }>();
  /** When the events of the last minutes were heard, by id, so that none is delivered twice. */
  readonly #seen = new Map<string, number>();
  /** When those were delivered ahead of their notification that were not heard yet. */
  readonly #deliveredAhead = new Map<string, number>();
  readonly #stopDeliveringAhead: () => void;
  #connection: ListeningConnection | undefined;
  /** Whether all that was announced before was delivered, so that events are delivered as they come. */
  #isUpToDate = false;
  /** By a clock that is never set: what was missed is reckoned back from the database's own time. */
  #heardAt = performance.now();
  #closed = false;
  #retry: NodeJS.Timeout | undefined;

  constructor(database: Database, log: Logger, heartbeat: Heartbeat = defaultHeartbeat) {
    this.#database = database;
    this.#log = log;
    this.#heartbeat = heartbeat;
    this.#stopDeliveringAhead = database.onCommitted((announced) => this.deliverAhead(announced));
  }

  /** Starts listening. @throws when the database cannot be reached this first time */
  async start(): Promise<void> {
    await this.#connect(() => Promise.resolve([]));
  }

  /**
   * Calls the listener with each event of the topic from now on, in the order in which the transactions committed;
   * those that were announced while the connection was lost come in the order in which their transactions began. The
   * returned function ends it.
   */
  on(topic: string, listener: (event: Event) => void): () => void {
    return this.#inOrder.add(topic, listener);
  }

  /**
   * Like `on`, for whoever has to know soonest and does not need the order: an event of this very process comes before
   * the command that made it is answered.
   */
  onAtOnce(topic: string, listener: (event: Event) => void): () => void {
    return this.#atOnce.add(topic, listener);
  }

  /** Calls the listener when events may be missed from now on, until `onRestored`. */
  onLost(listener: () => void): () => void {
    return this.#connectionListeners.add('lost', listener);
  }

  /** Calls the listener when everything that was missed has been delivered. */
  onRestored(listener: () => void): () => void {
    return this.#connectionListeners.add('restored', listener);
  }

  /**
   * Whether whatever was committed until about two seconds ago was delivered: the connection answers, and nothing that
   * was missed is left.
   */
  get isAlive(): boolean {
    return this.#isUpToDate && this.#connection?.isAlive === true;
  }

  /**
   * Fulfilled when everything was delivered whose commit was answered before, or this bus is known not to be alive: the
   * server says what it has to announce before it answers.
   */
  async caughtUp(): Promise<void> {
    try {
      await this.#connection?.beat();
    } catch {
      // The end of the connection says it.
    }
  }

  /** How many listeners a topic has. */
  listenerCount(topic: string): number {
    return this.#inOrder.count(topic) + this.#atOnce.count(topic);
  }

  /**
   * Tells those who have to know at once what was committed, ahead of the notification: by this process, or by one that
   * says so itself.
   */
  deliverAhead(events: readonly Event[]): void {
    const now = performance.now();
    for (const event of events) {
      if (this.#seen.has(event.id) || this.#deliveredAhead.has(event.id)) continue;
      this.#deliveredAhead.set(event.id, now);
      this.#tell(this.#atOnce, event);
    }
    forget(this.#deliveredAhead, now);
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#stopDeliveringAhead();
    clearTimeout(this.#retry);
    await this.#connection?.close();
  }

  /**
   * Makes the connection and delivers what was missed before anything that it announces. A connection that breaks after
   * this is made again; one that breaks within is the caller's to repeat.
   */
  async #connect(readMissed: () => Promise<readonly Event[]>): Promise<void> {
    const announced: string[] = [];
    const connection = new ListeningConnection({
      url: this.#database.url,
      channel: outboxChannel,
      heartbeat: this.#heartbeat,
      log: this.#log,
      onNotification: (payload) => {
        if (this.#isUpToDate) this.#receive(payload);
        else announced.push(payload);
      },
      onEnd: () => {
        // One that ends before it was of use is repeated by whoever wanted it.
        if (!this.#isUpToDate || this.#connection !== connection) return;
        this.#isUpToDate = false;
        this.#tell(this.#connectionListeners, { topic: 'lost' });
        this.#reconnect(0);
      },
    });
    this.#connection = connection;
    try {
      await connection.open();
      for (const event of await Promise.race([readMissed(), connection.end])) this.#deliver(event);
      for (const payload of announced) this.#receive(payload);
      this.#isUpToDate = true;
      this.#tell(this.#connectionListeners, { topic: 'restored' });
    } catch (error) {
      connection.close().catch(() => undefined);
      throw error;
    }
  }

  #reconnect(attempt: number): void {
    if (this.#closed) return;
    const delayMs = reconnectAfterMs[Math.min(attempt, reconnectAfterMs.length - 1)];
    this.#retry = setTimeout(async () => {
      try {
        await this.#connect(() => inBackground(() => this.#missed()));
      } catch (error) {
        if (this.#closed) return;
        this.#log.warn({ err: error }, 'cannot listen for events yet');
        this.#reconnect(attempt + 1);
      }
    }, delayMs);
  }

  /** What was announced since the last event that was heard. */
  async #missed(): Promise<readonly Event[]> {
    const sinceMs = performance.now() - this.#heardAt + overlapMs;
    const rows = await this.#database.prisma.$queryRaw<object[]>`
      SELECT id, topic, tenant_id AS "tenantId", payload FROM outbox_event
      WHERE occurred_at >= now() - ${sinceMs}::float8 * interval '1 millisecond'
      ORDER BY occurred_at, id
    `;
    // Told apart before the first is delivered, which is when those of long ago are forgotten.
    return rows.flatMap((row) => this.#read(row) ?? []).filter(({ id }) => !this.#seen.has(id));
  }

  #receive(payload: string): void {
    const event = this.#read(parsed(payload));
    if (event !== undefined) this.#deliver(event);
  }

  /** Whoever can connect to the database can announce anything; what is no event is left alone. */
  #read(value: unknown): Event | undefined {
    const event = eventSchema.safeParse(value);
    if (!event.success) this.#log.warn({ err: event.error }, 'an announcement is no event of ours');
    return event.data;
  }

  #deliver(event: Event): void {
    const now = performance.now();
    this.#heardAt = now;
    if (this.#seen.has(event.id)) return;
    this.#seen.set(event.id, now);
    forget(this.#seen, now);
    if (!this.#deliveredAhead.delete(event.id)) this.#tell(this.#atOnce, event);
    this.#tell(this.#inOrder, event);
  }

  #tell<Told extends { readonly topic: string }>(listeners: Listeners<Told>, event: Told): void {
    listeners.tell(event, (error) => this.#log.error({ err: error, topic: event.topic }, 'a listener failed'));
  }
}

/** Forgets the events of long ago. The map has them in the order in which they were added. */
function forget(events: Map<string, number>, now: number): void {
  for (const [id, at] of events) {
    if (at > now - 2 * overlapMs) break;
    events.delete(id);
  }
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
