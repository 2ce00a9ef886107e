import { Prisma } from './generated/client.ts';

/** How to read the wanted columns of an entity. */
export interface ReadPlan<Row> {
  /** `t."id" AS "id", …`; the columns of joined entities are named `"relation.column"`. */
  readonly selection: Prisma.Sql;
  /** `"table" AS t`, with the joins that are needed. */
  readonly source: Prisma.Sql;
  /** Makes a row of what Postgres sent: joined columns become a nested row. Columns that were not wanted are absent. */
  decode(raw: Record<string, unknown>): Row;
}

/**
 * Names of columns that are wanted: `weight`, and `fairshareGroup.name` for those of a joined entity. The id is always
 * among them. Plans are kept for each set, so a set is made once for each place that asks.
 */
export type Wanted = ReadonlySet<string>;

/**
 * What may be read of a table, declared once: these columns and no others, so a secret that is not listed cannot reach
 * the graph.
 */
export interface Entity<Row> {
  /** The type's name in the graph. */
  readonly name: string;
  readonly table: Prisma.Sql;
  readonly columns: readonly string[];
  /** The columns that a list can be sorted by, and what their values are. */
  readonly sorts: Readonly<Record<string, SortKind>>;
  /** Columns whose values differ in every row, so that a list sorted by one needs no tie-break. */
  readonly unique: readonly string[];
  readonly joins: Readonly<Record<string, Pick<Entity<never>, 'columns' | 'columnsOf'>>>;
  /** Whose its rows are. Who is bound to an owner that is not here sees no row: see `access/visibility.ts`. */
  readonly owners: Readonly<Partial<Record<OwnerKind, Owner<Row>>>>;
  /** The columns that a field of the type reads; nothing when that is not declared, which means all of them. */
  columnsOf(field: string): readonly string[] | undefined;
  /** How to read the wanted columns; without a set, all of them. */
  plan(wanted?: Wanted, sortedBy?: string): ReadPlan<Row>;
  /** A column of the table in SQL, for conditions and orders. */
  column(field: keyof Row & string): Prisma.Sql;
  /** The same entity as lists behind the fence read it. */
  readonly listedBehindFence: Omit<Entity<Row>, 'listedBehindFence'>;
}

/** Whose a row is: the column with the owner's id, a condition on it, or `shared` for rows that every such owner sees. */
export type Owner<Row> = { readonly column: keyof Row & string } | ((ownerId: string) => Prisma.Sql) | 'shared';

/** What rows can belong to. */
export type OwnerKind = 'tenant' | 'product' | 'engine' | 'user' | 'app';

/** What a sort column holds, as far as a cursor has to know: cursors come back from callers. */
export type SortKind = 'text' | 'integer' | 'time';

/** The row that an entity reads. */
export type EntityRow<E> = E extends { plan(): ReadPlan<infer Row> } ? Row : never;

interface Join<Columns extends string> {
  readonly entity: Pick<Entity<never>, 'table' | 'columns' | 'columnsOf'>;
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
 *   name: 'FairshareGroup', table: 'fairshare_group', columns: ['id', 'name', 'weight'], sorts: { weight: 'integer' },
 * });
 */
export function defineEntity<Model extends object>() {
  return <
    const Columns extends keyof Model & string,
    const Relations extends Joins<Columns> = Record<never, never>,
  >(options: {
    readonly name: string;
    readonly table: string;
    /** A view of the rows that the policies of the table let through, for lists that would be slow to read by policies. */
    readonly fencedView?: string;
    readonly columns: readonly Columns[];
    /** What lists can be sorted by; the values are never null. */
    readonly sorts: Readonly<Partial<Record<Columns, SortKind>>>;
    /** Columns, besides the id, whose values differ in every row. */
    readonly unique?: readonly Columns[];
    /** To-one relations that are nearly always asked for: they travel with the row, in one statement. */
    readonly joins?: Relations;
    readonly owners: Readonly<Partial<Record<OwnerKind, Columns | ((ownerId: string) => Prisma.Sql) | 'shared'>>>;
    /** Fields of the type that read other columns than the one of their name; `relation.column` is one of a joined row. */
    readonly fields?: Readonly<Record<string, readonly (Columns | `${keyof Relations & string}.${string}`)[]>>;
  }): Entity<Joined<Model, Columns, Relations>> => {
    type Row = Joined<Model, Columns, Relations>;
    const { name, columns, fields = {} } = options;
    const joins: Readonly<Record<string, Join<Columns>>> = options.joins ?? {};
    const known: ReadonlySet<string> = new Set(columns);
    const all: Wanted = new Set([
      ...columns,
      ...Object.entries(joins).flatMap(([relation, { entity }]) =>
        entity.columns.map((field) => `${relation}.${field}`),
      ),
    ]);
    const makePlan = (table: string, wanted: Wanted, sortedBy: string | undefined): ReadPlan<Row> => {
      const own = columns.filter((field) => field === 'id' || field === sortedBy || wanted.has(field));
      const selection = own.map((field) => `${columnOf('t', field)} AS "${field}"`);
      let source = `"${table}" AS t`;
      const nested: { relation: string; names: (readonly [string, string])[] }[] = [];
      for (const [relation, { entity, by }] of Object.entries(joins)) {
        const names = entity.columns
          .map((field) => [field, `${relation}.${field}`] as const)
          .filter(([, path]) => wanted.has(path));
        if (names.length === 0) continue;
        nested.push({ relation, names });
        source += ` JOIN ${entity.table.sql} AS "${relation}" ON "${relation}".id = ${columnOf('t', by)}`;
        for (const [field, path] of names) selection.push(`${columnOf(`"${relation}"`, field)} AS "${path}"`);
      }
      return {
        selection: Prisma.raw(selection.join(', ')),
        source: Prisma.raw(source),
        decode: (raw) => {
          for (const { relation, names } of nested) {
            const row: Record<string, unknown> = {};
            for (const [field, path] of names) row[field] = raw[path];
            raw[relation] = row;
          }
          // Of the columns of Row, those that are wanted; the graph's types declare which ones they read.
          return raw as Row;
        },
      };
    };
    const readFrom = (table: string): Entity<Row>['listedBehindFence'] => {
      const plans = new WeakMap<Wanted, Map<string | undefined, ReadPlan<Row>>>();
      return {
        name,
        columns,
        sorts: options.sorts as Readonly<Record<string, SortKind>>,
        unique: ['id', ...(options.unique ?? [])],
        owners: Object.fromEntries(
          Object.entries(options.owners).map(([kind, owner]) => [
            kind,
            typeof owner === 'function' || owner === 'shared' ? owner : { column: owner },
          ]),
        ),
        joins: Object.fromEntries(Object.entries(joins).map(([relation, { entity }]) => [relation, entity])),
        table: Prisma.raw(`"${table}"`),
        columnsOf: (field) => fields[field] ?? (known.has(field) ? [field] : undefined),
        column: (field) => Prisma.raw(columnOf('t', field)),
        plan: (wanted = all, sortedBy) => {
          const ofWanted = plans.get(wanted) ?? new Map<string | undefined, ReadPlan<Row>>();
          plans.set(wanted, ofWanted);
          const plan = ofWanted.get(sortedBy) ?? makePlan(table, wanted, sortedBy);
          ofWanted.set(sortedBy, plan);
          return plan;
        },
      };
    };
    const entity = readFrom(options.table);
    const { fencedView } = options;
    return { ...entity, listedBehindFence: fencedView === undefined ? entity : readFrom(fencedView) };
  };
}
