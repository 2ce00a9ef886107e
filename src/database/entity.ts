import { Prisma } from './generated/client.ts';

/**
 * What may be read of a table, declared once: these columns and no others, so a secret that is not listed cannot reach
 * the graph. Reads have few and fixed shapes, which lets Postgres keep their plans.
 */
export interface Entity<Row> {
  /** The type's name in the graph. */
  readonly name: string;
  /** `t."id" AS "id", …`; the columns of joined entities are named `"relation.column"`. */
  readonly selection: Prisma.Sql;
  /** `"table" AS t`, with its joins. */
  readonly source: Prisma.Sql;
  readonly table: Prisma.Sql;
  readonly columns: readonly string[];
  /** A column of the table in SQL, for conditions and orders. */
  column(field: keyof Row & string): Prisma.Sql;
  /** Makes a row of what Postgres sent: joined columns become a nested row. */
  decode(raw: Record<string, unknown>): Row;
}

/** The row that an entity reads. */
export type EntityRow<E> = E extends { decode(raw: never): infer Row } ? Row : never;

/** To-one relations that are nearly always asked for: they travel with the row, in one statement. */
interface Join<Columns extends string> {
  readonly entity: Pick<Entity<never>, 'table' | 'columns'>;
  /** The foreign key of the main table, which is never null. */
  readonly by: Columns;
}

type Joins<Columns extends string> = Readonly<Record<string, Join<Columns>>>;

type Joined<Model, Columns extends keyof Model, Relations> = Pick<Model, Columns> & {
  readonly [Relation in keyof Relations]: Relations[Relation] extends { entity: infer E } ? EntityRow<E> : never;
};

/** Names in the database follow from those in the program: `createdAt` is `created_at`. */
const columnName = (field: string): string => field.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);

/** A column in SQL. */
export const columnOf = (alias: string, field: string): string => `${alias}."${columnName(field)}"`;

/**
 * Declares an entity over a Prisma model, whose types its rows have.
 *
 * @example
 * const fairshareGroups = defineEntity<FairshareGroup>()({
 *   name: 'FairshareGroup', table: 'fairshare_group', columns: ['id', 'name', 'weight'],
 * });
 */
export function defineEntity<Model extends object>() {
  return <
    const Columns extends keyof Model & string,
    const Relations extends Joins<Columns> = Record<never, never>,
  >(options: {
    readonly name: string;
    readonly table: string;
    readonly columns: readonly Columns[];
    readonly joins?: Relations;
  }): Entity<Joined<Model, Columns, Relations>> => {
    type Row = Joined<Model, Columns, Relations>;
    const joins: [string, Join<Columns>][] = Object.entries(options.joins ?? {});
    const selection = options.columns.map((field) => `${columnOf('t', field)} AS "${field}"`);
    let source = `"${options.table}" AS t`;
    for (const [relation, { entity, by }] of joins) {
      source += ` JOIN ${entity.table.sql} AS "${relation}" ON "${relation}".id = ${columnOf('t', by)}`;
      for (const field of entity.columns) {
        selection.push(`${columnOf(`"${relation}"`, field)} AS "${relation}.${field}"`);
      }
    }
    const nested = joins.map(([relation, { entity }]) => ({
      relation,
      fields: entity.columns.map((field) => [field, `${relation}.${field}`] as const),
    }));
    return {
      name: options.name,
      columns: options.columns,
      table: Prisma.raw(`"${options.table}"`),
      selection: Prisma.raw(selection.join(', ')),
      source: Prisma.raw(source),
      column: (field) => Prisma.raw(columnOf('t', field)),
      decode: (raw) => {
        for (const { relation, fields } of nested) {
          const row: Record<string, unknown> = {};
          for (const [field, name] of fields) row[field] = raw[name];
          raw[relation] = row;
        }
        // The selection lists exactly the columns of Row, and a test reads every entity once.
        return raw as Row;
      },
    };
  };
}
