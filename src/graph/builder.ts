import SchemaBuilder from '@pothos/core';
import ComplexityPlugin from '@pothos/plugin-complexity';
import DirectivesPlugin from '@pothos/plugin-directives';
import ErrorsPlugin from '@pothos/plugin-errors';
import RelayPlugin from '@pothos/plugin-relay';
import { getNamedType, isLeafType } from 'graphql';
import { JSONObjectResolver, SafeIntResolver } from 'graphql-scalars';
import type { RequiredScopes } from '../access/scopes.ts';
import type { JsonObject } from './audit.ts';
import type { GraphContext } from './context.ts';
import { RequestError } from './errors.ts';
import { decodeAnyId, encodeId, IdProblem, isNodeType } from './ids.ts';
import { DateTimeScalar, DecimalScalar } from './scalars.ts';
import RequiredScopesPlugin from './scopes-plugin.ts';

interface GraphTypes {
  Context: GraphContext;
  DefaultFieldNullability: false;
  DefaultEdgesNullability: false;
  DefaultNodeNullability: false;
  Connection: { totalCount: () => number | Promise<number> };
  Directives: {
    requiresScopes: { locations: 'FIELD_DEFINITION'; args: { scopes: readonly (readonly string[])[] } };
  };
  Scalars: {
    ID: { Input: string; Output: string };
    DateTime: { Input: Date; Output: Date };
    Decimal: { Input: string; Output: string };
    JSONObject: { Input: JsonObject; Output: JsonObject };
    SafeInt: { Input: number; Output: number };
  };
}

/** The one global of the program: modules add their types and fields to it when they are imported. */
export const builder = new SchemaBuilder<GraphTypes>({
  // The first plugin wraps outermost: scopes are checked before anything else looks at a field.
  plugins: [RequiredScopesPlugin, ErrorsPlugin, RelayPlugin, ComplexityPlugin, DirectivesPlugin],
  defaultFieldNullability: false,
  errors: { directResult: true },
  relay: {
    clientMutationId: 'omit',
    cursorType: 'String',
    encodeGlobalID: (type, id) => {
      if (isNodeType(type)) return encodeId(type, String(id));
      throw new Error(`${type} has no id prefix; add one to idPrefixes.`);
    },
    decodeGlobalID: (id) => {
      try {
        const { type, uuid } = decodeAnyId(id);
        return { typename: type, id: uuid };
      } catch (error) {
        throw error instanceof IdProblem ? new RequestError(error.code, error.message) : error;
      }
    },
    idFieldOptions: { description: 'Names this object in the whole graph: the prefix says its type.' },
    nodeTypeOptions: { description: 'An object with an id, which `node` finds again.' },
    nodeQueryOptions: {
      description: 'The object with this id; null when there is none that you may see.',
      requiredScopes: [],
      complexity: 1,
      args: { id: { description: 'The id of an object of any type.' } },
    },
    // In nodes.ts: the plugin's own reads the ids before the field is reached, and fails the whole request on a bad one.
    nodesQueryOptions: false,
    pageInfoTypeOptions: { description: 'Where a page stands in its list.' },
    hasNextPageFieldOptions: { description: 'Whether rows follow this page.' },
    hasPreviousPageFieldOptions: {
      description: 'Whether rows come before this page. Reading forward, true as soon as `after` was given.',
    },
    startCursorFieldOptions: { description: 'The cursor of the first row; null on an empty page.' },
    endCursorFieldOptions: { description: 'The cursor of the last row; null on an empty page.' },
    cursorFieldOptions: { description: 'Marks this row as a place in the list, for `after` and `before`.' },
    nodeFieldOptions: { description: 'The row itself.' },
    edgesFieldOptions: { description: 'The rows of this page, in order.', complexity: { field: 0, multiplier: 1 } },
    pageInfoFieldOptions: { description: 'Where this page stands in its list.', complexity: 0 },
    firstArgOptions: { description: 'How many rows from the start, 1 to 100. Without `first` and `last`: 20.' },
    lastArgOptions: { description: 'How many rows from the end, 1 to 100; not together with `first`.' },
    afterArgOptions: { description: 'Rows after this cursor, which a page of the same list with the same order gave.' },
    beforeArgOptions: { description: 'Rows before this cursor, likewise.' },
  },
  complexity: {
    // Only the arithmetic is used; graph/cost.ts says what a caller may spend.
    disabled: true,
    fieldComplexity: (_args, _context, field) => (isLeafType(getNamedType(field.type)) ? 0 : 1),
  },
});

/** The types that the builder works with, for helpers that add to the graph. */
export type GraphSchemaTypes = (typeof builder)['$inferSchemaTypes'];

/**
 * What a field needs of its caller: any one of the lists, all of its scopes. Without lists, any valid credential.
 * Enforced, and printed in the schema as `@requiresScopes`, from this one declaration.
 */
export const requires = (...anyOf: RequiredScopes) => ({ requiredScopes: anyOf });

builder.addScalarType('DateTime', DateTimeScalar);
builder.addScalarType('SafeInt', SafeIntResolver);
builder.addScalarType('JSONObject', JSONObjectResolver);
builder.addScalarType('Decimal', DecimalScalar);

builder.queryType({ description: 'Everything that can be read.' });
builder.mutationType({
  description: 'The commands. Each takes one `input` and answers with its payload or a typed error.',
});
builder.subscriptionType({ description: 'What can be followed while it happens.' });

builder.globalConnectionField('totalCount', (t) =>
  t.int({
    description: 'How many rows the whole list has, under the same filter. Counted only when it is selected.',
    complexity: 5,
    resolve: (connection) => connection.totalCount(),
  }),
);
