import { ValidationError } from '../errors.ts';
import type { RuntimeCommandDefinition } from './definition.ts';
import { addMutation } from './mutation.ts';
import { validate } from './validation.ts';

const runtimeCommandCost = 1;

/**
 * Adds a command that is part of running and no change of configuration, such as a heartbeat: gateways send hundreds of
 * them a second. Scopes, validation, input, payload and the union of results are as for every command. There is no
 * transaction, no audit row, also not of a denial, no event, and no idempotency key: what it keeps, how durably, and what
 * a repetition does, is the handler's to say.
 */
export function runtimeCommand<Input, Payload extends object>(
  definition: RuntimeCommandDefinition<Input, Payload>,
): void {
  addMutation(definition, {
    errors: [ValidationError, ...(definition.errors ?? [])],
    cost: runtimeCommandCost,
    run: async (input, { clock, connection, principal, services }) =>
      definition.run(services, { principal, now: clock.now(), connection }, validate(definition.input, input)),
  });
}
