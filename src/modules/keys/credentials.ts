import type { CredentialSource, Finding, RequestOrigin } from '../../access/authenticator.ts';
import type { CredentialPlace, RejectionReason } from '../../access/credentials.ts';
import type { Principal } from '../../access/principal.ts';
import { scopesOfKind } from '../../access/scopes.ts';
import type { KeyKind } from '../../database/generated/enums.ts';
import type { Clock } from '../../graph/context.ts';
import { encodeId } from '../../graph/ids.ts';
import type { KeyDirectory, Lookup } from './directory.ts';
import type { KeyRecord } from './record.ts';
import type { UsageRecorder } from './usage.ts';
import { type Refusal, refusalOfCredential, refusalOfPerson, refusalOfPlace } from './verification.ts';

interface Parts {
  readonly directory: KeyDirectory;
  readonly usage: UsageRecorder;
  readonly clock: Clock;
}

/** The header for one kind of key accepts that kind alone; the general ones accept every kind. */
const kindOfPlace: Readonly<Partial<Record<CredentialPlace, KeyKind>>> = {
  'x-admin-key': 'ADMIN',
  'x-platform-key': 'PRODUCT',
  'x-engine-key': 'ENGINE',
};

/** What the holder of a refused key is told. */
const rejections: Readonly<Partial<Record<Refusal, RejectionReason>>> = {
  REVOKED: 'REVOKED_CREDENTIAL',
  EXPIRED: 'EXPIRED_CREDENTIAL',
  SUPERSEDED: 'EXPIRED_CREDENTIAL',
  DISABLED: 'DISABLED_CREDENTIAL',
  IP_NOT_ALLOWED: 'ADDRESS_NOT_ALLOWED',
  ORIGIN_NOT_ALLOWED: 'ORIGIN_NOT_ALLOWED',
};

/** The keys in the database, as credentials for the graph itself. */
export class KeyCredentials implements CredentialSource {
  readonly accepts = ['bearer', 'x-admin-key', 'x-platform-key', 'x-engine-key', 'x-api-key'] as const;
  readonly #parts: Parts;
  /** What was made of records that are kept in memory, as long as they are. */
  readonly #principals = new WeakMap<KeyRecord, Principal>();

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  find(secret: string, place: CredentialPlace, from: RequestOrigin): Finding | Promise<Finding> {
    const found = this.#parts.directory.find(secret);
    return found instanceof Promise
      ? found.then((later) => this.#judge(later, secret, place, from))
      : this.#judge(found, secret, place, from);
  }

  #judge(record: Lookup, secret: string, place: CredentialPlace, from: RequestOrigin): Finding {
    const { clock, usage } = this.#parts;
    if (typeof record === 'string') return undefined;
    const kind = kindOfPlace[place];
    if (kind !== undefined && kind !== record.key.kind) return undefined;
    const now = clock.now();
    const refusal =
      refusalOfCredential(record, now) ??
      // Suspended tenants and products are not served, and still see what they have; a product that is being deleted has
      // its engines destroyed by its own keys. An archived tenant is history.
      (record.tenant?.status === 'ARCHIVED' ? 'TENANT_ARCHIVED' : undefined) ??
      refusalOfPerson(record) ??
      refusalOfPlace(record, from);
    if (refusal !== undefined) return rejections[refusal] ?? 'OWNER_NOT_ACTIVE';
    usage.note(record, now, secret);
    const known = this.#principals.get(record);
    if (known !== undefined) return known;
    const principal = principalOf(record);
    this.#principals.set(record, principal);
    return principal;
  }
}

/** Whoever presents the key. Scopes that its kind may not hold any more are left out. */
function principalOf({ secret, key, tenant, user, product, engine, app }: KeyRecord): Principal {
  const allowed = scopesOfKind(key.kind);
  const ends = [key.expiresAt, secret.validUntil].filter((time) => time !== null);
  const expiresAt = ends.toSorted((a, b) => a.getTime() - b.getTime())[0];
  return {
    kind: key.kind,
    credentialId: encodeId('ApiKey', key.id),
    name: key.name,
    keyId: key.id,
    scopes: new Set([...key.scopes].filter((scope) => allowed.has(scope))),
    ...(tenant === null ? {} : { tenantId: tenant.id }),
    ...(user === null ? {} : { userId: user.id }),
    ...(product === null ? {} : { productId: product.id }),
    ...(engine === null ? {} : { engineId: engine.id }),
    ...(app === null ? {} : { appId: app.id }),
    ...(expiresAt === undefined ? {} : { expiresAt }),
    ...(secret.supersededAt === null || secret.validUntil === null ? {} : { retiringUntil: secret.validUntil }),
  };
}
