import { EngineHealth, EngineStatus } from '../../database/generated/enums.ts';
import { comparableText, exactlyOne } from '../../graph/arguments.ts';
import { builder, requires } from '../../graph/builder.ts';
import { listComplexity } from '../../graph/connections.ts';
import { RequestError } from '../../graph/errors.ts';
import { checkTextFilter, DateTimeRange, ExactTextFilter, filterId } from '../../graph/filters.ts';
import { isGiven } from '../../graph/given.ts';
import { decodeIdArgument } from '../../graph/ids.ts';
import { listRequest } from '../../graph/lists.ts';
import { loadNodes } from '../../graph/nodes.ts';
import { orderInput } from '../../graph/ordering.ts';
import { wantedColumns } from '../../graph/selection.ts';
import { Product } from '../products/schema.ts';
import { type EngineRow, engines } from './entity.ts';
import type { EngineFilter } from './filter.ts';
import { targetVersion } from './rollout.ts';
import type { EngineSummary } from './service.ts';

export const EngineStatusEnum = builder.enumType('EngineStatus', {
  description: 'What an engine does, as whoever runs it reports.',
  values: {
    PROVISIONING: { value: EngineStatus.PROVISIONING, description: 'It is being set up.' },
    RUNNING: { value: EngineStatus.RUNNING, description: 'It runs.' },
    SLEEPING: { value: EngineStatus.SLEEPING, description: 'It is up and idle, and has to be woken.' },
    STOPPED: { value: EngineStatus.STOPPED, description: 'It is down and can be started.' },
    FAILED: { value: EngineStatus.FAILED, description: 'It is down, or did not come up.' },
    DESTROYING: { value: EngineStatus.DESTROYING, description: 'It is being destroyed, which is final.' },
  } satisfies Record<EngineStatus, object>,
});

export const EngineHealthEnum = builder.enumType('EngineHealth', {
  description: 'How an engine is, as probes report.',
  values: {
    UNKNOWN: { value: EngineHealth.UNKNOWN, description: 'Not reported yet.' },
    HEALTHY: { value: EngineHealth.HEALTHY, description: 'It answers.' },
    UNHEALTHY: { value: EngineHealth.UNHEALTHY, description: 'It does not answer, or wrongly; it is not admitted.' },
  } satisfies Record<EngineHealth, object>,
});

export const Engine = builder.objectRef<EngineRow>('Engine');

builder.node(Engine, {
  description:
    'A running instance of a product for one of its users. Whoever is bound to the product and reads it makes a call that counts against the rate limit of the product.',
  id: { resolve: (engine) => engine.id },
  loadMany: loadNodes('Engine', [['engines:read']], ({ services, principal }, ids) =>
    services.engines.byIds(principal, ids),
  ),
  fields: (t) => ({
    product: t.expose('product', {
      ...requires(['products:read']),
      type: Product,
      description: 'The product that it is an instance of.',
    }),
    userExternalId: t.exposeString('userExternalId', {
      description: "The product's own name for the user; unique among its engines, upper and lower case apart.",
    }),
    status: t.expose('status', { type: EngineStatusEnum, description: 'What it does.' }),
    statusChangedAt: t.expose('statusChangedAt', { type: 'DateTime', description: 'Since when.' }),
    health: t.expose('health', { type: EngineHealthEnum, description: 'How it is.' }),
    message: t.exposeString('message', { description: 'What was last reported in words; empty when nothing was.' }),
    url: t.exposeString('url', { nullable: true, description: 'Where it is reached; null: not known.' }),
    version: t.exposeString('version', { nullable: true, description: 'What it says that it runs; null: not known.' }),
    targetVersion: t.string({
      nullable: true,
      description:
        "What it should run: the version that the product's policy pins, or that of its rollout, when it is among the engines that take part; null: any.",
      resolve: ({ id, product }) => targetVersion(id, product),
    }),
    isOutdated: t.boolean({
      description: 'Whether it is known to run another version than it should.',
      resolve: ({ id, version, product }) => {
        const target = targetVersion(id, product);
        return target !== null && version !== null && version !== target;
      },
    }),
    bootDurationMs: t.exposeInt('bootDurationMs', {
      nullable: true,
      description: 'How many milliseconds it took to come up; null: not known.',
    }),
    lastReportAt: t.expose('lastReportAt', {
      type: 'DateTime',
      nullable: true,
      description: 'When it was last reported on, changed or not; null: never.',
    }),
    revision: t.exposeInt('revision', { description: 'Counts its changes, from 1.' }),
    createdAt: t.expose('createdAt', { type: 'DateTime', description: 'When it was registered.' }),
    updatedAt: t.expose('updatedAt', { type: 'DateTime', description: 'When it was last changed.' }),
  }),
});

const EngineStatusCount = builder.objectRef<EngineSummary['byStatus'][number]>('EngineStatusCount').implement({
  description: 'How many engines have a status.',
  fields: (t) => ({
    status: t.expose('status', { type: EngineStatusEnum, description: 'The status.' }),
    count: t.exposeInt('count', { description: 'How many have it.' }),
  }),
});

const EngineSummaryType = builder.objectRef<EngineSummary>('EngineSummary').implement({
  description: 'How many engines a product has, and how they are.',
  fields: (t) => ({
    total: t.exposeInt('total', {
      description:
        'All of them, as they count against `maxEngines`. While the product is deleted: those that are left.',
    }),
    byStatus: t.field({
      type: [EngineStatusCount],
      description: 'By status, also those that no engine has.',
      resolve: (summary) => [...summary.byStatus],
    }),
    unhealthyCount: t.exposeInt('unhealthyCount', { description: 'Those that failed or are reported as unhealthy.' }),
  }),
});

const EngineConnection = builder.connectionObject(
  { type: Engine, name: 'EngineConnection', description: 'A page of engines.' },
  { name: 'EngineEdge', description: 'An engine in a list.' },
);

const EngineOrder = orderInput('Engine', {
  CREATED_AT: { column: 'createdAt', description: 'By the time of registration.' },
  USER_EXTERNAL_ID: { column: 'userExternalId', description: "By the product's name for the user, bytewise." },
});

const EngineFilterInput = builder.inputType('EngineFilter', {
  description: 'Which engines are wanted: those that meet every condition that is given.',
  fields: (t) => ({
    productId: t.id({ description: 'Of this product.' }),
    tenantId: t.id({ description: 'Of products of this tenant.' }),
    statuses: t.field({ type: [EngineStatusEnum], description: 'With any of these statuses.' }),
    healths: t.field({ type: [EngineHealthEnum], description: 'With any of these.' }),
    versions: t.stringList({ description: 'That say they run any of these versions.' }),
    userExternalId: t.field({ type: ExactTextFilter, description: "By the product's name for the user." }),
    createdAt: t.field({ type: DateTimeRange, description: 'By the time of registration.' }),
  }),
});

const newestFirst = { by: 'createdAt', direction: 'DESC' } as const;

function readFilter(given: typeof EngineFilterInput.$inferInput | null | undefined): EngineFilter {
  const { productId, tenantId, ...filter } = given ?? {};
  if (filter.userExternalId) checkTextFilter('filter.userExternalId', filter.userExternalId);
  for (const version of filter.versions ?? []) comparableText('filter.versions', version);
  return {
    ...filter,
    productId: filterId('Product', 'filter.productId', productId),
    tenantId: filterId('Tenant', 'filter.tenantId', tenantId),
  };
}

const metered = 'For callers that are bound to a product it is a call that counts against its rate limit.';

interface EngineArguments {
  readonly id?: string | null | undefined;
  readonly productId?: string | null | undefined;
  readonly userExternalId?: string | null | undefined;
}

/** @param ownProductId the product that the caller is bound to */
function readArguments({ id, productId, userExternalId }: EngineArguments, ownProductId: string | undefined) {
  const [argument, value] = exactlyOne({ id, userExternalId });
  if (argument === 'id') {
    if (!isGiven(productId)) return { id: decodeIdArgument('Engine', 'id', value) };
    throw new RequestError('CONFLICTING_ARGUMENTS', 'productId: give it with userExternalId, and not with id.', {
      argument: 'productId',
    });
  }
  const ofProduct = isGiven(productId) ? decodeIdArgument('Product', 'productId', productId) : ownProductId;
  if (ofProduct === undefined) {
    throw new RequestError('BAD_USER_INPUT', 'productId: say which product; your credential does not belong to one.', {
      argument: 'productId',
    });
  }
  return { productId: ofProduct, userExternalId: comparableText(argument, value) };
}

builder.queryFields((t) => ({
  engine: t.field({
    ...requires(['engines:read']),
    type: Engine,
    nullable: true,
    description: `One engine, by id or by its user; null when there is none that you may see. ${metered}`,
    args: {
      id: t.arg.id({ description: 'Its id. Give this or `userExternalId`.' }),
      productId: t.arg.id({ description: 'The product, with `userExternalId`. Default: the one that your key is of.' }),
      userExternalId: t.arg.string({ description: "The product's own name for the user." }),
    },
    resolve: (_parent, args, { services, principal }, info) =>
      services.engines.find(principal, readArguments(args, principal.productId), wantedColumns(engines, info)),
  }),
  engines: t.field({
    ...requires(['engines:read']),
    type: EngineConnection,
    description: `The engines that you may see, the newest first unless \`orderBy\` says otherwise. ${metered}`,
    complexity: listComplexity,
    args: {
      ...t.arg.connectionArgs(),
      filter: t.arg({ type: EngineFilterInput, description: 'Which of them. Default: all.' }),
      orderBy: t.arg({ type: EngineOrder, description: 'Default: by the time of registration, descending.' }),
    },
    resolve: (_parent, { filter, ...list }, { services, principal }, info) =>
      services.engines.list(principal, readFilter(filter), listRequest(engines, list, newestFirst, info)),
  }),
}));

builder.objectFields(Product, (t) => ({
  engines: t.field({
    ...requires(['engines:read']),
    type: EngineConnection,
    description: `The engines of the product that you may see, the newest first unless \`orderBy\` says otherwise. ${metered}`,
    complexity: listComplexity,
    args: {
      ...t.arg.connectionArgs(),
      filter: t.arg({ type: EngineFilterInput, description: 'Which of them. Default: all.' }),
      orderBy: t.arg({ type: EngineOrder, description: 'Default: by the time of registration, descending.' }),
    },
    resolve: (product, { filter, ...list }, context, info) =>
      context.services.engines.listOfProduct(
        context,
        product.id,
        readFilter(filter),
        listRequest(engines, list, newestFirst, info),
      ),
  }),
  engineSummary: t.field({
    ...requires(['engines:read']),
    type: EngineSummaryType,
    description: 'How many engines it has that you may see, and how they are.',
    complexity: 5,
    resolve: (product, _args, context) => context.services.engines.summaryOfProduct(context, product.id),
  }),
}));
