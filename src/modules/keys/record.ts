import { isScope, type Scope } from '../../access/scopes.ts';
import { columnOf } from '../../database/entity.ts';
import { Prisma } from '../../database/generated/client.ts';
import {
  AppStatus,
  BudgetPeriod,
  EngineStatus,
  KeyEnvironment,
  KeyKind,
  ProductStatus,
  TenantStatus,
  UserStatus,
} from '../../database/generated/enums.ts';
import {
  type ColumnType,
  columns,
  fromText,
  integer,
  type JsonValue,
  json,
  mapped,
  nullable,
  oneOf,
  rowOf,
  text,
  texts,
  time,
  values,
} from '../../database/json-values.ts';
import { type LimitsRow, limitColumns, noLimits } from '../limits/limits.ts';
import { storedWindows, type WeeklyWindow } from '../tenants/schedule.ts';

/** A user of a tenant whom a request is for, with their team. */
export interface KeyUser {
  readonly id: string;
  readonly externalId: string;
  readonly status: UserStatus;
  readonly limits: LimitsRow;
  readonly team: {
    readonly id: string;
    readonly name: string;
    readonly limits: LimitsRow;
    readonly userSharePercent: number | null;
  } | null;
}

/** A key with everything that it belongs to, whatever its secrets are. */
export interface KeyIdentity {
  readonly key: {
    readonly id: string;
    readonly kind: KeyKind;
    readonly name: string;
    readonly environment: KeyEnvironment | null;
    readonly scopes: ReadonlySet<Scope>;
    readonly allowedOrigins: readonly string[];
    readonly allowedIpRanges: readonly string[];
    readonly allowedModels: readonly string[];
    readonly weight: number;
    readonly expiresAt: Date | null;
    readonly disabledAt: Date | null;
    readonly revokedAt: Date | null;
    readonly limits: LimitsRow;
  };
  readonly tenant: {
    readonly id: string;
    readonly name: string;
    readonly status: TenantStatus;
    readonly fairshareGroupId: string;
    readonly weight: number;
    readonly timeZone: string;
    readonly activeFrom: Date | null;
    readonly activeUntil: Date | null;
    readonly weeklyWindows: readonly WeeklyWindow[] | null;
    readonly allowedModels: readonly string[];
    readonly limits: LimitsRow;
  } | null;
  readonly user: KeyUser | null;
  readonly product: {
    readonly id: string;
    readonly slug: string;
    readonly status: ProductStatus;
    readonly limits: LimitsRow;
  } | null;
  readonly engine: { readonly id: string; readonly userExternalId: string; readonly status: EngineStatus } | null;
  readonly app: {
    readonly id: string;
    readonly name: string;
    readonly status: AppStatus;
    readonly inference: unknown;
  } | null;
}

/** Everything that a verification of a secret is decided by, in one row. */
export interface KeyRecord extends KeyIdentity {
  readonly hashScheme: string;
  readonly secret: {
    readonly id: string;
    readonly validUntil: Date | null;
    readonly supersededAt: Date | null;
    readonly revokedAt: Date | null;
  };
}

const count = nullable(fromText(BigInt));

const limitTypes: { readonly [Column in keyof LimitsRow]: ColumnType<LimitsRow[Column]> } = {
  requestsPerMinute: nullable(integer),
  tokensPerMinute: count,
  tokensPerDay: count,
  maxInFlight: nullable(integer),
  budgetTokens: count,
  budgetCostUsd: nullable(fromText((amount) => new Prisma.Decimal(amount))),
  budgetPeriod: nullable(oneOf(BudgetPeriod)),
  budgetStartedAt: nullable(time),
};

/** Null where there are none, as most rows have it: it is quicker. */
function limitsOf(alias: string): JsonValue<LimitsRow> {
  const { sql, read } = values(columns(alias, limitTypes));
  const all = limitColumns.map((column) => columnOf(alias, column)).join(', ');
  return {
    sql: `CASE WHEN num_nonnulls(${all}) > 0 THEN ${sql} END`,
    read: (sent) => (sent === null ? noLimits : read(sent)),
  };
}

const team = values({
  ...columns('g', { id: text, name: text, userSharePercent: nullable(integer) }),
  limits: limitsOf('g'),
});

const user = values({
  ...columns('u', { id: text, externalId: text, status: oneOf(UserStatus) }),
  limits: limitsOf('u'),
  team: rowOf({ table: 'team', alias: 'g', id: 'u.team_id' }, team),
});

/** The values of a key `k`. */
const identityParts = {
  key: values({
    ...columns('k', {
      id: text,
      kind: oneOf(KeyKind),
      name: text,
      environment: nullable(oneOf(KeyEnvironment)),
      // A scope that the registry has no more is one that nothing asks for.
      scopes: mapped(texts, (scopes): ReadonlySet<Scope> => new Set(scopes.filter(isScope))),
      allowedOrigins: texts,
      allowedIpRanges: texts,
      allowedModels: texts,
      weight: integer,
      expiresAt: nullable(time),
      disabledAt: nullable(time),
      revokedAt: nullable(time),
    }),
    limits: limitsOf('k'),
  }),
  tenant: rowOf(
    { table: 'tenant', alias: 't', id: 'k.tenant_id' },
    values({
      ...columns('t', {
        id: text,
        name: text,
        status: oneOf(TenantStatus),
        fairshareGroupId: text,
        weight: integer,
        timeZone: text,
        activeFrom: nullable(time),
        activeUntil: nullable(time),
        weeklyWindows: nullable(json((stored) => storedWindows.parse(stored))),
        allowedModels: texts,
      }),
      limits: limitsOf('t'),
    }),
  ),
  user: rowOf({ table: 'tenant_user', alias: 'u', id: 'k.user_id' }, user),
  product: rowOf(
    { table: 'product', alias: 'p', id: 'k.product_id' },
    values({ ...columns('p', { id: text, slug: text, status: oneOf(ProductStatus) }), limits: limitsOf('p') }),
  ),
  engine: rowOf(
    { table: 'engine', alias: 'e', id: 'k.engine_id' },
    values(columns('e', { id: text, userExternalId: text, status: oneOf(EngineStatus) })),
  ),
  app: rowOf(
    { table: 'app', alias: 'a', id: 'k.app_id' },
    values(columns('a', { id: text, name: text, status: oneOf(AppStatus), inference: json((stored) => stored) })),
  ),
} satisfies { readonly [Part in keyof KeyIdentity]: JsonValue<KeyIdentity[Part]> };

const identity = values<KeyIdentity>(identityParts);

/** The whole record as one value, of a secret `s` and its key. */
const record = values<KeyRecord>({
  ...columns('s', { hashScheme: text }),
  secret: values(
    columns('s', { id: text, validUntil: nullable(time), supersededAt: nullable(time), revokedAt: nullable(time) }),
  ),
  ...identityParts,
});

/**
 * Reads the records of secrets that were stored as any of these hashes. They stand in a subselect, which hides how many
 * they are: Postgres otherwise takes each call's own number for a reason to plan the statement anew, which takes ten
 * times as long as carrying it out.
 */
export const recordsOf = (hashes: readonly Uint8Array[]): Prisma.Sql => Prisma.sql`
  SELECT s.hash, ${Prisma.raw(record.sql)} AS record
  FROM api_key_secret AS s JOIN api_key AS k ON k.id = s.key_id
  WHERE s.hash = ANY((SELECT ${hashes}::bytea[])::bytea[])
`;

/** The hash by which a row of that statement was found. */
export function hashOf({ hash }: Readonly<Record<string, unknown>>): Buffer {
  if (!Buffer.isBuffer(hash)) throw new Error('The hash of a secret came without its bytes.');
  return hash;
}

/** Reads a row of that statement. */
export const readRecord = (row: Readonly<Record<string, unknown>>): KeyRecord => record.read(row.record);

/** Reads the keys with these ids, whatever their secrets are. As above, how many they are is hidden. */
export const identitiesOf = (ids: readonly string[]): Prisma.Sql => Prisma.sql`
  SELECT ${Prisma.raw(identity.sql)} AS identity FROM api_key AS k WHERE k.id = ANY((SELECT ${ids}::uuid[])::uuid[])
`;

/** Reads a row of that statement. */
export const readIdentity = (row: Readonly<Record<string, unknown>>): KeyIdentity => identity.read(row.identity);

/** Reads the user whom a tenant's own systems call so. */
export const userNamed = (tenantId: string, externalId: string): Prisma.Sql => Prisma.sql`
  SELECT ${Prisma.raw(user.sql)} AS user_ FROM tenant_user AS u
  WHERE u.tenant_id = ${tenantId}::uuid AND u.external_id = ${externalId}
`;

/** Reads a row of that statement. */
export const readUser = (row: Readonly<Record<string, unknown>>): KeyUser => user.read(row.user_);
