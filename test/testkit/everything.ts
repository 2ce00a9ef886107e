import {
  type GraphQLArgument,
  type GraphQLField,
  type GraphQLNamedType,
  type GraphQLSchema,
  getNamedType,
  isAbstractType,
  isLeafType,
  isObjectType,
  isRequiredArgument,
} from 'graphql';

type Without = readonly string[];

const needsNothing = ({ args }: GraphQLField<unknown, unknown>): boolean => !args.some(isRequiredArgument);

const isPaged = (args: readonly GraphQLArgument[]): boolean => args.some(({ name }) => name === 'first');

/** Everything that can be asked for without an argument, nested so many objects deep; lists from their beginning. */
function selectionOf(schema: GraphQLSchema, type: GraphQLNamedType, depth: number, without: Without): string {
  if (isAbstractType(type)) {
    const possible = schema.getPossibleTypes(type).map((each) => {
      const fields = selectionOf(schema, each, depth, without);
      return fields === '' ? '' : `... on ${each.name} ${fields}`;
    });
    return `{ __typename ${possible.join(' ')} }`;
  }
  if (!isObjectType(type)) return '';
  const fields = Object.values(type.getFields())
    .filter((field) => needsNothing(field) && !without.includes(field.name))
    .map((field) => fieldOf(schema, field, depth, without))
    .filter((field) => field !== '');
  return fields.length === 0 ? '' : `{ ${fields.join(' ')} }`;
}

/** One field with all that is below it; nothing when that is deeper than wanted. */
function fieldOf(
  schema: GraphQLSchema,
  field: GraphQLField<unknown, unknown>,
  depth: number,
  without: Without,
): string {
  const type = getNamedType(field.type);
  if (isLeafType(type)) return field.name;
  // What belongs to a page itself is no deeper than the page.
  const isOfPage = ['edges', 'node', 'pageInfo'].includes(field.name);
  if (depth === 0 && !isOfPage) return '';
  const inner = selectionOf(schema, type, isOfPage ? depth : depth - 1, without);
  return inner === '' ? '' : `${field.name}${isPaged(field.args) ? '(first: 100)' : ''} ${inner}`;
}

/**
 * A query for each field of the root that names no row, such as a list, with everything below it.
 *
 * @param without names of fields that are left out, wherever they are
 */
export function queriesForEverything(
  schema: GraphQLSchema,
  depth: number,
  without: Without = [],
): readonly (readonly [string, string])[] {
  return Object.values(schema.getQueryType()?.getFields() ?? {})
    .filter(({ name, args }) => !without.includes(name) && (args.length === 0 || isPaged(args)))
    .map((field) => [field.name, `{ ${fieldOf(schema, field, depth, without)} }`] as const);
}
