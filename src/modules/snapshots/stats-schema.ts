import { builder, requires } from '../../graph/builder.ts';
import { live, minIntervalDescription, minIntervalOf } from '../../graph/live.ts';
import { OfTenant } from './references.ts';
import { LiveSnapshot, snapshotComplexity } from './schema.ts';
import type { Activity, RefusalRate, StatsTotals, TenantActivity } from './snapshot.ts';
import { type StatsView, statsFor } from './views.ts';

const RefusalRateType = builder.objectRef<RefusalRate>('RefusalRate').implement({
  description: 'How often requests are refused for one reason.',
  fields: (t) => ({
    reason: t.exposeString('reason', { description: 'The reason, such as RATE_LIMITED or QUEUE_FULL.' }),
    perSecond: t.exposeFloat('perSecond', { description: 'Refusals per second, over the last seconds.' }),
  }),
});

const ActivityType = builder.interfaceRef<Activity>('Activity').implement({
  description: 'What becomes of requests. Rates are over the last seconds.',
  fields: (t) => ({
    inFlight: t.exposeInt('inFlight', { description: 'Requests that hold a slot.' }),
    queued: t.exposeInt('queued', { description: 'Requests that wait for one.' }),
    admittedPerSecond: t.exposeFloat('admittedPerSecond', { description: 'Requests that got a slot, per second.' }),
    refusedPerSecond: t.exposeFloat('refusedPerSecond', {
      description: 'Requests that were refused or gave up waiting, per second.',
    }),
    settledPerSecond: t.exposeFloat('settledPerSecond', { description: 'Requests that were settled, per second.' }),
    tokensPerSecond: t.exposeFloat('tokensPerSecond', {
      description:
        "Input and output tokens of what was settled, per second, without those that a gateway's cache saved.",
    }),
    refusals: t.expose('refusals', {
      type: [RefusalRateType],
      description: 'The refusals by their reason, the most frequent first.',
    }),
    queueWaitP50Ms: t.exposeFloat('queueWaitP50Ms', {
      nullable: true,
      description:
        'Half of those that got a slot lately had waited no longer than this, in milliseconds; null when none did.',
    }),
    queueWaitP99Ms: t.exposeFloat('queueWaitP99Ms', {
      nullable: true,
      description: '99 of 100 had waited no longer than this, in milliseconds; null when none got a slot lately.',
    }),
    oldestWaitMs: t.exposeFloat('oldestWaitMs', {
      nullable: true,
      description: 'For how long the oldest request has waited, in milliseconds; null when none waits.',
    }),
  }),
});

const StatsTotalsType = builder.objectRef<StatsTotals>('StatsTotals').implement({
  interfaces: [ActivityType],
  description: 'What becomes of the requests of all tenants.',
  fields: (t) => ({
    maxInFlight: t.exposeInt('maxInFlight', { description: 'Requests that may be in flight at once.' }),
    gatewaysAlive: t.exposeInt('gatewaysAlive', { description: 'Gateways that were heard of lately.' }),
  }),
});

const TenantActivityType = builder.objectRef<TenantActivity>('TenantActivity').implement({
  interfaces: [ActivityType, OfTenant],
  description: 'What becomes of the requests of one tenant.',
  fields: (t) => ({
    name: t.exposeString('name', { description: 'The name of the tenant.' }),
  }),
});

const StatsSnapshotType = builder.objectRef<StatsView>('StatsSnapshot').implement({
  interfaces: [LiveSnapshot],
  description: 'What becomes of requests at the moment.',
  fields: (t) => ({
    totals: t.expose('totals', {
      type: StatsTotalsType,
      nullable: true,
      description: 'Of all tenants; null when your credential shows your tenant alone (`fairshare:totals` shows more).',
    }),
    tenants: t.expose('tenants', {
      type: [TenantActivityType],
      description: 'Of each tenant that had requests lately, by id.',
    }),
  }),
});

builder.queryField('stats', (t) =>
  t.field({
    ...requires(['stats:read']),
    type: StatsSnapshotType,
    description: 'What becomes of requests now, as far as you may see it: credentials of a tenant see that tenant.',
    complexity: snapshotComplexity,
    resolve: async (_parent, _args, { services, principal }) => statsFor(await services.snapshots.stats(), principal),
  }),
);

builder.subscriptionField('statsLive', (t) =>
  t.field({
    ...requires(['stats:read']),
    ...live,
    type: StatsSnapshotType,
    description:
      'What becomes of requests, at once and then whenever it changes, at least every 10 seconds. It is paid for once, when it begins.',
    complexity: snapshotComplexity,
    args: { minIntervalMs: t.arg.int({ description: minIntervalDescription }) },
    subscribe: (_parent, { minIntervalMs }, { services }) =>
      services.snapshots.followStats(minIntervalOf(minIntervalMs)),
    resolve: (snapshot, _args, { principal }) => statsFor(snapshot, principal),
  }),
);
