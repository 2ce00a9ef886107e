import type { Logger } from 'pino';
import { pepperOf, type SecretHasher } from '../../access/secret-hasher.ts';
import { ConfigError } from '../../config/error.ts';
import { inBackground, repeatInBackground } from '../../database/background.ts';
import type { Database } from '../../database/database.ts';
import { Prisma } from '../../database/generated/client.ts';
import type { Change, CommandScope } from '../../graph/commands/definition.ts';
import { unchanged } from '../../graph/commands/definition.ts';
import { InvalidStateError, invalid } from '../../graph/errors.ts';
import type { EventBus } from '../../live/event-bus.ts';

declare module '../../graph/context.ts' {
  interface Services {
    peppers: PepperService;
  }
}

/** How far hashing under the current pepper has come. */
export interface PepperStatus {
  /** 0: no pepper. */
  readonly currentVersion: number;
  readonly configuredVersions: readonly number[];
  readonly changedAt: Date | null;
  readonly totalSecretCount: number;
  readonly remainingSecretCount: number;
  readonly schemes: readonly { readonly scheme: string; readonly secretCount: number }[];
}

const batchSize = 1_000;
const lookAgainMs = 60_000;
const topic = 'Pepper.changed';

interface Parts {
  readonly database: Database;
  readonly events: EventBus;
  readonly hasher: SecretHasher;
  readonly log: Logger;
}

/**
 * Puts the hashes of all secrets under another pepper while everything runs: new secrets get it at once, older ones are
 * wrapped in batches, and those that are used are hashed anew.
 */
export class PepperService {
  readonly #parts: Parts;
  #version = 0;
  #working: Promise<void> = Promise.resolve();
  #closed = false;
  #stopListening: () => void = () => undefined;

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  /** The pepper of new secrets; 0: none. */
  get version(): number {
    return this.#version;
  }

  /** @throws {ConfigError} when secrets could not be verified by this process */
  async start(): Promise<void> {
    const { database, events, hasher } = this.#parts;
    await this.#load();
    const known = new Set(hasher.schemes);
    const missing = (await this.#schemes()).filter(({ scheme }) => !known.has(scheme));
    if (missing.length > 0 || (this.#version !== 0 && !hasher.versions.includes(this.#version))) {
      const list = missing.map(({ scheme, secretCount }) => `${secretCount} under ${scheme}`).join(', ');
      throw new ConfigError(
        `FAIRLEAD_PEPPERS lacks a pepper that secrets are hashed under (${list || `version ${this.#version}`}); give all of them.`,
      );
    }
    // An empty database has nothing to hash again: it begins with the newest pepper.
    const newest = Math.max(0, ...hasher.versions);
    if (this.#version === 0 && newest > 0) {
      await database.prisma.$executeRaw`
        UPDATE secret_hashing SET pepper_version = ${newest}, changed_at = now()
        WHERE pepper_version = 0 AND NOT EXISTS (SELECT FROM api_key_secret)
      `;
      await this.#load();
    }
    const stopListening = events.on(topic, () => void inBackground(() => this.#follow()));
    // A process that had not heard of a change yet may have stored a secret under the pepper of before.
    const stopLooking = repeatInBackground(lookAgainMs, () => this.#follow());
    this.#stopListening = () => {
      stopLooking();
      stopListening();
    };
    void inBackground(() => this.#work());
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#stopListening();
    await this.#working;
  }

  /** @throws {ValidationError} when no such pepper is configured, {InvalidStateError} when it is not newer */
  async change({ transaction, now }: CommandScope, version: number): Promise<Change<{ readonly changed: boolean }>> {
    const { versions } = this.#parts.hasher;
    if (!versions.includes(version)) {
      const list = versions.length === 0 ? 'none' : versions.join(', ');
      throw invalid(['version'], 'UNKNOWN_PEPPER', `FAIRLEAD_PEPPERS has no such version; it has ${list}.`);
    }
    await transaction.prisma.$queryRaw`SELECT id FROM secret_hashing FOR NO KEY UPDATE`;
    const row = await transaction.prisma.secretHashing.findUniqueOrThrow({ where: { id: 1 } });
    if (row.pepperVersion === version) return unchanged({ changed: false });
    if (row.pepperVersion > version) {
      throw new InvalidStateError(
        `Secrets are hashed under pepper ${row.pepperVersion}; only a higher number can take its place.`,
        String(row.pepperVersion),
        ['version'],
      );
    }
    const totalSecrets = await transaction.prisma.apiKeySecret.count();
    await transaction.prisma.secretHashing.update({
      where: { id: 1 },
      data: { pepperVersion: version, changedAt: now, totalSecrets },
    });
    return {
      payload: { changed: true },
      changed: {
        before: { pepperVersion: row.pepperVersion },
        after: { pepperVersion: version },
      },
      events: [{ topic, payload: { version } }],
    };
  }

  async status(): Promise<PepperStatus> {
    const row = await this.#parts.database.prisma.secretHashing.findUniqueOrThrow({ where: { id: 1 } });
    const schemes = await this.#schemes();
    const count = (list: typeof schemes) => list.reduce((sum, { secretCount }) => sum + secretCount, 0);
    return {
      currentVersion: row.pepperVersion,
      configuredVersions: [...this.#parts.hasher.versions].sort((a, b) => a - b),
      changedAt: row.changedAt,
      totalSecretCount: count(schemes),
      remainingSecretCount: count(schemes.filter(({ scheme }) => pepperOf(scheme) !== row.pepperVersion)),
      schemes,
    };
  }

  /** Resolves when this process has nothing left to hash again. */
  settled(): Promise<void> {
    return this.#working;
  }

  async #follow(): Promise<void> {
    try {
      await this.#load();
      this.#work();
    } catch (error) {
      this.#parts.log.error({ err: error }, 'the pepper was changed, and its version could not be read');
    }
  }

  async #load(): Promise<void> {
    const row = await this.#parts.database.prisma.secretHashing.findUniqueOrThrow({ where: { id: 1 } });
    this.#version = row.pepperVersion;
  }

  #work(): void {
    this.#working = this.#working.then(async () => {
      try {
        // First those that nobody is using at this moment, then the rest.
        while (!this.#closed && ((await this.#wrapBatch('SKIP LOCKED')) || (await this.#wrapBatch(''))));
      } catch (error) {
        this.#parts.log.error({ err: error }, 'secrets could not be put under the current pepper');
      }
    });
  }

  /** Puts some secrets under the current pepper; says whether there may be more. Any number of processes may do so. */
  async #wrapBatch(locked: 'SKIP LOCKED' | ''): Promise<boolean> {
    const { database, hasher } = this.#parts;
    const version = this.#version;
    if (version === 0) return false;
    const older = hasher.schemes.filter((scheme) => pepperOf(scheme) < version);
    return database.transaction(async ({ prisma }) => {
      const secrets = await prisma.$queryRaw<{ id: string; hash: Uint8Array; scheme: string }[]>`
        SELECT id, hash, hash_scheme AS scheme FROM api_key_secret WHERE hash_scheme = ANY(${older}::text[])
        ORDER BY id LIMIT ${batchSize} FOR NO KEY UPDATE ${Prisma.raw(locked)}
      `;
      if (secrets.length === 0) return false;
      const rows = secrets.map((secret) => {
        const { hash, scheme } = hasher.wrap(secret, version);
        return { id: secret.id, hash: Buffer.from(hash).toString('hex'), scheme };
      });
      await prisma.$executeRaw`
        UPDATE api_key_secret AS t SET hash = decode(wrapped.hash, 'hex'), hash_scheme = wrapped.scheme
        FROM jsonb_to_recordset(${JSON.stringify(rows)}::jsonb) AS wrapped (id uuid, hash text, scheme text)
        WHERE t.id = wrapped.id
      `;
      return true;
    });
  }

  async #schemes(): Promise<{ scheme: string; secretCount: number }[]> {
    const rows = await this.#parts.database.prisma.apiKeySecret.groupBy({ by: ['hashScheme'], _count: true });
    return rows.map(({ hashScheme, _count }) => ({ scheme: hashScheme, secretCount: _count }));
  }
}
