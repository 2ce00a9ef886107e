import type { ObjectRef } from '@pothos/core';
import { builder, type GraphSchemaTypes, requires } from '../builder.ts';
import { IdempotencyKeyReusedError, type UserErrorClass, ValidationError } from '../errors.ts';
import type { CommandDefinition } from './definition.ts';
import { recordDenial, runCommand } from './run.ts';

const commandCost = 10;

/** Every command can answer with these. */
const commonErrors: readonly UserErrorClass[] = [ValidationError, IdempotencyKeyReusedError];

/**
 * Adds a command to the graph: the mutation, its input, its payload and the union of its results. The order of its
 * steps is in `run.ts`: scopes, validation, idempotency, transaction, the handler, audit, outbox.
 */
export function command<Input, Payload extends object>(definition: CommandDefinition<Input, Payload>): void {
  const { name } = definition;
  const typeName = name.charAt(0).toUpperCase() + name.slice(1);
  const errors = [...commonErrors, ...(definition.errors ?? [])];

  const inputType = builder.inputType(`${typeName}Input`, {
    description: `What \`${name}\` takes.`,
    fields: (t) => {
      const fields = definition.fields(t);
      expectSameFields(name, Object.keys(fields), Object.keys(definition.input.shape));
      return {
        ...fields,
        idempotencyKey: t.string({
          description:
            'A name for this attempt, 1 to 255 characters, such as a UUID. The same key with the same input gives the first answer again for 24 hours, so the command can be repeated without harm after a lost answer.',
        }),
      };
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
      complexity: ({ input }) => definition.cost?.(input) ?? commandCost,
      args: { input: t.arg({ type: inputType, required: true, description: 'What to do.' }) },
      errors: {
        types: [...errors],
        union: {
          name: `${typeName}Result`,
          description: `The payload of \`${name}\`, or the reason why it was refused.`,
        },
      },
      unauthorizedResolver: (_parent, { input }, context, _info, error) =>
        recordDenial(definition, input, context, error),
      resolve: (_parent, { input }, context, { operation }) =>
        runCommand(definition, errors, input, context, operation),
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
