import { builder, requires } from '../../graph/builder.ts';
import type { GraphContext } from '../../graph/context.ts';
import { costsByWhatThereIs } from '../../graph/cost.ts';
import { enumValues } from '../../graph/enums.ts';
import { RequestError } from '../../graph/errors.ts';
import { isGiven } from '../../graph/given.ts';
import { decodeIdArgument, encodeId } from '../../graph/ids.ts';
import { FairshareGroup } from '../fairshare-groups/schema.ts';
import { historyResolutions } from './history.ts';
import type { HistoryRow, HistoryRowCounts } from './history-points.ts';
import { groupOf, OfTenant, poolNamed } from './references.ts';
import type { HistoryTime, HistoryView } from './service.ts';

const HistoryResolutionEnum = builder.enumType('HistoryResolution', {
  description: 'How closely the past is told, and how far back.',
  values: enumValues(historyResolutions),
});

const rowFields = {
  name: 'Its name at that time.',
  inFlight: 'Requests that held a slot, on average over the time of the point.',
  queued: 'Requests that waited, on average over the time of the point.',
} as const;

const HistoryGroupRow = builder.objectRef<HistoryRow>('FairshareHistoryGroup').implement({
  description: 'What a group had. Groups that had nothing are left out.',
  fields: (t) => ({
    groupId: t.id({ description: 'The id of the group.', resolve: ({ id }) => encodeId('FairshareGroup', id) }),
    group: t.field({
      ...requires(['fairshare:read']),
      type: FairshareGroup,
      nullable: true,
      description: 'The group itself; null when it was deleted.',
      resolve: ({ id }, _args, context) => groupOf(context, id),
    }),
    name: t.exposeString('name', { description: rowFields.name }),
    inFlight: t.exposeFloat('inFlight', { description: rowFields.inFlight }),
    queued: t.exposeFloat('queued', { description: rowFields.queued }),
  }),
});

const HistoryTenantRow = builder
  .objectRef<HistoryRow & { readonly tenantId: string }>('FairshareHistoryTenant')
  .implement({
    interfaces: [OfTenant],
    description: 'What a tenant had. Tenants that had nothing are left out.',
    fields: (t) => ({
      name: t.exposeString('name', { description: rowFields.name }),
      inFlight: t.exposeFloat('inFlight', { description: rowFields.inFlight }),
      queued: t.exposeFloat('queued', { description: rowFields.queued }),
    }),
  });

const tenantsMax = 100;

/** What one point, or one row of a point, costs: reading memory is a part of reading a row of a table. */
const costOfRow = 0.2;

const rowCost = (rows: number) => ({ field: rows, multiplier: rows });

/** Where costs are computed without a context, nobody is there who could see rows. */
const rowsOfPoint = ({ services, principal }: Partial<GraphContext>): HistoryRowCounts =>
  services === undefined || principal === undefined
    ? { groups: 0, tenants: 0 }
    : services.snapshots.historyRowsOfPoint(principal);

const pointCount = ({ services }: Partial<GraphContext>, { resolution, since, until }: HistoryTime): number => {
  const { intervalMs, retentionMs } = historyResolutions[resolution];
  return services?.snapshots.historyPointCount({ resolution, since, until }) ?? retentionMs / intervalMs;
};

/** Of the list that a variable holds, which is the same at every point. */
const decodedIds = new WeakMap<readonly unknown[], ReadonlySet<string>>();

function tenantIdsOf(ids: readonly (string | number)[]): ReadonlySet<string> {
  const known = decodedIds.get(ids);
  if (known !== undefined) return known;
  if (ids.length > tenantsMax) {
    const message = `ids: at most ${tenantsMax} tenants at once, not ${ids.length}.`;
    throw new RequestError('INVALID_PAGE_SIZE', message, { argument: 'ids' });
  }
  const decoded = new Set(ids.map((id) => decodeIdArgument('Tenant', 'ids', String(id))));
  decodedIds.set(ids, decoded);
  return decoded;
}

const hidden = 'null when your credential shows the rows of your tenant alone.';

const HistoryPointType = builder.objectRef<HistoryView['points'][number]>('FairshareHistoryPoint').implement({
  description: 'What the slots were taken by, over the time from this point to the next.',
  fields: (t) => ({
    at: t.expose('at', { type: 'DateTime', description: 'When it begins.' }),
    inFlight: t.exposeFloat('inFlight', { nullable: true, description: `${rowFields.inFlight} Of all; ${hidden}` }),
    queued: t.exposeFloat('queued', { nullable: true, description: `${rowFields.queued} Of all; ${hidden}` }),
    borrowed: t.exposeFloat('borrowed', {
      nullable: true,
      description: `Slots that were held beyond the parts of those who held them, on average; ${hidden}`,
    }),
    maxInFlight: t.exposeInt('maxInFlight', {
      nullable: true,
      description: `The most that held a slot at once, of what was looked at; ${hidden}`,
    }),
    maxQueued: t.exposeInt('maxQueued', {
      nullable: true,
      description: `The most that waited at once, of what was looked at; ${hidden}`,
    }),
    groups: t.field({
      type: [HistoryGroupRow],
      nullable: true,
      description: 'What each group had; null for credentials of a tenant.',
      complexity: (_args, context) => rowCost(rowsOfPoint(context).groups),
      resolve: ({ groups }) => groups?.() ?? null,
    }),
    tenants: t.field({
      type: [HistoryTenantRow],
      description: 'What each tenant had.',
      args: {
        ids: t.arg.idList({ description: `Only these, at most ${tenantsMax}. Default: all that you may see.` }),
      },
      complexity: ({ ids }, context) => {
        const { tenants } = rowsOfPoint(context);
        return rowCost(isGiven(ids) ? Math.min(ids.length, tenants) : tenants);
      },
      resolve: ({ tenants }, { ids }) =>
        tenants(isGiven(ids) ? tenantIdsOf(ids) : undefined).map((row) => ({ ...row, tenantId: row.id })),
    }),
  }),
});

const FairshareHistoryType = builder.objectRef<HistoryView>('FairshareHistory').implement({
  description:
    'What the slots were taken by, as the process remembers it that answered: it begins anew when that process starts, and with very many active tenants it reaches less far back (`oldestAt`).',
  fields: (t) => ({
    intervalMs: t.int({
      description: 'From one point to the next, in milliseconds.',
      resolve: ({ resolution }) => historyResolutions[resolution].intervalMs,
    }),
    retentionMs: t.int({
      description: 'For how long points are kept, in milliseconds.',
      resolve: ({ resolution }) => historyResolutions[resolution].retentionMs,
    }),
    oldestAt: t.expose('oldestAt', {
      type: 'DateTime',
      nullable: true,
      description: 'The first point that is kept; null when there is none yet.',
    }),
    points: t.expose('points', {
      type: [HistoryPointType],
      description: 'The points, the oldest first.',
      complexity: { field: 1, multiplier: 1 },
    }),
  }),
});

builder.queryField('fairshareHistory', (t) =>
  t.field({
    ...requires(['fairshare:read']),
    ...costsByWhatThereIs(
      'Of fairshareHistory, ask for a shorter time (since, until), for MINUTES, for the rows of some tenants (tenants(ids: …)), or for totals alone.',
    ),
    type: FairshareHistoryType,
    description: `What the slots were taken by lately, as far as you may see it. It costs ${costOfRow} for each point and each row of one: rather than leave points out, what costs too much is refused.`,
    complexity: (args, context) => ({ field: 1, multiplier: costOfRow * pointCount(context, args) }),
    args: {
      pool: t.arg.string({
        description:
          'Only the pool of this model, by its name; of one that is not known, nothing was taken. Default: all of them together.',
      }),
      since: t.arg({
        type: 'DateTime',
        description: 'Points that begin at this time or later. Default: all that are kept.',
      }),
      until: t.arg({
        type: 'DateTime',
        description: 'Points that begin before this time, which is not before `since`. Default: up to now.',
      }),
      resolution: t.arg({
        type: HistoryResolutionEnum,
        required: true,
        defaultValue: 'SECONDS',
        description: 'How closely, and how far back.',
      }),
    },
    resolve: (_parent, { pool, since, until, resolution }, { services, principal }) =>
      services.snapshots.history(principal, {
        resolution,
        pool: isGiven(pool) ? poolNamed(pool) : undefined,
        since,
        until,
      }),
  }),
);
