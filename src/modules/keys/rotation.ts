import { visibleTo } from '../../access/visibility.ts';
import type { Wanted } from '../../database/entity.ts';
import { Prisma } from '../../database/generated/client.ts';
import type { Change, CommandScope } from '../../graph/commands/definition.ts';
import { unchanged } from '../../graph/commands/definition.ts';
import { InvalidStateError, invalid, NotFoundError } from '../../graph/errors.ts';
import { encodeId } from '../../graph/ids.ts';
import { type ApiKeyRow, type ApiKeySecretRow, apiKeySecrets, apiKeys } from './entity.ts';
import { RotationInProgressError } from './errors.ts';
import { refuseEscalation } from './escalation.ts';
import type { RotateKey } from './input.ts';
import type { IssuedKey, KeyAnswer, KeyService } from './service.ts';
import { secretStateOf } from './states.ts';

interface Rotation extends IssuedKey {
  /** Until when the older secret is accepted. */
  readonly retiringUntil: Date;
}

type SecretAnswer = KeyAnswer & { readonly secret: ApiKeySecretRow };

/** How long an older secret may stay valid. */
export interface OverlapBounds {
  readonly min: number;
  readonly max: number;
}

const { sql } = Prisma;

const revisionOnly: Wanted = new Set(['revision']);

/**
 * Replaces secrets of keys. The key stays: its limits, usage, scopes, origins and expiry are neither copied nor reset.
 * Every decision is made under the lock of the key's row.
 */
export class KeyRotation {
  readonly #keys: KeyService;
  readonly #bounds: OverlapBounds;

  constructor(keys: KeyService, bounds: OverlapBounds) {
    this.#keys = keys;
    this.#bounds = bounds;
  }

  /** @param seenRevision of the key, before the caller waited for its lock; absent: it is read and locked here */
  async rotate(scope: CommandScope, input: RotateKey, seenRevision?: number): Promise<Change<Rotation>> {
    const { transaction, principal, now } = scope;
    const overlapSeconds = this.overlap(input.overlapSeconds);
    const where = [sql`t.id = ${input.keyId}::uuid`, ...visibleTo(apiKeys, principal)];
    const seen = seenRevision ?? (await transaction.reader.find(apiKeys, where, { wanted: revisionOnly }))?.revision;
    const key = await this.#keys.lock(scope, input);
    // Someone else held the lock while this call waited for it: of two rotations at the same time, one wins.
    if (seen !== key.revision) throw new RotationInProgressError(null);
    this.refuseEnded(key, now);
    await refuseEscalation(scope, key);
    const secrets = await this.#liveSecrets(scope, key);
    const retiring = secrets.filter((secret) => secretStateOf(secret, now) === 'RETIRING');
    if (retiring.length > 0 && input.duringOverlap === 'REFUSE') {
      throw new RotationInProgressError((key.retiringUntil?.getTime() ?? now.getTime()) - now.getTime());
    }
    const retiringUntil = new Date(now.getTime() + overlapSeconds * 1000);
    await this.#retire(scope, retiring, now);
    await this.#supersede(scope, key, retiringUntil);
    const made = this.#keys.makeSecret(key.kind, key.environment, input.existingSecret);
    await this.#keys.storeSecret(scope, key, made);
    const { payload, changed } = await this.#keys.change(scope, key, {
      rotatedAt: now,
      start: made.start,
      secretsUntil: null,
      retiringUntil: overlapSeconds > 0 && secrets.length > retiring.length ? retiringUntil : null,
    });
    return {
      payload: { key: payload.key, secret: made.plain, retiringUntil },
      changed,
    };
  }

  /** Takes the newest secret back, so that the one before it is the key's only one again. */
  async cancel(
    scope: CommandScope,
    reference: Pick<RotateKey, 'keyId' | 'expectedRevision'>,
  ): Promise<Change<KeyAnswer>> {
    const { now, transaction } = scope;
    const key = await this.#keys.lock(scope, reference);
    this.refuseEnded(key, now);
    // Whoever has the older secret has it for good then.
    await refuseEscalation(scope, key);
    const secrets = await this.#liveSecrets(scope, key);
    const retiring = secrets.find((secret) => secretStateOf(secret, now) === 'RETIRING');
    if (retiring === undefined) {
      throw new InvalidStateError('The key is not being rotated: none of its older secrets is accepted.', 'ACTIVE', [
        'keyId',
      ]);
    }
    const newest = secrets.filter(({ id }) => id !== retiring.id).map(({ id }) => id);
    await transaction.prisma.apiKeySecret.updateMany({ where: { id: { in: newest } }, data: { revokedAt: now } });
    await transaction.prisma.apiKeySecret.update({
      where: { id: retiring.id },
      data: { validUntil: null, supersededAt: null },
      select: { id: true },
    });
    return this.#keys.change(scope, key, {
      start: retiring.start,
      retiringUntil: null,
      secretsUntil: null,
    });
  }

  /** Refuses one secret from now on. The key and its other secrets stay. */
  async revokeSecret(scope: CommandScope, secretId: string): Promise<Change<SecretAnswer>> {
    const { now, principal, transaction } = scope;
    const where = [sql`t.id = ${secretId}::uuid`, ...visibleTo(apiKeySecrets, principal)];
    const found = await transaction.reader.find(apiKeySecrets, where);
    if (found === undefined) throw new NotFoundError('secret', ['secretId']);
    const key = await this.#keys.lock(scope, { keyId: found.keyId });
    const before = await transaction.reader.find(apiKeySecrets, where);
    if (before === undefined) throw new NotFoundError('secret', ['secretId']);
    if (before.revokedAt !== null) return unchanged({ key, secret: before });
    const others = (await this.#liveSecrets(scope, key)).filter(({ id }) => id !== secretId);
    // Without a lasting secret a key can soon do nothing; for the last admin key that is the same as being revoked.
    if (others.every(({ validUntil }) => validUntil !== null))
      await this.#keys.guardLastAdminKey(scope, key, { ...key, revokedAt: now });
    const wasRetiring = secretStateOf(before, now) === 'RETIRING';
    const secret = { ...before, revokedAt: now };
    await transaction.prisma.apiKeySecret.update({
      where: { id: secretId },
      data: { revokedAt: now },
      select: { id: true },
    });
    const { payload, changed } = await this.#keys.change(scope, key, {
      ...(wasRetiring ? { retiringUntil: null } : {}),
      secretsUntil: endOf(others, key, now),
    });
    const record = (revokedAt: Date | null) => ({
      secret: { id: encodeId('ApiKeySecret', secretId), revokedAt: revokedAt?.toISOString() ?? null },
    });
    return {
      payload: { ...payload, secret },
      changed: {
        ...changed,
        before: { ...changed.before, ...record(null) },
        after: { ...changed.after, ...record(now) },
      },
    };
  }

  /** @throws {ValidationError} when the overlap lies outside of the deployment's bounds */
  overlap(seconds: number | null | undefined): number {
    const { min, max } = this.#bounds;
    const wanted = seconds ?? max;
    if (wanted >= min && wanted <= max) return wanted;
    throw invalid(['overlapSeconds'], 'OUT_OF_RANGE', `An overlap is ${min} to ${max} seconds in this deployment.`);
  }

  refuseEnded(key: ApiKeyRow, now: Date): void {
    this.#keys.refuseRevoked(key, 'rotated');
    if (key.expiresAt === null || key.expiresAt > now) return;
    throw new InvalidStateError(
      'The key has expired, and a rotation does not prolong it; set a later expiresAt first.',
      'EXPIRED',
      ['keyId'],
    );
  }

  /** Those that are accepted now, newest first. */
  async #liveSecrets({ transaction, now }: CommandScope, { id }: ApiKeyRow): Promise<ApiKeySecretRow[]> {
    const { rows } = await transaction.reader.page(apiKeySecrets, {
      where: [
        sql`t.key_id = ${id}::uuid`,
        sql`t.revoked_at IS NULL`,
        sql`(t.valid_until IS NULL OR t.valid_until > ${now})`,
      ],
      order: { by: 'createdAt', direction: 'DESC' },
      // There are two at most: rotation refuses or retires the older one.
      size: 10,
      backward: false,
    });
    return [...rows];
  }

  async #retire({ transaction }: CommandScope, secrets: readonly ApiKeySecretRow[], now: Date): Promise<void> {
    if (secrets.length === 0) return;
    await transaction.prisma.apiKeySecret.updateMany({
      where: { id: { in: secrets.map(({ id }) => id) } },
      data: { validUntil: now },
    });
  }

  async #supersede({ transaction, now }: CommandScope, { id }: ApiKeyRow, validUntil: Date): Promise<void> {
    await transaction.prisma.apiKeySecret.updateMany({
      where: { keyId: id, supersededAt: null, revokedAt: null },
      data: { supersededAt: now, validUntil },
    });
  }
}

/** Until when a key that is left with these secrets is accepted; null: without end. */
function endOf(live: readonly ApiKeySecretRow[], { secretsUntil }: ApiKeyRow, now: Date): Date | null {
  const ends = live.flatMap(({ validUntil }) => validUntil ?? []);
  if (ends.length < live.length) return null;
  // One that was refused before stays so since then.
  if (ends.length === 0 && secretsUntil !== null && secretsUntil < now) return secretsUntil;
  return new Date(Math.max(now.getTime(), ...ends.map((end) => end.getTime())));
}
