import { builder, requires } from '../../graph/builder.ts';
import { listComplexity } from '../../graph/connections.ts';
import { checkTextFilter, DateTimeRange, filterId, TextFilter } from '../../graph/filters.ts';
import { decodeIdArgument } from '../../graph/ids.ts';
import { listRequest } from '../../graph/lists.ts';
import { loadNodes } from '../../graph/nodes.ts';
import { orderInput } from '../../graph/ordering.ts';
import { wantedColumns } from '../../graph/selection.ts';
import { Limits } from '../limits/schema.ts';
import { Tenant, tenantOf } from '../tenants/schema.ts';
import { type TeamRow, teams } from './entity.ts';
import type { TeamFilter } from './filter.ts';

export const Team = builder.objectRef<TeamRow>('Team');

builder.node(Team, {
  description: "A group of a tenant's users, with limits for all of them together.",
  id: { resolve: (team) => team.id },
  loadMany: loadNodes('Team', [['teams:read']], ({ services, principal }, ids) => services.teams.byIds(principal, ids)),
  fields: (t) => ({
    tenant: t.field({
      ...requires(['tenants:read']),
      type: Tenant,
      description: 'The tenant that it belongs to.',
      resolve: (team, _args, context) => tenantOf(context, team.tenantId),
    }),
    name: t.exposeString('name', { description: 'Unique in the tenant, without regard to case.' }),
    description: t.exposeString('description', { description: 'Free text; empty when there is none.' }),
    limits: t.field({
      type: Limits,
      description: 'How much its users may use together. Null inherits the limit of the tenant.',
      resolve: (team) => team,
    }),
    userSharePercent: t.exposeInt('userSharePercent', {
      nullable: true,
      description:
        'How much of each of these limits one user can take, in percent, 1 to 100: no user can use up the team. Rounded down, to 1 at least. Null: all of it.',
    }),
    revision: t.exposeInt('revision', { description: 'Counts its changes, from 1.' }),
    createdAt: t.expose('createdAt', { type: 'DateTime', description: 'When it was made.' }),
    updatedAt: t.expose('updatedAt', { type: 'DateTime', description: 'When it was last changed.' }),
  }),
});

const TeamConnection = builder.connectionObject(
  { type: Team, name: 'TeamConnection', description: 'A page of teams.' },
  { name: 'TeamEdge', description: 'A team in a list.' },
);

const TeamOrder = orderInput('Team', {
  NAME: { column: 'nameFolded', description: 'By name, without regard to case.' },
  CREATED_AT: { column: 'createdAt', description: 'By the time of making.' },
});

const TeamFilterInput = builder.inputType('TeamFilter', {
  description: 'Which teams are wanted: those that meet every condition that is given.',
  fields: (t) => ({
    tenantId: t.id({ description: 'Of this tenant.' }),
    name: t.field({ type: TextFilter, description: 'By name, without regard to case.' }),
    createdAt: t.field({ type: DateTimeRange, description: 'By the time of making.' }),
  }),
});

const byName = { by: 'nameFolded', direction: 'ASC' } as const;

function readFilter(given: typeof TeamFilterInput.$inferInput | null | undefined): TeamFilter {
  const { tenantId, ...filter } = given ?? {};
  if (filter.name) checkTextFilter('filter.name', filter.name);
  return { ...filter, tenantId: filterId('Tenant', 'filter.tenantId', tenantId) };
}

builder.queryFields((t) => ({
  team: t.field({
    ...requires(['teams:read']),
    type: Team,
    nullable: true,
    description: 'One team; null when there is none that you may see.',
    args: { id: t.arg.id({ required: true, description: 'Its id.' }) },
    resolve: (_parent, { id }, { services, principal }, info) =>
      services.teams.find(principal, decodeIdArgument('Team', 'id', id), wantedColumns(teams, info)),
  }),
  teams: t.field({
    ...requires(['teams:read']),
    type: TeamConnection,
    description: 'The teams that you may see, by name unless `orderBy` says otherwise.',
    complexity: listComplexity,
    args: {
      ...t.arg.connectionArgs(),
      filter: t.arg({ type: TeamFilterInput, description: 'Which of them. Default: all.' }),
      orderBy: t.arg({ type: TeamOrder, description: 'Default: by name, ascending.' }),
    },
    resolve: (_parent, { filter, ...list }, { services, principal }, info) =>
      services.teams.list(principal, readFilter(filter), listRequest(teams, list, byName, info)),
  }),
}));

builder.objectField(Tenant, 'teams', (t) =>
  t.field({
    ...requires(['teams:read']),
    type: TeamConnection,
    description: 'The teams of the tenant that you may see, by name unless `orderBy` says otherwise.',
    complexity: listComplexity,
    args: {
      ...t.arg.connectionArgs(),
      filter: t.arg({ type: TeamFilterInput, description: 'Which of them. Default: all.' }),
      orderBy: t.arg({ type: TeamOrder, description: 'Default: by name, ascending.' }),
    },
    resolve: (tenant, { filter, ...list }, context, info) =>
      context.services.teams.listOfTenant(
        context,
        tenant.id,
        readFilter(filter),
        listRequest(teams, list, byName, info),
      ),
  }),
);
