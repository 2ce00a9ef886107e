import { AppStatus } from '../../database/generated/enums.ts';
import { builder, requires } from '../../graph/builder.ts';
import { listComplexity } from '../../graph/connections.ts';
import { checkTextFilter, DateTimeRange, filterId, TextFilter } from '../../graph/filters.ts';
import { decodeIdArgument } from '../../graph/ids.ts';
import { listRequest } from '../../graph/lists.ts';
import { loadNodes } from '../../graph/nodes.ts';
import { orderInput } from '../../graph/ordering.ts';
import { wantedColumns } from '../../graph/selection.ts';
import { Tenant, tenantOf } from '../tenants/schema.ts';
import { type AppRow, apps } from './entity.ts';
import type { AppFilter } from './filter.ts';
import { type Inference, storedInference } from './inference.ts';

const AppStatusEnum = builder.enumType('AppStatus', {
  description: 'Whether an application is in use.',
  values: {
    ACTIVE: { value: AppStatus.ACTIVE, description: 'Its keys are accepted.' },
    ARCHIVED: {
      value: AppStatus.ARCHIVED,
      description:
        'It is kept for its history: its keys are refused, and it is not to be changed until it is restored.',
    },
  } satisfies Record<AppStatus, object>,
});

/** What keys of an application inherit from it. */
export const InferenceConfiguration = builder.objectRef<Inference>('InferenceConfiguration').implement({
  description:
    'How an application calls models, so that its callers need not say. What is null they say themselves, or the model has its own default.',
  fields: (t) => ({
    model: t.exposeString('model', { nullable: true, description: 'The model; null: callers name one.' }),
    fallbackModels: t.exposeStringList('fallbackModels', {
      description: 'Models to try, in this order, when the first one cannot be had.',
    }),
    systemPrompt: t.exposeString('systemPrompt', {
      nullable: true,
      description: 'What comes before every conversation; null: nothing.',
    }),
    temperature: t.exposeFloat('temperature', { nullable: true, description: 'Sampling temperature, 0 to 2.' }),
    topP: t.exposeFloat('topP', { nullable: true, description: 'Nucleus sampling, 0 to 1.' }),
    maxOutputTokens: t.field({
      type: 'SafeInt',
      nullable: true,
      description: 'The most tokens that an answer may have.',
      resolve: ({ maxOutputTokens }) => maxOutputTokens,
    }),
    timeoutMs: t.exposeInt('timeoutMs', {
      nullable: true,
      description: 'Milliseconds after which a request is given up.',
    }),
  }),
});

/** What a row keeps of it. */
export const inferenceOf = (stored: unknown): Inference => storedInference.parse(stored);

export const App = builder.objectRef<AppRow>('App');

builder.node(App, {
  description: 'An application of a tenant. Its keys inherit its inference configuration.',
  id: { resolve: (app) => app.id },
  loadMany: loadNodes('App', [['apps:read']], ({ services, principal }, ids) => services.apps.byIds(principal, ids)),
  fields: (t) => ({
    tenant: t.field({
      ...requires(['tenants:read']),
      type: Tenant,
      description: 'The tenant that it belongs to.',
      resolve: (app, _args, context) => tenantOf(context, app.tenantId),
    }),
    name: t.exposeString('name', { description: 'Unique in the tenant, without regard to case.' }),
    description: t.exposeString('description', { description: 'Free text; empty when there is none.' }),
    status: t.expose('status', { type: AppStatusEnum, description: 'Whether it is in use.' }),
    inference: t.field({
      type: InferenceConfiguration,
      description: 'How it calls models.',
      resolve: (app) => storedInference.parse(app.inference),
    }),
    revision: t.exposeInt('revision', { description: 'Counts its changes, from 1.' }),
    createdAt: t.expose('createdAt', { type: 'DateTime', description: 'When it was made.' }),
    updatedAt: t.expose('updatedAt', { type: 'DateTime', description: 'When it was last changed.' }),
  }),
});

const AppConnection = builder.connectionObject(
  { type: App, name: 'AppConnection', description: 'A page of applications.' },
  { name: 'AppEdge', description: 'An application in a list.' },
);

const AppOrder = orderInput('App', {
  NAME: { column: 'nameFolded', description: 'By name, without regard to case.' },
  CREATED_AT: { column: 'createdAt', description: 'By the time of making.' },
});

const AppFilterInput = builder.inputType('AppFilter', {
  description: 'Which applications are wanted: those that meet every condition that is given.',
  fields: (t) => ({
    tenantId: t.id({ description: 'Of this tenant.' }),
    name: t.field({ type: TextFilter, description: 'By name, without regard to case.' }),
    statuses: t.field({ type: [AppStatusEnum], description: 'With any of these statuses.' }),
    createdAt: t.field({ type: DateTimeRange, description: 'By the time of making.' }),
  }),
});

const byName = { by: 'nameFolded', direction: 'ASC' } as const;

function readFilter(given: typeof AppFilterInput.$inferInput | null | undefined): AppFilter {
  const { tenantId, ...filter } = given ?? {};
  if (filter.name) checkTextFilter('filter.name', filter.name);
  return { ...filter, tenantId: filterId('Tenant', 'filter.tenantId', tenantId) };
}

builder.queryFields((t) => ({
  app: t.field({
    ...requires(['apps:read']),
    type: App,
    nullable: true,
    description: 'One application; null when there is none that you may see.',
    args: { id: t.arg.id({ required: true, description: 'Its id.' }) },
    resolve: (_parent, { id }, { services, principal }, info) =>
      services.apps.find(principal, decodeIdArgument('App', 'id', id), wantedColumns(apps, info)),
  }),
  apps: t.field({
    ...requires(['apps:read']),
    type: AppConnection,
    description: 'The applications that you may see, by name unless `orderBy` says otherwise.',
    complexity: listComplexity,
    args: {
      ...t.arg.connectionArgs(),
      filter: t.arg({ type: AppFilterInput, description: 'Which of them. Default: all.' }),
      orderBy: t.arg({ type: AppOrder, description: 'Default: by name, ascending.' }),
    },
    resolve: (_parent, { filter, ...list }, { services, principal }, info) =>
      services.apps.list(principal, readFilter(filter), listRequest(apps, list, byName, info)),
  }),
}));

builder.objectField(Tenant, 'apps', (t) =>
  t.field({
    ...requires(['apps:read']),
    type: AppConnection,
    description: 'The applications of the tenant that you may see, by name unless `orderBy` says otherwise.',
    complexity: listComplexity,
    args: {
      ...t.arg.connectionArgs(),
      filter: t.arg({ type: AppFilterInput, description: 'Which of them. Default: all.' }),
      orderBy: t.arg({ type: AppOrder, description: 'Default: by name, ascending.' }),
    },
    resolve: (tenant, { filter, ...list }, context, info) =>
      context.services.apps.listOfTenant(context, tenant.id, readFilter(filter), listRequest(apps, list, byName, info)),
  }),
);
