import { builder, requires } from '../../graph/builder.ts';
import { enumValues } from '../../graph/enums.ts';
import { UserErrorInterface } from '../../graph/error-types.ts';
import { encodeId, type NodeType } from '../../graph/ids.ts';
import { loadReference } from '../../graph/loaders.ts';
import { loadNodes } from '../../graph/nodes.ts';
import { ApiKey } from '../keys/schema.ts';
import { Model } from '../models/schema.ts';
import { Tenant } from '../tenants/schema.ts';
import { UsageAdmissionEnum } from '../usage/schema.ts';
import { AdmissionRefusedError, AdmissionUnavailableError } from './errors.ts';
import type { LeaseView, QueuedRequestView } from './owner.ts';
import { type LimitOwnerType, type LimitView, limitNames, limitOwnerTypes } from './refusals.ts';

const LimitOwnerTypeEnum = builder.enumType('LimitOwnerType', {
  description: 'Whose limit it is.',
  values: enumValues(limitOwnerTypes),
});

const LimitNameEnum = builder.enumType('LimitName', {
  description: 'What a limit counts.',
  values: enumValues(limitNames),
});

const nodeTypes: Readonly<Record<LimitOwnerType, NodeType | undefined>> = {
  KEY: 'ApiKey',
  USER: 'User',
  TEAM_USER_SHARE: 'Team',
  TEAM: 'Team',
  PRODUCT: 'Product',
  TENANT: 'Tenant',
  MODEL: 'Model',
  GATEWAY: 'Gateway',
  DEPLOYMENT: undefined,
};

const orNull = (type: NodeType | undefined, uuid: string | null): string | null =>
  type === undefined || uuid === null ? null : encodeId(type, uuid);

const LimitOwnerObject = builder.objectRef<LimitView['owner']>('LimitOwner').implement({
  description: 'Whose limit it is.',
  fields: (t) => ({
    type: t.expose('type', { type: LimitOwnerTypeEnum, description: 'What it is.' }),
    id: t.id({
      nullable: true,
      description: 'Its id; null: the deployment, or a model that the registry does not have.',
      resolve: ({ type, id }) => orNull(nodeTypes[type], id),
    }),
    userId: t.id({
      nullable: true,
      description: "Of what one user can take of a team's limits: that user; null otherwise.",
      resolve: ({ userId }) => orNull('User', userId),
    }),
  }),
});

const LimitUse = builder.objectRef<LimitView>('LimitUse').implement({
  description: 'How far a limit of somebody is used up.',
  fields: (t) => ({
    owner: t.expose('owner', { type: LimitOwnerObject, description: 'Whose limit it is.' }),
    name: t.expose('name', { type: LimitNameEnum, description: 'What it counts.' }),
    limit: t.expose('limit', { type: 'Decimal', description: 'How much may be used: requests, tokens or US dollars.' }),
    used: t.expose('used', {
      type: 'Decimal',
      description: 'How much is used, with what running requests are expected to use.',
    }),
    remaining: t.expose('remaining', { type: 'Decimal', description: 'How much is left.' }),
    resetAt: t.field({
      type: 'DateTime',
      nullable: true,
      description: 'When all of it is there again if nothing else is used; null: it is now, or never is by itself.',
      resolve: ({ resetAt }) => (resetAt === null ? null : new Date(resetAt)),
    }),
  }),
});

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
      resolve: ({ userId }) => orNull('User', userId),
    }),
    productId: t.id({
      nullable: true,
      description: 'The product that it is for; null: it is for none.',
      resolve: ({ productId }) => orNull('Product', productId),
    }),
    modelId: t.id({
      nullable: true,
      description: 'The model; null: the registry has none of that name.',
      resolve: ({ modelId }) => orNull('Model', modelId),
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
      resolve: ({ gatewayId }) => orNull('Gateway', gatewayId),
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
