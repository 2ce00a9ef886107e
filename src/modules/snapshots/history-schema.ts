import { comparableText } from '../../graph/arguments.ts';
import { builder, requires } from '../../graph/builder.ts';
import { enumValues } from '../../graph/enums.ts';
import { isGiven } from '../../graph/given.ts';
import { encodeId } from '../../graph/ids.ts';
import { type HistoryRow, historyResolutions } from './history.ts';
import type { HistoryView } from './service.ts';

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
    groupId: t.id({ description: 'The group.', resolve: ({ id }) => encodeId('FairshareGroup', id) }),
    name: t.exposeString('name', { description: rowFields.name }),
    inFlight: t.exposeFloat('inFlight', { description: rowFields.inFlight }),
    queued: t.exposeFloat('queued', { description: rowFields.queued }),
  }),
});

const HistoryTenantRow = builder.objectRef<HistoryRow>('FairshareHistoryTenant').implement({
  description: 'What a tenant had. Tenants that had nothing are left out.',
  fields: (t) => ({
    tenantId: t.id({ description: 'The tenant.', resolve: ({ id }) => encodeId('Tenant', id) }),
    name: t.exposeString('name', { description: rowFields.name }),
    inFlight: t.exposeFloat('inFlight', { description: rowFields.inFlight }),
    queued: t.exposeFloat('queued', { description: rowFields.queued }),
  }),
});

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
    groups: t.expose('groups', {
      type: [HistoryGroupRow],
      nullable: true,
      description: 'What each group had; null for credentials of a tenant.',
    }),
    tenants: t.expose('tenants', { type: [HistoryTenantRow], description: 'What each tenant had.' }),
  }),
});

const FairshareHistoryType = builder.objectRef<HistoryView>('FairshareHistory').implement({
  description:
    'What the slots were taken by, as the process remembers it that answered: the past before its start is not known.',
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
    points: t.expose('points', { type: [HistoryPointType], description: 'The points, the oldest first.' }),
  }),
});

builder.queryField('fairshareHistory', (t) =>
  t.field({
    ...requires(['fairshare:read']),
    type: FairshareHistoryType,
    description: 'What the slots were taken by lately, as far as you may see it.',
    complexity: 100,
    args: {
      pool: t.arg.string({ description: 'Only the pool of this model, by its name. Default: all of them together.' }),
      since: t.arg({ type: 'DateTime', description: 'Points from this time on. Default: all that are kept.' }),
      until: t.arg({ type: 'DateTime', description: 'Points before this time. Default: up to now.' }),
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
        pool: isGiven(pool) ? comparableText('pool', pool) : undefined,
        since: since ?? undefined,
        until: until ?? undefined,
      }),
  }),
);
