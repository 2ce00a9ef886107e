import { z } from 'zod';
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
import { type LimitsRow, limitColumns, noLimits } from '../limits/limits.ts';
import { storedWindows, type WeeklyWindow } from '../tenants/schedule.ts';

/** Everything that a verification of a secret is decided by, in one row. */
export interface KeyRecord {
  readonly hash: Buffer;
  readonly hashScheme: string;
  readonly secret: {
    readonly id: string;
    readonly validUntil: Date | null;
    readonly supersededAt: Date | null;
    readonly revokedAt: Date | null;
  };
  readonly key: {
    readonly id: string;
    readonly kind: KeyKind;
    readonly name: string;
    readonly environment: KeyEnvironment | null;
    readonly scopes: ReadonlySet<Scope>;
    readonly allowedOrigins: readonly string[];
    readonly allowedIpRanges: readonly string[];
    readonly allowedModels: readonly string[];
    readonly expiresAt: Date | null;
    readonly disabledAt: Date | null;
    readonly revokedAt: Date | null;
    readonly limits: LimitsRow;
  };
  readonly tenant: {
    readonly id: string;
    readonly name: string;
    readonly status: TenantStatus;
    readonly timeZone: string;
    readonly activeFrom: Date | null;
    readonly activeUntil: Date | null;
    readonly weeklyWindows: readonly WeeklyWindow[] | null;
    readonly allowedModels: readonly string[];
    readonly limits: LimitsRow;
  } | null;
  readonly user: {
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
  } | null;
  readonly product: { readonly id: string; readonly slug: string; readonly status: ProductStatus } | null;
  readonly engine: { readonly id: string; readonly userExternalId: string; readonly status: EngineStatus } | null;
  readonly app: {
    readonly id: string;
    readonly name: string;
    readonly status: AppStatus;
    readonly inference: unknown;
  } | null;
}

/** Limits as JSON, money as text, which keeps every digit; null where there are none, as most rows have it: it is quicker. */
const limitsJson = (alias: string): string => {
  const columns = limitColumns.map((column) => ({ column, sql: columnOf(alias, column) }));
  const fields = columns.map(({ column, sql }) => `'${column}', ${sql}${column === 'budgetCostUsd' ? '::text' : ''}`);
  const all = columns.map(({ sql }) => sql).join(', ');
  return `CASE WHEN num_nonnulls(${all}) > 0 THEN json_build_object(${fields.join(', ')}) END`;
};

const json = (alias: string, fields: Readonly<Record<string, string>>): string =>
  `CASE WHEN ${alias}.id IS NOT NULL THEN json_build_object('id', ${alias}.id, ${Object.entries(fields)
    .map(([name, column]) => `'${name}', ${column}`)
    .join(', ')}) END`;

/** An owner that most keys do not have is null and costs nothing. */
export const recordColumns = Prisma.raw(
  [
    's.hash, s.hash_scheme AS "hashScheme", s.id AS "secretId", s.valid_until AS "validUntil"',
    's.superseded_at AS "supersededAt", s.revoked_at AS "secretRevokedAt"',
    'k.id, k.kind, k.name, k.environment, k.scopes, k.allowed_origins AS "allowedOrigins"',
    'k.allowed_ip_ranges AS "allowedIpRanges", k.allowed_models AS "allowedModels"',
    'k.expires_at AS "expiresAt", k.disabled_at AS "disabledAt", k.revoked_at AS "revokedAt"',
    `${limitsJson('k')} AS limits`,
    `${json('t', {
      name: 't.name',
      status: 't.status',
      timeZone: 't.time_zone',
      activeFrom: 't.active_from',
      activeUntil: 't.active_until',
      weeklyWindows: 't.weekly_windows',
      allowedModels: 't.allowed_models',
      limits: limitsJson('t'),
    })} AS tenant`,
    `${json('u', {
      externalId: 'u.external_id',
      status: 'u.status',
      limits: limitsJson('u'),
      team: json('g', { name: 'g.name', limits: limitsJson('g'), userSharePercent: 'g.user_share_percent' }),
    })} AS user`,
    `${json('p', { slug: 'p.slug', status: 'p.status' })} AS product`,
    `${json('e', { userExternalId: 'e.user_external_id', status: 'e.status' })} AS engine`,
    `${json('a', { name: 'a.name', status: 'a.status', inference: 'a.inference' })} AS app`,
  ].join(', '),
);

const bigint = z
  .number()
  .nullable()
  .transform((value) => (value === null ? null : BigInt(value)));

const time = z
  .string()
  .nullable()
  .transform((text) => (text === null ? null : new Date(text)));

const someLimits = z.object({
  requestsPerMinute: z.number().nullable(),
  tokensPerMinute: bigint,
  tokensPerDay: bigint,
  maxInFlight: z.number().nullable(),
  budgetTokens: bigint,
  budgetCostUsd: z
    .string()
    .nullable()
    .transform((text) => (text === null ? null : new Prisma.Decimal(text))),
  budgetPeriod: z.enum(BudgetPeriod).nullable(),
  budgetStartedAt: time,
});

const limits = someLimits.nullable().transform((given): LimitsRow => given ?? noLimits);

const record = z.object({
  hash: z.instanceof(Buffer),
  hashScheme: z.string(),
  secretId: z.string(),
  validUntil: z.date().nullable(),
  supersededAt: z.date().nullable(),
  secretRevokedAt: z.date().nullable(),
  id: z.string(),
  kind: z.enum(KeyKind),
  name: z.string(),
  environment: z.enum(KeyEnvironment).nullable(),
  // A scope that the registry has no more is one that nothing asks for.
  scopes: z.array(z.string()).transform((scopes) => new Set(scopes.filter(isScope))),
  allowedOrigins: z.array(z.string()),
  allowedIpRanges: z.array(z.string()),
  allowedModels: z.array(z.string()),
  expiresAt: z.date().nullable(),
  disabledAt: z.date().nullable(),
  revokedAt: z.date().nullable(),
  limits,
  tenant: z
    .object({
      id: z.string(),
      name: z.string(),
      status: z.enum(TenantStatus),
      timeZone: z.string(),
      activeFrom: time,
      activeUntil: time,
      weeklyWindows: storedWindows,
      allowedModels: z.array(z.string()),
      limits,
    })
    .nullable(),
  user: z
    .object({
      id: z.string(),
      externalId: z.string(),
      status: z.enum(UserStatus),
      limits,
      team: z.object({ id: z.string(), name: z.string(), limits, userSharePercent: z.number().nullable() }).nullable(),
    })
    .nullable(),
  product: z.object({ id: z.string(), slug: z.string(), status: z.enum(ProductStatus) }).nullable(),
  engine: z.object({ id: z.string(), userExternalId: z.string(), status: z.enum(EngineStatus) }).nullable(),
  app: z.object({ id: z.string(), name: z.string(), status: z.enum(AppStatus), inference: z.unknown() }).nullable(),
});

export function readRecord(raw: Record<string, unknown>): KeyRecord {
  const {
    hash,
    hashScheme,
    secretId,
    validUntil,
    supersededAt,
    secretRevokedAt,
    tenant,
    user,
    product,
    engine,
    app,
    ...key
  } = record.parse(raw);
  return {
    hash,
    hashScheme,
    secret: { id: secretId, validUntil, supersededAt, revokedAt: secretRevokedAt },
    key,
    tenant,
    user,
    product,
    engine,
    app,
  };
}
