import {
  type GraphQLArgument,
  type GraphQLField,
  type GraphQLInputField,
  getNamedType,
  isInputObjectType,
  isLeafType,
  isListType,
  isNonNullType,
  isObjectType,
  isRequiredArgument,
  isUnionType,
} from 'graphql';
import { beforeEach, describe, expect, it } from 'vitest';
import { encodeId, newId } from '../../src/graph/ids.ts';
import { startTestApp } from '../testkit/app.ts';

const app = await startTestApp();
const queries = app.app.schema.getQueryType()?.getFields() ?? {};

// Time stands still, so what a caller may spend does not come back by itself.
beforeEach(() => app.clock.advance(60_000));

type Place = readonly [field: string, argument: string, inner: string | null, isList: boolean];

const isId = ({ type }: GraphQLArgument | GraphQLInputField): boolean => getNamedType(type).name === 'ID';
const isList = ({ type }: GraphQLArgument | GraphQLInputField): boolean =>
  isListType(isNonNullType(type) ? type.ofType : type);

/** Of fields that take one of two: what has to come with an id that is not alone. */
const partners: Readonly<Record<string, readonly [argument: string, value: string]>> = {
  'user(tenantId)': ['externalId', 'ada'],
  'engine(productId)': ['userExternalId', 'ada'],
};

/** Compared as text: what was done is told of anything, also of what has no such id. */
const texts: ReadonlySet<string> = new Set(['targetId']);

/** Answers as commands do, whose bad input has tables of its own. */
const saysWhatIsWrong = ({ type }: GraphQLField<unknown, unknown>): boolean => {
  const named = getNamedType(type);
  return isUnionType(named) && named.getTypes().some(({ name }) => name === 'ValidationError');
};

/** Where queries take ids: as arguments, and in their filters and inputs. */
const places = Object.values(queries)
  .filter((field) => !saysWhatIsWrong(field))
  .flatMap((field): Place[] =>
    field.args.flatMap((argument): Place[] => {
      if (isId(argument)) return [[field.name, argument.name, null, isList(argument)]];
      const type = getNamedType(argument.type);
      if (!isInputObjectType(type)) return [];
      return Object.values(type.getFields()).flatMap((inner): Place[] =>
        isId(inner) && !texts.has(inner.name) ? [[field.name, argument.name, inner.name, isList(inner)]] : [],
      );
    }),
  );

/** Any value that an argument takes which has to be there. */
function anyValue(argument: GraphQLArgument | GraphQLInputField): unknown {
  const type = getNamedType(argument.type);
  if (isInputObjectType(type)) {
    const required = Object.values(type.getFields()).filter((inner) => isNonNullType(inner.type));
    return Object.fromEntries(required.map((inner) => [inner.name, anyValue(inner)]));
  }
  return type.name === 'ID' || type.name === 'String' ? 'any' : 1;
}

interface Answered {
  readonly answer: { readonly issues?: readonly { readonly rule: string }[] } | null;
}

async function refusal([name, argumentName, inner, isListed]: Place, id: string) {
  const field = queries[name] as GraphQLField<unknown, unknown>;
  const value = isListed ? [id] : id;
  const partner = partners[`${name}(${argumentName})`];
  const given = field.args.flatMap((argument): [GraphQLArgument, unknown][] => {
    if (argument.name === partner?.[0]) return [[argument, partner[1]]];
    if (argument.name !== argumentName) return isRequiredArgument(argument) ? [[argument, anyValue(argument)]] : [];
    return [[argument, inner === null ? value : { ...(anyValue(argument) as object), [inner]: value }]];
  });
  const variables = given.map(([argument]) => `$${argument.name}: ${String(argument.type)}`).join(', ');
  const args = given.map(([argument]) => `${argument.name}: $${argument.name}`).join(', ');
  const type = getNamedType(field.type);
  const selection = isLeafType(type)
    ? ''
    : isObjectType(type) && 'edges' in type.getFields()
      ? '{ edges { __typename } }'
      : isUnionType(type) && type.getTypes().some((member) => member.name === 'ValidationError')
        ? '{ ... on ValidationError { issues { rule } } }'
        : '{ __typename }';
  const answer = await app.operator.send<Answered, Record<string, unknown>>(
    `query (${variables}) { answer: ${name}(${args}) ${selection} }`,
    Object.fromEntries(given.map(([argument, any]) => [argument.name, any])),
  );
  // Of a field that answers with what breaks its rules, as commands do.
  return answer.errors?.[0]?.extensions.code ?? answer.data?.answer?.issues?.[0]?.rule;
}

describe.each(places)('%s(%s) %s', (...place) => {
  it('refuses what is no id', async () => {
    expect(await refusal(place, 'nonsense')).toBe('MALFORMED_ID');
  });

  it.runIf(place[0] !== 'node' && place[0] !== 'nodes')('refuses the id of something else', async () => {
    const refused = [];
    for (const type of ['Tenant', 'Model', 'UsageRecord'] as const)
      refused.push(await refusal(place, encodeId(type, newId())));
    // It takes one of them at most.
    expect(refused.filter((code) => code === 'WRONG_ID_TYPE').length).toBeGreaterThanOrEqual(2);
  });
});
