import type { Logger } from 'pino';
import type { Principal } from '../../access/principal.ts';
import type { Database } from '../../database/database.ts';
import { Prisma } from '../../database/generated/client.ts';
import { WriteBehind } from '../../database/write-behind.ts';
import type { RuntimeScope } from '../../graph/commands/definition.ts';
import { InvalidStateError, NotFoundError } from '../../graph/errors.ts';
import type { EventBus } from '../../live/event-bus.ts';
import { InvalidatedCache } from '../../live/invalidated-cache.ts';
import { gateways } from './entity.ts';
import type { GatewayHeartbeat } from './input.ts';

declare module '../../graph/context.ts' {
  interface Services {
    gatewayHeartbeats: GatewayHeartbeats;
  }
}

/** How often gateways are to be heard of, and how long they may be silent. */
export interface Pace {
  readonly heartbeatSeconds: number;
  readonly silenceSeconds: number;
}

/** What is remembered of a gateway, to know whose heartbeat it is. */
interface Sender {
  readonly registeredById: string;
  readonly leftAt: Date | null;
}

/** What a gateway said last. */
interface Beat {
  at: Date;
  inFlight: number;
}

/** A heartbeat that was accepted, for whoever keeps what gateways hold. */
export interface AcceptedHeartbeat {
  readonly gatewayId: string;
  readonly at: Date;
  readonly inFlight: number;
  /** As the gateway named them. */
  readonly leaseIds: readonly string[];
}

interface Parts {
  readonly database: Database;
  readonly events: EventBus;
  readonly pace: Pace;
  readonly log: Logger;
}

const { sql } = Prisma;

const sendersMax = 10_000;

/** Whether the caller is the one that registered a gateway; nobody else speaks for it. */
export const speaksFor = (
  { credentialId }: Pick<Principal, 'credentialId'>,
  { registeredById }: Pick<Sender, 'registeredById'>,
): boolean => credentialId === registeredById;

/**
 * Hears of gateways. Hundreds of them report every few seconds, so that a report costs no statement: whose a gateway is
 * is remembered, and what they say is written together, where every process reads it.
 */
export class GatewayHeartbeats {
  readonly #database: Database;
  readonly #pace: Pace;
  readonly #senders: InvalidatedCache<Sender | undefined>;
  readonly #beats: WriteBehind<Beat>;
  readonly #listeners = new Set<(heartbeat: AcceptedHeartbeat) => void>();

  constructor({ database, events, pace, log }: Parts) {
    this.#database = database;
    this.#pace = pace;
    this.#senders = new InvalidatedCache(events, { maxEntries: sendersMax, types: ['Gateway'] });
    this.#beats = new WriteBehind({
      write: (beats) => this.#write(beats),
      merge: () => undefined,
      log,
      failure: 'heartbeats of gateways could not be written; the next turn tries again',
    });
  }

  /** Writes what is heard `intervalMs` later. */
  start(intervalMs: number): void {
    this.#beats.start(intervalMs);
  }

  async close(): Promise<void> {
    await this.#beats.close();
    this.#senders.close();
  }

  /** Calls the listener with every heartbeat that this process accepts; the returned function ends it. */
  onHeartbeat(listener: (heartbeat: AcceptedHeartbeat) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /**
   * @throws {NotFoundError} when the caller registered no such gateway
   * @throws {InvalidStateError} when it was deregistered
   */
  async accept(
    { principal, now }: RuntimeScope,
    { gatewayId, inFlight, leaseIds = [] }: GatewayHeartbeat,
  ): Promise<{ readonly receivedAt: Date } & Pace> {
    // Remembered for the caller: somebody else's gateway is looked up anew each time, as one that does not exist.
    const sender = await this.#senders.get(`${principal.credentialId} ${gatewayId}`, () =>
      this.#load(principal, gatewayId),
    );
    if (sender === undefined) throw new NotFoundError('gateway', ['gatewayId']);
    if (sender.leftAt !== null) {
      throw new InvalidStateError('The gateway was deregistered; register it again.', 'LEFT', ['gatewayId']);
    }
    const known = this.#beats.get(gatewayId);
    if (known === undefined || known.at <= now) this.#beats.set(gatewayId, { at: now, inFlight });
    for (const listener of this.#listeners) listener({ gatewayId, at: now, inFlight, leaseIds });
    return { receivedAt: now, ...this.#pace };
  }

  /** Writes what was heard so far. */
  flush(): Promise<void> {
    return this.#beats.flush();
  }

  async #load(principal: RuntimeScope['principal'], id: string) {
    const found = await this.#database.reader.find(gateways, [sql`t.id = ${id}::uuid`], {
      wanted: senderColumns,
    });
    const isOwn = found !== undefined && speaksFor(principal, found);
    return isOwn ? { value: found, dependsOn: [id] } : { value: undefined, dependsOn: [] };
  }

  /** Rows are locked in the order of their ids, so that processes do not wait for each other in a circle. */
  async #write(beats: ReadonlyMap<string, Beat>): Promise<void> {
    const rows = JSON.stringify([...beats].map(([id, { at, inFlight }]) => ({ id, at, in_flight: inFlight })));
    await this.#database.prisma.$executeRaw`
      WITH beat AS (
        SELECT * FROM jsonb_to_recordset(${rows}::jsonb) AS beat (id uuid, at timestamptz, in_flight int)
      ), locked AS (
        SELECT gateway.id FROM gateway JOIN beat ON beat.id = gateway.id ORDER BY gateway.id FOR NO KEY UPDATE OF gateway
      )
      UPDATE gateway AS t SET last_heartbeat_at = beat.at, in_flight = beat.in_flight
      FROM beat, locked WHERE t.id = beat.id AND locked.id = t.id AND t.last_heartbeat_at <= beat.at
    `;
  }
}

const senderColumns = new Set(['registeredById', 'leftAt']);
