import type { Logger } from 'pino';
import type { RejectionReason } from '../../access/credentials.ts';
import { repeatInBackground } from '../../database/background.ts';
import type { Database } from '../../database/database.ts';
import { WriteBehind } from '../../database/write-behind.ts';
import type { AuditRecorder } from '../../graph/audit.ts';
import type { Clock } from '../../graph/context.ts';
import type { RequestInfo } from '../../graph/request-info.ts';

/** Addresses that a process tells apart within a minute; the attempts of further ones are counted under one name. */
const addressesMax = 1_000;
const otherAddresses = 'other addresses';
/** Longer ones are none, and are not worth a row that an index cannot hold. */
const addressLengthMax = 64;
const userAgentLengthMax = 512;
const minuteMs = 60_000;

/** How long after the end of a minute its count is taken for complete: other processes flush theirs meanwhile. */
const sealAfterMs = 10_000;

/** Counts that one transaction moves to the audit log, whose end it holds meanwhile. */
const sealBatchSize = 100;

interface Rejection {
  readonly minute: Date;
  readonly ipAddress: string;
  readonly reason: RejectionReason;
  readonly requestId: string;
  readonly userAgent: string | null;
  attempts: number;
}

/**
 * Counts attempts without a valid credential by address, reason and minute. A flood costs one row of the audit log a
 * minute for each address and reason, and one write a second to the database.
 */
export class RejectionLog {
  readonly #database: Database;
  readonly #audit: AuditRecorder;
  readonly #clock: Clock;
  readonly #log: Logger;
  readonly #counts: WriteBehind<Rejection>;
  #addresses = { minuteMs: 0, known: new Set<string>() };
  #stopSealing: (() => void) | undefined;
  /** The last minute that was looked for to be moved: no row of it can come any more. */
  #sealedMinute = Number.NEGATIVE_INFINITY;

  constructor(parts: { database: Database; audit: AuditRecorder; clock: Clock; log: Logger }) {
    this.#database = parts.database;
    this.#audit = parts.audit;
    this.#clock = parts.clock;
    this.#log = parts.log;
    this.#counts = new WriteBehind({
      write: (counts) => this.#add([...counts.values()]),
      merge: (newer, unwritten) => {
        newer.attempts += unwritten.attempts;
      },
      log: parts.log,
      failure: 'rejected attempts could not be counted',
    });
  }

  /** Writes what is counted within `intervalMs`, and moves minutes that are over to the audit log. */
  start(intervalMs: number): void {
    this.#counts.start(intervalMs);
    this.#stopSealing = repeatInBackground(sealAfterMs, () => this.#sealOrLog());
  }

  /** Writes what was counted since. What cannot be written now is lost with the process. */
  async close(): Promise<void> {
    this.#stopSealing?.();
    await this.#counts.close();
  }

  note(reason: RejectionReason, { id, ipAddress, userAgent }: RequestInfo): void {
    const now = this.#clock.now().getTime();
    const minute = new Date(now - (now % minuteMs));
    const address = this.#told(ipAddress?.slice(0, addressLengthMax) ?? 'unknown', minute);
    const key = keyOf({ minute, reason, ipAddress: address });
    const known = this.#counts.get(key);
    if (known !== undefined) {
      known.attempts += 1;
      return;
    }
    this.#counts.set(key, {
      minute,
      ipAddress: address,
      reason,
      requestId: id,
      userAgent: userAgent?.slice(0, userAgentLengthMax) ?? null,
      attempts: 1,
    });
  }

  /** The address, or the name for all those that are too many in this minute. */
  #told(address: string, minute: Date): string {
    if (this.#addresses.minuteMs !== minute.getTime()) {
      this.#addresses = { minuteMs: minute.getTime(), known: new Set() };
    }
    const { known } = this.#addresses;
    if (known.size < addressesMax) known.add(address);
    return known.has(address) ? address : otherAddresses;
  }

  /** Adds what was counted to what all processes counted, and moves minutes that are over to the audit log. */
  async flush(): Promise<void> {
    await this.#counts.flush();
    await this.#sealOver();
  }

  async #sealOrLog(): Promise<void> {
    try {
      await this.#sealOver();
    } catch (error) {
      this.#log.error({ err: error }, 'rejected attempts could not be moved to the audit log');
    }
  }

  /** Asks the database once for each minute: a server that nobody tries is to have nothing to do. */
  async #sealOver(): Promise<void> {
    const minute = this.#newestToSeal();
    if (minute === this.#sealedMinute) return;
    while (await this.#seal(minute));
    this.#sealedMinute = minute;
  }

  async #add(counts: readonly Rejection[]): Promise<void> {
    const rows = JSON.stringify(
      counts.map(({ minute, ipAddress, reason, attempts, requestId, userAgent }) => ({
        minute,
        ip_address: ipAddress,
        reason,
        attempts,
        request_id: requestId,
        user_agent: userAgent,
      })),
    );
    await this.#database.prisma.$executeRaw`
      INSERT INTO rejected_attempt AS known (minute, ip_address, reason, attempts, request_id, user_agent)
      SELECT minute, ip_address, reason, attempts, request_id, user_agent
      FROM jsonb_to_recordset(${rows}::jsonb) AS counted (
        minute timestamptz, ip_address text, reason text, attempts int, request_id text, user_agent text
      )
      ON CONFLICT (minute, ip_address, reason) DO UPDATE SET attempts = known.attempts + excluded.attempts
    `;
  }

  /** The last minute whose counts are complete. */
  #newestToSeal(): number {
    const over = this.#clock.now().getTime() - minuteMs - sealAfterMs;
    return over - (over % minuteMs);
  }

  /** Moves some counts of minutes up to this one to the audit log; says whether there may be more. */
  async #seal(minute: number): Promise<boolean> {
    const over = new Date(minute).toISOString();
    return this.#database.transaction(async (transaction) => {
      // Those that another process is moving are left to it.
      const sealed = await transaction.prisma.$queryRaw<Rejection[]>`
        DELETE FROM rejected_attempt WHERE (minute, ip_address, reason) IN (
          SELECT minute, ip_address, reason FROM rejected_attempt WHERE minute <= ${over}::timestamptz ORDER BY minute
          LIMIT ${sealBatchSize} FOR UPDATE SKIP LOCKED
        )
        RETURNING minute, ip_address AS "ipAddress", reason, attempts, request_id AS "requestId", user_agent AS "userAgent"
      `;
      for (const { minute, ipAddress, reason, attempts, requestId, userAgent } of sealed) {
        await this.#audit.record(transaction, {
          occurredAt: minute,
          actor: { kind: 'ANONYMOUS', credentialId: null, name: 'without a valid credential' },
          info: { id: requestId, ipAddress, userAgent, idempotencyKey: null },
          action: 'authenticate',
          outcome: 'DENIED',
          errorCode: reason,
          attempts,
        });
      }
      return sealed.length === sealBatchSize;
    });
  }
}

const keyOf = ({ minute, reason, ipAddress }: Pick<Rejection, 'minute' | 'reason' | 'ipAddress'>): string =>
  `${minute.getTime()} ${reason} ${ipAddress}`;
