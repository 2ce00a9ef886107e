import { builder, requires } from '../../graph/builder.ts';
import { listComplexity } from '../../graph/connections.ts';
import { filterId } from '../../graph/filters.ts';
import { decodeIdArgument } from '../../graph/ids.ts';
import { listRequest } from '../../graph/lists.ts';
import { orderInput } from '../../graph/ordering.ts';
import { leaseRows } from './lease-connection.ts';
import type { LeaseFilter, LeaseView } from './owner.ts';
import { Lease } from './schema.ts';

const LeaseConnection = builder.connectionObject(
  { type: Lease, name: 'LeaseConnection', description: 'A page of leases.' },
  { name: 'LeaseEdge', description: 'A lease in a list.' },
);

const LeaseOrder = orderInput('Lease', {
  GRANTED_AT: { column: 'grantedAt', description: 'By the time at which it got its slot.' },
});

const LeaseFilterInput = builder.inputType('LeaseFilter', {
  description: 'Which leases are wanted: those that meet every condition that is given.',
  fields: (t) => ({
    tenantId: t.id({ description: 'For this tenant.' }),
    keyId: t.id({ description: 'With this key.' }),
    userId: t.id({ description: 'For this user.' }),
    productId: t.id({ description: 'For this product.' }),
    modelId: t.id({ description: 'Of this model.' }),
    gatewayId: t.id({ description: 'That this gateway holds.' }),
  }),
});

const readFilter = (given: typeof LeaseFilterInput.$inferInput | null | undefined): LeaseFilter => ({
  tenantId: filterId('Tenant', 'filter.tenantId', given?.tenantId),
  keyId: filterId('ApiKey', 'filter.keyId', given?.keyId),
  userId: filterId('User', 'filter.userId', given?.userId),
  productId: filterId('Product', 'filter.productId', given?.productId),
  modelId: filterId('Model', 'filter.modelId', given?.modelId),
  gatewayId: filterId('Gateway', 'filter.gatewayId', given?.gatewayId),
});

const oldestFirst = { by: 'grantedAt', direction: 'ASC' } as const;

builder.queryFields((t) => ({
  lease: t.field({
    ...requires(['requests:admit']),
    type: Lease,
    nullable: true,
    description: 'One lease that is held; null when there is none that you may see. Gateways see their own.',
    args: { id: t.arg.id({ required: true, description: 'Its id.' }) },
    resolve: async (_parent, { id }, { services, principal }) =>
      (await services.admission.leases(principal, [decodeIdArgument('Lease', 'id', id)]))[0] ?? null,
  }),
  leases: t.field({
    ...requires(['requests:admit']),
    type: LeaseConnection,
    description:
      'The leases that are held and that you may see, in the order in which they were granted unless `orderBy` says otherwise. Gateways see their own.',
    complexity: listComplexity,
    args: {
      ...t.arg.connectionArgs(),
      filter: t.arg({ type: LeaseFilterInput, description: 'Which of them. Default: all.' }),
      orderBy: t.arg({
        type: LeaseOrder,
        description: 'Default: by the time at which they got their slots, ascending.',
      }),
    },
    resolve: (_parent, { filter, ...list }, { services, principal }, info) =>
      services.admission.leaseList(
        principal,
        readFilter(filter),
        listRequest<LeaseView>(leaseRows, list, oldestFirst, info),
      ),
  }),
}));
