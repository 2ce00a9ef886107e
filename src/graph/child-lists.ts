import DataLoader from 'dataloader';
import type { Entity } from '../database/entity.ts';
import type { Prisma } from '../database/generated/client.ts';
import type { ChildPage, PageRequest } from '../database/pages.ts';
import type { Reader } from '../database/reader.ts';
import { type Connection, connectionOf } from './connections.ts';

/** A list below a parent: which rows, and which part of them. */
interface ChildList<Row> {
  readonly entity: Entity<Row>;
  /** The column that refers to the parent. */
  readonly by: keyof Row & string;
  readonly where: readonly Prisma.Sql[];
  readonly request: PageRequest<Row>;
  /** Whether the operation asks for `totalCount`. */
  readonly counted: boolean;
}

/** The loaders of one request: the same lists of many parents become one statement. */
const loaders = new WeakMap<object, Map<string, DataLoader<string, unknown>>>();

/** The loader of this name within the request; made by the first who asks. */
function loaderOf<Value>(
  request: object,
  name: string,
  load: (keys: readonly string[]) => Promise<readonly Value[]>,
): DataLoader<string, Value> {
  const ofRequest = loaders.get(request) ?? new Map<string, DataLoader<string, unknown>>();
  loaders.set(request, ofRequest);
  // One name is always used with one type of value: the name is made of what the loader loads.
  const known = ofRequest.get(name) as DataLoader<string, Value> | undefined;
  if (known !== undefined) return known;
  const made = new DataLoader<string, Value>(load, { cache: false });
  ofRequest.set(name, made as DataLoader<string, unknown>);
  return made;
}

/**
 * One parent's list as a connection. Asked for many parents within a request, it is one statement for all of them,
 * counts included.
 *
 * @param context the request; parents that share it are batched
 */
export async function childConnection<Row extends { id: string }>(
  context: object,
  reader: Reader,
  parentId: string,
  { entity, by, where, request, counted }: ChildList<Row>,
): Promise<Connection<Row>> {
  const filter = where.map((condition) => [condition.text, condition.values]);
  const { wanted = [], ...part } = request;
  const name = JSON.stringify([entity.name, by, filter, part, [...wanted], counted]);
  const loader = loaderOf<ChildPage<Row>>(context, name, async (parentIds) => {
    const found = await reader.childPages(entity, { by, parentIds }, { ...request, where }, counted);
    return parentIds.map(
      (id) => found.get(id) ?? { rows: [], hasNextPage: false, hasPreviousPage: false, totalCount: undefined },
    );
  });
  const page = await loader.load(parentId);
  // Counted one by one where nobody said that the number would be asked for.
  const count = async () => (await reader.childCounts(entity, { by, parentIds: [parentId] }, where)).get(parentId) ?? 0;
  return connectionOf(entity, request.order, page, () => page.totalCount ?? count());
}
