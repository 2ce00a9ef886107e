import { builder } from '../../graph/builder.ts';
import { command } from '../../graph/commands/command.ts';
import { NotFoundError, StaleRevisionError } from '../../graph/errors.ts';
import { setCapacityRules, setFairshareAlgorithmRules } from './input.ts';
import { Capacity, FairshareAlgorithmEnum } from './schema.ts';
import { boundsOf, capacitySettings, ownCapacity } from './values.ts';

const scopes = [['capacity:write']] as const;

const revisionDescription = 'The revision that you expect capacity to have; at any other one nothing is changed.';

const QueueBoundsInput = builder.inputType('QueueBoundsInput', {
  description: 'How much may wait. What is left out stays; null goes back to the default.',
  fields: (t) => ({
    poolMax: t.int({ description: `How many may wait for one model, ${boundsOf(capacitySettings.poolQueueMax)}.` }),
    tenantMax: t.int({ description: `How many of one tenant may wait, ${boundsOf(capacitySettings.tenantQueueMax)}.` }),
    timeoutSeconds: t.int({
      description: `How many seconds one may wait, ${boundsOf(capacitySettings.queueTimeoutSeconds)}.`,
    }),
  }),
});

const ownDescription = `How many requests, ${boundsOf(ownCapacity)}.`;

const ModelCapacityInput = builder.inputType('ModelCapacityInput', {
  description: 'How many requests for one model may run at once.',
  fields: (t) => ({
    modelId: t.id({ required: true, description: 'The model.' }),
    maxInFlight: t.int({ description: `${ownDescription} Null: as every model for which nothing was set.` }),
  }),
});

const GatewayCapacityInput = builder.inputType('GatewayCapacityInput', {
  description: 'How many requests one gateway may run at once; it never gets more than it says that it can.',
  fields: (t) => ({
    gatewayId: t.id({ required: true, description: 'The gateway.' }),
    maxInFlight: t.int({ description: `${ownDescription} Null: as many as it says.` }),
  }),
});

command({
  name: 'setCapacity',
  description:
    'Sets how much may run and wait at once: what is left out stays, null goes back to the default. It acts at once, on what waits already and on every replica, and is kept. What runs is never ended: where more runs than now may, nothing new begins until enough has ended.',
  scopes,
  input: setCapacityRules,
  fields: (t) => ({
    deployment: t.int({
      description: `How many requests may run in the whole deployment, ${boundsOf(capacitySettings.deploymentMaxInFlight)}.`,
    }),
    modelDefault: t.int({
      description: `How many may run of a model for which nothing else was set, ${boundsOf(capacitySettings.modelDefaultMaxInFlight)}.`,
    }),
    queue: t.field({ type: QueueBoundsInput, description: 'How much may wait.' }),
    model: t.field({ type: ModelCapacityInput, description: 'For one model.' }),
    gateway: t.field({ type: GatewayCapacityInput, description: 'For one gateway.' }),
    expectedRevision: t.int({ description: revisionDescription }),
  }),
  errors: [NotFoundError, StaleRevisionError],
  run: ({ capacity }, scope, input) => capacity.set(scope, input),
  payload: (t) => ({
    capacity: t.expose('capacity', { type: Capacity, description: 'The capacity as it is now.' }),
  }),
});

command({
  name: 'setFairshareAlgorithm',
  description:
    'Sets by which algorithm it is decided who comes next. It acts at once on what waits: nothing is lost, and everybody begins level.',
  scopes,
  input: setFairshareAlgorithmRules,
  fields: (t) => ({
    algorithm: t.field({ type: FairshareAlgorithmEnum, required: true, description: 'The algorithm.' }),
    expectedRevision: t.int({ description: revisionDescription }),
  }),
  errors: [StaleRevisionError],
  run: ({ capacity }, scope, input) => capacity.setAlgorithm(scope, input),
  payload: (t) => ({
    capacity: t.expose('capacity', { type: Capacity, description: 'The capacity as it is now.' }),
  }),
});
