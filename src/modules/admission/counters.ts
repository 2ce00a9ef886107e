import type { Logger } from 'pino';
import type { Database } from '../../database/database.ts';
import { Prisma } from '../../database/generated/client.ts';
import type { Layer, LayerStack } from '../limits/ledger/layers.ts';
import type { Ledger, UnknownUse } from '../limits/ledger/ledger.ts';
import type { AdmissionStore } from './store.ts';

interface Parts {
  readonly ledger: Ledger;
  readonly store: AdmissionStore;
  readonly database: Database;
  readonly log: Logger;
}

const { sql } = Prisma;

/** Whether any limit counts more than the last minute, so that what was used before it was set has to be known. */
const countsPast = ({ limits: { tokensPerDay, budget } }: Layer): boolean => tokensPerDay !== null || budget !== null;

interface Used {
  readonly tokens: bigint;
  readonly costNanoUsd: bigint;
}

/** Keeps the counters of limits, and asks the records for what was used before there was a counter. */
export class Counters {
  readonly #parts: Parts;
  readonly #seeding = new Map<string, Promise<void>>();
  #flushing: Promise<void> = Promise.resolve();

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  /** What has to be known before a request that meets these limits is decided; nothing, mostly. */
  seeds({ layers, timeZone }: LayerStack, now: number): Promise<unknown> | undefined {
    if (!layers.some(countsPast)) return undefined;
    const { ledger } = this.#parts;
    const unknown = ledger.unknown({ layers, timeZone }, now);
    if (unknown.length === 0) return undefined;
    return Promise.all(unknown.map((use) => this.#seed(use, timeZone, now)));
  }

  /** Writes what has changed. What could not be written is written the next time. */
  flush(): Promise<void> {
    this.#flushing = this.#flushing.then(() => this.#write());
    return this.#flushing;
  }

  async #write(): Promise<void> {
    const { ledger, store, log } = this.#parts;
    const changed = ledger.takeChanged();
    if (changed.length === 0) return;
    try {
      await store.count(changed);
    } catch (error) {
      ledger.putBackChanged(changed.map(({ key }) => key));
      log.warn({ err: error }, 'counters of limits could not be written; the next turn tries again');
    }
  }

  #seed(use: UnknownUse, timeZone: string, now: number): Promise<void> {
    const name = `${use.layer.key} ${use.counter} ${use.since}`;
    let seeding = this.#seeding.get(name);
    if (seeding === undefined) {
      seeding = this.#read(use)
        .then(({ tokens, costNanoUsd }) => {
          const { ledger } = this.#parts;
          ledger.seed(use, { tokens: Math.min(Number(tokens), Number.MAX_SAFE_INTEGER), costNanoUsd }, timeZone, now);
        })
        .finally(() => this.#seeding.delete(name));
      this.#seeding.set(name, seeding);
    }
    return seeding;
  }

  async #read({ layer: { owner }, since }: UnknownUse): Promise<Used> {
    const [used] = await this.#parts.database.prisma.$queryRaw<Used[]>`
      SELECT
        coalesce(sum(coalesce(input_tokens, estimated_input_tokens) + coalesce(output_tokens, estimated_output_tokens)), 0)::bigint AS tokens,
        ceil(coalesce(sum(cost_usd), 0) * 1000000000)::bigint AS "costNanoUsd"
      FROM usage_record WHERE ${conditionOf(owner)} AND completed_at >= ${new Date(since)}
    `;
    if (used === undefined) throw new Error('A sum has no row.');
    return used;
  }
}

function conditionOf(owner: Layer['owner']): Prisma.Sql {
  switch (owner.type) {
    case 'KEY':
      return sql`key_id = ${owner.id}::uuid`;
    case 'USER':
      return sql`user_id = ${owner.id}::uuid`;
    case 'TEAM':
      return sql`team_id = ${owner.id}::uuid`;
    case 'TEAM_USER_SHARE':
      return sql`user_id = ${owner.userId}::uuid AND team_id = ${owner.teamId}::uuid`;
    case 'PRODUCT':
      return sql`product_id = ${owner.id}::uuid`;
    case 'TENANT':
      return sql`tenant_id = ${owner.id}::uuid`;
  }
}
