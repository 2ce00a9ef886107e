import type { ObjectFieldsShape } from '@pothos/core';
import type { GraphSchemaTypes } from '../../graph/builder.ts';
import { command } from '../../graph/commands/command.ts';
import { runtimeCommand } from '../../graph/commands/runtime-command.ts';
import { InvalidStateError, NameTakenError, NotFoundError } from '../../graph/errors.ts';
import type { Pace } from './heartbeats.ts';
import { deregisterGatewayRules, gatewayHeartbeatRules, leasesMax, registerGatewayRules } from './input.ts';
import { Gateway } from './schema.ts';

const target = { type: 'Gateway', field: 'gatewayId' } as const;

const pace: ObjectFieldsShape<GraphSchemaTypes, Pace> = (t) => ({
  heartbeatSeconds: t.exposeInt('heartbeatSeconds', {
    description: 'After how many seconds to send the next heartbeat.',
  }),
  silenceSeconds: t.exposeInt('silenceSeconds', {
    description: 'After how many seconds without one the gateway counts as silent.',
  }),
});

command({
  name: 'registerGateway',
  description:
    'Tells that a gateway has started. It belongs to what your credential belongs to: the deployment or a tenant. The same credential may register the same name as often as it likes; another one may do so once the gateway was deregistered. Whatever is left out is as if the gateway had never said it.',
  scopes: [['gateways:report']],
  target: { type: 'Gateway' },
  input: registerGatewayRules,
  fields: (t) => ({
    name: t.string({
      required: true,
      description:
        'What it calls itself, the same at each start: unique in its tenant, or among those of the deployment, without regard to case; trimmed, 1 to 255 characters.',
    }),
    version: t.string({ description: 'What it runs, at most 255 characters.' }),
    address: t.string({ description: 'Where it is, for people to find it, at most 500 characters.' }),
    maxInFlight: t.int({
      description: 'How many requests it can run at once, 1 to 1,000,000. Default: any number.',
    }),
  }),
  errors: [NameTakenError],
  run: ({ gateways }, scope, input) => gateways.register(scope, input),
  payload: (t) => ({
    gateway: t.expose('gateway', { type: Gateway, description: 'The gateway.' }),
    ...pace(t),
  }),
});

runtimeCommand({
  name: 'gatewayHeartbeat',
  description:
    'Tells that a gateway is there, and what it runs. Only the credential that registered the gateway can. It is seen by everybody within about a second; the audit log does not have it. A gateway that was silent for 30 days is forgotten, and its heartbeat is NOT_FOUND: register it again.',
  scopes: [['gateways:report']],
  input: gatewayHeartbeatRules,
  fields: (t) => ({
    gatewayId: t.id({ required: true, description: 'The gateway.' }),
    inFlight: t.int({ required: true, description: 'How many requests it runs now, 0 to 1,000,000.' }),
    leaseIds: t.stringList({
      description: `The leases that it holds, at most ${leasesMax.toLocaleString('en')}. Default: it does not say.`,
    }),
  }),
  errors: [NotFoundError, InvalidStateError],
  run: ({ gatewayHeartbeats }, scope, input) => gatewayHeartbeats.accept(scope, input),
  payload: (t) => ({
    receivedAt: t.expose('receivedAt', {
      type: 'DateTime',
      description: 'When it was heard, by the clock of the server.',
    }),
    ...pace(t),
  }),
});

command({
  name: 'deregisterGateway',
  description:
    'Tells that a gateway has stopped. The credential that registered it can, and whoever holds gateways:write. Its name is free then; registering it again brings it back, within 30 days, after which it is forgotten. Of one that has left already nothing changes.',
  scopes: [['gateways:report'], ['gateways:write']],
  target,
  input: deregisterGatewayRules,
  fields: (t) => ({ gatewayId: t.id({ required: true, description: 'The gateway.' }) }),
  errors: [NotFoundError],
  run: ({ gateways }, scope, input) => gateways.deregister(scope, input),
  payload: (t) => ({
    gateway: t.expose('gateway', { type: Gateway, description: 'The gateway as it is now.' }),
  }),
});
