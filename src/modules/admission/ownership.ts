import pg from 'pg';
import type { Logger } from 'pino';
import { codeOf } from '../../database/pipelined-connection.ts';
import { outboxChannel } from '../../live/outbox.ts';

interface OwnershipParts {
  readonly url: string;
  readonly instanceId: string;
  readonly log: Logger;
  /** Called when this process has become the one, in an epoch of its own; it is asked again when that fails. */
  readonly onGained: (epoch: number) => Promise<void>;
  /** Called when it is not any more. */
  readonly onLost: () => void;
}

/** Announced when another process decides, or is reached elsewhere. */
export const ownerChanged = 'AdmissionOwner.changed';

/** Names the lock, in the database of the deployment. */
const lockKey = 7_262_023_001;
/** Held while something is written for an epoch; see the migration that makes the functions. */
const writersLockKey = 7_262_023_002;
const tryEveryMs = 250;
const connectTimeoutMs = 5_000;

/** What earlier epochs have under way is over by itself within this time, unless its machine was lost. */
const writersEndWithinMs = 3_000;

/** Postgres is to know soon when the machine of this process is lost, since the lock is held until then. */
const settings = {
  TimeZone: 'UTC',
  lock_timeout: writersEndWithinMs,
  tcp_keepalives_idle: 5,
  tcp_keepalives_interval: 2,
  tcp_keepalives_count: 3,
};

const lockNotAvailable = '55P03';

/** Not through the outbox: whoever missed it reads the row. */
const announceSql = `
  SELECT pg_notify('${outboxChannel}', json_build_object('id', gen_random_uuid(), 'topic', '${ownerChanged}', 'tenantId', NULL,
    'payload', json_build_object('epoch', epoch, 'instanceId', instance_id, 'address', address))::text)
  FROM admission_owner`;

/**
 * Has one process of the deployment at a time: the one that holds a lock of Postgres, which ends with its connection.
 * Another process gets it as soon as Postgres knows of the end, and begins an epoch: whatever the one before still
 * writes is refused from then on, also when that one does not know yet.
 */
export class Ownership {
  readonly #parts: OwnershipParts;
  #client: pg.Client | undefined;
  #epoch: number | undefined;
  #address: string | null = null;
  #isClosed = false;
  #timer: NodeJS.Timeout | undefined;
  #trying: Promise<void> | undefined;

  constructor(parts: OwnershipParts) {
    this.#parts = parts;
  }

  /** Tries once, and goes on by itself. */
  start(): Promise<void> {
    return this.tryNow();
  }

  /** To be called when the other one may be gone. */
  tryNow(): Promise<void> {
    if (this.#isClosed || this.#epoch !== undefined) return Promise.resolve();
    clearTimeout(this.#timer);
    this.#trying ??= this.#try().finally(() => {
      this.#trying = undefined;
    });
    return this.#trying;
  }

  /** Says where the others reach this process when it decides. */
  async publish(address: string): Promise<void> {
    this.#address = address;
    const [client, epoch] = [this.#client, this.#epoch];
    if (client === undefined || epoch === undefined) return;
    await client.query('UPDATE admission_owner SET address = $1 WHERE epoch = $2', [address, epoch]);
    await client.query(announceSql);
  }

  /** Is not the one any more, since another one is; it tries again. */
  giveUp(): void {
    this.#end(true);
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    clearTimeout(this.#timer);
    await this.#trying;
    const client = this.#client;
    this.#client = undefined;
    const wasOwner = this.#epoch !== undefined;
    this.#epoch = undefined;
    if (client === undefined) return;
    try {
      // The others need not wait until they try again by themselves.
      if (wasOwner) await client.query(`SELECT pg_advisory_unlock(${lockKey}); ${announceSql}`);
    } catch {
      // The lock goes with the connection.
    }
    await client.end().catch(() => undefined);
  }

  async #try(): Promise<void> {
    const { log, onGained } = this.#parts;
    try {
      const client = this.#client ?? (await this.#connect());
      const { rows } = await client.query<{ held: boolean }>('SELECT pg_try_advisory_lock($1) AS held', [lockKey]);
      if (rows[0]?.held === true) {
        const epoch = await this.#begin(client);
        // The connection may have ended meanwhile.
        if (this.#client === client) {
          this.#epoch = epoch;
          await onGained(epoch);
          return;
        }
      }
    } catch (error) {
      if (!this.#isClosed) log.warn({ err: error }, 'this process cannot take over admission yet; it is tried again');
      // The lock goes with the connection.
      this.#end();
    }
    this.#tryLater();
  }

  async #connect(): Promise<pg.Client> {
    const client = new pg.Client({
      connectionString: this.#parts.url,
      application_name: 'fairlead ownership',
      connectionTimeoutMillis: connectTimeoutMs,
      keepAlive: true,
      options: Object.entries(settings)
        .map(([name, value]) => `-c ${name}=${value}`)
        .join(' '),
    });
    client.on('error', (error) => this.#parts.log.warn({ err: error }, 'the connection that owns admission broke'));
    client.on('end', () => {
      if (this.#client === client && !this.#isClosed) this.#end(true);
    });
    await client.connect();
    this.#client = client;
    return client;
  }

  /** Begins an epoch once nothing of an earlier one is under way. */
  async #begin(client: pg.Client): Promise<number> {
    const values = [this.#parts.instanceId, this.#address];
    const begin = async (): Promise<number> => {
      const text = 'SELECT begin_admission_epoch($1, $2)::float8 AS epoch';
      const { rows } = await client.query<{ epoch: number }>(text, values);
      const [begun] = rows;
      if (begun === undefined) throw new Error('An epoch has no row.');
      await client.query(announceSql);
      return begun.epoch;
    };
    try {
      return await begin();
    } catch (error) {
      if (codeOf(error) !== lockNotAvailable) throw error;
    }
    await client.query(
      `SELECT pg_terminate_backend(pid) FROM pg_locks
       WHERE locktype = 'advisory' AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
         AND (classid::bigint << 32 | objid::bigint) = $1 AND pid <> pg_backend_pid()`,
      [writersLockKey],
    );
    return begin();
  }

  #end(again = false): void {
    const client = this.#client;
    this.#client = undefined;
    client?.end().catch(() => undefined);
    if (this.#epoch !== undefined) {
      this.#epoch = undefined;
      this.#parts.onLost();
    }
    if (again) this.#tryLater();
  }

  #tryLater(): void {
    if (this.#isClosed) return;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => void this.tryNow(), tryEveryMs).unref();
  }
}
