import {
  type GraphQLField,
  type GraphQLNamedType,
  type GraphQLObjectType,
  type GraphQLSchema,
  getNamedType,
  isInputObjectType,
  isInterfaceType,
  isLeafType,
  isListType,
  isNonNullType,
  isObjectType,
  isUnionType,
} from 'graphql';
import type { Client } from '../../testkit/client.ts';

export type Arguments = Readonly<Record<string, unknown>>;

/** One field with its arguments: of a root type, or of an object that `node` finds. */
export interface Call {
  readonly field: FieldOf;
  readonly args: Arguments;
  /** The object that has the field, unless that is a root type. */
  readonly parentId?: string;
}

export interface FieldOf {
  readonly type: GraphQLObjectType;
  readonly field: GraphQLField<unknown, unknown>;
}

export const nameOf = ({ type, field }: FieldOf): string => `${type.name}.${field.name}`;

/** Every field of every object type. */
export const fieldsOf = (schema: GraphQLSchema): readonly FieldOf[] =>
  Object.values(schema.getTypeMap())
    .filter((type) => isObjectType(type) && !type.name.startsWith('__'))
    .flatMap((type) => (isObjectType(type) ? Object.values(type.getFields()).map((field) => ({ type, field })) : []));

const isNodeType = (type: GraphQLNamedType): type is GraphQLObjectType =>
  isObjectType(type) && type.getInterfaces().some(({ name }) => name === 'Node');

/** The type of the rows of a connection; nothing for other types. */
export function rowTypeOf(type: GraphQLNamedType): GraphQLObjectType | undefined {
  if (!isObjectType(type)) return undefined;
  const edges = type.getFields().edges;
  const edge = edges && getNamedType(edges.type);
  const node = isObjectType(edge) ? edge.getFields().node : undefined;
  const row = node && getNamedType(node.type);
  return row && isObjectType(row) ? row : undefined;
}

/** The places of a field's arguments that take an id: `id`, `input.keyId`, `input.users.0.teamId`. */
export function idPathsOf({ field }: FieldOf): readonly string[] {
  return field.args.flatMap(({ name, type }) => pathsIn(name, type));
}

function pathsIn(path: string, type: Parameters<typeof getNamedType>[0]): string[] {
  const isList = isListType(isNonNullType(type) ? type.ofType : type);
  const named = getNamedType(type);
  const here = isList ? `${path}.0` : path;
  if (named === undefined || named === null) return [];
  if (named.name === 'ID') return [here];
  if (!isInputObjectType(named)) return [];
  return Object.values(named.getFields()).flatMap((field) => pathsIn(`${here}.${field.name}`, field.type));
}

/** Arguments with a value put at a place. */
export function withValue(args: unknown, path: string, value: unknown): Arguments {
  const [first = '', ...rest] = path.split('.');
  const inner = (args ?? {}) as Record<string, unknown>;
  const next = rest.length === 0 ? value : withValue(inner[first], rest.join('.'), value);
  // A list has one item where it is written.
  return (first === '0' ? [next] : { ...inner, [first]: next }) as Arguments;
}

const depthMax = 3;

/** What any caller of a field may read of its answer, with the ids of the rows that it leads to. */
function selectionOf(type: GraphQLNamedType, guarded: (field: FieldOf) => boolean, depth = 0): string {
  if (isLeafType(type)) return '';
  if (isUnionType(type)) {
    const payloads = type.getTypes().filter(({ name }) => name.endsWith('Payload'));
    const members = payloads.map((member) => `... on ${member.name} ${selectionOf(member, guarded, depthMax - 1)}`);
    return `{ __typename ... on UserError { code message path retryable retryAfterMs } ${members.join(' ')} }`;
  }
  if (isInterfaceType(type)) {
    const leaves = Object.values(type.getFields()).filter((field) => isLeafType(getNamedType(field.type)));
    return `{ __typename ${leaves.map(({ name }) => name).join(' ')} }`;
  }
  if (!isObjectType(type)) throw new Error(`${type.name} cannot be selected.`);
  const row = rowTypeOf(type);
  if (row !== undefined) {
    const fields = depth === 0 ? selectionOf(row, guarded, depthMax) : '{ id }';
    return `{ totalCount pageInfo { hasNextPage endCursor } edges { node ${fields} } }`;
  }
  const fields = Object.values(type.getFields()).flatMap((field): string[] => {
    const named = getNamedType(field.type);
    if (isLeafType(named)) return [field.name];
    if (field.args.length > 0 || depth > depthMax || guarded({ type, field })) return [];
    return [`${field.name} ${isNodeType(named) && depth > 1 ? '{ id }' : selectionOf(named, guarded, depth + 1)}`];
  });
  // What has no values of its own has none this deep.
  return fields.length === 0 ? '{ __typename }' : `{ ${fields.join(' ')} }`;
}

/** An answer as it was sent. */
export interface Reply {
  readonly status: number;
  readonly text: string;
  /** The value of each call, in their order; null where there is none. */
  readonly values: readonly unknown[];
  readonly codes: readonly string[];
}

/** Sends calls in one request. Calls of the same fields make the same text, whatever rows they name. */
export async function sendCalls(
  client: Client,
  calls: readonly Call[],
  guarded: (field: FieldOf) => boolean,
): Promise<Reply> {
  const declared: string[] = [];
  const variables: Record<string, unknown> = {};
  const bodies = calls.map(({ args, field, parentId }, index) => {
    const given = field.field.args.flatMap((argument) => {
      if (!Object.hasOwn(args, argument.name)) return [];
      const variable = `v${index}_${argument.name}`;
      declared.push(`$${variable}: ${argument.type}`);
      variables[variable] = args[argument.name];
      return [`${argument.name}: $${variable}`];
    });
    const parentheses = given.length === 0 ? '' : `(${given.join(', ')})`;
    const text = `${field.field.name}${parentheses} ${selectionOf(getNamedType(field.field.type), guarded)}`;
    if (parentId === undefined) return `c${index}: ${text}`;
    declared.push(`$p${index}: ID!`);
    variables[`p${index}`] = parentId;
    return `c${index}: node(id: $p${index}) { ... on ${field.type.name} { value: ${text} } }`;
  });
  const kind = calls[0]?.field.type.name === 'Mutation' ? 'mutation' : 'query';
  const parentheses = declared.length === 0 ? '' : `(${declared.join(', ')})`;
  const query = `${kind} ${parentheses} { ${bodies.join('\n')} }`;
  const response = await fetch(`${client.url}/graphql`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...client.headers },
    body: JSON.stringify({ query, variables }),
  });
  // What is left to spend goes down from request to request.
  const text = (await response.text()).replace(/"remaining":\d+/, '"remaining":0');
  const body = JSON.parse(text) as {
    data?: Record<string, unknown> | null;
    errors?: { message: string; extensions: { code: string } }[];
  };
  const invalid = body.errors?.find(({ extensions }) => extensions.code === 'GRAPHQL_VALIDATION_FAILED');
  if (invalid !== undefined) throw new Error(`The test asks wrongly: ${invalid.message}\n${query}`);
  const values = calls.map(({ parentId }, index) => {
    const value = body.data?.[`c${index}`] ?? null;
    return parentId === undefined ? value : ((value as { value?: unknown } | null)?.value ?? null);
  });
  return { status: response.status, text, values, codes: (body.errors ?? []).map(({ extensions }) => extensions.code) };
}

/** Every id of a row in an answer, by the type that it is of. */
export const idsIn = (answer: unknown): ReadonlySet<string> =>
  new Set(JSON.stringify(answer ?? null).match(/\b[a-z]+_[0-9a-hjkmnp-tv-z]{26}\b/g) ?? []);
