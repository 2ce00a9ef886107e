import { IdempotencyKeyReusedError, ValidationError } from '../errors.ts';
import type { CommandDefinition } from './definition.ts';
import { addMutation } from './mutation.ts';
import { recordDenial, runCommand } from './run.ts';

const commandCost = 10;

/**
 * Adds a command to the graph: the mutation, its input, its payload and the union of its results. The order of its
 * steps is in `run.ts`: scopes, validation, idempotency, transaction, the handler, audit, outbox.
 */
export function command<Input, Payload extends object>(definition: CommandDefinition<Input, Payload>): void {
  const errors = [ValidationError, IdempotencyKeyReusedError, ...(definition.errors ?? [])];
  addMutation(definition, {
    errors,
    cost: commandCost,
    moreFields: (t) => ({
      idempotencyKey: t.string({
        description:
          'A name for this attempt, 1 to 255 characters, such as a UUID. The same key with the same input gives the first answer again for 24 hours, so the command can be repeated without harm after a lost answer.',
      }),
    }),
    run: (input, context, operation) => runCommand(definition, errors, input, context, operation),
    onForbidden: (input, context) => recordDenial(definition, input, context),
  });
}
