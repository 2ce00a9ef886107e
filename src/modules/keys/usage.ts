import type { Logger } from 'pino';
import { pepperOf, type SecretHasher } from '../../access/secret-hasher.ts';
import { hashSecret } from '../../access/secrets.ts';
import type { Database } from '../../database/database.ts';
import { Prisma } from '../../database/generated/client.ts';
import { WriteBehind } from '../../database/write-behind.ts';
import type { KeyRecord } from './record.ts';

interface Use {
  readonly keyId: string;
  lastUsedAt: Date;
  uses: number;
  /** Of these, how many while a newer secret was there. */
  supersededUses: number;
  /** The pepper under which the hash was looked at last. */
  pepperVersion: number | undefined;
  /** Given when the secret's hash is of an older scheme: how it is hashed today. */
  rehashed?: { readonly hash: string; readonly scheme: string; readonly version: number };
}

interface Parts {
  readonly database: Database;
  readonly hasher: SecretHasher;
  readonly pepperVersion: () => number;
  readonly log: Logger;
}

/** The version of the pepper that was applied last to the hash of a row: see `pepperOf`. */
const pepperOfRow = Prisma.sql`(CASE t.hash_scheme WHEN 'sha256' THEN 0 ELSE regexp_replace(t.hash_scheme, '^.*[.]', '')::int END)`;

/** Counts the uses of secrets, and writes them in batches: a use costs the one who uses it nothing. */
export class UsageRecorder {
  readonly #parts: Parts;
  readonly #uses: WriteBehind<Use>;

  constructor(parts: Parts) {
    this.#parts = parts;
    this.#uses = new WriteBehind({
      write: (uses) => this.#write(uses),
      merge: addUses,
      log: parts.log,
      failure: 'uses of keys could not be written; the next turn tries again',
    });
  }

  /** Writes what is counted `intervalMs` later. */
  start(intervalMs: number): void {
    this.#uses.start(intervalMs);
  }

  close(): Promise<void> {
    return this.#uses.close();
  }

  /** Writes what was counted so far. */
  flush(): Promise<void> {
    return this.#uses.flush();
  }

  /** @param secretText what was presented, from which an older hash is made anew */
  note({ secret, key, hashScheme }: KeyRecord, now: Date, secretText: string): void {
    const superseded = secret.supersededAt === null ? 0 : 1;
    const version = this.#parts.pepperVersion();
    let use = this.#uses.get(secret.id);
    if (use === undefined) {
      use = { keyId: key.id, lastUsedAt: now, uses: 0, supersededUses: 0, pepperVersion: undefined };
      this.#uses.set(secret.id, use);
    }
    use.uses += 1;
    use.supersededUses += superseded;
    if (now.getTime() > use.lastUsedAt.getTime()) use.lastUsedAt = now;
    if (use.pepperVersion === version) return;
    use.pepperVersion = version;
    const hashedUnder = pepperOf(hashScheme);
    // Another process may know of a newer pepper already; its hashes stay.
    if (hashedUnder < version || (hashedUnder === version && hashScheme.includes('.'))) {
      const { hash, scheme } = this.#parts.hasher.hash(hashSecret(secretText), version);
      use.rehashed = { hash: Buffer.from(hash).toString('hex'), scheme, version };
    }
  }

  async #write(uses: ReadonlyMap<string, Use>): Promise<void> {
    await this.#parts.database.transaction(async ({ prisma }) => {
      const rows = JSON.stringify(
        [...uses].map(([id, { keyId, lastUsedAt, uses: count, supersededUses, rehashed }]) => ({
          id,
          key_id: keyId,
          last_used_at: lastUsedAt,
          uses: count,
          superseded_uses: supersededUses,
          hash: rehashed?.hash ?? null,
          scheme: rehashed?.scheme ?? null,
          version: rehashed?.version ?? null,
        })),
      );
      // Rows are locked in the order of their ids, keys first, as commands do: processes do not wait for each other in
      // a circle. A key that was deleted meanwhile is left out. Lists are sorted by a key's last use, so every index of the
      // table has to be written with it: once a minute is enough there, and its secrets have it exactly.
      await prisma.$executeRaw`
        WITH used AS (
          SELECT key_id, max(last_used_at) AS last_used_at
          FROM jsonb_to_recordset(${rows}::jsonb) AS use (key_id uuid, last_used_at timestamptz) GROUP BY key_id
        ), locked AS (
          SELECT api_key.id FROM api_key JOIN used ON used.key_id = api_key.id
          WHERE api_key.last_used_at IS NULL OR api_key.last_used_at <= used.last_used_at - interval '1 minute'
          ORDER BY api_key.id FOR NO KEY UPDATE OF api_key
        )
        UPDATE api_key AS t SET last_used_at = used.last_used_at
        FROM used, locked WHERE t.id = used.key_id AND locked.id = t.id
      `;
      await prisma.$executeRaw`
        WITH used AS (
          SELECT * FROM jsonb_to_recordset(${rows}::jsonb) AS use (
            id uuid, last_used_at timestamptz, uses bigint, superseded_uses bigint, hash text, scheme text,
            version int
          )
        ), locked AS (
          SELECT id FROM api_key_secret WHERE id IN (SELECT id FROM used) ORDER BY id FOR NO KEY UPDATE
        )
        UPDATE api_key_secret AS t SET
          last_used_at = greatest(t.last_used_at, used.last_used_at),
          use_count = t.use_count + used.uses,
          superseded_use_count = t.superseded_use_count + used.superseded_uses,
          -- Meanwhile it may have been put under a newer pepper, which stays.
          hash = CASE WHEN ${pepperOfRow} <= used.version THEN decode(used.hash, 'hex') ELSE t.hash END,
          hash_scheme = CASE WHEN ${pepperOfRow} <= used.version THEN used.scheme ELSE t.hash_scheme END
        FROM used, locked WHERE t.id = used.id AND locked.id = t.id
      `;
    });
  }
}

function addUses(newer: Use, { uses, supersededUses, lastUsedAt, rehashed }: Use): void {
  newer.uses += uses;
  newer.supersededUses += supersededUses;
  if (lastUsedAt > newer.lastUsedAt) newer.lastUsedAt = lastUsedAt;
  if (rehashed !== undefined) newer.rehashed ??= rehashed;
}
