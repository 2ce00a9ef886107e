import { columnOf, type Entity, type Wanted } from './entity.ts';
import { Prisma } from './generated/client.ts';

const { sql, join, empty } = Prisma;

/** What a list is sorted by. The column is never null; the id breaks ties. */
export interface Order<Row> {
  readonly by: keyof Row & string;
  readonly direction: 'ASC' | 'DESC';
}

/** A place in a sorted list: the sort value and the id of the row there. */
export interface Position {
  readonly value: string | number;
  readonly id: string;
}

/** Which part of a list is wanted: `size` rows from one end of it, or from a position. */
export interface PageRequest<Row> {
  readonly order: Order<Row>;
  readonly size: number;
  /** True: the last rows before `before`, still in the list's order. */
  readonly backward: boolean;
  readonly after?: Position | undefined;
  readonly before?: Position | undefined;
  /** Default: every column. */
  readonly wanted?: Wanted | undefined;
}

/** What an operation asks of a list: columns of its rows, and whether it asks how many rows there are in all. */
export interface ListSelection {
  readonly wanted: Wanted;
  /** Whether it asks for rows or for their place at all, and not for their number alone. */
  readonly paged: boolean;
  readonly counted: boolean;
}

/** A part of a list, in the list's order. */
export interface Page<Row> {
  readonly rows: readonly Row[];
  readonly hasNextPage: boolean;
  readonly hasPreviousPage: boolean;
}

/** One parent's part, with the length of its whole list if that was asked for. */
export interface ChildPage<Row> extends Page<Row> {
  readonly totalCount: number | undefined;
}

const opposite = { ASC: 'DESC', DESC: 'ASC' } as const;

/** The statement for a page and one row more, which tells whether the list goes on. */
export function pageStatement<Row extends { id: string }>(
  entity: Pick<Entity<Row>, 'unique' | 'column' | 'plan'>,
  { order, size, backward, after, before, wanted }: PageRequest<Row>,
  where: readonly Prisma.Sql[],
): Prisma.Sql {
  const single = entity.unique.includes(order.by);
  const key = single ? entity.column(order.by) : sql`(${entity.column(order.by)}, t.id)`;
  const at = ({ value, id }: Position) =>
    order.by === 'id' ? sql`${id}::uuid` : single ? sql`${value}` : sql`(${value}, ${id}::uuid)`;
  const conditions = [...where];
  // A comparison of whole rows, and not of column after column, is what an index on (key, id) can answer.
  if (after) conditions.push(sql`${key} ${order.direction === 'ASC' ? sql`>` : sql`<`} ${at(after)}`);
  if (before) conditions.push(sql`${key} ${order.direction === 'ASC' ? sql`<` : sql`>`} ${at(before)}`);
  const filter = conditions.length === 0 ? empty : sql`WHERE ${join(conditions, ' AND ')}`;
  const { selection, source } = entity.plan(wanted, order.by);
  // A number and not a parameter: with a parameter Postgres plans for a tenth of the table.
  const limit = Prisma.raw(String(Math.trunc(size) + 1));
  return sql`SELECT ${selection} FROM ${source} ${filter} ORDER BY ${sorting(entity, order, backward, 't')} LIMIT ${limit}`;
}

/** The order of a page's rows as they are read: from its far end when it is read backward. */
export function sorting<Row>(
  entity: Pick<Entity<Row>, 'unique'>,
  order: Order<Row>,
  backward: boolean,
  alias: 't' | 'child',
): Prisma.Sql {
  const name = (field: string) => (alias === 't' ? columnOf(alias, field) : `${alias}."${field}"`);
  const direction = backward ? opposite[order.direction] : order.direction;
  const keys = entity.unique.includes(order.by) ? [order.by] : [order.by, 'id'];
  return Prisma.raw(keys.map((key) => `${name(key)} ${direction}`).join(', '));
}

/** Cuts the extra row off and says what it meant. */
export function pageOf<Row>(found: readonly Row[], request: PageRequest<Row>): Page<Row> {
  const more = found.length > request.size;
  const rows = more ? found.slice(0, request.size) : [...found];
  return request.backward
    ? { rows: rows.reverse(), hasPreviousPage: more, hasNextPage: request.before !== undefined }
    : { rows, hasNextPage: more, hasPreviousPage: request.after !== undefined };
}
