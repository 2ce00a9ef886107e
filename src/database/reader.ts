import { types as builtinTypes, type CustomTypesConfig, type Pool } from 'pg';
import type { Entity, Wanted } from './entity.ts';
import { Prisma } from './generated/client.ts';
import { type ChildPage, type Page, type PageRequest, pageOf, pageStatement, sorting } from './pages.ts';
import { areToBePlannedForTheirValues } from './plans.ts';
import type { StatementNames } from './statements.ts';

/** Sends one statement and gives its rows. It is kept prepared, unless it is to be planned for its values each time. */
export type Send = (statement: Prisma.Sql, plannedForValues?: boolean) => Promise<Record<string, unknown>[]>;

/** Reads one page, or one page for each of many parents. */
export interface ListRequest<Row> extends PageRequest<Row> {
  readonly where?: readonly Prisma.Sql[];
}

/** The lists of many parents at once: the foreign key that leads to them, and their ids. */
interface Children<Row> {
  readonly by: keyof Row & string;
  readonly parentIds: readonly string[];
}

const { sql, join, empty } = Prisma;

const whereAll = (conditions: readonly Prisma.Sql[]): Prisma.Sql =>
  conditions.length === 0 ? empty : sql`WHERE ${join([...conditions], ' AND ')}`;

/**
 * Reads entities. Every method is one statement, however many rows it returns; a locking one may need two more.
 *
 * Rows have the same types whether they come through here or from a Prisma call.
 */
export class Reader {
  readonly #send: Send;
  readonly #fenced: boolean;

  /** @param fenced whether what it sends is read behind the fence */
  constructor(send: Send, fenced = false) {
    this.#send = send;
    this.#fenced = fenced;
  }

  /** How the rows of lists are read. */
  #listed<Row>(entity: Entity<Row>): Entity<Row>['listedBehindFence'] {
    return this.#fenced ? entity.listedBehindFence : entity;
  }

  /** What a statement of the caller's own gives, for what is no entity. */
  raw(statement: Prisma.Sql): Promise<Record<string, unknown>[]> {
    return this.#send(statement);
  }

  /** The rows with these ids that meet the conditions, by id. */
  async byIds<Row extends { id: string }>(
    entity: Entity<Row>,
    ids: readonly string[],
    where: readonly Prisma.Sql[] = [],
    wanted?: Wanted,
  ): Promise<Map<string, Row>> {
    const conditions = [sql`t.id = ANY(${ids}::uuid[])`, ...where];
    const { selection, source, decode } = entity.plan(wanted);
    const rows = await this.#send(sql`SELECT ${selection} FROM ${source} ${whereAll(conditions)}`);
    return new Map(
      rows.map((raw) => {
        const row = decode(raw);
        return [row.id, row];
      }),
    );
  }

  /** The one row that meets the conditions, which must identify it. `lock` holds it until the transaction ends. */
  async find<Row>(
    entity: Entity<Row>,
    where: readonly Prisma.Sql[],
    options: { readonly lock?: 'UPDATE' | 'NO KEY UPDATE' | 'KEY SHARE'; readonly wanted?: Wanted | undefined } = {},
  ): Promise<Row | undefined> {
    const locking = options.lock === undefined ? empty : Prisma.raw(`FOR ${options.lock} OF t`);
    const { selection, source, decode } = entity.plan(options.wanted);
    const read = () => this.#send(sql`SELECT ${selection} FROM ${source} ${whereAll(where)} ${locking}`);
    let [raw] = await read();
    if (raw === undefined && options.lock !== undefined && Object.keys(entity.joins).length > 0) {
      // Whoever held the lock before us may have given the row another joined row. Postgres then compares the new
      // foreign key with the joined row of before, and leaves the row out. Under a lock of its own it stays as it is.
      const [held] = await this.#send(sql`SELECT t.id FROM ${entity.table} AS t ${whereAll(where)} ${locking}`);
      if (held !== undefined) [raw] = await read();
    }
    return raw === undefined ? undefined : decode(raw);
  }

  /** One page of a list. */
  async page<Row extends { id: string }>(entity: Entity<Row>, request: ListRequest<Row>): Promise<Page<Row>> {
    const where = request.where ?? [];
    const listed = this.#listed(entity);
    const rows = await this.#send(pageStatement(listed, request, where), areToBePlannedForTheirValues(where));
    const { decode } = listed.plan(request.wanted, request.order.by);
    return pageOf(
      rows.map((raw) => decode(raw)),
      request,
    );
  }

  /** How many rows meet the conditions. */
  async count<Row>(entity: Entity<Row>, where: readonly Prisma.Sql[] = []): Promise<number> {
    const [row] = await this.#send(
      sql`SELECT count(*)::int AS count FROM ${this.#listed(entity).table} AS t ${whereAll(where)}`,
      areToBePlannedForTheirValues(where),
    );
    return Number(row?.count);
  }

  /** How many rows meet the conditions, for each combination of values that the columns have. */
  async countsBy<Row, Column extends keyof Row & string>(
    entity: Entity<Row>,
    columns: readonly Column[],
    where: readonly Prisma.Sql[],
  ): Promise<readonly (Pick<Row, Column> & { readonly count: number })[]> {
    const keys = join(columns.map((column) => entity.column(column)));
    const named = columns.map((column) => sql`${entity.column(column)} AS ${Prisma.raw(`"${column}"`)}`);
    const rows = await this.#send(
      sql`SELECT ${join(named)}, count(*)::int AS count FROM ${this.#listed(entity).table} AS t ${whereAll(where)} GROUP BY ${keys}`,
    );
    // The columns are those of Row that were asked for.
    return rows as (Pick<Row, Column> & { count: number })[];
  }

  /**
   * The same page of every parent's list: the first ten tenants of each of twenty groups, say.
   *
   * @param counted whether to count each parent's whole list as well
   */
  async childPages<Row extends { id: string }>(
    entity: Entity<Row>,
    { by, parentIds }: Children<Row>,
    request: ListRequest<Row>,
    counted: boolean,
  ): Promise<Map<string, ChildPage<Row>>> {
    const where = [sql`${entity.column(by)} = parent.id`, ...(request.where ?? [])];
    const listed = this.#listed(entity);
    const counts = counted
      ? sql`CROSS JOIN LATERAL (SELECT count(*)::int AS "totalCount" FROM ${listed.table} AS t ${whereAll(where)}) AS counted`
      : empty;
    const rows = await this.#send(
      sql`
        SELECT parent.id AS "parentId", ${counted ? sql`counted."totalCount",` : empty} child.*
        FROM unnest(${parentIds}::uuid[]) WITH ORDINALITY AS parent(id, position)
        ${counts}
        LEFT JOIN LATERAL (${pageStatement(listed, request, where)}) AS child ON true
        ORDER BY parent.position, ${sorting(entity, request.order, request.backward, 'child')}
      `,
      areToBePlannedForTheirValues(where),
    );
    const { decode } = listed.plan(request.wanted, request.order.by);
    const lists = new Map<string, { rows: Row[]; totalCount: number | undefined }>();
    for (const raw of rows) {
      const parentId = String(raw.parentId);
      const list = lists.get(parentId) ?? { rows: [], totalCount: counted ? Number(raw.totalCount) : undefined };
      lists.set(parentId, list);
      // A parent without children has one row, of nulls.
      if (raw.id !== null) list.rows.push(decode(raw));
    }
    return new Map(
      [...lists].map(([id, list]) => [id, { ...pageOf(list.rows, request), totalCount: list.totalCount }]),
    );
  }

  /** How many rows each parent's list has. */
  async childCounts<Row>(
    entity: Entity<Row>,
    { by, parentIds }: Children<Row>,
    where: readonly Prisma.Sql[] = [],
  ): Promise<Map<string, number>> {
    const key = entity.column(by);
    const rows = await this.#send(
      sql`
        SELECT ${key} AS "parentId", count(*)::int AS count
        FROM ${this.#listed(entity).table} AS t ${whereAll([sql`${key} = ANY(${parentIds}::uuid[])`, ...where])}
        GROUP BY ${key}
      `,
      areToBePlannedForTheirValues(where),
    );
    const counts = new Map(rows.map((row) => [String(row.parentId), Number(row.count)]));
    return new Map(parentIds.map((id) => [id, counts.get(id) ?? 0]));
  }
}

const { builtins } = builtinTypes;

/** `2026-03-01 12:00:00.123+00`, as sent in a session whose time zone is UTC: several times quicker to read so. */
const parseTimestamp = (text: string): Date =>
  text.endsWith('+00') ? new Date(`${text.slice(0, 10)}T${text.slice(11, -3)}Z`) : builtinParseTimestamp(text);

const builtinParseTimestamp = builtinTypes.getTypeParser(builtins.TIMESTAMPTZ);

/** Column types whose values Prisma gives in a shape of its own; ours must be the same. */
export const prismaTypes: CustomTypesConfig = {
  getTypeParser: (oid: number, format?: 'text' | 'binary') => {
    if (oid === builtins.INT8) return BigInt;
    if (oid === builtins.NUMERIC) return (text: string) => new Prisma.Decimal(text);
    if (oid === builtins.TIMESTAMPTZ && format !== 'binary') return parseTimestamp;
    return builtinTypes.getTypeParser(oid, format);
  },
};

/** Sends statements over any free connection of the pool; what is kept prepared is prepared once on each. */
export function sendThroughPool(pool: Pool, names: StatementNames): Send {
  return async (statement, plannedForValues = false) => {
    const text = statement.text;
    const name = plannedForValues ? undefined : names.of(text);
    const result = await pool.query<Record<string, unknown>>({
      text,
      values: statement.values,
      types: prismaTypes,
      ...(name === undefined ? {} : { name }),
    });
    return result.rows;
  };
}
