/** Keys as a team would write them for itself: Fastify, and one prepared statement for the look-up and for each list. */
import { createHmac, createSecretKey, hash } from 'node:crypto';
import { fastify } from 'fastify';
import { Pool } from 'pg';
import { requiredNumber, requiredText } from './environment.ts';

interface VerifyRequest {
  readonly key: string;
}

interface KeyRow {
  readonly id: string;
  readonly kind: string;
  readonly name: string;
  readonly scopes: readonly string[];
  readonly expiresAt: Date | null;
  readonly disabledAt: Date | null;
  readonly revokedAt: Date | null;
  readonly validUntil: Date | null;
  readonly secretRevokedAt: Date | null;
  readonly tenantId: string;
  readonly tenantName: string;
  readonly tenantStatus: string;
  readonly userId: string | null;
  readonly userExternalId: string | null;
  readonly userStatus: string | null;
}

const pool = new Pool({ connectionString: requiredText('DATABASE_URL'), max: requiredNumber('POOL_SIZE') });
const pepper = createSecretKey(requiredText('PEPPER'), 'hex');

const keyBySecret = `
  select api_key.id, api_key.kind, api_key.name, api_key.scopes, api_key.expires_at as "expiresAt",
    api_key.disabled_at as "disabledAt", api_key.revoked_at as "revokedAt",
    api_key_secret.valid_until as "validUntil", api_key_secret.revoked_at as "secretRevokedAt",
    tenant.id as "tenantId", tenant.name as "tenantName", tenant.status as "tenantStatus",
    tenant_user.id as "userId", tenant_user.external_id as "userExternalId", tenant_user.status as "userStatus"
  from api_key_secret
  join api_key on api_key.id = api_key_secret.key_id
  join tenant on tenant.id = api_key.tenant_id
  left join tenant_user on tenant_user.id = api_key.user_id
  where api_key_secret.hash = $1`;

function refusalOf(row: KeyRow, now: Date): string | null {
  if (row.revokedAt !== null || row.secretRevokedAt !== null) return 'REVOKED';
  if (row.expiresAt !== null && row.expiresAt <= now) return 'EXPIRED';
  if (row.validUntil !== null && row.validUntil <= now) return 'SUPERSEDED';
  if (row.disabledAt !== null) return 'DISABLED';
  if (row.tenantStatus !== 'ACTIVE') return 'TENANT_SUSPENDED';
  return row.userStatus === 'DEACTIVATED' ? 'USER_DEACTIVATED' : null;
}

interface ListedRow {
  readonly id: string;
  readonly name: string;
  readonly nameFolded: string;
  readonly kind: string;
  readonly scopes: readonly string[];
  readonly tenantId: string | null;
  readonly createdAt: Date;
  readonly expiresAt: Date | null;
  readonly disabledAt: Date | null;
  readonly revokedAt: Date | null;
  readonly retiringUntil: Date | null;
}

const listed = `
  select id, name, name_folded as "nameFolded", kind, scopes, tenant_id as "tenantId", created_at as "createdAt",
    expires_at as "expiresAt", disabled_at as "disabledAt", revoked_at as "revokedAt", retiring_until as "retiringUntil"
  from api_key`;

const activeKeys = `${listed}
  where revoked_at is null and disabled_at is null and (expires_at is null or expires_at > now() + interval '7 days')
    and (retiring_until is null or retiring_until <= now())
  order by created_at desc, id desc limit $1`;

const keysByName = `${listed}
  where name_folded >= $1 and name_folded < $2 order by name_folded, id limit $3`;

const lastCharacter = '\u{10ffff}';
const expiringMs = 7 * 24 * 60 * 60 * 1_000;

function stateOf({ revokedAt, expiresAt, disabledAt, retiringUntil }: ListedRow, now: Date): string {
  if (revokedAt !== null) return 'REVOKED';
  if (expiresAt !== null && expiresAt <= now) return 'EXPIRED';
  if (disabledAt !== null) return 'DISABLED';
  if (retiringUntil !== null && retiringUntil > now) return 'ROTATING';
  return expiresAt !== null && expiresAt.getTime() <= now.getTime() + expiringMs ? 'EXPIRING' : 'ACTIVE';
}

/** @param rows one more than the page holds, if there are more */
function pageOf(rows: readonly ListedRow[], first: number, cursorOf: (row: ListedRow) => string) {
  const now = new Date();
  const shown = rows.slice(0, first);
  const last = shown.at(-1);
  return {
    keys: shown.map((row) => {
      const { id, name, kind, scopes, tenantId, createdAt, expiresAt } = row;
      return { id, name, kind, state: stateOf(row, now), scopes, tenantId, createdAt, expiresAt };
    }),
    hasNextPage: rows.length > first,
    endCursor: last === undefined ? '' : Buffer.from(`${cursorOf(last)} ${last.id}`).toString('base64url'),
  };
}

const server = fastify();

server.post<{ Body: { readonly first: number } }>('/keys/active', async ({ body: { first } }) => {
  const { rows } = await pool.query<ListedRow>({ name: 'activeKeys', text: activeKeys, values: [first + 1] });
  return pageOf(rows, first, ({ createdAt }) => createdAt.toISOString());
});

server.post<{ Body: { readonly first: number; readonly startsWith: string } }>('/keys/by-name', async (request) => {
  const { first, startsWith } = request.body;
  const values = [startsWith, `${startsWith}${lastCharacter}`, first + 1];
  const { rows } = await pool.query<ListedRow>({ name: 'keysByName', text: keysByName, values });
  return pageOf(rows, first, ({ nameFolded }) => nameFolded);
});

server.post<{ Body: VerifyRequest }>('/verify', async (request) => {
  const secretHash = createHmac('sha256', pepper)
    .update(hash('sha256', request.body.key, 'buffer'))
    .digest();
  const { rows } = await pool.query<KeyRow>({ name: 'keyBySecret', text: keyBySecret, values: [secretHash] });
  const [row] = rows;
  if (row === undefined) return { isValid: false, reason: 'NOT_FOUND' };
  const now = new Date();
  const reason = refusalOf(row, now);
  return {
    isValid: reason === null,
    reason,
    keyId: row.id,
    kind: row.kind,
    name: row.name,
    scopes: row.scopes,
    expiresAt: row.expiresAt,
    cacheUntil: reason === null ? new Date(now.getTime() + 10_000) : null,
    owners: {
      tenantId: row.tenantId,
      tenantName: row.tenantName,
      userId: row.userId,
      userExternalId: row.userExternalId,
    },
  };
});

await server.listen({ port: requiredNumber('PORT'), host: '127.0.0.1' });

process.once('SIGTERM', () => {
  void server
    .close()
    .then(() => pool.end())
    .then(() => process.exit(0));
});
