import type { SecretHasher } from '../../access/secret-hasher.ts';
import { bytesOfHash, hashText, isMistyped } from '../../access/secrets.ts';
import type { Database } from '../../database/database.ts';
import { Prisma } from '../../database/generated/client.ts';
import type { CommandScope } from '../../graph/commands/definition.ts';
import type { EventBus } from '../../live/event-bus.ts';
import { InvalidatedCache } from '../../live/invalidated-cache.ts';
import type { KeyIdentity, KeyRecord, KeyUser } from './record.ts';
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
  readonly #users: InvalidatedCache<KeyUser | undefined> | undefined;
  readonly #identities: InvalidatedCache<KeyIdentity | undefined> | undefined;

  constructor(parts: Parts) {
    this.#parts = parts;
    this.#records = new KeyRecordReader(parts.database.reader, parts.hasher);
    const { cacheEntries: maxEntries, events } = parts;
    if (maxEntries === 0) return;
    this.#cache = new InvalidatedCache(events, { maxEntries, types: rowTypes });
    this.#identities = new InvalidatedCache(events, { maxEntries, types: rowTypes });
    this.#users = new InvalidatedCache(events, { maxEntries, types: ['User', 'Team'] });
  }

  /** The key with this id, whatever its secrets are; nothing when there is none. */
  findById(id: string): KeyIdentity | undefined | Promise<KeyIdentity | undefined> {
    if (this.#identities === undefined) return this.#records.readIdentity(id);
    return this.#identities.get(id, async () => {
      const value = await this.#records.readIdentity(id);
      return { value, dependsOn: value === undefined ? [] : dependenciesOf(value) };
    });
  }

  /** The user whom a tenant's own systems call so, for keys that are used for many; nothing when there is none. */
  findUser(tenantId: string, externalId: string): KeyUser | undefined | Promise<KeyUser | undefined> {
    if (this.#users === undefined) return this.#records.readUser(tenantId, externalId);
    return this.#users.get(`${tenantId} ${externalId}`, async () => {
      const value = await this.#records.readUser(tenantId, externalId);
      return { value, dependsOn: value === undefined ? [] : rowsOfUser(value) };
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
    this.#identities?.close();
    this.#users?.close();
  }
}

const orNotFound = (record: KeyRecord | undefined): Lookup => record ?? 'NOT_FOUND';

/** What changes of which rows a key's record depends on. */
export const rowTypes = ['ApiKey', 'Tenant', 'Team', 'User', 'App', 'Product', 'Engine'] as const;

/** The rows that a user is made of. */
export const rowsOfUser = ({ id, team }: KeyUser): string[] => (team === null ? [id] : [id, team.id]);

/** The rows that a key and whom it belongs to are made of. */
export const dependenciesOf = ({ key, tenant, user, product, engine, app }: KeyIdentity): string[] =>
  [key.id, tenant?.id, user?.id, user?.team?.id, product?.id, engine?.id, app?.id].filter((id) => id !== undefined);
