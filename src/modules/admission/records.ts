import type { Logger } from 'pino';
import type { Database } from '../../database/database.ts';
import { Prisma } from '../../database/generated/client.ts';
import { type UsageRecordRow, usageRecords } from '../usage/entity.ts';
import type { Settled } from './batch.ts';
import { PassingMap } from './passing-map.ts';
import type { LateFigures } from './rows.ts';
import type { AdmissionStore } from './store.ts';

interface Parts {
  readonly store: Pick<AdmissionStore, 'settle' | 'release' | 'correct'>;
  readonly database: Database;
  readonly log: Logger;
}

interface Pending {
  readonly record: UsageRecordRow;
  writing: Promise<Settled> | undefined;
}

const { sql } = Prisma;

const retryAfterMs = 250;

/** What is kept of leases that have ended: what could not be written waits, and is tried again until it is. */
export class Records {
  readonly #parts: Parts;
  readonly #pending = new PassingMap<Pending>();
  /** Of leases that used nothing, those whose rows are still to be removed. */
  readonly #releases = new Map<string, Promise<void> | undefined>();
  #retrying: NodeJS.Timeout | undefined;
  #isClosed = false;

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  /**
   * Writes the record of a lease that has ended, once.
   *
   * @throws {NotWrittenError} when it is not known whether it was written; it is tried again by itself
   */
  add(record: UsageRecordRow): Promise<Settled> {
    const pending: Pending = { record, writing: undefined };
    this.#pending.set(record.id, pending);
    return this.#write(pending);
  }

  /**
   * Removes what is kept of a lease that used nothing.
   *
   * @throws {NotWrittenError} when it is not known whether it was removed; it is tried again by itself
   */
  release(leaseId: string): Promise<void> {
    const removing = this.#parts.store.release(leaseId);
    this.#releases.set(leaseId, removing);
    removing.then(
      () => this.#releases.delete(leaseId),
      () => {
        this.#releases.set(leaseId, undefined);
        this.#retryLater();
      },
    );
    return removing;
  }

  /** Fulfilled when nothing is kept of a lease that was released. @throws {NotWrittenError} as `release` */
  async released(leaseId: string): Promise<void> {
    if (this.#releases.has(leaseId)) await (this.#releases.get(leaseId) ?? this.release(leaseId));
  }

  /** The record of this id, which may be on its way. @throws {NotWrittenError} when that could not be written */
  async find(id: string): Promise<UsageRecordRow | undefined> {
    const pending = this.#pending.get(id);
    if (pending !== undefined) return (await (pending.writing ?? this.#write(pending))).record;
    return this.#parts.database.reader.find(usageRecords, [sql`t.id = ${id}::uuid`]);
  }

  correct(figures: LateFigures): Promise<Settled | undefined> {
    return this.#parts.store.correct(figures);
  }

  /** Tries nothing again from now on. */
  close(): void {
    this.#isClosed = true;
    clearTimeout(this.#retrying);
  }

  /** Tries again what could not be written. */
  retry(): void {
    for (const pending of this.#pending.values()) {
      if (pending.writing === undefined) {
        this.#write(pending).catch((error: unknown) => {
          this.#parts.log.warn({ err: error }, 'the usage of a request could not be written yet');
        });
      }
    }
    for (const [leaseId, removing] of this.#releases) {
      if (removing === undefined) this.releaseUnasked(leaseId);
    }
  }

  /** Has it removed whether or not anybody waits for it. */
  releaseUnasked(leaseId: string): void {
    this.release(leaseId).catch((error: unknown) => {
      this.#parts.log.warn({ err: error }, 'a lease that was given back could not be removed yet');
    });
  }

  #retryLater(): void {
    if (this.#isClosed) return;
    this.#retrying ??= setTimeout(() => {
      this.#retrying = undefined;
      this.retry();
    }, retryAfterMs).unref();
  }

  #write(pending: Pending): Promise<Settled> {
    const { record } = pending;
    const writing = this.#parts.store.settle(record);
    pending.writing = writing;
    writing.then(
      () => this.#pending.delete(record.id),
      () => {
        pending.writing = undefined;
        this.#retryLater();
      },
    );
    return writing;
  }
}
