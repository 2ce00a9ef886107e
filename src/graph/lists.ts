import type { GraphQLResolveInfo } from 'graphql';
import type { Entity } from '../database/entity.ts';
import type { Prisma } from '../database/generated/client.ts';
import type { ChildPage, ListSelection, Order, Page } from '../database/pages.ts';
import type { Reader } from '../database/reader.ts';
import { type Connection, connectionOf, type PageArguments, readPageArguments } from './connections.ts';
import { isGiven } from './given.ts';
import { loaderOf } from './loaders.ts';
import { type Readable, selectionOfConnection } from './selection.ts';

/** What is wanted of a list. */
export interface ListRequest<Row> {
  readonly order: Order<Row>;
  readonly paging: PageArguments;
  /** What the operation asks of it; without, everything. */
  readonly selection?: ListSelection | undefined;
}

interface ListArguments<Row> extends PageArguments {
  readonly orderBy?:
    | { readonly field: Order<Row>['by']; readonly direction: Order<Row>['direction'] }
    | null
    | undefined;
}

/** Makes the request of a field's arguments and of what is selected below it. */
export function listRequest<Row>(
  entity: Readable,
  { orderBy, first, last, after, before }: ListArguments<Row>,
  defaultOrder: Order<Row>,
  info: GraphQLResolveInfo,
): ListRequest<Row> {
  const order = isGiven(orderBy) ? { by: orderBy.field, direction: orderBy.direction } : defaultOrder;
  return { order, paging: { first, last, after, before }, selection: selectionOfConnection(entity, info) };
}

const emptyPage: Page<never> = { rows: [], hasNextPage: false, hasPreviousPage: false };

/**
 * A list as a connection: one statement for its page, and one for the number of its rows, each only if it is asked for.
 *
 * @throws {RequestError} naming the argument that breaks a rule
 */
export async function readList<Row extends { id: string }>(
  reader: Reader,
  entity: Entity<Row>,
  where: readonly Prisma.Sql[],
  { order, paging, selection }: ListRequest<Row>,
): Promise<Connection<Row>> {
  const request = readPageArguments(entity, paging, order);
  const isPaged = selection?.paged ?? true;
  const page = isPaged ? await reader.page(entity, { ...request, where, wanted: selection?.wanted }) : emptyPage;
  return connectionOf(entity, order, page, () => reader.count(entity, where));
}

/** The lists of many parents: whose rows they hold, and the column that refers to the parent. */
interface Children<Row> {
  readonly entity: Entity<Row>;
  readonly by: keyof Row & string;
}

/**
 * One parent's list as a connection. Asked of many parents within a request, it is one statement for all of them,
 * counts included.
 *
 * @param context the request; parents that share it are read together
 * @throws {RequestError} naming the argument that breaks a rule
 */
export async function readChildList<Row extends { id: string }>(
  context: object,
  reader: Reader,
  parentId: string,
  { entity, by }: Children<Row>,
  where: readonly Prisma.Sql[],
  { order, paging, selection }: ListRequest<Row>,
): Promise<Connection<Row>> {
  const part = readPageArguments(entity, paging, order);
  const { wanted, paged = true, counted = false } = selection ?? {};
  const filter = where.map((condition) => [condition.text, condition.values]);
  const list = JSON.stringify([entity.name, by, filter]);
  const counts = loaderOf<number>(context, `counts of ${list}`, async (parentIds) => {
    const found = await reader.childCounts(entity, { by, parentIds }, where);
    return parentIds.map((id) => found.get(id) ?? 0);
  });
  if (!paged) return connectionOf(entity, order, emptyPage, () => counts.load(parentId));
  const name = `pages of ${list} ${JSON.stringify([part, [...(wanted ?? [])], counted])}`;
  const pages = loaderOf<ChildPage<Row>>(context, name, async (parentIds) => {
    const found = await reader.childPages(entity, { by, parentIds }, { ...part, where, wanted }, counted);
    return parentIds.map((id) => found.get(id) ?? { ...emptyPage, totalCount: undefined });
  });
  const page = await pages.load(parentId);
  return connectionOf(entity, order, page, () => page.totalCount ?? counts.load(parentId));
}
