import { comparableText, exactlyOne } from '../../graph/arguments.ts';
import { builder, requires } from '../../graph/builder.ts';
import { listComplexity } from '../../graph/connections.ts';
import { decodeIdArgument } from '../../graph/ids.ts';
import { listRequest } from '../../graph/lists.ts';
import { loadNodes } from '../../graph/nodes.ts';
import { orderInput } from '../../graph/ordering.ts';
import { wantedColumns } from '../../graph/selection.ts';
import { type FairshareGroupRow, fairshareGroups } from './entity.ts';

export const FairshareGroup = builder.objectRef<FairshareGroupRow>('FairshareGroup');

builder.node(FairshareGroup, {
  description:
    'A named group of tenants. Groups share the slots of a pool by their weights, and tenants share those of their group by theirs.',
  id: { resolve: (group) => group.id },
  loadMany: loadNodes('FairshareGroup', [['fairshare:read']], ({ services, principal }, ids) =>
    services.fairshareGroups.byIds(principal, ids),
  ),
  fields: (t) => ({
    name: t.exposeString('name', { description: 'Unique, without regard to case.' }),
    weight: t.exposeInt('weight', { description: 'Its share relative to the other groups, 1 to 1,000,000.' }),
    isDefault: t.exposeBoolean('isDefault', {
      description: 'Whether it is the group `default`, for tenants that no other group was chosen for.',
    }),
    revision: t.exposeInt('revision', { description: 'Counts its changes, from 1.' }),
    createdAt: t.expose('createdAt', { type: 'DateTime', description: 'When it was made.' }),
    updatedAt: t.expose('updatedAt', { type: 'DateTime', description: 'When it was last changed.' }),
  }),
});

const FairshareGroupConnection = builder.connectionObject(
  { type: FairshareGroup, name: 'FairshareGroupConnection', description: 'A page of fairshare groups.' },
  { name: 'FairshareGroupEdge', description: 'A fairshare group in a list.' },
);

const FairshareGroupOrder = orderInput('FairshareGroup', {
  NAME: { column: 'nameFolded', description: 'By name, without regard to case.' },
  WEIGHT: { column: 'weight', description: 'By weight.' },
  CREATED_AT: { column: 'createdAt', description: 'By the time of making.' },
});

const byName = { by: 'nameFolded', direction: 'ASC' } as const;

builder.queryFields((t) => ({
  fairshareGroup: t.field({
    ...requires(['fairshare:read']),
    type: FairshareGroup,
    nullable: true,
    description: 'One fairshare group, by id or by name; null when there is none that you may see.',
    args: {
      id: t.arg.id({ description: 'Its id. Give this or `name`.' }),
      name: t.arg.string({ description: 'Its name, without regard to case.' }),
    },
    resolve: (_parent, args, { services, principal }, info) => {
      const [argument, value] = exactlyOne({ id: args.id, name: args.name });
      return services.fairshareGroups.find(
        principal,
        argument === 'id'
          ? { id: decodeIdArgument('FairshareGroup', 'id', value) }
          : { name: comparableText(argument, value) },
        wantedColumns(fairshareGroups, info),
      );
    },
  }),
  fairshareGroups: t.field({
    ...requires(['fairshare:read']),
    type: FairshareGroupConnection,
    description: 'The fairshare groups, by name unless `orderBy` says otherwise.',
    complexity: listComplexity,
    args: {
      ...t.arg.connectionArgs(),
      orderBy: t.arg({ type: FairshareGroupOrder, description: 'Default: by name, ascending.' }),
    },
    resolve: (_parent, list, { services, principal }, info) =>
      services.fairshareGroups.list(principal, listRequest(fairshareGroups, list, byName, info)),
  }),
}));
