import type { CacheStatus, UsageAdmission, UsageSettlement } from '../../database/generated/enums.ts';
import { comparableText } from '../../graph/arguments.ts';
import { builder, requires } from '../../graph/builder.ts';
import { listComplexity } from '../../graph/connections.ts';
import { enumValues } from '../../graph/enums.ts';
import { DateTimeRange, filterId } from '../../graph/filters.ts';
import { isGiven } from '../../graph/given.ts';
import { decodeIdArgument, encodeId, encodeOptionalId } from '../../graph/ids.ts';
import { listRequest } from '../../graph/lists.ts';
import { loadReference } from '../../graph/loaders.ts';
import { loadNodes } from '../../graph/nodes.ts';
import { orderInput } from '../../graph/ordering.ts';
import { wantedColumns } from '../../graph/selection.ts';
import { App } from '../apps/schema.ts';
import { FairshareGroup } from '../fairshare-groups/schema.ts';
import { Gateway } from '../gateways/schema.ts';
import { ApiKey } from '../keys/schema.ts';
import { toNumber } from '../limits/limits.ts';
import { Model } from '../models/schema.ts';
import { Product } from '../products/schema.ts';
import { Team } from '../teams/schema.ts';
import { Tenant } from '../tenants/schema.ts';
import { User } from '../users/schema.ts';
import { type UsageRecordRow, usageRecords } from './entity.ts';
import { type UsageRecordFilter, usageOutcomes } from './filter.ts';

export const UsageAdmissionEnum = builder.enumType('UsageAdmission', {
  description: 'How a request came to its slot.',
  values: enumValues({
    FAST: 'There was a free one.',
    QUEUED: 'It waited for one.',
  } satisfies Record<UsageAdmission, string>),
});

const UsageSettlementEnum = builder.enumType('UsageSettlement', {
  description: 'Whether the gateway said what a request used.',
  values: enumValues({
    SETTLED: 'It did.',
    LATE: 'It did after the lease had expired; the figures are right, the slot had been given back before.',
    UNSETTLED: 'The lease expired and nothing was heard: the cost is that of the estimate.',
  } satisfies Record<UsageSettlement, string>),
});

export const CacheStatusEnum = builder.enumType('CacheStatus', {
  description: "Whether a gateway's cache answered.",
  values: enumValues({
    HIT: 'It did: the tokens were saved. The request costs nothing, and limits and shares count none of its tokens.',
    MISS: 'It was asked, and had no answer.',
    OFF: 'It was not asked.',
  } satisfies Record<CacheStatus, string>),
});

const UsageOutcomeEnum = builder.enumType('UsageOutcome', {
  description: 'How a request ended. One that is UNSETTLED ended neither way.',
  values: enumValues(usageOutcomes),
});

export const UsageRecord = builder.objectRef<UsageRecordRow>('UsageRecord');

const msPerSecond = 1_000;
const unitsUnknown = 'null: not known, as long as it is UNSETTLED.';

builder.node(UsageRecord, {
  description:
    'What one admitted request used. Recorded once, and kept when what it speaks of is deleted: of that, the ids remain.',
  id: { resolve: (record) => record.id },
  loadMany: loadNodes('UsageRecord', [['usage:read']], ({ services, principal }, ids) =>
    services.usage.byIds(principal, ids),
  ),
  fields: (t) => ({
    tenantId: t.id({
      description: 'The id of the tenant that it was for.',
      resolve: ({ tenantId }) => encodeId('Tenant', tenantId),
    }),
    tenant: t.field({
      ...requires(['tenants:read']),
      type: Tenant,
      nullable: true,
      description: 'That tenant; null: it is gone.',
      resolve: ({ tenantId }, _args, context) =>
        loadReference(context, 'Tenant', tenantId, (ids) => context.services.tenants.byIds(context.principal, ids)),
    }),
    fairshareGroup: t.field({
      ...requires(['fairshare:read']),
      type: FairshareGroup,
      nullable: true,
      description: 'The group in which the tenant shared slots then; null: it is gone, or you may not see it.',
      resolve: ({ fairshareGroupId }, _args, context) =>
        loadReference(context, 'FairshareGroup', fairshareGroupId, (ids) =>
          context.services.fairshareGroups.byIds(context.principal, ids),
        ),
    }),
    keyId: t.id({
      description: 'The id of the key that the caller used.',
      resolve: ({ keyId }) => encodeId('ApiKey', keyId),
    }),
    key: t.field({
      ...requires(['keys:read']),
      type: ApiKey,
      nullable: true,
      description: 'That key; null: it is gone, or you may not see it.',
      resolve: ({ keyId }, _args, context) =>
        loadReference(context, 'ApiKey', keyId, (ids) => context.services.keys.byIds(context.principal, ids)),
    }),
    userId: t.id({
      nullable: true,
      description: 'The id of the user that it was for; null: it was for none.',
      resolve: ({ userId }) => encodeOptionalId('User', userId),
    }),
    user: t.field({
      ...requires(['users:read']),
      type: User,
      nullable: true,
      description: 'That user; null: there was none, it is gone, or you may not see it.',
      resolve: ({ userId }, _args, context) =>
        loadReference(context, 'User', userId, (ids) => context.services.users.byIds(context.principal, ids)),
    }),
    team: t.field({
      ...requires(['teams:read']),
      type: Team,
      nullable: true,
      description: 'The team of the user at that time; null: there was none, it is gone, or you may not see it.',
      resolve: ({ teamId }, _args, context) =>
        loadReference(context, 'Team', teamId, (ids) => context.services.teams.byIds(context.principal, ids)),
    }),
    app: t.field({
      ...requires(['apps:read']),
      type: App,
      nullable: true,
      description: 'The application whose key was used; null: there was none, it is gone, or you may not see it.',
      resolve: ({ appId }, _args, context) =>
        loadReference(context, 'App', appId, (ids) => context.services.apps.byIds(context.principal, ids)),
    }),
    productId: t.id({
      nullable: true,
      description: 'The id of the product that it was for; null: it was for none.',
      resolve: ({ productId }) => encodeOptionalId('Product', productId),
    }),
    product: t.field({
      ...requires(['products:read']),
      type: Product,
      nullable: true,
      description: 'That product; null: there was none, it is gone, or you may not see it.',
      resolve: ({ productId }, _args, context) =>
        loadReference(context, 'Product', productId, (ids) => context.services.products.byIds(context.principal, ids)),
    }),
    engineId: t.id({
      nullable: true,
      description: 'The id of the engine whose key was used; null: there was none.',
      resolve: ({ engineId }) => encodeOptionalId('Engine', engineId),
    }),
    modelId: t.id({
      nullable: true,
      description: 'The id of the model that was asked for; null: the registry had none of that name.',
      resolve: ({ modelId }) => encodeOptionalId('Model', modelId),
    }),
    model: t.field({
      ...requires(['registry:read']),
      type: Model,
      nullable: true,
      description: 'That model; null: it is gone, or you may not see it.',
      resolve: ({ modelId }, _args, context) =>
        loadReference(context, 'Model', modelId, (ids) => context.services.models.byIds(context.principal, ids)),
    }),
    modelName: t.exposeString('modelName', { description: 'The name of that model at that time.' }),
    gateway: t.field({
      ...requires(['gateways:read']),
      type: Gateway,
      nullable: true,
      description: 'The gateway that ran it; null: it is gone, or you may not see it.',
      resolve: ({ gatewayId }, _args, context) =>
        loadReference(context, 'Gateway', gatewayId, (ids) => context.services.gateways.byIds(context.principal, ids)),
    }),
    requestId: t.exposeString('requestId', { description: "The gateway's id of the request." }),
    sessionId: t.exposeString('sessionId', {
      nullable: true,
      description: 'The session that it was part of, in the words of the caller; null: none was named.',
    }),
    requestType: t.exposeString('requestType', {
      description: 'What was asked of the model, in the words of the gateway, such as `chat`.',
    }),
    admission: t.expose('admission', { type: UsageAdmissionEnum, description: 'How it came to its slot.' }),
    settlement: t.expose('settlement', {
      type: UsageSettlementEnum,
      description: 'Whether the gateway said what it used.',
    }),
    statusCode: t.exposeInt('statusCode', {
      nullable: true,
      description: 'The HTTP status that the caller was answered with; null: not known, as long as it is UNSETTLED.',
    }),
    estimatedInputTokens: t.field({
      type: 'SafeInt',
      description: 'Tokens of its input, as estimated before.',
      resolve: ({ estimatedInputTokens }) => Number(estimatedInputTokens),
    }),
    estimatedOutputTokens: t.field({
      type: 'SafeInt',
      description: 'Tokens of its output, as estimated before.',
      resolve: ({ estimatedOutputTokens }) => Number(estimatedOutputTokens),
    }),
    inputTokens: t.field({
      type: 'SafeInt',
      nullable: true,
      description: 'Tokens of its input; null: not known, as long as it is UNSETTLED.',
      resolve: ({ inputTokens }) => toNumber(inputTokens),
    }),
    outputTokens: t.field({
      type: 'SafeInt',
      nullable: true,
      description: 'Tokens of its output; null: not known, as long as it is UNSETTLED.',
      resolve: ({ outputTokens }) => toNumber(outputTokens),
    }),
    images: t.exposeInt('images', {
      nullable: true,
      description: `Images that were made; ${unitsUnknown}`,
    }),
    audioSeconds: t.float({
      nullable: true,
      description: `Seconds of audio that were transcribed or spoken, to the millisecond; ${unitsUnknown}`,
      resolve: ({ audioMs }) => (audioMs === null ? null : audioMs / msPerSecond),
    }),
    characters: t.exposeInt('characters', {
      nullable: true,
      description: `Characters that were spoken; ${unitsUnknown}`,
    }),
    queueWaitMs: t.exposeInt('queueWaitMs', { description: 'Milliseconds that it waited for a slot.' }),
    ttftMs: t.exposeInt('ttftMs', {
      nullable: true,
      description: 'Milliseconds from its slot to the first token; null: not measured.',
    }),
    totalMs: t.exposeInt('totalMs', {
      nullable: true,
      description: 'Milliseconds from its arrival at the gateway to its end; null: not measured.',
    }),
    cacheStatus: t.expose('cacheStatus', {
      type: CacheStatusEnum,
      description: "Whether the gateway's cache answered.",
    }),
    costUsd: t.field({
      type: 'Decimal',
      description:
        "US dollars to pay for it, by the prices at that time; later prices do not change it. 0 where the gateway's cache answered.",
      // Never with an exponent.
      resolve: ({ costUsd }) => costUsd.toFixed(),
    }),
    completedAt: t.expose('completedAt', {
      type: 'DateTime',
      description: 'When it was settled, or its lease expired.',
    }),
  }),
});

const UsageRecordConnection = builder.connectionObject(
  { type: UsageRecord, name: 'UsageRecordConnection', description: 'A page of usage records.' },
  { name: 'UsageRecordEdge', description: 'A usage record in a list.' },
);

const UsageRecordOrder = orderInput('UsageRecord', {
  COMPLETED_AT: { column: 'completedAt', description: 'By the time of completion.' },
});

const UsageRecordFilterInput = builder.inputType('UsageRecordFilter', {
  description: 'Which records are wanted: those that meet every condition that is given.',
  fields: (t) => ({
    tenantId: t.id({ description: 'For this tenant, which may be gone by now.' }),
    keyId: t.id({ description: 'With this key, which may be gone by now.' }),
    userId: t.id({ description: 'For this user, who may be gone by now.' }),
    productId: t.id({ description: 'For this product, which may be gone by now.' }),
    modelId: t.id({ description: 'Of this model, which may be gone by now.' }),
    gatewayId: t.id({ description: 'Run by this gateway, which may be gone by now.' }),
    settlements: t.field({ type: [UsageSettlementEnum], description: 'With any of these.' }),
    outcome: t.field({ type: UsageOutcomeEnum, description: 'That ended so.' }),
    requestId: t.string({
      description: "The gateway's id of the request, or how it begins; upper and lower case apart.",
    }),
    sessionId: t.string({ description: 'Of this session; upper and lower case apart.' }),
    requestTypes: t.stringList({ description: 'Of any of these types.' }),
    completedAt: t.field({ type: DateTimeRange, description: 'Completed within this time.' }),
  }),
});

function readFilter(given: typeof UsageRecordFilterInput.$inferInput | null | undefined): UsageRecordFilter {
  const { tenantId, keyId, userId, productId, modelId, gatewayId, ...filter } = given ?? {};
  for (const name of ['requestId', 'sessionId'] as const) {
    const text = filter[name];
    if (isGiven(text)) comparableText(`filter.${name}`, text);
  }
  for (const type of filter.requestTypes ?? []) comparableText('filter.requestTypes', type);
  return {
    ...filter,
    tenantId: filterId('Tenant', 'filter.tenantId', tenantId),
    keyId: filterId('ApiKey', 'filter.keyId', keyId),
    userId: filterId('User', 'filter.userId', userId),
    productId: filterId('Product', 'filter.productId', productId),
    modelId: filterId('Model', 'filter.modelId', modelId),
    gatewayId: filterId('Gateway', 'filter.gatewayId', gatewayId),
  };
}

const newestFirst = { by: 'completedAt', direction: 'DESC' } as const;

builder.queryFields((t) => ({
  usageRecord: t.field({
    ...requires(['usage:read']),
    type: UsageRecord,
    nullable: true,
    description: 'One usage record; null when there is none that you may see.',
    args: { id: t.arg.id({ required: true, description: 'Its id.' }) },
    resolve: (_parent, { id }, { services, principal }, info) =>
      services.usage.find(principal, decodeIdArgument('UsageRecord', 'id', id), wantedColumns(usageRecords, info)),
  }),
  usageRecords: t.field({
    ...requires(['usage:read']),
    type: UsageRecordConnection,
    description: 'The usage records that you may see, the newest first unless `orderBy` says otherwise.',
    complexity: listComplexity,
    args: {
      ...t.arg.connectionArgs(),
      filter: t.arg({ type: UsageRecordFilterInput, description: 'Which of them. Default: all.' }),
      orderBy: t.arg({ type: UsageRecordOrder, description: 'Default: by the time of completion, descending.' }),
    },
    resolve: (_parent, { filter, ...list }, { services, principal }, info) =>
      services.usage.list(principal, readFilter(filter), listRequest(usageRecords, list, newestFirst, info)),
  }),
}));
