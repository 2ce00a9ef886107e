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

const needsNothing = ({ args }: GraphQLField<unknown, unknown>): boolean => !args.some(isRequiredArgument);

const isPaged = (args: readonly GraphQLArgument[]): boolean => args.some(({ name }) => name === 'first');

/** Everything that can be asked for without an argument, nested so many objects deep; lists from their beginning. */
function selectionOf(schema: GraphQLSchema, type: GraphQLNamedType, depth: number): string {
  if (isAbstractType(type)) {
    const possible = schema.getPossibleTypes(type).map((each) => {
      const fields = selectionOf(schema, each, depth);
      return fields === '' ? '' : `... on ${each.name} ${fields}`;
    });
    return `{ __typename ${possible.join(' ')} }`;
  }
  if (!isObjectType(type)) return '';
  const fields = Object.values(type.getFields())
    .filter(needsNothing)
    .map((field) => fieldOf(schema, field, depth))
    .filter((field) => field !== '');
  return fields.length === 0 ? '' : `{ ${fields.join(' ')} }`;
}

/** One field with all that is below it; nothing when that is deeper than wanted. */
function fieldOf(schema: GraphQLSchema, field: GraphQLField<unknown, unknown>, depth: number): string {
  const type = getNamedType(field.type);
  if (isLeafType(type)) return field.name;
  // What belongs to a page itself is no deeper than the page.
  const isOfPage = ['edges', 'node', 'pageInfo'].includes(field.name);
  if (depth === 0 && !isOfPage) return '';
  const inner = selectionOf(schema, type, isOfPage ? depth : depth - 1);
  return inner === '' ? '' : `${field.name}${isPaged(field.args) ? '(first: 100)' : ''} ${inner}`;
}

/** A query for each field of the root that names no row, such as a list, with everything below it. */
export function queriesForEverything(schema: GraphQLSchema, depth: number): readonly (readonly [string, string])[] {
  return Object.values(schema.getQueryType()?.getFields() ?? {})
    .filter(({ args }) => args.length === 0 || isPaged(args))
    .map((field) => [field.name, `{ ${fieldOf(schema, field, depth)} }`] as const);
}
