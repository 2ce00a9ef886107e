import { timingSafeEqual } from 'node:crypto';
import DataLoader from 'dataloader';
import type { SecretHasher } from '../../access/secret-hasher.ts';
import type { Reader } from '../../database/reader.ts';
import { fixedStatement } from '../../database/statements.ts';
import {
  hashOf,
  identitiesOf,
  type KeyIdentity,
  type KeyRecord,
  type KeyUser,
  readIdentity,
  readRecord,
  readUser,
  recordsOf,
  userNamed,
} from './record.ts';

type Row = Readonly<Record<string, unknown>>;

/** Secrets or keys that are looked up in one statement, at most. */
const lookupsMax = 100;

const together = {
  cache: false,
  maxBatchSize: lookupsMax,
  // After the requests that have arrived meanwhile: each is a callback of its own, which the loader's default ends with.
  batchScheduleFn: (dispatch: () => void) => void setImmediate(dispatch),
} as const;

/** Text that is the same for the same hash. */
const nameOf = (hash: Buffer): string => hash.toString('latin1');

/**
 * Reads the records of secrets from the database. Those that are asked for in the same turn of the event loop, whoever
 * asks, are read by one statement: on a busy server a look-up is mostly the way to Postgres and back.
 */
export class KeyRecordReader {
  readonly #reader: Pick<Reader, 'raw'>;
  readonly #hasher: SecretHasher;
  readonly #statement = fixedStatement(recordsOf([]));
  readonly #identityStatement = fixedStatement(identitiesOf([]));
  readonly #userStatement = fixedStatement(userNamed('', ''));
  readonly #records = new DataLoader<Buffer, KeyRecord | undefined>((sha256s) => this.#readAll(sha256s), together);
  readonly #identities = new DataLoader<string, KeyIdentity | undefined>((ids) => this.#readIdentities(ids), together);

  constructor(reader: Pick<Reader, 'raw'>, hasher: SecretHasher) {
    this.#reader = reader;
    this.#hasher = hasher;
  }

  /** The record of the secret with this SHA-256. */
  read(sha256: Buffer): Promise<KeyRecord | undefined> {
    return this.#records.load(sha256);
  }

  /** The key with this id. */
  readIdentity(id: string): Promise<KeyIdentity | undefined> {
    return this.#identities.load(id);
  }

  /** The user whom a tenant's own systems call so. */
  async readUser(tenantId: string, externalId: string): Promise<KeyUser | undefined> {
    const [row] = await this.#reader.raw(this.#userStatement([tenantId, externalId]));
    return row === undefined ? undefined : readUser(row);
  }

  async #readIdentities(ids: readonly string[]): Promise<(KeyIdentity | undefined)[]> {
    const rows = await this.#reader.raw(this.#identityStatement([[...ids]]));
    const byId = new Map(rows.map(readIdentity).map((identity) => [identity.key.id, identity]));
    return ids.map((id) => byId.get(id));
  }

  async #readAll(sha256s: readonly Buffer[]): Promise<(KeyRecord | undefined | Error)[]> {
    const candidates = sha256s.map((sha256) => [...this.#hasher.candidates(sha256).values()]);
    const rows = await this.#reader.raw(this.#statement([candidates.flat()]));
    const byHash = new Map(
      rows.map((row) => {
        const hash = hashOf(row);
        return [nameOf(hash), { hash, row }];
      }),
    );
    return candidates.map((hashes) => {
      const own = hashes.flatMap((candidate) => {
        const found = byHash.get(nameOf(candidate));
        return found !== undefined && timingSafeEqual(candidate, found.hash) ? [found.row] : [];
      });
      return oldestOf(own);
    });
  }
}

/**
 * There are two rows only when somebody brought as a secret what is the hash of another: the older one counts,
 * everywhere. What cannot be read is the error of who asked for it, and of nobody else.
 */
function oldestOf(rows: readonly Row[]): KeyRecord | undefined | Error {
  try {
    return rows
      .map(readRecord)
      .sort((a, b) => (a.secret.id < b.secret.id ? -1 : 1))
      .at(0);
  } catch (error) {
    return error instanceof Error ? error : new Error(String(error));
  }
}
