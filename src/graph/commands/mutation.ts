import type { InputFieldMap, ObjectRef } from '@pothos/core';
import type { OperationDefinitionNode } from 'graphql';
import { builder, type GraphSchemaTypes, requires } from '../builder.ts';
import type { GraphContext } from '../context.ts';
import type { UserErrorClass } from '../errors.ts';
import type { InputFieldsBuilder, MutationDefinition } from './definition.ts';

type RawInput = Readonly<Record<string, unknown>>;

/** What the two kinds of commands do differently. */
interface Way<Payload> {
  /** Every error that it can answer with. */
  readonly errors: readonly UserErrorClass[];
  /** What it costs, unless it says so itself. */
  readonly cost: number;
  /** Fields of the input besides its own. */
  readonly moreFields?: (t: InputFieldsBuilder) => InputFieldMap;
  readonly run: (input: RawInput, context: GraphContext, operation: OperationDefinitionNode) => Promise<Payload>;
  /** Called with what a caller wanted whose scopes do not allow it, before it is refused. */
  readonly onForbidden?: (input: RawInput, context: GraphContext) => Promise<void>;
}

/** Adds a mutation to the graph, with its input, its payload and the union of its results. */
export function addMutation<Input, Payload extends object>(
  definition: MutationDefinition<Input, Payload>,
  { errors, cost, moreFields, run, onForbidden }: Way<Payload>,
): void {
  const { name } = definition;
  const typeName = name.charAt(0).toUpperCase() + name.slice(1);

  const inputType = builder.inputType(`${typeName}Input`, {
    description: `What \`${name}\` takes.`,
    fields: (t) => {
      const fields = definition.fields(t);
      expectSameFields(name, Object.keys(fields), Object.keys(definition.input.shape));
      return { ...fields, ...moreFields?.(t) };
    },
  });

  const payloadType = builder.objectRef<Payload>(`${typeName}Payload`).implement({
    description: `What \`${name}\` answers with when it was carried out.`,
    fields: definition.payload,
  });

  // Pothos decides by the shape whether a field is a list, which it cannot for a type parameter.
  const resultType: ObjectRef<GraphSchemaTypes, object> = payloadType;

  builder.mutationField(name, (t) =>
    t.field({
      ...requires(...definition.scopes),
      type: resultType,
      description: definition.description,
      complexity: ({ input }) => definition.cost?.(input) ?? cost,
      args: { input: t.arg({ type: inputType, required: true, description: 'What to do.' }) },
      errors: {
        types: [...errors],
        union: {
          name: `${typeName}Result`,
          description: `The payload of \`${name}\`, or the reason why it was refused.`,
        },
      },
      ...(onForbidden && {
        onForbidden: ({ input }: { readonly input: RawInput }, context: GraphContext) => onForbidden(input, context),
      }),
      resolve: (_parent, { input }, context, { operation }) => run(input, context, operation),
    }),
  );
}

/** The graph's fields and the rules are written down apart; this keeps them from drifting. */
function expectSameFields(command: string, graph: readonly string[], rules: readonly string[]): void {
  const difference = new Set(graph).symmetricDifference(new Set(rules));
  if (difference.size > 0) {
    throw new Error(`${command}: fields and rules differ in ${[...difference].join(', ')}.`);
  }
}
