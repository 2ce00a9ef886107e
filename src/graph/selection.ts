import { type FieldNode, type GraphQLResolveInfo, Kind, type SelectionSetNode } from 'graphql';
import type { Entity, Wanted } from '../database/entity.ts';
import type { ListSelection } from '../database/pages.ts';

type Readable = Pick<Entity<never>, 'columns' | 'columnsOf'> & { readonly joins?: Entity<never>['joins'] };

/** What was found of fields of documents, kept as long as the document. */
const remembered = new WeakMap<FieldNode, ListSelection>();

/**
 * The columns that an operation asks of the row of a field, so that no others are read. Fields that `@include` or
 * `@skip` may leave out count as asked for.
 */
export const wantedColumns = (entity: Readable, info: GraphQLResolveInfo): Wanted => select(entity, info, []).wanted;

/** The same for the rows of a connection, and whether it asks for their number. */
export const selectionOfConnection = (entity: Readable, info: GraphQLResolveInfo): ListSelection =>
  select(entity, info, ['edges', 'node']);

function select(entity: Readable, info: GraphQLResolveInfo, within: readonly string[]): ListSelection {
  const [field, ...more] = info.fieldNodes;
  const known = field === undefined || more.length > 0 ? undefined : remembered.get(field);
  if (known !== undefined) return known;
  const wanted = new Set<string>(['id']);
  let counted = false;
  for (const { selectionSet } of info.fieldNodes) {
    collect(entity, within, selectionSet, info, wanted, '');
    counted ||= within.length > 0 && asksFor('totalCount', selectionSet, info);
  }
  const selection = { wanted, counted };
  if (field !== undefined && more.length === 0) remembered.set(field, selection);
  return selection;
}

const asksFor = (name: string, set: SelectionSetNode | undefined, info: GraphQLResolveInfo): boolean =>
  (set?.selections ?? []).some((selection) => {
    if (selection.kind === Kind.FIELD) return selection.name.value === name;
    if (selection.kind === Kind.INLINE_FRAGMENT) return asksFor(name, selection.selectionSet, info);
    return asksFor(name, info.fragments[selection.name.value]?.selectionSet, info);
  });

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
