import type { CapacitySettings } from '../../database/generated/client.ts';
import { builder, requires } from '../../graph/builder.ts';
import { enumValues } from '../../graph/enums.ts';
import { Gateway } from '../gateways/schema.ts';
import { Model } from '../models/schema.ts';
import {
  type CapacitySetting,
  type CapacitySettingName,
  capacitySettings,
  capacitySources,
  fairshareAlgorithms,
  type GatewayCapacityFigures,
  type ModelCapacityFigures,
  settingOf,
} from './values.ts';

export const FairshareAlgorithmEnum = builder.enumType('FairshareAlgorithm', {
  description: 'Who comes next when more is waiting than can run.',
  values: enumValues(fairshareAlgorithms),
});

const CapacitySourceEnum = builder.enumType('CapacitySource', {
  description: 'Where a figure of capacity comes from.',
  values: enumValues(capacitySources),
});

const CapacitySettingType = builder.objectRef<CapacitySetting>('CapacitySetting').implement({
  description: 'A figure of capacity, and where it comes from.',
  fields: (t) => ({
    value: t.exposeInt('value', { description: 'The figure, in the unit of the field that has it.' }),
    source: t.expose('source', { type: CapacitySourceEnum, description: 'Where it comes from.' }),
  }),
});

const defaultText = (name: CapacitySettingName): string => capacitySettings[name].default.toLocaleString('en');

/** Each of these has a type of its own, to which what is live can be added. */
export const DeploymentCapacity = builder.objectRef<CapacitySettings>('DeploymentCapacity').implement({
  description: 'How many requests may run at once in the whole deployment, whatever their models.',
  fields: (t) => ({
    maxInFlight: t.int({
      description: `How many, ${defaultText('deploymentMaxInFlight')} unless it was set. 0 stops everything new.`,
      resolve: (row) => settingOf(row, 'deploymentMaxInFlight').value,
    }),
    source: t.field({
      type: CapacitySourceEnum,
      description: 'Where that comes from.',
      resolve: (row) => settingOf(row, 'deploymentMaxInFlight').source,
    }),
  }),
});

const QueueBounds = builder.objectRef<CapacitySettings>('QueueBounds').implement({
  description: 'How many requests may wait, and how long. What does not fit is refused at once.',
  fields: (t) => ({
    poolMax: t.field({
      type: CapacitySettingType,
      description: `How many may wait for one model, ${defaultText('poolQueueMax')} unless it was set. 0: none waits.`,
      resolve: (row) => settingOf(row, 'poolQueueMax'),
    }),
    tenantMax: t.field({
      type: CapacitySettingType,
      description: `How many of one tenant may wait, whatever their models, ${defaultText('tenantQueueMax')} unless it was set. 0: none waits.`,
      resolve: (row) => settingOf(row, 'tenantQueueMax'),
    }),
    timeoutSeconds: t.field({
      type: CapacitySettingType,
      description: `How many seconds one may wait, ${defaultText('queueTimeoutSeconds')} unless it was set.`,
      resolve: (row) => settingOf(row, 'queueTimeoutSeconds'),
    }),
  }),
});

export const Capacity = builder.objectRef<CapacitySettings>('Capacity').implement({
  description: 'How much may run and wait at once. What it is for a model or a gateway stands there, as `capacity`.',
  fields: (t) => ({
    deployment: t.field({
      type: DeploymentCapacity,
      description: 'Of the whole deployment.',
      resolve: (row) => row,
    }),
    modelDefault: t.field({
      type: CapacitySettingType,
      description: `How many requests may run at once of a model for which nothing else was set, ${defaultText('modelDefaultMaxInFlight')} unless it was set.`,
      resolve: (row) => settingOf(row, 'modelDefaultMaxInFlight'),
    }),
    queue: t.field({ type: QueueBounds, description: 'How much may wait.', resolve: (row) => row }),
    fairshareAlgorithm: t.expose('fairshareAlgorithm', {
      type: FairshareAlgorithmEnum,
      description: 'Who comes next.',
    }),
    revision: t.exposeInt('revision', {
      description: 'Counts its changes, from 1; those for single models and gateways count as well.',
    }),
    updatedAt: t.expose('updatedAt', { type: 'DateTime', description: 'When it was last changed.' }),
  }),
});

export const ModelCapacity = builder.objectRef<ModelCapacityFigures>('ModelCapacity').implement({
  description: 'How many requests for a model may run at once.',
  fields: (t) => ({
    maxInFlight: t.exposeInt('maxInFlight', { description: 'How many. 0 stops everything new.' }),
    source: t.expose('source', { type: CapacitySourceEnum, description: 'Where that comes from.' }),
  }),
});

const GatewayCapacity = builder.objectRef<GatewayCapacityFigures>('GatewayCapacity').implement({
  description: 'How many requests a gateway may run at once: what was set for it, and never more than it can.',
  fields: (t) => ({
    maxInFlight: t.exposeInt('maxInFlight', { nullable: true, description: 'How many; null: any number.' }),
    source: t.expose('source', { type: CapacitySourceEnum, description: 'Where that comes from.' }),
    reportedMaxInFlight: t.exposeInt('reportedMaxInFlight', {
      nullable: true,
      description: 'How many it said that it can run; null: it did not say.',
    }),
    configuredMaxInFlight: t.exposeInt('configuredMaxInFlight', {
      nullable: true,
      description: 'How many `setCapacity` allows it; null: nothing was set.',
    }),
  }),
});

builder.objectField(Model, 'capacity', (t) =>
  t.field({
    ...requires(['capacity:read']),
    type: ModelCapacity,
    description: 'How many requests for it may run at once.',
    resolve: ({ id }, _args, context) => context.services.capacity.ofModel(context, id),
  }),
);

builder.objectField(Gateway, 'capacity', (t) =>
  t.field({
    type: GatewayCapacity,
    description: 'How many requests it may run at once.',
    resolve: (gateway, _args, context) => context.services.capacity.ofGateway(context, gateway),
  }),
);

builder.queryField('capacity', (t) =>
  t.field({
    ...requires(['capacity:read']),
    type: Capacity,
    description: 'How much may run and wait at once.',
    resolve: (_parent, _args, { services }) => services.capacity.settings(),
  }),
);
