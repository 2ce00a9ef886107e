import DataLoader from 'dataloader';
import type { Entity } from '../database/entity.ts';
import type { Prisma } from '../database/generated/client.ts';
import type { Page, PageRequest } from '../database/pages.ts';
import type { Reader } from '../database/reader.ts';
import { type Connection, connectionOf } from './connections.ts';

/** A list below a parent: which rows, and which part of them. */
interface ChildList<Row> {
  readonly entity: Entity<Row>;
  /** The column that refers to the parent. */
  readonly by: keyof Row & string;
  readonly where: readonly Prisma.Sql[];
  readonly request: PageRequest<Row>;
}

/** The loaders of one request: the same lists of many parents become one statement. */
const loaders = new WeakMap<object, Map<string, DataLoader<string, unknown>>>();

/** The loader of this name within the request; made by the first who asks. */
export function loaderOf<Value>(
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
 * One parent's list as a connection. Asked for many parents within a request, it is one statement for all of them, and
 * one more for their counts if those are selected.
 *
 * @param context the request; parents that share it are batched
 */
export async function childConnection<Row extends { id: string }>(
  context: object,
  reader: Reader,
  parentId: string,
  { entity, by, where, request }: ChildList<Row>,
): Promise<Connection<Row>> {
  const filter = where.map((condition) => [condition.text, condition.values]);
  const name = JSON.stringify([entity.name, by, filter]);
  const pages = loaderOf<Page<Row>>(
    context,
    `pages ${name} ${JSON.stringify({ ...request, wanted: [...(request.wanted ?? [])] })}`,
    async (parentIds) => {
      const found = await reader.childPages(entity, { by, parentIds }, { ...request, where });
      return parentIds.map((id) => found.get(id) ?? { rows: [], hasNextPage: false, hasPreviousPage: false });
    },
  );
  const counts = loaderOf<number>(context, `counts ${name}`, async (parentIds) => {
    const found = await reader.childCounts(entity, { by, parentIds }, where);
    return parentIds.map((id) => found.get(id) ?? 0);
  });
  return connectionOf(entity, request.order, await pages.load(parentId), () => counts.load(parentId));
}
