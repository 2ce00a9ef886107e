import { columnOf } from './entity.ts';

/**
 * A value that Postgres is asked for as JSON: how it stands in a statement, and how what is sent is read. One value that
 * holds a whole row, with the rows that belong to it, is cheaper than a column for each: Postgres describes every column
 * of every answer, and the driver reads each description.
 */
export interface JsonValue<Value> {
  readonly sql: string;
  /** @throws when that is not what Postgres sent */
  readonly read: (sent: unknown) => Value;
}

/** What a type of columns makes of one of them. */
export type ColumnType<Value> = (column: string) => JsonValue<Value>;

/** The message leaves out what was sent: it could be a secret's hash. */
const unexpected = (sql: string, expected: string): Error => new Error(`${sql} is not ${expected}`);

export const text: ColumnType<string> = (sql) => ({
  sql,
  read: (sent) => {
    if (typeof sent !== 'string') throw unexpected(sql, 'a text');
    return sent;
  },
});

export const integer: ColumnType<number> = (sql) => ({
  sql,
  read: (sent) => {
    if (!Number.isInteger(sent)) throw unexpected(sql, 'a whole number');
    return Number(sent);
  },
});

/** JSON has it with its offset, in whatever time zone the session is. */
export const time: ColumnType<Date> = (sql) => ({
  sql,
  read: (sent) => {
    const date = new Date(typeof sent === 'string' ? sent : Number.NaN);
    if (Number.isNaN(date.getTime())) throw unexpected(sql, 'a time');
    return date;
  },
});

export const texts: ColumnType<readonly string[]> = (sql) => ({
  sql,
  read: (sent) => {
    if (!isTexts(sent)) throw unexpected(sql, 'a list of texts');
    return sent;
  },
});

const isTexts = (sent: unknown): sent is string[] =>
  Array.isArray(sent) && sent.every((each) => typeof each === 'string');

/** What is sent as text, for it would lose something as a number of JSON. */
export const fromText =
  <Value>(make: (text: string) => Value): ColumnType<Value> =>
  (column) => {
    const { sql, read } = text(`${column}::text`);
    return { sql, read: (sent) => make(read(sent)) };
  };

/** One of the values of an enumeration. */
export const oneOf =
  <const Value extends string>(enumeration: Readonly<Record<string, Value>>): ColumnType<Value> =>
  (sql) => {
    const values = new Map<unknown, Value>(Object.values(enumeration).map((value) => [value, value]));
    return {
      sql,
      read: (sent) => {
        const value = values.get(sent);
        if (value === undefined) throw unexpected(sql, `one of ${[...values.keys()].join(', ')}`);
        return value;
      },
    };
  };

/** What stands in a column of JSON. */
export const json =
  <Value>(read: (stored: unknown) => Value): ColumnType<Value> =>
  (sql) => ({ sql, read });

export const nullable =
  <Value>(type: ColumnType<Value>): ColumnType<Value | null> =>
  (column) => {
    const { sql, read } = type(column);
    return { sql, read: (sent) => (sent === null ? null : read(sent)) };
  };

/** The same value in another form. */
export const mapped =
  <Stored, Value>(type: ColumnType<Stored>, map: (stored: Stored) => Value): ColumnType<Value> =>
  (column) => {
    const { sql, read } = type(column);
    return { sql, read: (sent) => map(read(sent)) };
  };

/** Several values under their names. They are sent without them, in their order. */
export function values<Row extends object>(
  parts: { readonly [Name in keyof Row]: JsonValue<Row[Name]> },
): JsonValue<Row> {
  const named = Object.entries<JsonValue<unknown>>(parts).map(([name, part]) => ({ name, ...part }));
  const sql = `json_build_array(${named.map((part) => part.sql).join(', ')})`;
  return {
    sql,
    read: (sent) => {
      if (!Array.isArray(sent) || sent.length !== named.length) throw unexpected(sql, 'a list of its values');
      const row: Record<string, unknown> = {};
      let index = 0;
      for (const { name, read } of named) row[name] = read(sent[index++]);
      // Each name of Row, read as its part says: what is filled in a loop has no type of its own.
      return row as Row;
    },
  };
}

/** Columns of a table, under the names that they have in the program. */
export function columns<Row extends object>(
  alias: string,
  types: { readonly [Name in keyof Row]: ColumnType<Row[Name]> },
): { readonly [Name in keyof Row]: JsonValue<Row[Name]> } {
  const parts = Object.entries<ColumnType<unknown>>(types).map(([name, type]) => [name, type(columnOf(alias, name))]);
  // The same names, each with what its type makes of its column.
  return Object.fromEntries(parts);
}

/** What is asked for of the row with this id; null where there is no id, which costs next to nothing, or no row. */
export const rowOf = <Value>(
  { table, alias, id }: { readonly table: string; readonly alias: string; readonly id: string },
  { sql, read }: JsonValue<Value>,
): JsonValue<Value | null> => ({
  sql: `CASE WHEN ${id} IS NOT NULL THEN (SELECT ${sql} FROM ${table} AS ${alias} WHERE ${alias}.id = ${id}) END`,
  read: (sent) => (sent === null ? null : read(sent)),
});
