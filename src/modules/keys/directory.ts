import type { SecretHasher } from '../../access/secret-hasher.ts';
import { bytesOfHash, hashText, isMistyped } from '../../access/secrets.ts';
import type { Database } from '../../database/database.ts';
import { Prisma } from '../../database/generated/client.ts';
import type { CommandScope } from '../../graph/commands/definition.ts';
import type { EventBus } from '../../live/event-bus.ts';
import { InvalidatedCache } from '../../live/invalidated-cache.ts';
import type { KeyRecord } from './record.ts';
import { KeyRecordReader } from './record-reader.ts';

interface Parts {
  readonly database: Database;
  readonly events: EventBus;
  readonly hasher: SecretHasher;
  readonly prefixes: ReadonlySet<string>;
  /** Keys that are kept in memory; 0 keeps none. */
  readonly cacheEntries: number;
}

/** What is known of a presented secret. */
export type Lookup = KeyRecord | 'MALFORMED' | 'NOT_FOUND';

const { sql } = Prisma;

/**
 * Finds the key that a secret belongs to. What was found is kept in memory until something that it depends on changes;
 * deadlines are not part of what is kept, so they are exact.
 */
export class KeyDirectory {
  readonly #parts: Parts;
  readonly #records: KeyRecordReader;
  readonly #cache: InvalidatedCache<KeyRecord | undefined> | undefined;

  constructor(parts: Parts) {
    this.#parts = parts;
    this.#records = new KeyRecordReader(parts.database.reader, parts.hasher);
    this.#cache =
      parts.cacheEntries === 0
        ? undefined
        : new InvalidatedCache(parts.events, {
            maxEntries: parts.cacheEntries,
            types: ['ApiKey', 'Tenant', 'Team', 'User', 'App', 'Product', 'Engine'],
          });
  }

  /** In the same turn when it is kept in memory. */
  find(secret: string): Lookup | Promise<Lookup> {
    if (isMistyped(secret, this.#parts.prefixes)) return 'MALFORMED';
    const found = this.#findBy(hashText(secret));
    return found instanceof Promise ? found.then(orNotFound) : orNotFound(found);
  }

  #findBy(hash: string): KeyRecord | undefined | Promise<KeyRecord | undefined> {
    if (this.#cache === undefined) return this.#records.read(bytesOfHash(hash));
    return this.#cache.get(hash, async () => {
      const value = await this.#records.read(bytesOfHash(hash));
      return { value, dependsOn: value === undefined ? [] : dependenciesOf(value) };
    });
  }

  /** The keys that any of these secrets opens now, given by the SHA-256 of each. */
  async idsOf({ transaction, now }: CommandScope, sha256s: readonly Buffer[]): Promise<string[]> {
    const candidates = sha256s.flatMap((sha256) => [...this.#parts.hasher.candidates(sha256).values()]);
    // With the connection that the command has: each of many would wait for a second one that the others hold.
    const rows = await transaction.reader.raw(sql`
      SELECT DISTINCT key_id AS id FROM api_key_secret
      WHERE hash = ANY(${candidates}::bytea[]) AND revoked_at IS NULL AND (valid_until IS NULL OR valid_until > ${now})
    `);
    return rows.map(({ id }) => String(id));
  }

  close(): void {
    this.#cache?.close();
  }
}

const orNotFound = (record: KeyRecord | undefined): Lookup => record ?? 'NOT_FOUND';

const dependenciesOf = ({ key, tenant, user, product, engine, app }: KeyRecord): string[] =>
  [key.id, tenant?.id, user?.id, user?.team?.id, product?.id, engine?.id, app?.id].filter((id) => id !== undefined);
