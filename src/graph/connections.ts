import type { Entity, SortKind } from '../database/entity.ts';
import type { Order, Page, PageRequest, Position } from '../database/pages.ts';
import { decodeCursor, encodeCursor } from './cursors.ts';
import { RequestError } from './errors.ts';
import { isGiven } from './given.ts';

/** The arguments of every list. */
export interface PageArguments {
  readonly first?: number | null | undefined;
  readonly last?: number | null | undefined;
  readonly after?: string | null | undefined;
  readonly before?: string | null | undefined;
}

const pageSizeMax = 100;
const pageSizeDefault = 20;

/** How much a list multiplies the cost of what is selected of its rows. */
export const listComplexity = ({ first, last }: PageArguments) => ({
  field: 1,
  multiplier: Math.min(Math.max(first ?? last ?? pageSizeDefault, 1), pageSizeMax),
});

/** Checks the arguments of a list and reads its cursors. @throws {RequestError} naming the argument and the rule */
export function readPageArguments<Row>(
  entity: Pick<Entity<Row>, 'name' | 'sorts'>,
  { first, last, after, before }: PageArguments,
  order: Order<Row>,
): PageRequest<Row> {
  if (isGiven(first) && isGiven(last)) {
    throw new RequestError('CONFLICTING_ARGUMENTS', 'first, last: give one of the two, not both.', {
      argument: 'last',
    });
  }
  for (const [argument, size] of Object.entries({ first, last })) {
    if (isGiven(size) && (size < 1 || size > pageSizeMax)) {
      throw new RequestError('INVALID_PAGE_SIZE', `${argument}: a page has 1 to ${pageSizeMax} rows, not ${size}.`, {
        argument,
      });
    }
  }
  const position = (argument: string, cursor: string | null | undefined): Position | undefined =>
    isGiven(cursor) ? decodeCursor(argument, entity, order, cursor) : undefined;
  return {
    order,
    size: first ?? last ?? pageSizeDefault,
    backward: isGiven(last),
    after: position('after', after),
    before: position('before', before),
  };
}

/** What a connection's resolvers read: cursors are made, and rows counted, only when they are selected. */
export interface Connection<Row> {
  readonly edges: readonly { readonly node: Row; readonly cursor: string }[];
  readonly pageInfo: {
    readonly hasNextPage: boolean;
    readonly hasPreviousPage: boolean;
    readonly startCursor: string | null;
    readonly endCursor: string | null;
  };
  readonly totalCount: () => number | Promise<number>;
}

class Edge<Row extends { id: string }> {
  readonly node: Row;
  readonly #cursorOf: (row: Row) => string;

  constructor(node: Row, cursorOf: (row: Row) => string) {
    this.node = node;
    this.#cursorOf = cursorOf;
  }

  get cursor(): string {
    return this.#cursorOf(this.node);
  }
}

/** Makes the connection of a page. */
export function connectionOf<Row extends { id: string }>(
  { name, sorts }: Pick<Entity<Row>, 'name' | 'sorts'>,
  order: Order<Row>,
  page: Page<Row>,
  totalCount: () => number | Promise<number>,
): Connection<Row> {
  const cursorOf = (row: Row): string =>
    encodeCursor(name, order, { value: sortValue(row[order.by], sorts[order.by]), id: row.id });
  const cursorAt = (index: number): string | null => {
    const row = page.rows.at(index);
    return row === undefined ? null : cursorOf(row);
  };
  return {
    edges: page.rows.map((row) => new Edge(row, cursorOf)),
    pageInfo: {
      hasNextPage: page.hasNextPage,
      hasPreviousPage: page.hasPreviousPage,
      get startCursor() {
        return cursorAt(0);
      },
      get endCursor() {
        return cursorAt(-1);
      },
    },
    totalCount,
  };
}

function sortValue(value: unknown, kind: SortKind | undefined): string | number {
  // Of what is no row of a table, times may be milliseconds.
  if (typeof value === 'number' && kind === 'time') return new Date(value).toISOString();
  if (typeof value === 'number' || typeof value === 'string') return value;
  if (value instanceof Date) return value.toISOString();
  if (typeof value === 'bigint') return value.toString();
  throw new Error(`A list cannot be sorted by a ${typeof value}.`);
}
