import { type FieldNode, type GraphQLResolveInfo, Kind, type SelectionSetNode } from 'graphql';
import type { Entity, Wanted } from '../database/entity.ts';

type Readable = Pick<Entity<never>, 'columns' | 'columnsOf'> & { readonly joins?: Entity<never>['joins'] };

/** The sets of fields of documents, which are kept as long as the document. */
const remembered = new WeakMap<FieldNode, Wanted>();

/**
 * The columns that an operation asks of the rows of a field, so that no others are read. Fields that `@include` or
 * `@skip` may leave out count as asked for.
 *
 * @param within where the rows are below the field: `['edges', 'node']` for a connection
 */
export function wantedColumns(entity: Readable, info: GraphQLResolveInfo, within: readonly string[] = []): Wanted {
  const [field, ...more] = info.fieldNodes;
  const known = field === undefined || more.length > 0 ? undefined : remembered.get(field);
  if (known !== undefined) return known;
  const wanted = new Set<string>(['id']);
  for (const node of info.fieldNodes) collect(entity, within, node.selectionSet, info, wanted, '');
  if (field !== undefined && more.length === 0) remembered.set(field, wanted);
  return wanted;
}

/** The same for the rows of a connection. */
export const wantedOfConnection = (entity: Readable, info: GraphQLResolveInfo): Wanted =>
  wantedColumns(entity, info, ['edges', 'node']);

function collect(
  entity: Readable,
  within: readonly string[],
  set: SelectionSetNode | undefined,
  info: GraphQLResolveInfo,
  wanted: Set<string>,
  prefix: string,
): void {
  const [step, ...rest] = within;
  for (const selection of set?.selections ?? []) {
    if (selection.kind === Kind.INLINE_FRAGMENT) {
      collect(entity, within, selection.selectionSet, info, wanted, prefix);
    } else if (selection.kind === Kind.FRAGMENT_SPREAD) {
      const fragment = info.fragments[selection.name.value];
      collect(entity, within, fragment?.selectionSet, info, wanted, prefix);
    } else if (step !== undefined) {
      if (selection.name.value === step) collect(entity, rest, selection.selectionSet, info, wanted, prefix);
    } else {
      want(entity, selection, info, wanted, prefix);
    }
  }
}

function want(entity: Readable, field: FieldNode, info: GraphQLResolveInfo, wanted: Set<string>, prefix: string): void {
  const name = field.name.value;
  if (name.startsWith('__')) return;
  const joined = entity.joins?.[name];
  if (joined !== undefined) {
    wanted.add(`${prefix}${name}.id`);
    collect(joined, [], field.selectionSet, info, wanted, `${prefix}${name}.`);
    return;
  }
  // A field that declares nothing may read anything; forgetting that costs time, not values.
  for (const column of entity.columnsOf(name) ?? entity.columns) wanted.add(`${prefix}${column}`);
}
