import pg from 'pg';
import type { Logger } from 'pino';
import { z } from 'zod';
import type { Database } from '../database/database.ts';
import { outboxChannel } from './outbox.ts';

/**
 * An event as every process receives it, in the order in which the transactions committed. Those that were announced
 * while the connection was lost come in the order in which their transactions began.
 */
export interface Event {
  readonly id: string;
  readonly topic: string;
  readonly tenantId: string | null;
  readonly payload: Readonly<Record<string, unknown>>;
}

type Listener = (event: Event) => void;

const eventSchema = z.object({
  id: z.uuid(),
  topic: z.string(),
  tenantId: z.string().nullable(),
  payload: z.record(z.string(), z.unknown()),
});

/** Events this old are read again after a lost connection: longer than any transaction is open. */
const overlapMs = 60_000;
const connectTimeoutMs = 10_000;
const reconnectAfterMs = [100, 250, 500, 1_000, 2_000, 5_000] as const;

/**
 * Hears what any process of the deployment announces. One connection listens; when it breaks, it is made again and the
 * events that were announced meanwhile are read from the outbox.
 */
export class EventBus {
  readonly #database: Database;
  readonly #log: Logger;
  readonly #listeners = new Map<string, Set<Listener>>();
  /** When the events of the last minutes were heard, by id, so that none is delivered twice. */
  readonly #seen = new Map<string, number>();
  #client: pg.Client | undefined;
  /** By a clock that is never set: what was missed is reckoned back from the database's own time. */
  #heardAt = performance.now();
  #closed = false;
  #retry: NodeJS.Timeout | undefined;

  constructor(database: Database, log: Logger) {
    this.#database = database;
    this.#log = log;
  }

  /** Starts listening. @throws when the database cannot be reached this first time */
  async start(): Promise<void> {
    await this.#connect(() => Promise.resolve([]));
  }

  /** Calls the listener with each event of the topic from now on; the returned function ends it. */
  on(topic: string, listener: Listener): () => void {
    const listeners = this.#listeners.get(topic) ?? new Set();
    this.#listeners.set(topic, listeners);
    listeners.add(listener);
    return () => {
      listeners.delete(listener);
      if (listeners.size === 0) this.#listeners.delete(topic);
    };
  }

  /** How many listeners a topic has. */
  listenerCount(topic: string): number {
    return this.#listeners.get(topic)?.size ?? 0;
  }

  async close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#retry);
    await this.#client?.end();
  }

  /**
   * Makes the connection and delivers what was missed before anything that it announces. A connection that breaks after
   * this is made again; one that breaks within is the caller's to repeat.
   */
  async #connect(readMissed: () => Promise<readonly Event[]>): Promise<void> {
    const client = new pg.Client({
      connectionString: this.#database.url,
      application_name: 'fairlead events',
      connectionTimeoutMillis: connectTimeoutMs,
      // A peer that vanished without a word is noticed, and not waited for.
      keepAlive: true,
    });
    this.#client = client;
    const connection = { listens: false, isLost: false };
    const announced: string[] = [];
    client.on('error', (error) => this.#log.warn({ err: error }, 'the connection for events broke'));
    client.on('end', () => {
      connection.isLost = true;
      if (connection.listens) this.#reconnect(0);
    });
    client.on('notification', ({ payload = '' }) => {
      if (connection.listens) this.#receive(payload);
      else announced.push(payload);
    });
    try {
      await client.connect();
      await client.query(`LISTEN ${outboxChannel}`);
      for (const event of await readMissed()) this.#deliver(event);
      if (connection.isLost) throw new Error('The connection broke while missed events were read.');
      for (const payload of announced) this.#receive(payload);
      connection.listens = true;
    } catch (error) {
      client.end().catch(() => undefined);
      throw error;
    }
  }

  #reconnect(attempt: number): void {
    if (this.#closed) return;
    const delayMs = reconnectAfterMs[Math.min(attempt, reconnectAfterMs.length - 1)];
    this.#retry = setTimeout(async () => {
      try {
        await this.#connect(() => this.#missed());
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
    for (const [id, heardAt] of this.#seen) {
      if (heardAt > now - 2 * overlapMs) break;
      this.#seen.delete(id);
    }
    for (const listener of this.#listeners.get(event.topic) ?? []) {
      try {
        listener(event);
      } catch (error) {
        this.#log.error({ err: error, topic: event.topic }, 'a listener failed');
      }
    }
  }
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
