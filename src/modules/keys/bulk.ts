import { visibleTo } from '../../access/visibility.ts';
import { Prisma } from '../../database/generated/client.ts';
import type { JsonObject } from '../../graph/audit.ts';
import { type Change, type ChangedRow, type CommandScope, unchanged } from '../../graph/commands/definition.ts';
import { invalid, type KeptError, keptError, UserError } from '../../graph/errors.ts';
import { encodeId } from '../../graph/ids.ts';
import type { OneTimeSecret } from '../../graph/one-time-secret.ts';
import type { OutboxEvent } from '../../live/outbox.ts';
import { type ApiKeyRow, apiKeys } from './entity.ts';
import { RotationInProgressError } from './errors.ts';
import { refuseEscalation } from './escalation.ts';
import { type KeyFilter, keyConditions } from './filter.ts';
import type { KeyRotation } from './rotation.ts';
import type { KeyService } from './service.ts';

/** Keys that one command rotates: every one of them is a new secret in the answer. */
const rotatedMax = 1_000;

const { sql, join } = Prisma;

export interface BulkOptions {
  readonly filter: KeyFilter;
  readonly dryRun: boolean;
}

export interface RotatedKey {
  readonly key: ApiKeyRow;
  readonly secret: OneTimeSecret | null;
  readonly retiringUntil: Date | null;
  /** Why this one was left as it was: plain data, since answers are kept for idempotency keys. */
  readonly error: KeptError | null;
}

export interface BulkRotation {
  readonly dryRun: boolean;
  readonly matchedCount: number;
  readonly rotatedCount: number;
  readonly results: readonly RotatedKey[];
}

export interface BulkRevocation {
  readonly dryRun: boolean;
  readonly matchedCount: number;
}

/** Changes many keys by a filter. */
export class KeyBulk {
  readonly #keys: KeyService;
  readonly #rotation: KeyRotation;

  constructor(keys: KeyService, rotation: KeyRotation) {
    this.#keys = keys;
    this.#rotation = rotation;
  }

  /** Rotates each key that the filter finds, and says of those that cannot be why. */
  async rotate(
    scope: CommandScope,
    input: BulkOptions & {
      overlapSeconds?: number | null | undefined;
      duringOverlap: 'REFUSE' | 'RETIRE_OLDEST';
    },
  ): Promise<Change<BulkRotation>> {
    const { filter, dryRun, duringOverlap } = input;
    const overlapSeconds = this.#rotation.overlap(input.overlapSeconds);
    const limit = sql`LIMIT ${rotatedMax + 1}`;
    const seen = await this.#revisions(scope, filter, limit);
    const keys = await this.#matching(scope, filter, limit);
    if (keys.length > rotatedMax) {
      throw invalid(
        ['filter'],
        'TOO_MANY',
        `The filter finds more than ${rotatedMax} keys; rotate them in several parts.`,
      );
    }
    const results: RotatedKey[] = [];
    for (const key of keys) {
      results.push(await this.#rotateOne(scope, key, seen.get(key.id), { overlapSeconds, duringOverlap, dryRun }));
    }
    const rotated = results.filter(({ error }) => error === null);
    const payload = { dryRun, matchedCount: keys.length, rotatedCount: dryRun ? 0 : rotated.length, results };
    if (dryRun || rotated.length === 0) return unchanged(payload);
    const { changed, events } = changedInBulk(
      rotated.map(({ key }) => key),
      { overlapSeconds },
    );
    return { payload, alsoChanged: changed, events };
  }

  async #rotateOne(
    scope: CommandScope,
    key: ApiKeyRow,
    seenRevision: number | undefined,
    options: { overlapSeconds: number; duringOverlap: 'REFUSE' | 'RETIRE_OLDEST'; dryRun: boolean },
  ): Promise<RotatedKey> {
    try {
      if (options.dryRun) {
        this.#rotation.refuseEnded(key, scope.now);
        await refuseEscalation(scope, key);
        return { key, secret: null, retiringUntil: null, error: null };
      }
      // It came to be one that the filter finds while this command waited for its lock.
      if (seenRevision === undefined) throw new RotationInProgressError(null);
      const { payload } = await this.#rotation.rotate(scope, { ...options, keyId: key.id }, seenRevision);
      return { ...payload, error: null };
    } catch (error) {
      // Found before anything of this key was written, so the others are carried out.
      if (error instanceof UserError) return { key, secret: null, retiringUntil: null, error: keptError(error) };
      throw error;
    }
  }

  /** Revokes every key that the filter finds, however many. */
  async revoke(
    scope: CommandScope,
    { filter, dryRun, reason }: BulkOptions & { reason?: string | null | undefined },
  ): Promise<Change<BulkRevocation>> {
    const live = await this.#live(scope, filter);
    await this.#keys.guardAdminKeys(scope, live);
    const payload = { dryRun, matchedCount: live.length };
    if (dryRun || live.length === 0) return unchanged(payload);
    const { changed, events } = await this.#revokeAll(scope, live, reason ?? null);
    return { payload, alsoChanged: changed, events };
  }

  /** Revokes keys that others know: also the last admin key, since whoever found it could do all that it can. */
  async revokeLeaked(scope: CommandScope, ids: readonly string[], reason: string): Promise<BulkRecord> {
    const live = ids.length === 0 ? [] : await this.#live(scope, { ids });
    return live.length === 0 ? { changed: [], events: [] } : this.#revokeAll(scope, live, reason);
  }

  async #live(scope: CommandScope, filter: KeyFilter): Promise<ApiKeyRow[]> {
    const keys = await this.#matching(scope, filter, Prisma.empty);
    return keys.filter(({ revokedAt }) => revokedAt === null);
  }

  async #revokeAll(
    { now, transaction }: CommandScope,
    keys: readonly ApiKeyRow[],
    reason: string | null,
  ): Promise<BulkRecord> {
    await transaction.prisma.$executeRaw`
      UPDATE api_key SET revoked_at = ${now}, revoked_reason = ${reason}, revision = revision + 1, updated_at = ${now}
      WHERE id = ANY(${keys.map(({ id }) => id)}::uuid[])
    `;
    return changedInBulk(keys, { revokedReason: reason });
  }

  /** The revisions of the keys that a filter finds, by id, without waiting for whoever changes them. */
  async #revisions(scope: CommandScope, filter: KeyFilter, limit: Prisma.Sql): Promise<ReadonlyMap<string, number>> {
    const rows = await scope.transaction.prisma.$queryRaw<{ id: string; revision: number }[]>`
      SELECT t.id, t.revision FROM api_key AS t WHERE ${conditionOf(scope, filter)} ORDER BY t.id ${limit}
    `;
    return new Map(rows.map(({ id, revision }) => [id, revision]));
  }

  /** The keys that a filter finds, locked in the order of their ids. */
  async #matching(scope: CommandScope, filter: KeyFilter, limit: Prisma.Sql): Promise<ApiKeyRow[]> {
    const { transaction } = scope;
    const locked = await transaction.prisma.$queryRaw<{ id: string }[]>`
      SELECT t.id FROM api_key AS t WHERE ${conditionOf(scope, filter)} ORDER BY t.id ${limit} FOR NO KEY UPDATE
    `;
    const rows = await transaction.reader.byIds(
      apiKeys,
      locked.map(({ id }) => id),
    );
    return locked.flatMap(({ id }) => rows.get(id) ?? []);
  }
}

const conditionOf = ({ now, principal }: CommandScope, filter: KeyFilter): Prisma.Sql =>
  join([...keyConditions(filter, now), ...visibleTo(apiKeys, principal)], ' AND ');

/** What the audit log and everyone else has to know of many keys that changed. */
interface BulkRecord {
  readonly changed: readonly ChangedRow[];
  readonly events: readonly OutboxEvent[];
}

/** One row in the audit chain of each tenant, and one announcement that makes everyone look at keys anew. */
function changedInBulk(keys: readonly ApiKeyRow[], after: JsonObject): BulkRecord {
  const byTenant = Map.groupBy(keys, ({ tenantId }) => tenantId);
  return {
    // In one order, so that two such commands do not wait for each other's chains in a circle.
    changed: [...byTenant].toSorted(byTenantId).map(([tenantId, ofTenant]) => ({
      ...(tenantId === null ? {} : { tenantId }),
      after: { ...after, keyIds: ofTenant.map(({ id }) => encodeId('ApiKey', id)) },
    })),
    events: [{ topic: 'ApiKey.changedInBulk', payload: { count: keys.length } }],
  };
}

/** The deployment's chain first, which a report of leaked keys takes before all others. */
const byTenantId = ([one]: readonly [string | null, unknown], [other]: readonly [string | null, unknown]): number =>
  (one ?? '') < (other ?? '') ? -1 : 1;
