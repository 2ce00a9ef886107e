import DataLoader from 'dataloader';
import type { Clock } from './context.ts';

/** The loaders of one request: what is asked of many parents is read for all of them at once. */
const loaders = new WeakMap<object, Map<string, DataLoader<string, unknown>>>();

/** The loader of this name within the request; made by the first who asks. */
export function loaderOf<Value>(
  context: object,
  name: string,
  load: (keys: readonly string[]) => Promise<readonly Value[]>,
): DataLoader<string, Value> {
  const ofRequest = loaders.get(context) ?? new Map<string, DataLoader<string, unknown>>();
  loaders.set(context, ofRequest);
  // One name is always used with one type of value: the name is made of what the loader loads.
  const known = ofRequest.get(name) as DataLoader<string, Value> | undefined;
  if (known !== undefined) return known;
  const made = new DataLoader<string, Value>(load, { cache: false });
  ofRequest.set(name, made as DataLoader<string, unknown>);
  return made;
}

/**
 * The row that another row refers to by its id; asked of many rows within a request, one statement for all of them.
 *
 * @param name the entity's; one name is always used with one `load`
 */
export async function loadReference<Row>(
  context: object,
  name: string,
  id: string | null,
  load: (ids: readonly string[]) => Promise<Map<string, Row>>,
): Promise<Row | null> {
  if (id === null) return null;
  const loader = loaderOf<Row | null>(context, `references to ${name}`, async (ids) => {
    const rows = await load([...new Set(ids)]);
    return ids.map((each) => rows.get(each) ?? null);
  });
  return loader.load(id);
}

const times = new WeakMap<object, Date>();

/** One time for the whole of a request: lists that compare with it are the same list for every parent. */
export function requestTime(context: { readonly clock: Clock }): Date {
  const known = times.get(context);
  if (known !== undefined) return known;
  const now = context.clock.now();
  times.set(context, now);
  return now;
}
