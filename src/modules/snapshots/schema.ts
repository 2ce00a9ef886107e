import { builder, requires } from '../../graph/builder.ts';
import { enumValues } from '../../graph/enums.ts';
import { isGiven } from '../../graph/given.ts';
import { decodeIdArgument, encodeId } from '../../graph/ids.ts';
import { live, minIntervalDescription, minIntervalOf } from '../../graph/live.ts';
import { loadReference } from '../../graph/loaders.ts';
import type { SnapshotStamp } from '../../live/snapshot-hub.ts';
import { FairshareAlgorithmEnum } from '../capacity/schema.ts';
import type { ShareRow } from '../fairshare/snapshot.ts';
import { FairshareGroup } from '../fairshare-groups/schema.ts';
import { ApiKey } from '../keys/schema.ts';
import { Model } from '../models/schema.ts';
import { groupOf, OfTenant, poolNamed } from './references.ts';
import {
  type DeploymentTotals,
  fairshareModes,
  type GroupShare,
  type KeyShare,
  type SlotTotals,
  type TenantShare,
} from './snapshot.ts';
import { type FairshareView, fairshareFor, type PoolView, type ViewFilter } from './views.ts';

/** What a snapshot of any kind says of itself. */
export const LiveSnapshot = builder.interfaceRef<SnapshotStamp>('LiveSnapshot').implement({
  description:
    'The state of one process at one moment, as a whole: everything in it is of the same moment. Nothing runs or waits in a process that does not decide about requests.',
  fields: (t) => ({
    seq: t.expose('seq', {
      type: 'SafeInt',
      description:
        'Counts the snapshots that the process published, from 1: whoever follows sees by it how many were left out.',
    }),
    asOf: t.expose('asOf', { type: 'DateTime', description: 'The moment.' }),
    instanceId: t.exposeString('instanceId', {
      description: 'The process that answered. Another one counts `seq` by itself.',
    }),
  }),
});

const FairshareModeEnum = builder.enumType('FairshareMode', {
  description: 'How several processes share the slots.',
  values: enumValues(fairshareModes),
});

const FairshareShare = builder.interfaceRef<ShareRow>('FairshareShare').implement({
  description: 'What somebody has of the slots, and what their weight gives them.',
  fields: (t) => ({
    weight: t.exposeInt('weight', { description: 'The weight, 1 to 1,000,000.' }),
    inFlight: t.exposeInt('inFlight', { description: 'Requests that hold a slot.' }),
    queued: t.exposeInt('queued', { description: 'Requests that wait for one.' }),
    weightShare: t.exposeFloat('weightShare', {
      description:
        'The part of the slots by the weights of those who wait or run, 0 to 1; of a key, the part of what its tenant has. Of all pools together: of the slots of those in which anybody waits or runs. 0 for whoever neither waits nor runs.',
    }),
    expectedSlots: t.exposeFloat('expectedSlots', { description: 'That part in slots, which is not a whole number.' }),
    slotCap: t.exposeInt('slotCap', {
      description:
        'That part in whole slots, of which everyone has at least one where there are enough. No bound: more can be borrowed.',
    }),
    borrowed: t.exposeInt('borrowed', { description: 'Slots beyond `slotCap` that others leave idle.' }),
    servedTokens: t.exposeFloat('servedTokens', {
      description:
        'Tokens that were served since it became active: the actual ones of what was settled, estimates of what runs.',
    }),
    shareScore: t.exposeFloat('shareScore', {
      description: '`servedTokens` divided by the weight: whoever has less is served first.',
    }),
    oldestWaitMs: t.exposeFloat('oldestWaitMs', {
      nullable: true,
      description: 'For how long the oldest request has waited, in milliseconds; null when none waits.',
    }),
  }),
});

const FairshareGroupRow = builder.objectRef<GroupShare>('FairshareGroupRow').implement({
  interfaces: [FairshareShare],
  description: 'What a group has of the slots. Groups without anything in flight or waiting may be left out.',
  fields: (t) => ({
    groupId: t.id({ description: 'The group.', resolve: ({ groupId }) => encodeId('FairshareGroup', groupId) }),
    name: t.exposeString('name', { description: 'Its name.' }),
    group: t.field({
      ...requires(['fairshare:read']),
      type: FairshareGroup,
      nullable: true,
      description: 'The group itself; null when it was deleted.',
      resolve: ({ groupId }, _args, context) => groupOf(context, groupId),
    }),
  }),
});

const FairshareTenantRow = builder.objectRef<TenantShare>('FairshareTenantRow').implement({
  interfaces: [FairshareShare, OfTenant],
  description:
    'What a tenant has of the slots. Tenants appear as long as they have anything in flight, waiting or owed.',
  fields: (t) => ({
    name: t.exposeString('name', { description: 'The name of the tenant.' }),
    groupName: t.exposeString('groupName', { description: 'The name of its group.' }),
    group: t.field({
      ...requires(['fairshare:read']),
      type: FairshareGroup,
      nullable: true,
      description: 'Its group; null when it was deleted.',
      resolve: ({ groupId }, _args, context) => groupOf(context, groupId),
    }),
    maxInFlight: t.exposeInt('maxInFlight', {
      nullable: true,
      description: 'How many requests it may have in flight in all pools together; null: no such limit.',
    }),
  }),
});

const FairshareKeyRow = builder.objectRef<KeyShare>('FairshareKeyRow').implement({
  interfaces: [FairshareShare, OfTenant],
  description: 'What a key has of the slots of its tenant.',
  fields: (t) => ({
    keyId: t.id({ description: 'The key.', resolve: ({ keyId }) => encodeId('ApiKey', keyId) }),
    name: t.exposeString('name', { description: 'Its name.' }),
    key: t.field({
      ...requires(['keys:read']),
      type: ApiKey,
      nullable: true,
      description: 'The key itself; null when it was deleted.',
      resolve: ({ keyId }, _args, context) =>
        loadReference(context, 'ApiKey', keyId, (ids) => context.services.keys.byIds(context.principal, ids)),
    }),
    maxInFlight: t.exposeInt('maxInFlight', {
      nullable: true,
      description: 'How many requests it may have in flight in all pools together; null: no such limit.',
    }),
  }),
});

const SlotTotalsType = builder.interfaceRef<SlotTotals>('SlotTotals').implement({
  description: 'Slots, and who takes them, whoever it is.',
  fields: (t) => ({
    capacity: t.exposeInt('capacity', {
      description: 'Slots that there are for this process now: all of the configured ones, or its part of them.',
    }),
    configuredCapacity: t.exposeInt('configuredCapacity', {
      description: 'Slots by the configuration, of all processes together.',
    }),
    inFlight: t.exposeInt('inFlight', { description: 'Requests that hold a slot.' }),
    queued: t.exposeInt('queued', { description: 'Requests that wait for one.' }),
    borrowed: t.exposeInt('borrowed', {
      description: 'Slots that are held beyond the parts of those who hold them, while others leave theirs idle.',
    }),
    oldestWaitMs: t.exposeFloat('oldestWaitMs', {
      nullable: true,
      description: 'For how long the oldest request has waited, in milliseconds; null when none waits.',
    }),
    clusterInFlight: t.exposeInt('clusterInFlight', {
      nullable: true,
      description: 'Requests that hold a slot, of all processes together; null where each knows its own only.',
    }),
  }),
});

const PoolTotalsType = builder.objectRef<SlotTotals>('PoolTotals').implement({
  interfaces: [SlotTotalsType],
  description: 'The slots of one pool.',
});

const DeploymentTotalsType = builder.objectRef<DeploymentTotals>('DeploymentTotals').implement({
  interfaces: [SlotTotalsType],
  description: 'The slots of all pools together.',
  fields: (t) => ({
    ceiling: t.exposeInt('ceiling', {
      nullable: true,
      description: 'How many requests may be in flight in all pools together, for this process; null: no such bound.',
    }),
    configuredCeiling: t.exposeInt('configuredCeiling', {
      nullable: true,
      description: 'The same by the configuration, of all processes together.',
    }),
    defaultModelCapacity: t.exposeInt('defaultModelCapacity', {
      description: 'Slots of a model for which none are configured.',
    }),
    sharedSlots: t.exposeInt('sharedSlots', {
      nullable: true,
      description: 'Slots that this process has taken from those that all processes share; null where none are shared.',
    }),
  }),
});

/** Fields of everything that has rows. */
const hiddenDescription =
  'null when your credential shows the rows of your tenant alone (`fairshare:totals` shows more).';

const FairsharePool = builder.objectRef<PoolView>('FairsharePool').implement({
  description: 'The slots of one model, and who has them.',
  fields: (t) => ({
    model: t.exposeString('model', { description: "The model's name." }),
    modelId: t.id({
      nullable: true,
      description: 'The model; null: its requests come without one of the registry.',
      resolve: ({ modelId }) => (modelId === null ? null : encodeId('Model', modelId)),
    }),
    registeredModel: t.field({
      ...requires(['registry:read']),
      type: Model,
      nullable: true,
      description: 'The model itself; null when the registry does not have it, or you may not use it.',
      resolve: ({ modelId }, _args, context) =>
        loadReference(context, 'Model', modelId, (ids) => context.services.models.byIds(context.principal, ids)),
    }),
    totals: t.expose('totals', {
      type: PoolTotalsType,
      nullable: true,
      description: `Its slots, whoever takes them; ${hiddenDescription}`,
    }),
    groups: t.expose('groups', {
      type: [FairshareGroupRow],
      nullable: true,
      description: `What each group has of it, by id; ${hiddenDescription}`,
    }),
    tenants: t.expose('tenants', { type: [FairshareTenantRow], description: 'What each tenant has of it, by id.' }),
    keys: t.expose('keys', { type: [FairshareKeyRow], description: 'What each key has of it, by id.' }),
  }),
});

const FairshareSnapshotType = builder.objectRef<FairshareView>('FairshareSnapshot').implement({
  interfaces: [LiveSnapshot],
  description: 'Who has which share of the slots at one moment.',
  fields: (t) => ({
    algorithm: t.expose('algorithm', { type: FairshareAlgorithmEnum, description: 'Who shares the slots with whom.' }),
    mode: t.expose('mode', { type: FairshareModeEnum, description: 'How several processes share the slots.' }),
    replicas: t.exposeInt('replicas', {
      description: 'How many processes of the deployment are connected, this one and the one that decides among them.',
    }),
    isReplicaAware: t.exposeBoolean('isReplicaAware', {
      description: 'Whether the processes know of each other, so that limits hold for all of them together.',
    }),
    totals: t.expose('totals', {
      type: DeploymentTotalsType,
      nullable: true,
      description: `All slots, whoever takes them; ${hiddenDescription}`,
    }),
    groups: t.expose('groups', {
      type: [FairshareGroupRow],
      nullable: true,
      description: `What each group has, by id; ${hiddenDescription}`,
    }),
    tenants: t.expose('tenants', { type: [FairshareTenantRow], description: 'What each tenant has, by id.' }),
    keys: t.expose('keys', { type: [FairshareKeyRow], description: 'What each key has, by id.' }),
    pools: t.expose('pools', { type: [FairsharePool], description: 'The same for each model, by its name.' }),
  }),
});

const poolDescription =
  'Only the pool of this model, by its name: `groups`, `tenants` and `keys` are its rows; `totals` stay those of all. One that is not known, or of which you see nothing, has no rows.';
const tenantDescription =
  'Only the rows of this tenant: `tenants`, `keys`, and the pools where it has any. Of one that is not known, or that you may not see, there are none.';

function readFilter(given: { pool?: string | null | undefined; tenant?: unknown }): ViewFilter {
  const { pool, tenant } = given;
  return {
    pool: isGiven(pool) ? poolNamed(pool) : undefined,
    tenantId: isGiven(tenant) ? decodeIdArgument('Tenant', 'tenant', String(tenant)) : undefined,
  };
}

/** All rows of a snapshot are at hand; what costs is to write them. */
export const snapshotComplexity = 10;

builder.queryField('fairshare', (t) =>
  t.field({
    ...requires(['fairshare:read']),
    type: FairshareSnapshotType,
    description:
      'Who has which share of the slots now, as far as you may see it: credentials of a tenant see the rows of that tenant.',
    complexity: snapshotComplexity,
    args: {
      pool: t.arg.string({ description: poolDescription }),
      tenant: t.arg.id({ description: tenantDescription }),
    },
    resolve: async (_parent, args, { services, principal }) => {
      const filter = readFilter(args);
      return fairshareFor(await services.snapshots.fairshare(), principal, filter);
    },
  }),
);

builder.subscriptionField('fairshareLive', (t) =>
  t.field({
    ...requires(['fairshare:read']),
    ...live,
    type: FairshareSnapshotType,
    description:
      'Who has which share of the slots, at once and then whenever it changes, at least every 10 seconds. It is paid for once, when it begins.',
    complexity: snapshotComplexity,
    args: {
      pool: t.arg.string({ description: poolDescription }),
      tenant: t.arg.id({ description: tenantDescription }),
      minIntervalMs: t.arg.int({ description: minIntervalDescription }),
    },
    subscribe: (_parent, { minIntervalMs, ...filter }, { services }) => {
      readFilter(filter);
      return services.snapshots.followFairshare(minIntervalOf(minIntervalMs));
    },
    resolve: (snapshot, args, { principal }) => fairshareFor(snapshot, principal, readFilter(args)),
  }),
);
