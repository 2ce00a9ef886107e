import { isScope, type Scope } from '../../access/scopes.ts';
import { comparableText } from '../../graph/arguments.ts';
import { builder, requires } from '../../graph/builder.ts';
import { listComplexity } from '../../graph/connections.ts';
import { RequestError } from '../../graph/errors.ts';
import { checkTextFilter, DateTimeRange, TextStartFilter } from '../../graph/filters.ts';
import { isGiven } from '../../graph/given.ts';
import { decodeIdArgument, type NodeType } from '../../graph/ids.ts';
import { listRequest } from '../../graph/lists.ts';
import { wantedColumns } from '../../graph/selection.ts';
import { apiKeys } from './entity.ts';
import type { KeyFilter } from './filter.ts';
import { ApiKey, ApiKeyConnection, ApiKeyOrder, KeyEnvironmentEnum, KeyKindEnum, KeyStateEnum } from './schema.ts';

/** The same for lists and for commands that change many keys. */
export const ApiKeyFilterInput = builder.inputType('ApiKeyFilter', {
  description: 'Which keys are wanted: those that meet every condition that is given.',
  fields: (t) => ({
    ids: t.idList({ description: 'One of these.' }),
    kinds: t.field({ type: [KeyKindEnum], description: 'Of any of these kinds.' }),
    states: t.field({ type: [KeyStateEnum], description: 'In any of these states.' }),
    environment: t.field({ type: KeyEnvironmentEnum, description: 'For these data.' }),
    tenantId: t.id({ description: 'Of this tenant, whatever their kind.' }),
    userId: t.id({ description: 'Of this user.' }),
    appId: t.id({ description: 'Of this application.' }),
    productId: t.id({ description: 'Of this product and of its engines.' }),
    engineId: t.id({ description: 'Of this engine.' }),
    name: t.field({ type: TextStartFilter, description: 'By name, without regard to case.' }),
    startsWith: t.string({
      description: 'Whose newest secret begins like this: a prefix, or the characters that are shown.',
    }),
    scope: t.string({ description: 'Holding this scope.' }),
    createdById: t.string({ description: 'Made with this credential, by its `credentialId`.' }),
    createdAt: t.field({ type: DateTimeRange, description: 'By the time of making.' }),
    expiresAt: t.field({ type: DateTimeRange, description: 'By the end; those without an end are left out.' }),
    lastUsedAt: t.field({ type: DateTimeRange, description: 'By the last use; never used is before every time.' }),
    neverUsed: t.boolean({ description: 'True: never used. False: used at least once.' }),
  }),
});

const idTypes = {
  tenantId: 'Tenant',
  userId: 'User',
  appId: 'App',
  productId: 'Product',
  engineId: 'Engine',
} as const satisfies Record<string, NodeType>;

/** @throws {RequestError} naming the condition that cannot be compared */
export function readFilter(given: typeof ApiKeyFilterInput.$inferInput | null | undefined): KeyFilter {
  if (!given) return {};
  const { ids, scope, startsWith, tenantId, userId, appId, productId, engineId, ...filter } = given;
  if (filter.name) checkTextFilter('filter.name', filter.name);
  if (isGiven(scope) && !isScope(scope)) {
    throw new RequestError('BAD_USER_INPUT', 'filter.scope: there is no such scope; scopeRegistry lists all of them.', {
      argument: 'filter.scope',
    });
  }
  const decoded = Object.entries({ tenantId, userId, appId, productId, engineId }).flatMap(([name, id]) =>
    isGiven(id) ? [[name, decodeIdArgument(idTypes[name as keyof typeof idTypes], `filter.${name}`, String(id))]] : [],
  );
  return {
    ...filter,
    ...Object.fromEntries(decoded),
    ...(isGiven(ids) ? { ids: ids.map((id) => decodeIdArgument('ApiKey', 'filter.ids', String(id))) } : {}),
    ...(isGiven(startsWith) ? { startsWith: comparableText('filter.startsWith', startsWith) } : {}),
    ...(isGiven(scope) ? { scope: scope as Scope } : {}),
    ...(isGiven(filter.createdById) ? { createdById: comparableText('filter.createdById', filter.createdById) } : {}),
  };
}

export const newestFirst = { by: 'createdAt', direction: 'DESC' } as const;

builder.queryFields((t) => ({
  apiKey: t.field({
    ...requires(['keys:read']),
    type: ApiKey,
    nullable: true,
    description: 'One key; null when there is none that you may see.',
    args: { id: t.arg.id({ required: true, description: 'Its id.' }) },
    resolve: (_parent, { id }, { services, principal }, info) =>
      services.keys.find(principal, decodeIdArgument('ApiKey', 'id', String(id)), wantedColumns(apiKeys, info)),
  }),
  apiKeys: t.field({
    ...requires(['keys:read']),
    type: ApiKeyConnection,
    description:
      'The keys that you may see, of all kinds and in all states, newest first unless `orderBy` says otherwise.',
    complexity: listComplexity,
    args: {
      ...t.arg.connectionArgs(),
      filter: t.arg({ type: ApiKeyFilterInput, description: 'Which of them. Default: all.' }),
      orderBy: t.arg({ type: ApiKeyOrder, description: 'Default: by the time of making, descending.' }),
    },
    resolve: (_parent, { filter, ...list }, { services, principal, clock }, info) =>
      services.keys.list(principal, readFilter(filter), clock.now(), listRequest(apiKeys, list, newestFirst, info)),
  }),
}));
