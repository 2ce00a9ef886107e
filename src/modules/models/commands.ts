import type { InputFieldMap } from '@pothos/core';
import { builder, type GraphSchemaTypes } from '../../graph/builder.ts';
import { command } from '../../graph/commands/command.ts';
import { NameTakenError, NotFoundError, StaleRevisionError } from '../../graph/errors.ts';
import { encodeId } from '../../graph/ids.ts';
import { createModelRules, deleteModelRules, updateModelRules } from './input.ts';
import { type PriceColumn, priceBounds, prices } from './prices.ts';
import { Model, ModelTypeEnum } from './schema.ts';

type Fields = PothosSchemaTypes.InputFieldBuilder<GraphSchemaTypes, 'InputObject'>;

const target = { type: 'Model', field: 'modelId' } as const;
const scopes = [['registry:write']] as const;

const nameDescription = 'What callers ask for; unique without regard to case; trimmed, 1 to 255 characters.';

const ModelPricesInput = builder.inputType('ModelPricesInput', {
  description: `What the use of a model costs, in US dollars each: ${priceBounds}. What is left out stays; of a new model it is 0.`,
  fields: (t) => {
    const price = (column: PriceColumn) => t.field({ type: 'Decimal', description: prices[column] });
    return {
      inputTokenUsd: price('inputTokenUsd'),
      outputTokenUsd: price('outputTokenUsd'),
      imageUsd: price('imageUsd'),
      audioSecondUsd: price('audioSecondUsd'),
      characterUsd: price('characterUsd'),
    };
  },
});

const reference = (t: Fields) => ({
  modelId: t.id({ required: true, description: 'The model.' }),
  expectedRevision: t.int({
    description: 'The revision that you expect the model to have; at any other one nothing is changed.',
  }),
});

const details = (t: Fields): InputFieldMap => ({
  description: t.string({ description: 'Free text, at most 2,000 characters.' }),
  type: t.field({ type: ModelTypeEnum, description: 'What it does. Of a new model, CHAT unless this says otherwise.' }),
  prices: t.field({ type: ModelPricesInput, description: 'What its use costs.' }),
  admissionWeightPercent: t.int({
    description:
      'The weight that tenants have for its slots, in percent of their own: 1 to 10,000. Of a new model, 100 unless this says otherwise.',
  }),
  isEnabled: t.boolean({
    description:
      'Whether requests for it are admitted. Of a new model, true unless this says otherwise. What runs goes on.',
  }),
});

command({
  name: 'createModel',
  description:
    'Puts a model into the registry. Tenants whose `allowedModels` name it, or name none, may use it at once.',
  scopes,
  target: { type: 'Model' },
  input: createModelRules,
  fields: (t) => ({ name: t.string({ required: true, description: nameDescription }), ...details(t) }),
  errors: [NameTakenError],
  run: ({ models }, scope, input) => models.create(scope, input),
  payload: (t) => ({ model: t.expose('model', { type: Model, description: 'The new model.' }) }),
});

command({
  name: 'updateModel',
  description:
    'Changes a model: an omitted field stays as it is. Requests that were admitted keep the prices that they were admitted at. Allow-lists do not follow a new name.',
  scopes,
  target,
  input: updateModelRules,
  fields: (t) => ({ ...reference(t), name: t.string({ description: nameDescription }), ...details(t) }),
  errors: [NotFoundError, StaleRevisionError, NameTakenError],
  run: ({ models }, scope, input) => models.update(scope, input),
  payload: (t) => ({ model: t.expose('model', { type: Model, description: 'The model as it is now.' }) }),
});

command({
  name: 'deleteModel',
  description: 'Takes a model out of the registry. Allow-lists that name it stay as they are.',
  scopes,
  target,
  input: deleteModelRules,
  fields: reference,
  errors: [NotFoundError, StaleRevisionError],
  run: ({ models }, scope, input) => models.delete(scope, input),
  payload: (t) => ({
    deletedModelId: t.id({
      description: 'The id of the model.',
      resolve: (answer) => encodeId('Model', answer.deletedModelId),
    }),
  }),
});
