import type { InputFieldMap, ObjectFieldsShape, ObjectRef } from '@pothos/core';
import { z } from 'zod';
import { builder, type GraphSchemaTypes } from '../../graph/builder.ts';
import type { InputFieldsBuilder, RuntimeScope } from '../../graph/commands/definition.ts';
import { runtimeCommand } from '../../graph/commands/runtime-command.ts';
import { validate } from '../../graph/commands/validation.ts';
import type { Services } from '../../graph/context.ts';
import { errorValue, UserErrorInterface } from '../../graph/error-types.ts';
import { UserError, ValidationError } from '../../graph/errors.ts';
import { UsageRecord } from '../usage/schema.ts';
import { admit, CancellationEnum, nearestLimitsOf, remainingOptions } from './commands.ts';
import {
  admitRequestRules,
  batchMax,
  cancelRequestRules,
  itemsRule,
  renewLeaseRules,
  settleRequestRules,
} from './input.ts';
import { admitFields, cancelFields, renewFields, settleFields } from './inputs.ts';
import { LimitUse } from './limit-schema.ts';
import { Lease } from './schema.ts';

/** What became of one item: its answer or its error. */
interface Item<Answer> {
  readonly answer: Answer | null;
  readonly error: UserError | null;
}

interface BatchDefinition<Input, Answer> {
  readonly name: string;
  readonly description: string;
  /** The field of the input that has the items, and what they are called there. */
  readonly list: string;
  readonly itemName: string;
  readonly itemDescription: string;
  readonly fields: (t: InputFieldsBuilder) => InputFieldMap;
  readonly rules: z.ZodType<Input>;
  readonly run: (services: Services, scope: RuntimeScope, input: Input) => Promise<Answer>;
  /** Told what was carried out for a client that is gone by the time that all of it is. */
  readonly abandon?: (services: Services, scope: RuntimeScope, answers: readonly Answer[]) => Promise<void>;
  readonly answer: {
    readonly name: string;
    readonly type: typeof Lease | typeof UsageRecord | typeof CancellationEnum;
    readonly description: string;
    readonly of: (answer: Answer) => unknown;
  };
  /** What else there is to say of an answer. */
  readonly more?: ObjectFieldsShape<GraphSchemaTypes, Item<Answer>>;
}

/** The form of a command that takes many: items are carried out side by side and answered one by one. */
function batchCommand<Input, Answer>(definition: BatchDefinition<Input, Answer>): void {
  const { name, description, list, itemName, itemDescription, fields, rules, run, abandon, answer, more } = definition;
  const itemInput = builder.inputType(`${itemName}Input`, { description: itemDescription, fields });
  const itemType = builder.objectRef<Item<Answer>>(`${itemName}Result`).implement({
    description: 'What became of one of many: either it was carried out, or it was refused.',
    fields: (t) => ({
      [answer.name]: t.field({
        // Which of the two it is, only the definition knows.
        type: answer.type as ObjectRef<GraphSchemaTypes, object>,
        nullable: true,
        description: `${answer.description} Null: it was refused.`,
        resolve: (item) => (item.answer === null ? null : (answer.of(item.answer) as object)),
      }),
      ...more?.(t),
      error: t.field({
        type: UserErrorInterface,
        nullable: true,
        description: 'Why it was refused; null when it was not.',
        resolve: ({ error }) => error && errorValue(error),
      }),
    }),
  });
  const item = async (
    services: Services,
    scope: RuntimeScope,
    given: unknown,
    index: number,
  ): Promise<Item<Answer>> => {
    try {
      return { answer: await run(services, scope, validate(rules, given)), error: null };
    } catch (error) {
      if (!(error instanceof UserError)) throw error;
      return { answer: null, error: error instanceof ValidationError ? within(error, list, index) : error };
    }
  };
  runtimeCommand<Record<string, unknown[]>, { readonly results: readonly Item<Answer>[] }>({
    name,
    description: `${description} Up to ${batchMax} at once, answered one by one in their order.`,
    scopes: [['requests:admit']],
    input: z.object({ [list]: itemsRule }),
    fields: (t) => ({
      [list]: t.field({ type: [itemInput], required: true, description: `1 to ${batchMax} of them.` }),
    }),
    cost: (input) => (Array.isArray(input[list]) ? input[list].length : 1),
    run: async (services, scope, input) => {
      const results = await Promise.all((input[list] ?? []).map((given, index) => item(services, scope, given, index)));
      if (abandon !== undefined && scope.connection?.closed.aborted) {
        const answers = results.flatMap((result) => (result.answer === null ? [] : [result.answer]));
        await abandon(services, scope, answers);
      }
      return { results };
    },
    payload: (t) => ({
      results: t.field({
        type: [itemType],
        description: 'What became of each, in the order of the input.',
        resolve: ({ results }) => [...results],
      }),
    }),
  });
}

/** The same broken rules, where the whole input has them. */
function within({ issues }: ValidationError, list: string, index: number): ValidationError {
  const [first, ...more] = issues.map((issue) => ({ ...issue, path: [list, String(index), ...issue.path] }));
  if (first === undefined) throw new Error('An input was refused without an issue.');
  return new ValidationError([first, ...more]);
}

const leaseAnswer = { name: 'lease', type: Lease, description: 'The slot.' } as const;

batchCommand({
  name: 'admitRequests',
  description:
    'The same as `admitRequest` for many requests, each by itself. The answer comes when all of them have their slot or a reason why not. Of a client that goes away meanwhile, those without a request id get no slot, or give it back: nobody could settle them.',
  list: 'requests',
  itemName: 'AdmitRequestItem',
  itemDescription: 'A request that wants a slot.',
  fields: admitFields,
  rules: admitRequestRules,
  run: admit,
  abandon: ({ admission }, { principal }, admitted) =>
    admission.abandon(
      principal,
      admitted.map(({ lease }) => lease),
    ),
  answer: { ...leaseAnswer, of: ({ lease }) => lease },
  more: (t) => ({
    remaining: t.field({
      ...remainingOptions,
      type: [LimitUse],
      description: `${remainingOptions.description} So it is when the request was refused.`,
      resolve: ({ answer }, _args, context) => answer && nearestLimitsOf(answer, context),
    }),
  }),
});

batchCommand({
  name: 'renewLeases',
  description: 'The same as `renewLease` for many leases, each by itself.',
  list: 'leases',
  itemName: 'RenewLeaseItem',
  itemDescription: 'A lease to hold for longer.',
  fields: renewFields,
  rules: renewLeaseRules,
  run: ({ admission }, { principal }, input) => admission.renew(principal, input),
  answer: { ...leaseAnswer, of: (lease) => lease },
});

batchCommand({
  name: 'settleRequests',
  description: 'The same as `settleRequest` for many requests, each by itself.',
  list: 'requests',
  itemName: 'SettleRequestItem',
  itemDescription: 'What a request used.',
  fields: settleFields,
  rules: settleRequestRules,
  run: async ({ admission }, { principal }, input) => (await admission.settle(principal, input)).record,
  answer: {
    name: 'usageRecord',
    type: UsageRecord,
    description: 'What was recorded.',
    of: (record) => record,
  },
});

batchCommand({
  name: 'cancelRequests',
  description: 'The same as `cancelRequest` for many requests, each by itself.',
  list: 'requests',
  itemName: 'CancelRequestItem',
  itemDescription: 'A request to take back.',
  fields: cancelFields,
  rules: cancelRequestRules,
  run: ({ admission }, { principal }, input) => admission.cancel(principal, input),
  answer: {
    name: 'cancellation',
    type: CancellationEnum,
    description: 'What it had.',
    of: (cancellation) => cancellation,
  },
});
