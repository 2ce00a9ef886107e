import { type FieldNode, type GraphQLResolveInfo, Kind, type SelectionSetNode } from 'graphql';
import type { Entity, Wanted } from '../database/entity.ts';
import type { ListSelection } from '../database/pages.ts';

/** What has fields that are read from columns. */
export type Readable = Pick<Entity<never>, 'columns' | 'columnsOf'> & { readonly joins?: Entity<never>['joins'] };

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
  const search: Search = {
    fragments: info.fragments,
    wanted: new Set(['id']),
    paged: false,
    counted: false,
    searched: new Set(),
  };
  for (const { selectionSet } of info.fieldNodes) collect(entity, within, selectionSet, search, '');
  const selection = { wanted: search.wanted, paged: search.paged, counted: search.counted };
  if (field !== undefined && more.length === 0) remembered.set(field, selection);
  return selection;
}

interface Search {
  readonly fragments: GraphQLResolveInfo['fragments'];
  readonly wanted: Set<string>;
  paged: boolean;
  counted: boolean;
  /** Where each fragment was spread: twice at the same place adds nothing, and would double with every level. */
  readonly searched: Set<string>;
}

/** @param within where the rows are below the selections: `['edges', 'node']` for a connection */
function collect(
  entity: Readable,
  within: readonly string[],
  set: SelectionSetNode | undefined,
  search: Search,
  prefix: string,
): void {
  const [step, ...rest] = within;
  for (const selection of set?.selections ?? []) {
    if (selection.kind === Kind.INLINE_FRAGMENT) {
      collect(entity, within, selection.selectionSet, search, prefix);
    } else if (selection.kind === Kind.FRAGMENT_SPREAD) {
      const name = selection.name.value;
      const place = `${name} ${within.length} ${prefix}`;
      if (search.searched.has(place)) continue;
      search.searched.add(place);
      collect(entity, within, search.fragments[name]?.selectionSet, search, prefix);
    } else if (step !== undefined) {
      if (selection.name.value === step) collect(entity, rest, selection.selectionSet, search, prefix);
      // The fields of a connection; an edge has none of these names.
      if (selection.name.value === 'totalCount') search.counted = true;
      if (['edges', 'pageInfo'].includes(selection.name.value)) search.paged = true;
    } else {
      want(entity, selection, search, prefix);
    }
  }
}

function want(entity: Readable, field: FieldNode, search: Search, prefix: string): void {
  const name = field.name.value;
  if (name.startsWith('__')) return;
  const joined = entity.joins?.[name];
  if (joined !== undefined) {
    search.wanted.add(`${prefix}${name}.id`);
    collect(joined, [], field.selectionSet, search, `${prefix}${name}.`);
    return;
  }
  // A field that declares nothing may read anything; forgetting that costs time, not values.
  for (const column of entity.columnsOf(name) ?? entity.columns) search.wanted.add(`${prefix}${column}`);
}
