import pg from 'pg';
import type { Logger } from 'pino';
import { z } from 'zod';
import type { Database } from '../database/database.ts';
import { outboxChannel } from './outbox.ts';

/** An event as every process receives it, in the order in which the transactions committed. */
export interface Event {
  readonly id: string;
  readonly topic: string;
  readonly tenantId: string | null;
  readonly payload: Readonly<Record<string, unknown>>;
}

type Listener = (event: Event) => void;

const eventSchema = z.object({
  id: z.string(),
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
  readonly #listeners = new Map<string, Set<Listener>>();
  /** Ids of events of the last minute, so that none is delivered twice. */
  readonly #seen = new Map<string, number>();
  #client: pg.Client | undefined;
  #heardUntil = Date.now();
  #closed = false;
  #retry: NodeJS.Timeout | undefined;

  constructor(database: Database, log: Logger) {
    this.#database = database;
    this.#log = log;
  }

  /** Starts listening. @throws when the database cannot be reached this first time */
  async start(): Promise<void> {
    await this.#listen();
  }

  /** Calls the listener with each event of the topic from now on; the returned function ends it. */
  on(topic: string, listener: Listener): () => void {
    const listeners = this.#listeners.get(topic) ?? new Set();
    this.#listeners.set(topic, listeners);
    listeners.add(listener);
    return () => listeners.delete(listener);
  }

  async close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#retry);
    await this.#client?.end();
  }

  async #listen(): Promise<void> {
    const client = new pg.Client({ connectionString: this.#database.url, application_name: 'fairlead events' });
    client.on('error', (error) => this.#log.warn({ err: error }, 'the connection for events broke'));
    client.on('end', () => this.#reconnect(0));
    client.on('notification', ({ payload }) => this.#receive(payload ?? ''));
    await client.connect();
    await client.query(`LISTEN ${outboxChannel}`);
    this.#client = client;
  }

  #reconnect(attempt: number): void {
    if (this.#closed) return;
    this.#client = undefined;
    const delayMs = reconnectAfterMs[Math.min(attempt, reconnectAfterMs.length - 1)];
    this.#retry = setTimeout(async () => {
      try {
        const since = new Date(this.#heardUntil - overlapMs);
        await this.#listen();
        await this.#catchUp(since);
      } catch (error) {
        this.#log.warn({ err: error }, 'cannot listen for events yet');
        this.#reconnect(attempt + 1);
      }
    }, delayMs);
  }

  async #catchUp(since: Date): Promise<void> {
    const missed = await this.#database.prisma.outboxEvent.findMany({
      where: { occurredAt: { gte: since } },
      orderBy: [{ occurredAt: 'asc' }, { id: 'asc' }],
    });
    for (const { id, topic, tenantId, payload } of missed) {
      this.#deliver(eventSchema.parse({ id, topic, tenantId, payload }));
    }
  }

  #receive(payload: string): void {
    const event = eventSchema.safeParse(JSON.parse(payload));
    if (event.success) this.#deliver(event.data);
    else this.#log.error({ err: event.error }, 'an event could not be read');
  }

  #deliver(event: Event): void {
    const now = Date.now();
    this.#heardUntil = now;
    if (this.#seen.has(event.id)) return;
    this.#seen.set(event.id, now);
    for (const [id, heardAt] of this.#seen) {
      if (heardAt > now - 2 * overlapMs) break;
      this.#seen.delete(id);
    }
    for (const listener of this.#listeners.get(event.topic) ?? []) listener(event);
  }
}
