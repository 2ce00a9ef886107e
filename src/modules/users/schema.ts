import { UserStatus } from '../../database/generated/enums.ts';
import { comparableText, exactlyOne } from '../../graph/arguments.ts';
import { builder, requires } from '../../graph/builder.ts';
import { listComplexity } from '../../graph/connections.ts';
import { RequestError } from '../../graph/errors.ts';
import { checkTextFilter, DateTimeRange, ExactTextFilter, filterId } from '../../graph/filters.ts';
import { isGiven } from '../../graph/given.ts';
import { decodeIdArgument } from '../../graph/ids.ts';
import { listRequest } from '../../graph/lists.ts';
import { loadReference } from '../../graph/loaders.ts';
import { loadNodes } from '../../graph/nodes.ts';
import { orderInput } from '../../graph/ordering.ts';
import { wantedColumns } from '../../graph/selection.ts';
import { Limits } from '../limits/schema.ts';
import { Team } from '../teams/schema.ts';
import { Tenant, tenantOf } from '../tenants/schema.ts';
import { metadataOf } from './data.ts';
import { type UserRow, users } from './entity.ts';
import type { UserFilter } from './filter.ts';

const UserStatusEnum = builder.enumType('UserStatus', {
  description: 'Whether a user may do anything.',
  values: {
    ACTIVE: { value: UserStatus.ACTIVE, description: 'Its keys are accepted.' },
    DEACTIVATED: { value: UserStatus.DEACTIVATED, description: 'Its keys are refused until it is reactivated.' },
  } satisfies Record<UserStatus, object>,
});

export const User = builder.objectRef<UserRow>('User');

builder.node(User, {
  description: 'A person or a program that a tenant tells apart from others: with limits, usage and keys of its own.',
  id: { resolve: (user) => user.id },
  loadMany: loadNodes('User', [['users:read']], ({ services, principal }, ids) => services.users.byIds(principal, ids)),
  fields: (t) => ({
    tenant: t.field({
      ...requires(['tenants:read']),
      type: Tenant,
      description: 'The tenant that it belongs to.',
      resolve: (user, _args, context) => tenantOf(context, user.tenantId),
    }),
    team: t.field({
      ...requires(['teams:read']),
      type: Team,
      nullable: true,
      description: 'The team that it is in; null: none.',
      resolve: (user, _args, context) =>
        loadReference(context, 'Team', user.teamId, (ids) => context.services.teams.byIds(context.principal, ids)),
    }),
    externalId: t.exposeString('externalId', {
      description: "What the tenant's own systems call it: unique in the tenant, compared with case.",
    }),
    displayName: t.exposeString('displayName', { description: 'What people call it; empty when not said.' }),
    email: t.exposeString('email', { description: 'Its e-mail address; empty when not said.' }),
    status: t.expose('status', { type: UserStatusEnum, description: 'Whether it may do anything.' }),
    deactivatedAt: t.expose('deactivatedAt', {
      type: 'DateTime',
      nullable: true,
      description: 'When it was deactivated; null: it is active.',
    }),
    metadata: t.field({
      type: 'JSONObject',
      description: 'What the tenant keeps with it; the graph never reads it.',
      resolve: metadataOf,
    }),
    limits: t.field({
      type: Limits,
      description: 'How much it may use. Null inherits the limit of its team, or else of its tenant.',
      resolve: (user) => user,
    }),
    revision: t.exposeInt('revision', { description: 'Counts its changes, from 1.' }),
    createdAt: t.expose('createdAt', { type: 'DateTime', description: 'When it was made.' }),
    updatedAt: t.expose('updatedAt', { type: 'DateTime', description: 'When it was last changed.' }),
  }),
});

const UserConnection = builder.connectionObject(
  { type: User, name: 'UserConnection', description: 'A page of users.' },
  { name: 'UserEdge', description: 'A user in a list.' },
);

const UserOrder = orderInput('User', {
  EXTERNAL_ID: { column: 'externalId', description: 'By external id, bytewise.' },
  CREATED_AT: { column: 'createdAt', description: 'By the time of making.' },
});

const UserFilterInput = builder.inputType('UserFilter', {
  description: 'Which users are wanted: those that meet every condition that is given.',
  fields: (t) => ({
    tenantId: t.id({ description: 'Of this tenant.' }),
    externalId: t.field({ type: ExactTextFilter, description: 'By external id, with regard to case.' }),
    teamId: t.id({ description: 'In this team.' }),
    withoutTeam: t.boolean({ description: 'True: in no team. False: in any.' }),
    statuses: t.field({ type: [UserStatusEnum], description: 'With any of these statuses.' }),
    createdAt: t.field({ type: DateTimeRange, description: 'By the time of making.' }),
  }),
});

const byExternalId = { by: 'externalId', direction: 'ASC' } as const;

function readFilter(given: typeof UserFilterInput.$inferInput | null | undefined): UserFilter {
  const { tenantId, teamId, ...filter } = given ?? {};
  if (filter.externalId) checkTextFilter('filter.externalId', filter.externalId);
  return {
    ...filter,
    tenantId: filterId('Tenant', 'filter.tenantId', tenantId),
    teamId: filterId('Team', 'filter.teamId', teamId),
  };
}

/** Reads the arguments of `user`. @throws {RequestError} when they do not name one user */
function readReference(
  args: Readonly<Record<'id' | 'tenantId' | 'externalId', string | null | undefined>>,
  ownTenantId: string | undefined,
): { id: string } | { tenantId: string; externalId: string } {
  const [argument, value] = exactlyOne({ id: args.id, externalId: args.externalId });
  if (argument === 'id') {
    if (!isGiven(args.tenantId)) return { id: decodeIdArgument('User', 'id', value) };
    throw new RequestError('CONFLICTING_ARGUMENTS', 'tenantId: give it with `externalId`, not with `id`.', {
      argument: 'tenantId',
    });
  }
  const tenantId = filterId('Tenant', 'tenantId', args.tenantId) ?? ownTenantId;
  if (tenantId !== undefined) return { tenantId, externalId: comparableText('externalId', value) };
  throw new RequestError(
    'BAD_USER_INPUT',
    'tenantId: say whose user it is: an externalId is unique within a tenant, and your credential belongs to none.',
    { argument: 'tenantId' },
  );
}

builder.queryFields((t) => ({
  user: t.field({
    ...requires(['users:read']),
    type: User,
    nullable: true,
    description: 'One user, by id or by external id; null when there is none that you may see.',
    args: {
      id: t.arg.id({ description: 'Its id. Give this or `externalId`.' }),
      externalId: t.arg.string({ description: 'Its external id, with regard to case.' }),
      tenantId: t.arg.id({
        description:
          'Whose user it is, with `externalId`. Default: your own tenant; needed when your credential belongs to the whole deployment.',
      }),
    },
    resolve: (_parent, { id, externalId, tenantId }, { services, principal }, info) =>
      services.users.find(
        principal,
        readReference({ id, externalId, tenantId }, principal.tenantId),
        wantedColumns(users, info),
      ),
  }),
  users: t.field({
    ...requires(['users:read']),
    type: UserConnection,
    description: 'The users that you may see, by external id unless `orderBy` says otherwise.',
    complexity: listComplexity,
    args: {
      ...t.arg.connectionArgs(),
      filter: t.arg({ type: UserFilterInput, description: 'Which of them. Default: all.' }),
      orderBy: t.arg({ type: UserOrder, description: 'Default: by external id, ascending.' }),
    },
    resolve: (_parent, { filter, ...list }, { services, principal }, info) =>
      services.users.list(principal, readFilter(filter), listRequest(users, list, byExternalId, info)),
  }),
}));

builder.objectField(Tenant, 'users', (t) =>
  t.field({
    ...requires(['users:read']),
    type: UserConnection,
    description: 'The users of the tenant that you may see, by external id unless `orderBy` says otherwise.',
    complexity: listComplexity,
    args: {
      ...t.arg.connectionArgs(),
      filter: t.arg({ type: UserFilterInput, description: 'Which of them. Default: all.' }),
      orderBy: t.arg({ type: UserOrder, description: 'Default: by external id, ascending.' }),
    },
    resolve: (tenant, { filter, ...list }, context, info) =>
      context.services.users.listOf(
        context,
        'tenantId',
        tenant.id,
        readFilter(filter),
        listRequest(users, list, byExternalId, info),
      ),
  }),
);

builder.objectField(Team, 'users', (t) =>
  t.field({
    ...requires(['users:read']),
    type: UserConnection,
    description: 'The users in the team that you may see, by external id unless `orderBy` says otherwise.',
    complexity: listComplexity,
    args: {
      ...t.arg.connectionArgs(),
      filter: t.arg({ type: UserFilterInput, description: 'Which of them. Default: all.' }),
      orderBy: t.arg({ type: UserOrder, description: 'Default: by external id, ascending.' }),
    },
    resolve: (team, { filter, ...list }, context, info) =>
      context.services.users.listOf(
        context,
        'teamId',
        team.id,
        readFilter(filter),
        listRequest(users, list, byExternalId, info),
      ),
  }),
);
