import { prefixOf } from '../../access/key-prefixes.ts';
import type { Principal } from '../../access/principal.ts';
import type { SecretHasher } from '../../access/secret-hasher.ts';
import { hashSecret, makeSecret, startOf } from '../../access/secrets.ts';
import { visibleTo } from '../../access/visibility.ts';
import { ConfigError } from '../../config/error.ts';
import type { KeyPrefixes } from '../../config/keys.ts';
import type { Database } from '../../database/database.ts';
import type { Wanted } from '../../database/entity.ts';
import { Prisma } from '../../database/generated/client.ts';
import type { KeyEnvironment, KeyKind, SecretOrigin } from '../../database/generated/enums.ts';
import type { Reader } from '../../database/reader.ts';
import { type Change, type ChangedRow, type CommandScope, unchanged } from '../../graph/commands/definition.ts';
import { orTaken } from '../../graph/commands/name-taken.ts';
import { foldName } from '../../graph/commands/validation.ts';
import type { Connection } from '../../graph/connections.ts';
import { expectRevision, InvalidStateError, invalid, NotFoundError } from '../../graph/errors.ts';
import type { ExistingSecret } from '../../graph/existing-secret.ts';
import { newId } from '../../graph/ids.ts';
import { type ListRequest, readChildList, readList } from '../../graph/lists.ts';
import { OneTimeSecret } from '../../graph/one-time-secret.ts';
import { differs } from '../../graph/patches.ts';
import { limitsData, noLimits } from '../limits/limits.ts';
import type { TenantService } from '../tenants/service.ts';
import { type KeyData, keyData, widens } from './data.ts';
import { aboutKey, describeKey } from './describe.ts';
import { type ApiKeyRow, type ApiKeySecretRow, apiKeySecrets, apiKeys } from './entity.ts';
import { LastAdminKeyError } from './errors.ts';
import { refuseEscalation, weightDefault } from './escalation.ts';
import { type KeyFilter, keyConditions } from './filter.ts';
import { claimSecret, secretInUse } from './imports.ts';
import type { CreateKey, KeyReference, RevokeKey, UpdateKey } from './input.ts';
import { checkKind, holdOwners, issuesOfDetails, scopesOf, throwIfAny } from './new-key.ts';
import { stateOf } from './states.ts';

declare module '../../graph/context.ts' {
  interface Services {
    keys: KeyService;
  }
}

export interface KeyAnswer {
  readonly key: ApiKeyRow;
}

/** A key with a secret that was made for it; null when the caller brought the secret. */
export interface IssuedKey extends KeyAnswer {
  readonly secret: OneTimeSecret | null;
}

/** A change that was made for certain. */
type Changed<Payload> = Change<Payload> & { readonly changed: ChangedRow };

/** A secret that is about to be stored. */
interface NewSecret {
  readonly plain: OneTimeSecret | null;
  readonly sha256: Buffer;
  readonly origin: SecretOrigin;
  readonly start: string;
}

interface Parts {
  readonly database: Database;
  readonly tenants: TenantService;
  readonly hasher: SecretHasher;
  /** Under which pepper new secrets are hashed; 0: none. */
  readonly pepperVersion: () => number;
  readonly prefixes: KeyPrefixes;
  /** Whether there is a root admin key, which can do what admin keys can. */
  readonly hasRootKey: boolean;
}

const { sql } = Prisma;

/** The lasting identities of credentials. How their secrets are replaced is in `rotation.ts`. */
export class KeyService {
  readonly #parts: Parts;

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  find(principal: Principal, id: string, wanted?: Wanted): Promise<ApiKeyRow | undefined> {
    const where = [sql`t.id = ${id}::uuid`, ...visibleTo(apiKeys, principal)];
    return this.#parts.database.readerFor(principal).find(apiKeys, where, { wanted });
  }

  /** The keys with these ids, by id; those that the principal cannot see are absent. */
  byIds(principal: Principal, ids: readonly string[]): Promise<Map<string, ApiKeyRow>> {
    return this.#parts.database.readerFor(principal).byIds(apiKeys, ids, visibleTo(apiKeys, principal));
  }

  secretsByIds(principal: Principal, ids: readonly string[]): Promise<Map<string, ApiKeySecretRow>> {
    const where = visibleTo(apiKeySecrets, principal);
    return this.#parts.database.readerFor(principal).byIds(apiKeySecrets, ids, where);
  }

  list(
    principal: Principal,
    filter: KeyFilter,
    now: Date,
    request: ListRequest<ApiKeyRow>,
  ): Promise<Connection<ApiKeyRow>> {
    const where = [...keyConditions(filter, now), ...visibleTo(apiKeys, principal)];
    return readList(this.#parts.database.readerFor(principal), apiKeys, where, request);
  }

  /** The keys of one owner; asked for many owners in one request, one statement for all of them. */
  listOf(
    context: { readonly principal: Principal },
    by: 'tenantId' | 'userId' | 'appId' | 'productId' | 'engineId',
    ownerId: string,
    { filter, now }: { filter: KeyFilter; now: Date },
    request: ListRequest<ApiKeyRow>,
  ): Promise<Connection<ApiKeyRow>> {
    const { principal } = context;
    const where = [...keyConditions(filter, now), ...visibleTo(apiKeys, principal)];
    const reader = this.#parts.database.readerFor(principal);
    return readChildList(context, reader, ownerId, { entity: apiKeys, by }, where, request);
  }

  /** The secrets of one key, without anything that could be used as one. */
  secretsOf(
    context: { readonly principal: Principal },
    keyId: string,
    request: ListRequest<ApiKeySecretRow>,
  ): Promise<Connection<ApiKeySecretRow>> {
    const reader = this.#parts.database.readerFor(context.principal);
    return readChildList(context, reader, keyId, { entity: apiKeySecrets, by: 'keyId' }, [], request);
  }

  async create(scope: CommandScope, input: CreateKey): Promise<Change<IssuedKey>> {
    const issued = await this.issue(scope, input);
    return { payload: issued, changed: this.recordOf(issued) };
  }

  /** What the audit log says of a key that was made. */
  recordOf({ key }: IssuedKey): ChangedRow {
    return { ...aboutKey(key), after: describeKey(key) };
  }

  /** Makes a key with its first secret. For other modules, whose commands have `recordOf` it recorded with theirs. */
  async issue(scope: CommandScope, input: CreateKey): Promise<IssuedKey> {
    const { transaction, principal, now } = scope;
    const { kind, name } = input;
    checkKind(input, now, principal);
    const owners = await holdOwners(scope, input, this.#parts.tenants);
    const environment = input.environment ?? null;
    const secret = this.makeSecret(kind, environment, input.existingSecret);
    const data = {
      id: newId(),
      kind,
      name,
      nameFolded: foldName(name),
      ...owners,
      environment,
      scopes: [...scopesOf(input, principal)],
      allowedOrigins: input.allowedOrigins ?? [],
      allowedIpRanges: input.allowedIpRanges ?? [],
      allowedModels: input.allowedModels ?? [],
      weight: input.weight ?? weightDefault,
      ...noLimits,
      ...limitsData(input.limits ?? {}, {}, now),
      expiresAt: input.expiresAt ?? null,
      metadata: (input.metadata ?? {}) as Prisma.InputJsonObject,
      start: secret.start,
      createdById: principal.credentialId,
      createdByName: principal.name,
      createdAt: now,
      updatedAt: now,
    };
    await refuseEscalation(scope, data, data.weight);
    const key = await transaction.prisma.apiKey.create({ data });
    await this.storeSecret(scope, key, secret);
    return { key, secret: secret.plain };
  }

  async update(scope: CommandScope, { keyId, expectedRevision, ...patch }: UpdateKey): Promise<Change<KeyAnswer>> {
    const key = await this.lock(scope, { keyId, expectedRevision });
    this.refuseRevoked(key, 'changed');
    throwIfAny(issuesOfDetails(key.kind, patch, scope.now));
    const data = keyData(patch, key, scope.now);
    if (!differs(key, data)) return unchanged({ key });
    if (widens(data)) {
      const heavier = data.weight !== undefined && data.weight > key.weight ? data.weight : undefined;
      await refuseEscalation(scope, { ...key, ...data }, heavier);
    }
    await this.guardLastAdminKey(scope, key, { ...key, ...data });
    return this.change(scope, key, data);
  }

  async disable(scope: CommandScope, reference: KeyReference): Promise<Change<KeyAnswer>> {
    const key = await this.lock(scope, reference);
    this.refuseRevoked(key, 'disabled');
    if (key.disabledAt !== null) return unchanged({ key });
    await this.guardLastAdminKey(scope, key, { ...key, disabledAt: scope.now });
    return this.change(scope, key, { disabledAt: scope.now });
  }

  async enable(scope: CommandScope, reference: KeyReference): Promise<Change<KeyAnswer>> {
    const key = await this.lock(scope, reference);
    this.refuseRevoked(key, 'enabled');
    if (key.disabledAt === null) return unchanged({ key });
    await refuseEscalation(scope, key);
    return this.change(scope, key, { disabledAt: null });
  }

  /** For good. Of a second time nothing is kept: when and why it was first revoked stays. */
  async revoke(scope: CommandScope, { reason, ...reference }: RevokeKey): Promise<Change<KeyAnswer>> {
    const key = await this.lock(scope, reference);
    if (key.revokedAt !== null) return unchanged({ key });
    await this.guardLastAdminKey(scope, key, { ...key, revokedAt: scope.now });
    return this.change(scope, key, { revokedAt: scope.now, revokedReason: reason ?? null });
  }

  async delete(scope: CommandScope, reference: KeyReference): Promise<Change<{ readonly deletedKeyId: string }>> {
    const key = await this.lock(scope, reference, 'UPDATE');
    await this.guardLastAdminKey(scope, key, { ...key, revokedAt: scope.now });
    await scope.transaction.prisma.apiKey.delete({ where: { id: key.id }, select: { id: true } });
    return { payload: { deletedKeyId: key.id }, changed: { ...aboutKey(key), before: describeKey(key) } };
  }

  /** Locks the row of a key that the caller sees. */
  async lock(
    { transaction, principal }: CommandScope,
    { keyId, expectedRevision }: KeyReference,
    lock: 'UPDATE' | 'NO KEY UPDATE' = 'NO KEY UPDATE',
  ): Promise<ApiKeyRow> {
    const where = [sql`t.id = ${keyId}::uuid`, ...visibleTo(apiKeys, principal)];
    const key = await transaction.reader.find(apiKeys, where, { lock });
    if (key === undefined) throw new NotFoundError('key', ['keyId']);
    expectRevision(key, expectedRevision);
    return key;
  }

  refuseRevoked(key: ApiKeyRow, done: string): void {
    if (key.revokedAt === null) return;
    throw new InvalidStateError(`The key was revoked, so it cannot be ${done}; create another one.`, 'REVOKED', [
      'keyId',
    ]);
  }

  /** Writes what changes of a key that is locked. */
  async change(scope: CommandScope, before: ApiKeyRow, data: KeyData): Promise<Changed<KeyAnswer>> {
    const key = await scope.transaction.prisma.apiKey.update({
      where: { id: before.id },
      data: { ...data, revision: { increment: 1 }, updatedAt: scope.now },
    });
    return {
      payload: { key },
      changed: { ...aboutKey(key), before: describeKey(before), after: describeKey(key) },
    };
  }

  /** @throws {ValidationError} when the caller's own secret is for the other environment */
  makeSecret(kind: KeyKind, environment: KeyEnvironment | null, existing?: ExistingSecret | null): NewSecret {
    const { prefixes } = this.#parts;
    const prefix = prefixOf(prefixes, kind, environment);
    if (typeof existing?.sha256 === 'string') {
      return { plain: null, sha256: Buffer.from(existing.sha256, 'hex'), origin: 'HASH_ONLY', start: '' };
    }
    if (typeof existing?.text === 'string') {
      const { text } = existing;
      if (environment !== null) refuseOtherEnvironment(prefixes, kind, environment, text);
      const start = text.startsWith(prefix) ? startOf(text, prefix) : text.slice(0, 4);
      return { plain: null, sha256: hashSecret(text), origin: 'PROVIDED', start };
    }
    const plain = makeSecret(prefix);
    return {
      plain: new OneTimeSecret(plain),
      sha256: hashSecret(plain),
      origin: 'GENERATED',
      start: startOf(plain, prefix),
    };
  }

  /** @throws {ValidationError} when the caller's own secret is in use */
  async storeSecret(
    scope: CommandScope,
    key: Pick<ApiKeyRow, 'id' | 'tenantId'>,
    { sha256, origin, start }: NewSecret,
  ): Promise<void> {
    const { hasher, pepperVersion } = this.#parts;
    const { hash, scheme } =
      origin === 'GENERATED' ? hasher.hash(sha256, pepperVersion()) : await claimSecret(scope, hasher, sha256);
    const data = { keyId: key.id, tenantId: key.tenantId, hash, hashScheme: scheme, origin, start };
    await orTaken(
      secretInUse,
      scope.transaction.prisma.apiKeySecret.create({
        data: { id: newId(), ...data, createdAt: scope.now },
        select: { id: true },
      }),
    );
  }

  /** @throws {LastAdminKeyError} when the change would leave nobody who can manage keys: see `guardAdminKeys` */
  async guardLastAdminKey(scope: CommandScope, before: ApiKeyRow, after: ApiKeyRow): Promise<void> {
    if (manages(after, scope.now) && !endsSooner(after, before)) return;
    await this.guardAdminKeys(scope, [before]);
  }

  /**
   * Keeps the deployment manageable: without a root admin key, some other admin key has to be able to manage keys, for as
   * long as these could.
   *
   * @param lost keys that are about to be of no use, or to end sooner
   * @throws {LastAdminKeyError}
   */
  async guardAdminKeys({ transaction, now }: CommandScope, lost: readonly ApiKeyRow[]): Promise<void> {
    if (this.#parts.hasRootKey) return;
    const managing = lost.filter((key) => key.kind === 'ADMIN' && manages(key, now));
    if (managing.length === 0) return;
    // Two that are removed at the same time would each see the other.
    await transaction.prisma.$queryRaw`SELECT pg_advisory_xact_lock(hashtext('fairlead last admin key'))::text`;
    const until = new Date(Math.max(...managing.map(({ expiresAt }) => (expiresAt ?? noEnd).getTime())));
    const besides = managing.map(({ id }) => id);
    if (!(await hasManagingKey(transaction.reader, now, { besides, until }))) throw new LastAdminKeyError();
  }

  /**
   * Whether some admin key can manage keys without end, so that no root admin key is needed.
   *
   * @throws {ConfigError} when none can now
   */
  async expectAdminKey(now: Date): Promise<boolean> {
    const { reader } = this.#parts.database;
    if (!(await hasManagingKey(reader, now))) {
      throw new ConfigError(
        'FAIRLEAD_ROOT_KEY_ENABLED is false, and the database has no admin key that can manage keys. Start with a root admin key, create an admin key with the scope keys:write, then turn it off.',
      );
    }
    return hasManagingKey(reader, now, { until: noEnd });
  }
}

/** What the column `expires_order` has of keys that do not expire. */
const noEnd = new Date('9999-12-31T00:00:00.000Z');

/** Whether an admin key, besides these, can be used to manage keys, until then at least and not for an overlap only. */
async function hasManagingKey(
  reader: Reader,
  now: Date,
  { besides = [], until = now }: { readonly besides?: readonly string[]; readonly until?: Date } = {},
): Promise<boolean> {
  const found = await reader.raw(sql`
    SELECT t.id FROM api_key AS t
    WHERE t.kind = 'ADMIN' AND t.revoked_at IS NULL AND t.disabled_at IS NULL AND t.id <> ALL(${besides}::uuid[])
      AND t.scopes @> ARRAY['keys:write'] AND t.expires_order > ${now} AND t.expires_order >= ${until}
      AND EXISTS (
        SELECT FROM api_key_secret AS s
        WHERE s.key_id = t.id AND s.revoked_at IS NULL AND s.valid_until IS NULL
      )
    LIMIT 1
  `);
  return found.length > 0;
}

const endsSooner = ({ expiresAt }: ApiKeyRow, before: ApiKeyRow): boolean =>
  expiresAt !== null && (before.expiresAt === null || expiresAt < before.expiresAt);

/** Whether an admin key can be used to manage keys. */
const manages = (key: ApiKeyRow, now: Date): boolean =>
  !['REVOKED', 'EXPIRED', 'DISABLED', 'NO_SECRET'].includes(stateOf(key, now)) && key.scopes.includes('keys:write');

function refuseOtherEnvironment(prefixes: KeyPrefixes, kind: KeyKind, environment: KeyEnvironment, text: string): void {
  const other = environment === 'LIVE' ? 'TEST' : 'LIVE';
  if (text.startsWith(prefixOf(prefixes, kind, other))) {
    throw invalid(
      ['existingSecret', 'text'],
      'ENVIRONMENT_MISMATCH',
      `The secret begins like one for ${other}, and the key is for ${environment}.`,
    );
  }
}
