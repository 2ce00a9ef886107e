import { builder, type GraphSchemaTypes, requires } from '../../graph/builder.ts';
import { errorValue, UserErrorInterface } from '../../graph/error-types.ts';
import { encodeId, encodeOptionalId } from '../../graph/ids.ts';
import { loadReference } from '../../graph/loaders.ts';
import { loadNodes } from '../../graph/nodes.ts';
import { ApiKey } from '../keys/schema.ts';
import { Model } from '../models/schema.ts';
import { Tenant } from '../tenants/schema.ts';
import { UsageAdmissionEnum } from '../usage/schema.ts';
import { AdmissionRefusedError, AdmissionUnavailableError } from './errors.ts';
import { LimitUse } from './limit-schema.ts';
import type { LeaseView, QueuedRequestView } from './owner.ts';

builder.objectType(AdmissionRefusedError, {
  name: 'AdmissionRefusedError',
  description: 'The request is not admitted; `code` says why. Nothing was taken from any limit.',
  interfaces: [UserErrorInterface],
  fields: (t) => ({
    limit: t.expose('limit', {
      type: LimitUse,
      nullable: true,
      description: 'The limit that refuses it; null: no limit is the reason.',
    }),
    permanent: t.exposeBoolean('permanent', {
      description: 'Whether such a request can never pass, since it asks for more than all of the limit.',
    }),
  }),
});

type Refusable = { readonly refusal: AdmissionRefusedError | null };

/** A refusal that is told of, and not answered with. */
export const refusalField = <Row extends Refusable>(
  t: PothosSchemaTypes.ObjectFieldBuilder<GraphSchemaTypes, Row>,
  description: string,
) =>
  t.field({
    type: AdmissionRefusedError,
    nullable: true,
    description,
    resolve: ({ refusal }) => refusal && errorValue(refusal),
  });

builder.objectType(AdmissionUnavailableError, {
  name: 'AdmissionUnavailableError',
  description: 'Nobody can decide at the moment: a server has just stopped or started, or the database is slow.',
  interfaces: [UserErrorInterface],
});

export const Lease = builder.objectRef<LeaseView>('Lease');

builder.node(Lease, {
  description: 'One admitted request that holds a slot, until it is settled, cancelled, or not renewed in time.',
  id: { resolve: (lease) => lease.id },
  loadMany: loadNodes('Lease', [['requests:admit']], async ({ services, principal }, ids) => {
    const leases = await services.admission.leases(principal, ids);
    return new Map(leases.map((lease) => [lease.id, lease]));
  }),
  fields: (t) => ({
    tenantId: t.id({ description: 'The tenant.', resolve: ({ tenantId }) => encodeId('Tenant', tenantId) }),
    tenant: t.field({
      ...requires(['tenants:read']),
      type: Tenant,
      nullable: true,
      description: 'The tenant itself; null: it is gone.',
      resolve: ({ tenantId }, _args, context) =>
        loadReference(context, 'Tenant', tenantId, (ids) => context.services.tenants.byIds(context.principal, ids)),
    }),
    keyId: t.id({ description: 'The key.', resolve: ({ keyId }) => encodeId('ApiKey', keyId) }),
    key: t.field({
      ...requires(['keys:read']),
      type: ApiKey,
      nullable: true,
      description: 'The key itself; null: it is gone, or you may not see it.',
      resolve: ({ keyId }, _args, context) =>
        loadReference(context, 'ApiKey', keyId, (ids) => context.services.keys.byIds(context.principal, ids)),
    }),
    userId: t.id({
      nullable: true,
      description: 'The user that it is for; null: it is for none.',
      resolve: ({ userId }) => encodeOptionalId('User', userId),
    }),
    productId: t.id({
      nullable: true,
      description: 'The product that it is for; null: it is for none.',
      resolve: ({ productId }) => encodeOptionalId('Product', productId),
    }),
    modelId: t.id({
      nullable: true,
      description: 'The model; null: the registry has none of that name.',
      resolve: ({ modelId }) => encodeOptionalId('Model', modelId),
    }),
    model: t.field({
      ...requires(['registry:read']),
      type: Model,
      nullable: true,
      description: 'The model itself; null: it is gone, or you may not see it.',
      resolve: ({ modelId }, _args, context) =>
        loadReference(context, 'Model', modelId, (ids) => context.services.models.byIds(context.principal, ids)),
    }),
    modelName: t.exposeString('modelName', { description: 'The name of the model.' }),
    gatewayId: t.id({
      nullable: true,
      description: 'The gateway that holds it; null: none was named.',
      resolve: ({ gatewayId }) => encodeOptionalId('Gateway', gatewayId),
    }),
    requestId: t.exposeString('requestId', {
      description: "The gateway's id of the request; the id of the lease when it gave none.",
    }),
    sessionId: t.exposeString('sessionId', {
      nullable: true,
      description: 'The session that it is part of; null: none was named.',
    }),
    requestType: t.exposeString('requestType', { description: 'What is asked of the model, such as `chat`.' }),
    admission: t.expose('admission', { type: UsageAdmissionEnum, description: 'How it came to its slot.' }),
    estimatedInputTokens: t.expose('estimatedInputTokens', {
      type: 'SafeInt',
      description: 'Tokens of its input, as estimated.',
    }),
    estimatedOutputTokens: t.expose('estimatedOutputTokens', {
      type: 'SafeInt',
      description: 'Tokens of its output, as estimated.',
    }),
    queueWaitMs: t.exposeInt('queueWaitMs', { description: 'Milliseconds that it waited for its slot.' }),
    grantedAt: t.field({
      type: 'DateTime',
      description: 'When it got its slot.',
      resolve: ({ grantedAt }) => new Date(grantedAt),
    }),
    expiresAt: t.field({
      type: 'DateTime',
      description: 'When it ends unless it is renewed.',
      resolve: ({ expiresAt }) => new Date(expiresAt),
    }),
  }),
});

const QueuedRequest = builder.objectRef<QueuedRequestView>('QueuedRequest').implement({
  description: 'A request that waits for a slot.',
  fields: (t) => ({
    requestId: t.exposeString('requestId', { description: 'Its id, as it was given.' }),
    modelName: t.exposeString('modelName', { description: 'The name of the model.' }),
    tenantId: t.id({ description: 'The tenant.', resolve: ({ tenantId }) => encodeId('Tenant', tenantId) }),
    keyId: t.id({ description: 'The key.', resolve: ({ keyId }) => encodeId('ApiKey', keyId) }),
    position: t.exposeInt('position', {
      description: 'How many are served before it and itself if nothing else comes: an estimate by the weights.',
    }),
    estimatedWaitMs: t.exposeFloat('estimatedWaitMs', {
      nullable: true,
      description: 'How many milliseconds that takes as fast as slots came lately; null: none came yet.',
    }),
    since: t.field({
      type: 'DateTime',
      description: 'Since when it waits.',
      resolve: ({ since }) => new Date(since),
    }),
  }),
});

builder.queryFields((t) => ({
  queuedRequest: t.field({
    ...requires(['requests:admit']),
    type: QueuedRequest,
    nullable: true,
    description: 'Where a request stands that your credential asked for and that waits; null when none does.',
    args: { requestId: t.arg.string({ required: true, description: 'The id that it was given.' }) },
    resolve: (_parent, { requestId }, { services, principal }) =>
      services.admission.queuedRequest(principal, requestId),
  }),
}));
