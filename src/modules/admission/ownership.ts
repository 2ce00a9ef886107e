import pg from 'pg';
import type { Logger } from 'pino';

interface OwnershipParts {
  readonly url: string;
  readonly log: Logger;
  /** Called when this process has become the one; it is asked again when that fails. */
  readonly onGained: () => Promise<void>;
  /** Called when it is not any more. */
  readonly onLost: () => void;
}

/** Names the lock, in the database of the deployment. */
const lockKey = 7_262_023_001;
const tryEveryMs = 250;
const connectTimeoutMs = 5_000;

/**
 * Has one process of the deployment at a time: the one that holds a lock of Postgres, which ends with its connection.
 * Another process gets it as soon as Postgres knows of the end.
 */
export class Ownership {
  readonly #parts: OwnershipParts;
  #client: pg.Client | undefined;
  #isOwner = false;
  #isClosed = false;
  #timer: NodeJS.Timeout | undefined;
  #trying: Promise<void> = Promise.resolve();

  constructor(parts: OwnershipParts) {
    this.#parts = parts;
  }

  /** Tries once, and goes on by itself. */
  async start(): Promise<void> {
    this.#trying = this.#try();
    await this.#trying;
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    clearTimeout(this.#timer);
    await this.#trying;
    const client = this.#client;
    this.#client = undefined;
    this.#isOwner = false;
    await client?.end().catch(() => undefined);
  }

  async #try(): Promise<void> {
    const { log, onGained } = this.#parts;
    try {
      const client = this.#client ?? (await this.#connect());
      const { rows } = await client.query<{ held: boolean }>('SELECT pg_try_advisory_lock($1) AS held', [lockKey]);
      if (rows[0]?.held === true) {
        this.#isOwner = true;
        await onGained();
        return;
      }
    } catch (error) {
      log.warn({ err: error }, 'this process cannot take over admission yet; it is tried again');
      // The lock goes with the connection.
      this.#giveUp();
    }
    this.#tryLater();
  }

  async #connect(): Promise<pg.Client> {
    const client = new pg.Client({
      connectionString: this.#parts.url,
      application_name: 'fairlead ownership',
      connectionTimeoutMillis: connectTimeoutMs,
      keepAlive: true,
    });
    client.on('error', (error) => this.#parts.log.warn({ err: error }, 'the connection that owns admission broke'));
    client.on('end', () => {
      if (this.#client === client && !this.#isClosed) this.#giveUp(true);
    });
    await client.connect();
    this.#client = client;
    return client;
  }

  #giveUp(again = false): void {
    const client = this.#client;
    this.#client = undefined;
    client?.end().catch(() => undefined);
    if (this.#isOwner) {
      this.#isOwner = false;
      this.#parts.onLost();
    }
    if (again) this.#tryLater();
  }

  #tryLater(): void {
    if (this.#isClosed) return;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      this.#trying = this.#try();
    }, tryEveryMs).unref();
  }
}
