import type { Lease } from '../../database/generated/client.ts';
import type { UsageRecordRow } from '../usage/entity.ts';

/** What the gateway says of a request after all. */
export type LateFigures = Pick<
  UsageRecordRow,
  | 'id'
  | 'credentialId'
  | 'statusCode'
  | 'inputTokens'
  | 'outputTokens'
  | 'images'
  | 'audioMs'
  | 'characters'
  | 'ttftMs'
  | 'totalMs'
  | 'cacheStatus'
  | 'costUsd'
>;

/** The state of a counter as it is kept; null as its end: it has none. */
export interface CounterRow {
  readonly key: string;
  /** What JSON can hold. */
  readonly state: unknown;
  /** In milliseconds since 1970. */
  readonly expiresAt: number | null;
}

export interface Renewal {
  readonly id: string;
  readonly expiresAt: Date;
}

type SqlType =
  | 'uuid'
  | 'text'
  | 'json'
  | 'bigint'
  | 'integer'
  | 'numeric'
  | 'usage_admission'
  | 'usage_settlement'
  | 'cache_status'
  | 'timestamptz';

/** A column that rows are written to, or compared by. */
interface Column<Row> {
  readonly name: string;
  readonly type: SqlType;
  readonly of: (row: Row) => unknown;
}

/** One column of many rows as an array of Postgres's: a statement takes a batch of any size with as many parameters as it has columns. */
function arrayOf<Row>({ type, of }: Column<Row>, rows: readonly Row[]): string {
  const items: string[] = [];
  for (const row of rows) {
    const value = of(row);
    if (value === null || value === undefined) items.push('NULL');
    else if (type === 'text') items.push(quoted(String(value)));
    else if (type === 'json') items.push(quoted(JSON.stringify(value)));
    else if (value instanceof Date) items.push(String(value.getTime()));
    else items.push(String(value));
  }
  return `{${items.join(',')}}`;
}

/** Most texts have no backslash, and JSON many quotes: this takes half the time of an expression for both. */
const quoted = (text: string): string =>
  `"${(text.includes('\\') ? text.replaceAll('\\', '\\\\') : text).replaceAll('"', '\\"')}"`;

export const valuesOf = <Row>(columns: readonly Column<Row>[], rows: readonly Row[]): string[] =>
  columns.map((column) => arrayOf(column, rows));

/** Times travel as milliseconds. */
const arrayType = (type: SqlType): string => (type === 'timestamptz' ? 'float8' : type);

const namesOf = <Row>(columns: readonly Column<Row>[]): string => columns.map(({ name }) => `"${name}"`).join(', ');

/** The rows of the parameters, as a table `given`. */
export function givenRows<Row>(columns: readonly Column<Row>[]): string {
  const arrays = columns.map(({ type }, index) => `$${index + 1}::${arrayType(type)}[]`).join(', ');
  const values = columns.map(({ name, type }) =>
    type === 'timestamptz' ? `to_timestamp("${name}" / 1000) AS "${name}"` : `"${name}"`,
  );
  return `(SELECT ${values.join(', ')} FROM unnest(${arrays}) AS sent (${namesOf(columns)})) AS given`;
}

export const insertInto = <Row>(table: string, columns: readonly Column<Row>[]): string =>
  `INSERT INTO "${table}" (${namesOf(columns)}) SELECT ${namesOf(columns)} FROM ${givenRows(columns)}`;

/** `createdAt` is `created_at`. */
const columnName = (field: string): string => field.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);

/** The columns of a table by the fields of its rows. */
const columnsOf = <Row>(types: { readonly [Field in keyof Row & string]?: SqlType }): readonly Column<Row>[] =>
  (Object.entries(types) as [keyof Row & string, SqlType][]).map(([field, type]) => ({
    name: columnName(field),
    type,
    of: (row) => row[field],
  }));

const whose = {
  tenantId: 'uuid',
  fairshareGroupId: 'uuid',
  keyId: 'uuid',
  userId: 'uuid',
  teamId: 'uuid',
  appId: 'uuid',
  productId: 'uuid',
  engineId: 'uuid',
  modelId: 'uuid',
  modelName: 'text',
  gatewayId: 'uuid',
  credentialId: 'text',
  requestId: 'text',
  sessionId: 'text',
  requestType: 'text',
  admission: 'usage_admission',
  estimatedInputTokens: 'bigint',
  estimatedOutputTokens: 'bigint',
} as const;

const figures = {
  statusCode: 'integer',
  inputTokens: 'bigint',
  outputTokens: 'bigint',
  images: 'integer',
  audioMs: 'integer',
  characters: 'integer',
  ttftMs: 'integer',
  totalMs: 'integer',
  cacheStatus: 'cache_status',
  costUsd: 'numeric',
} as const;

/** Every column of the table: the compiler says when one is missing. */
export const leaseColumns = columnsOf<Lease>({
  id: 'uuid',
  instanceId: 'uuid',
  ...whose,
  pool: 'text',
  reservation: 'json',
  queuedAt: 'timestamptz',
  grantedAt: 'timestamptz',
  leaseSeconds: 'integer',
  expiresAt: 'timestamptz',
} satisfies Record<keyof Lease, SqlType>);

export const usageColumns = columnsOf<UsageRecordRow>({
  id: 'uuid',
  ...whose,
  ...figures,
  settlement: 'usage_settlement',
  queueWaitMs: 'integer',
  completedAt: 'timestamptz',
} satisfies Record<keyof UsageRecordRow, SqlType>);

export const lateColumns = columnsOf<LateFigures>({ id: 'uuid', credentialId: 'text', ...figures } satisfies Record<
  keyof LateFigures,
  SqlType
>);

export const renewalColumns = columnsOf<Renewal>({ id: 'uuid', expiresAt: 'timestamptz' } satisfies Record<
  keyof Renewal,
  SqlType
>);

export const counterColumns = columnsOf<CounterRow>({
  key: 'text',
  state: 'json',
  expiresAt: 'timestamptz',
} satisfies Record<keyof CounterRow, SqlType>);
