import { z } from 'zod';
import { builder, requires } from '../../graph/builder.ts';
import { command } from '../../graph/commands/command.ts';
import { InvalidStateError } from '../../graph/errors.ts';
import type { PepperStatus } from './peppers.ts';

const HashSchemeCountType = builder.objectRef<PepperStatus['schemes'][number]>('HashSchemeCount').implement({
  description: 'How many secrets are hashed in one way.',
  fields: (t) => ({
    scheme: t.exposeString('scheme', {
      description: '`sha256` without a pepper, or the versions of the peppers in the order in which they were applied.',
    }),
    secretCount: t.exposeInt('secretCount', { description: 'How many.' }),
  }),
});

const PepperStatusType = builder.objectRef<PepperStatus>('PepperStatus').implement({
  description: 'Under which pepper secrets are hashed, and how far a change of it has come.',
  fields: (t) => ({
    currentVersion: t.exposeInt('currentVersion', { description: 'The version that new secrets get; 0: no pepper.' }),
    configuredVersions: t.intList({
      description: 'The versions that FAIRLEAD_PEPPERS gives to this process.',
      resolve: ({ configuredVersions }) => [...configuredVersions],
    }),
    changedAt: t.expose('changedAt', {
      type: 'DateTime',
      nullable: true,
      description: 'When it was last changed, if it was.',
    }),
    totalSecretCount: t.exposeInt('totalSecretCount', { description: 'How many secrets there are.' }),
    remainingSecretCount: t.exposeInt('remainingSecretCount', {
      description: 'How many of them are not under the current pepper yet; 0: the change is complete.',
    }),
    schemes: t.field({
      type: [HashSchemeCountType],
      description: 'How they are hashed. A version may leave FAIRLEAD_PEPPERS when it is in none of these.',
      resolve: ({ schemes }) => [...schemes],
    }),
  }),
});

builder.queryField('pepperStatus', (t) =>
  t.field({
    ...requires(['peppers:read']),
    type: PepperStatusType,
    description: 'Under which pepper secrets are hashed, and how far a change of it has come.',
    complexity: 5,
    resolve: (_parent, _args, { services }) => services.peppers.status(),
  }),
);

command({
  name: 'changePepper',
  description:
    'Has all secrets hashed under another pepper, which every process must have been started with. New secrets get it at once, the others in the background; all of them work meanwhile.',
  scopes: [['peppers:write']],
  input: z.object({ version: z.int().min(1, 'Versions begin at 1.') }),
  fields: (t) => ({
    version: t.int({ required: true, description: 'A version of FAIRLEAD_PEPPERS, higher than the current one.' }),
  }),
  errors: [InvalidStateError],
  run: ({ peppers }, scope, { version }) => peppers.change(scope, version),
  payload: (t) => ({
    status: t.field({
      type: PepperStatusType,
      description: 'How far it has come.',
      resolve: (_payload, _args, { services }) => services.peppers.status(),
    }),
  }),
});
