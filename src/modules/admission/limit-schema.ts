import { builder, requires } from '../../graph/builder.ts';
import { enumValues } from '../../graph/enums.ts';
import { encodeOptionalId, type NodeType } from '../../graph/ids.ts';
import { loadReference } from '../../graph/loaders.ts';
import { ApiKey } from '../keys/schema.ts';
import { Model } from '../models/schema.ts';
import { Product } from '../products/schema.ts';
import { Team } from '../teams/schema.ts';
import { Tenant } from '../tenants/schema.ts';
import { User } from '../users/schema.ts';
import { type EffectiveLimitView, type LimitFitView, type LimitLayerView, limitSources } from './explanation.ts';
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

type Owner = LimitView['owner'];

const isGone = 'null: it is none, it is gone, or you may not see it.';

const LimitOwnerObject = builder.objectRef<Owner>('LimitOwner').implement({
  description: 'Whose limit it is.',
  fields: (t) => ({
    type: t.expose('type', { type: LimitOwnerTypeEnum, description: 'What it is.' }),
    id: t.id({
      nullable: true,
      description: 'Its id; null: the deployment, or a model that the registry does not have.',
      resolve: ({ type, id }) => encodeOptionalId(nodeTypes[type], id),
    }),
    userId: t.id({
      nullable: true,
      description: "Of what one user can take of a team's limits: that user; null otherwise.",
      resolve: ({ userId }) => encodeOptionalId('User', userId),
    }),
    key: t.field({
      ...requires(['keys:read']),
      type: ApiKey,
      nullable: true,
      description: `The key itself; ${isGone}`,
      resolve: (owner, _args, context) =>
        loadReference(context, 'ApiKey', idOf(owner, 'KEY'), (ids) =>
          context.services.keys.byIds(context.principal, ids),
        ),
    }),
    user: t.field({
      ...requires(['users:read']),
      type: User,
      nullable: true,
      description: `The user itself, also the one whose part of a team's limits it is; ${isGone}`,
      resolve: (owner, _args, context) =>
        loadReference(context, 'User', owner.userId ?? idOf(owner, 'USER'), (ids) =>
          context.services.users.byIds(context.principal, ids),
        ),
    }),
    team: t.field({
      ...requires(['teams:read']),
      type: Team,
      nullable: true,
      description: `The team itself, also the one of which it is a user's part; ${isGone}`,
      resolve: (owner, _args, context) =>
        loadReference(context, 'Team', idOf(owner, 'TEAM', 'TEAM_USER_SHARE'), (ids) =>
          context.services.teams.byIds(context.principal, ids),
        ),
    }),
    product: t.field({
      ...requires(['products:read']),
      type: Product,
      nullable: true,
      description: `The product itself; ${isGone}`,
      resolve: (owner, _args, context) =>
        loadReference(context, 'Product', idOf(owner, 'PRODUCT'), (ids) =>
          context.services.products.byIds(context.principal, ids),
        ),
    }),
    tenant: t.field({
      ...requires(['tenants:read']),
      type: Tenant,
      nullable: true,
      description: `The tenant itself; ${isGone}`,
      resolve: (owner, _args, context) =>
        loadReference(context, 'Tenant', idOf(owner, 'TENANT'), (ids) =>
          context.services.tenants.byIds(context.principal, ids),
        ),
    }),
    model: t.field({
      ...requires(['registry:read']),
      type: Model,
      nullable: true,
      description: `The model itself; ${isGone}`,
      resolve: (owner, _args, context) =>
        loadReference(context, 'Model', idOf(owner, 'MODEL'), (ids) =>
          context.services.models.byIds(context.principal, ids),
        ),
    }),
  }),
});

/** Its id, if it is one of these. */
const idOf = ({ type, id }: Owner, ...types: readonly LimitOwnerType[]): string | null =>
  types.includes(type) ? id : null;

export const LimitUse = builder.objectRef<LimitView>('LimitUse').implement({
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

const LimitSourceEnum = builder.enumType('LimitSource', {
  description: 'Where the value of a limit comes from.',
  values: enumValues(limitSources),
});

const LimitFit = builder.objectRef<LimitFitView>('LimitFit').implement({
  description: 'Whether what a request asks for is left of a limit.',
  fields: (t) => ({
    requested: t.expose('requested', {
      type: 'Decimal',
      description: 'How much it asks for: requests, tokens or US dollars.',
    }),
    fits: t.exposeBoolean('fits', {
      description: 'Whether that is left. Of requests in flight and waiting: a full one makes it wait, or refuses it.',
    }),
    retryAfterMs: t.exposeInt('retryAfterMs', {
      nullable: true,
      description:
        'How many milliseconds until it is left if nothing else is used: asked then, this limit lets it pass. Null: it is left now, never is by itself, or nobody knows when a request ends.',
    }),
    permanent: t.exposeBoolean('permanent', {
      description: 'Whether it never can be, since it asks for more than all of the limit.',
    }),
  }),
});

const LimitLayer = builder.objectRef<LimitLayerView>('LimitLayer').implement({
  description: 'What one owner sets of a limit, and how far that is used up.',
  fields: (t) => ({
    owner: t.expose('owner', { type: LimitOwnerObject, description: 'Whose limit it is.' }),
    source: t.expose('source', { type: LimitSourceEnum, description: 'Where the value comes from.' }),
    sharePercent: t.exposeInt('sharePercent', {
      nullable: true,
      description: "Of what one user can take of a team's limits: how many percent; null otherwise.",
    }),
    limit: t.expose('limit', {
      type: 'Decimal',
      nullable: true,
      description: 'How much may be used: requests, tokens or US dollars. Null: this owner sets no limit; 0 blocks.',
    }),
    used: t.expose('used', {
      type: 'Decimal',
      nullable: true,
      description:
        'How much is used, with what running requests are expected to use: more than `limit` after an overrun. Null: no limit.',
    }),
    remaining: t.expose('remaining', {
      type: 'Decimal',
      nullable: true,
      description: 'How much is left; null: no limit.',
    }),
    since: t.field({
      type: 'DateTime',
      nullable: true,
      description: 'From when use counts; null: it is what is there now, or no limit.',
      resolve: ({ since }) => (since === null ? null : new Date(since)),
    }),
    resetAt: t.field({
      type: 'DateTime',
      nullable: true,
      description: 'When all of it is there again if nothing else is used; null: it is now, or never is by itself.',
      resolve: ({ resetAt }) => (resetAt === null ? null : new Date(resetAt)),
    }),
    isBinding: t.exposeBoolean('isBinding', {
      description: 'Whether it has the least left of all layers of the limit that you see: it is the next to refuse.',
    }),
    fit: t.expose('fit', {
      type: LimitFit,
      nullable: true,
      description: 'Of a request that is asked about: whether it fits. Null without one, and where there is no limit.',
    }),
  }),
});

export const EffectiveLimit = builder.objectRef<EffectiveLimitView>('EffectiveLimit').implement({
  description: 'One limit, as all who have a say in it set it. All of them apply.',
  fields: (t) => ({
    name: t.expose('name', { type: LimitNameEnum, description: 'What it counts.' }),
    layers: t.field({
      type: [LimitLayer],
      description:
        'What each owner sets, also those that set none, in the order in which they are asked: key, user, what one user can take of the team, team, product, tenant, then what the deployment sets.',
      complexity: { field: 1, multiplier: 1 },
      resolve: ({ layers }) => [...layers],
    }),
    binding: t.field({
      type: LimitLayer,
      nullable: true,
      description: 'The layer with the least left; null: nobody that you see limits it.',
      resolve: ({ layers }) => layers.find(({ isBinding }) => isBinding) ?? null,
    }),
  }),
});
