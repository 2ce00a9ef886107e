import { builder, requires } from '../../graph/builder.ts';
import { listComplexity } from '../../graph/connections.ts';
import { enumValues } from '../../graph/enums.ts';
import { checkTextFilter, filterId, TextFilter } from '../../graph/filters.ts';
import { decodeIdArgument } from '../../graph/ids.ts';
import { listRequest } from '../../graph/lists.ts';
import { loadReference, requestTime } from '../../graph/loaders.ts';
import { loadNodes } from '../../graph/nodes.ts';
import { orderInput } from '../../graph/ordering.ts';
import { wantedColumns } from '../../graph/selection.ts';
import { ApiKey } from '../keys/schema.ts';
import { Tenant } from '../tenants/schema.ts';
import { type GatewayRow, gateways } from './entity.ts';
import type { GatewayFilter } from './filter.ts';
import { gatewayStatuses } from './status.ts';

export const Gateway = builder.objectRef<GatewayRow>('Gateway');

const GatewayStatusEnum = builder.enumType('GatewayStatus', {
  description: 'Whether a gateway is there.',
  values: enumValues(gatewayStatuses),
});

const GatewayRegistrarType = builder.objectRef<GatewayRow>('GatewayRegistrar').implement({
  description: 'Who registered a gateway, and alone speaks for it.',
  fields: (t) => ({
    credentialId: t.exposeString('registeredById', { description: 'The credential that was used, never its secret.' }),
    name: t.exposeString('registeredByName', { description: 'The name of that credential at that time.' }),
  }),
});

builder.node(Gateway, {
  description:
    'A process of the data plane, which has requests admitted and runs them. It registers under a name, and is heard of by its heartbeats.',
  id: { resolve: (gateway) => gateway.id },
  loadMany: loadNodes('Gateway', [['gateways:read']], ({ services, principal }, ids) =>
    services.gateways.byIds(principal, ids),
  ),
  fields: (t) => ({
    tenant: t.field({
      ...requires(['tenants:read']),
      type: Tenant,
      nullable: true,
      description: 'The tenant whose key registered it; null: it belongs to the deployment.',
      resolve: ({ tenantId }, _args, context) =>
        loadReference(context, 'Tenant', tenantId, (ids) => context.services.tenants.byIds(context.principal, ids)),
    }),
    name: t.exposeString('name', {
      description:
        'What it calls itself: unique in its tenant, or among those of the deployment, without regard to case.',
    }),
    version: t.exposeString('version', { description: 'What it says that it runs; empty when it says nothing.' }),
    address: t.exposeString('address', { description: 'Where it says that it is; empty when it says nothing.' }),
    status: t.field({
      type: GatewayStatusEnum,
      description: 'Whether it is there.',
      resolve: (gateway, _args, context) => context.services.gateways.statusOf(gateway, requestTime(context)),
    }),
    inFlight: t.exposeInt('inFlight', { description: 'How many requests it ran by its last heartbeat.' }),
    registeredBy: t.field({
      type: GatewayRegistrarType,
      description: 'Who registered it.',
      resolve: (gateway) => gateway,
    }),
    key: t.field({
      ...requires(['keys:read']),
      type: ApiKey,
      nullable: true,
      description: 'The key that registered it; null when it was no key, or one that was deleted.',
      resolve: ({ keyId }, _args, context) =>
        loadReference(context, 'ApiKey', keyId, (ids) => context.services.keys.byIds(context.principal, ids)),
    }),
    registeredAt: t.expose('registeredAt', {
      type: 'DateTime',
      description: 'When it registered last, as it does at each start.',
    }),
    lastHeartbeatAt: t.expose('lastHeartbeatAt', {
      type: 'DateTime',
      description: 'When it was last heard of, its registration included. Up to a second behind.',
    }),
    leftAt: t.expose('leftAt', {
      type: 'DateTime',
      nullable: true,
      description: 'When it was deregistered; null: it was not.',
    }),
    revision: t.exposeInt('revision', { description: 'Counts its changes, from 1; heartbeats are none.' }),
    createdAt: t.expose('createdAt', { type: 'DateTime', description: 'When its name was first registered.' }),
    updatedAt: t.expose('updatedAt', { type: 'DateTime', description: 'When it was last changed.' }),
  }),
});

const GatewayConnection = builder.connectionObject(
  { type: Gateway, name: 'GatewayConnection', description: 'A page of gateways.' },
  { name: 'GatewayEdge', description: 'A gateway in a list.' },
);

const GatewayOrder = orderInput('Gateway', {
  NAME: { column: 'nameFolded', description: 'By name, without regard to case.' },
  REGISTERED_AT: { column: 'registeredAt', description: 'By the time of the last registration.' },
});

const GatewayFilterInput = builder.inputType('GatewayFilter', {
  description: 'Which gateways are wanted: those that meet every condition that is given.',
  fields: (t) => ({
    tenantId: t.id({ description: 'Of this tenant.' }),
    name: t.field({ type: TextFilter, description: 'By name, without regard to case.' }),
    statuses: t.field({ type: [GatewayStatusEnum], description: 'In any of these states now.' }),
  }),
});

const byName = { by: 'nameFolded', direction: 'ASC' } as const;

function readFilter(given: typeof GatewayFilterInput.$inferInput | null | undefined): GatewayFilter {
  const { tenantId, ...filter } = given ?? {};
  if (filter.name) checkTextFilter('filter.name', filter.name);
  return { ...filter, tenantId: filterId('Tenant', 'filter.tenantId', tenantId) };
}

builder.queryFields((t) => ({
  gateway: t.field({
    ...requires(['gateways:read']),
    type: Gateway,
    nullable: true,
    description: 'One gateway; null when there is none that you may see.',
    args: { id: t.arg.id({ required: true, description: 'Its id.' }) },
    resolve: (_parent, { id }, { services, principal }, info) =>
      services.gateways.find(principal, decodeIdArgument('Gateway', 'id', id), wantedColumns(gateways, info)),
  }),
  gateways: t.field({
    ...requires(['gateways:read']),
    type: GatewayConnection,
    description: 'The gateways that you may see, those that left among them, by name unless `orderBy` says otherwise.',
    complexity: listComplexity,
    args: {
      ...t.arg.connectionArgs(),
      filter: t.arg({ type: GatewayFilterInput, description: 'Which of them. Default: all.' }),
      orderBy: t.arg({ type: GatewayOrder, description: 'Default: by name, ascending.' }),
    },
    resolve: (_parent, { filter, ...list }, context, info) =>
      context.services.gateways.list(
        context.principal,
        readFilter(filter),
        requestTime(context),
        listRequest(gateways, list, byName, info),
      ),
  }),
}));
