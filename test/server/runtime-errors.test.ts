import {
  GraphQLEnumType,
  GraphQLError,
  type GraphQLFieldConfig,
  GraphQLInt,
  GraphQLInterfaceType,
  GraphQLList,
  GraphQLNonNull,
  GraphQLObjectType,
  GraphQLSchema,
  GraphQLString,
} from 'graphql';
import { createYoga } from 'graphql-yoga';
import { pino } from 'pino';
import { Histogram } from 'prom-client';
import { describe, expect, it } from 'vitest';
import { RequestError } from '../../src/graph/errors.ts';
import { Operations } from '../../src/server/operations.ts';
import { ErrorPresenter, useErrors } from '../../src/server/plugins/errors.ts';
import { useOperations } from '../../src/server/plugins/operations.ts';

const inside = 'inside-of-the-server';

const node = new GraphQLInterfaceType({
  name: 'Node',
  fields: { id: { type: GraphQLString } },
  resolveType: (value: { readonly type: string }) => value.type,
});
const strict = new GraphQLObjectType({
  name: 'Strict',
  fields: { id: { type: GraphQLString } },
  isTypeOf: () => false,
});
const color = new GraphQLEnumType({ name: 'Color', values: { RED: {} } });
const gives = (type: GraphQLFieldConfig<unknown, unknown>['type'], value: unknown) => ({ type, resolve: () => value });

/** What the server can get wrong, each of it found by GraphQL itself. */
const faults = {
  typeThatIsNotThere: gives(node, { type: inside }),
  typeOfAnotherInterface: gives(node, { type: 'Strict' }),
  typeThatCannotBeTold: gives(node, {}),
  rowOfAnotherType: gives(strict, { id: inside }),
  nullWhereThereIsNone: gives(new GraphQLNonNull(GraphQLString), null),
  nullInList: gives(new GraphQLList(new GraphQLNonNull(GraphQLString)), [null]),
  listThatIsNone: gives(new GraphQLList(GraphQLString), 7),
  valueOfNoEnum: gives(color, inside),
  numberThatIsTooLarge: gives(GraphQLInt, 2 ** 40),
  textThatIsNone: gives(GraphQLString, { inside }),
  errorWithoutCode: {
    type: GraphQLString,
    resolve: () => {
      throw new GraphQLError(inside);
    },
  },
} satisfies Record<string, GraphQLFieldConfig<unknown, unknown>>;

const schema = new GraphQLSchema({
  query: new GraphQLObjectType({
    name: 'Query',
    fields: {
      ...faults,
      refused: {
        type: GraphQLString,
        resolve: () => {
          throw new RequestError('FORBIDDEN', 'Not yours.');
        },
      },
      list: {
        type: GraphQLString,
        args: { first: { type: new GraphQLNonNull(GraphQLInt), defaultValue: 1 } },
        resolve: () => 'listed',
      },
      strict: { type: strict, resolve: () => null },
    },
  }),
  subscription: new GraphQLObjectType({
    name: 'Subscription',
    fields: {
      colors: {
        type: color,
        async *subscribe() {
          yield { colors: inside };
        },
      },
    },
  }),
  types: [new GraphQLObjectType({ name: 'Row', interfaces: [node], fields: { id: { type: GraphQLString } } })],
});

const logged: string[] = [];
const log = pino({}, { write: (line: string) => void logged.push(line) });
const presenter = new ErrorPresenter({ log, suggestions: true });
const operationSeconds = new Histogram({
  name: 'operation_seconds',
  help: 'Not looked at.',
  labelNames: ['type', 'outcome'],
  registers: [],
});
const operations = new Operations({ meter: { spend: () => ({ cost: {} }) }, presenter, metrics: { operationSeconds } });
const nothing = () => undefined;
const yoga = createYoga({
  schema,
  logging: false,
  maskedErrors: false,
  context: { info: { id: 'of-the-request' } },
  plugins: [
    useErrors(presenter),
    useOperations({ operations, lane: { learnOperation: nothing, learnMediaType: nothing } }),
  ],
});

const send = async (query: string, variables: object = {}): Promise<string> => {
  const response = await yoga.fetch('http://127.0.0.1/graphql', {
    method: 'POST',
    headers: { 'content-type': 'application/json', accept: 'text/event-stream, application/json' },
    body: JSON.stringify({ query, variables }),
  });
  return await response.text();
};

/** More than a query has to be executed to be compiled. */
const executions = 30;

const masked = (path: readonly (string | number)[]) =>
  expect.objectContaining({
    message: 'The server failed to carry this out. Tell the operator the request id.',
    path,
    extensions: { code: 'INTERNAL_SERVER_ERROR', requestId: 'of-the-request' },
  });

describe('what GraphQL itself finds wrong with an answer', () => {
  it.each(Object.entries(faults))('is the fault of the server and shows nothing of it: %s', async (name, { type }) => {
    const isObject = type === node || type === strict;
    const query = `{ ${name} ${isObject ? '{ id }' : ''} }`;
    logged.length = 0;
    for (let execution = 0; execution < executions; execution += 1) {
      const answer = await send(query);
      expect(JSON.parse(answer).errors).toEqual([masked(name === 'nullInList' ? [name, 0] : [name])]);
      expect(answer).not.toMatch(/inside-of-the-server|Strict|null for|represent|Iterable|resolve|1099511627776/);
    }
    expect(logged).toHaveLength(executions);
    expect(JSON.parse(logged.at(-1) ?? '')).toMatchObject({ requestId: 'of-the-request', err: { message: /./ } });
  });

  it('is hidden in an event of a subscription as well', async () => {
    const answer = await send('subscription { colors }');
    expect(answer).toContain('"code":"INTERNAL_SERVER_ERROR","requestId":"of-the-request"');
    expect(answer).not.toContain(inside);
  });
});

describe('what is wrong with a request', () => {
  const cases: readonly (readonly [what: string, query: string, variables: object, code: string, message: string])[] = [
    ['a field', '{ nothing }', {}, 'GRAPHQL_VALIDATION_FAILED', 'Cannot query field'],
    ['the syntax', '{', {}, 'GRAPHQL_PARSE_FAILED', 'Syntax Error'],
    ['a variable', 'query ($a: Int!) { list(first: $a) }', { a: 'x' }, 'BAD_USER_INPUT', 'Variable "$a"'],
    [
      'null for an argument that has a default',
      'query ($a: Int) { list(first: $a) }',
      { a: null },
      'GRAPHQL_VALIDATION_FAILED',
      'Argument "first" of non-null type "Int!" must not be null.',
    ],
    ['what a resolver refuses', '{ refused }', {}, 'FORBIDDEN', 'Not yours.'],
  ];

  it.each(cases)('is told to the caller and not logged: %s', async (_what, query, variables, code, message) => {
    logged.length = 0;
    for (let execution = 0; execution < executions; execution += 1) {
      expect(JSON.parse(await send(query, variables)).errors).toEqual([
        expect.objectContaining({ message: expect.stringContaining(message), extensions: { code } }),
      ]);
    }
    expect(logged).toEqual([]);
  });
});
