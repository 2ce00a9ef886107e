import type { ModelType } from '../../database/generated/enums.ts';
import { comparableText, exactlyOne } from '../../graph/arguments.ts';
import { builder, requires } from '../../graph/builder.ts';
import { listComplexity } from '../../graph/connections.ts';
import { enumValues } from '../../graph/enums.ts';
import { checkTextFilter, DateTimeRange, TextFilter } from '../../graph/filters.ts';
import { decodeIdArgument } from '../../graph/ids.ts';
import { listRequest } from '../../graph/lists.ts';
import { loadNodes } from '../../graph/nodes.ts';
import { orderInput } from '../../graph/ordering.ts';
import { wantedColumns } from '../../graph/selection.ts';
import { type ModelRow, models } from './entity.ts';
import type { ModelFilter } from './filter.ts';
import { type PriceColumn, type PricesRow, type priceColumns, prices, priceText } from './prices.ts';

const modelTypes = {
  CHAT: 'Answers conversations and completes texts.',
  EMBEDDING: 'Turns texts into vectors.',
  AUDIO_TRANSCRIPTION: 'Turns speech into text.',
  AUDIO_SPEECH: 'Turns text into speech.',
  IMAGE: 'Makes images.',
} as const satisfies Record<ModelType, string>;

export const ModelTypeEnum = builder.enumType('ModelType', {
  description: 'What a model does.',
  values: enumValues(modelTypes),
});

export const Model = builder.objectRef<ModelRow>('Model');

const ModelPrices = builder.objectRef<PricesRow>('ModelPrices').implement({
  description: 'What the use of a model costs, in US dollars. What is 0 is not charged.',
  fields: (t) => {
    const price = (column: PriceColumn) =>
      t.field({ type: 'Decimal', description: prices[column], resolve: (row) => priceText(row[column]) });
    return {
      inputTokenUsd: price('inputTokenUsd'),
      outputTokenUsd: price('outputTokenUsd'),
      imageUsd: price('imageUsd'),
      audioSecondUsd: price('audioSecondUsd'),
      characterUsd: price('characterUsd'),
    } satisfies Record<(typeof priceColumns)[number], object>;
  },
});

builder.node(Model, {
  description:
    'What callers ask a gateway for by name, with what it costs. Whoever belongs to a tenant sees the models that it may use: those of its `allowedModels`, or every one when it has no such list.',
  id: { resolve: (model) => model.id },
  loadMany: loadNodes('Model', [['registry:read']], ({ services, principal }, ids) =>
    services.models.byIds(principal, ids),
  ),
  fields: (t) => ({
    name: t.exposeString('name', {
      description:
        'What callers ask for; unique without regard to case. Allow-lists name it letter by letter as it stands here.',
    }),
    description: t.exposeString('description', { description: 'Free text; empty when there is none.' }),
    type: t.expose('type', { type: ModelTypeEnum, description: 'What it does.' }),
    prices: t.field({ type: ModelPrices, description: 'What its use costs.', resolve: (model) => model }),
    admissionWeightPercent: t.exposeInt('admissionWeightPercent', {
      description:
        'The weight that tenants have for its slots, in percent of their own: 1 to 10,000; 100 leaves it as it is.',
    }),
    isEnabled: t.exposeBoolean('isEnabled', { description: 'Whether requests for it are admitted.' }),
    revision: t.exposeInt('revision', { description: 'Counts its changes, from 1.' }),
    createdAt: t.expose('createdAt', { type: 'DateTime', description: 'When it was made.' }),
    updatedAt: t.expose('updatedAt', { type: 'DateTime', description: 'When it was last changed.' }),
  }),
});

const ModelConnection = builder.connectionObject(
  { type: Model, name: 'ModelConnection', description: 'A page of models.' },
  { name: 'ModelEdge', description: 'A model in a list.' },
);

const ModelOrder = orderInput('Model', {
  NAME: { column: 'nameFolded', description: 'By name, without regard to case.' },
  CREATED_AT: { column: 'createdAt', description: 'By the time of making.' },
});

const ModelFilterInput = builder.inputType('ModelFilter', {
  description: 'Which models are wanted: those that meet every condition that is given.',
  fields: (t) => ({
    name: t.field({ type: TextFilter, description: 'By name, without regard to case.' }),
    types: t.field({ type: [ModelTypeEnum], description: 'Of any of these types.' }),
    isEnabled: t.boolean({ description: 'Whether requests for them are admitted.' }),
    createdAt: t.field({ type: DateTimeRange, description: 'By the time of making.' }),
  }),
});

const byName = { by: 'nameFolded', direction: 'ASC' } as const;

function readFilter(given: typeof ModelFilterInput.$inferInput | null | undefined): ModelFilter {
  if (given?.name) checkTextFilter('filter.name', given.name);
  return given ?? {};
}

builder.queryFields((t) => ({
  model: t.field({
    ...requires(['registry:read']),
    type: Model,
    nullable: true,
    description: 'One model, by id or by name; null when there is none that you may see.',
    args: {
      id: t.arg.id({ description: 'Its id. Give this or `name`.' }),
      name: t.arg.string({ description: 'Its name, without regard to case.' }),
    },
    resolve: (_parent, args, { services, principal }, info) => {
      const [argument, value] = exactlyOne({ id: args.id, name: args.name });
      return services.models.find(
        principal,
        argument === 'id' ? { id: decodeIdArgument('Model', 'id', value) } : { name: comparableText(argument, value) },
        wantedColumns(models, info),
      );
    },
  }),
  models: t.field({
    ...requires(['registry:read']),
    type: ModelConnection,
    description: 'The models that you may see, by name unless `orderBy` says otherwise.',
    complexity: listComplexity,
    args: {
      ...t.arg.connectionArgs(),
      filter: t.arg({ type: ModelFilterInput, description: 'Which of them. Default: all.' }),
      orderBy: t.arg({ type: ModelOrder, description: 'Default: by name, ascending.' }),
    },
    resolve: (_parent, { filter, ...list }, { services, principal }, info) =>
      services.models.list(principal, readFilter(filter), listRequest(models, list, byName, info)),
  }),
}));
