import type { GraphSchemaTypes } from '../../graph/builder.ts';
import { command } from '../../graph/commands/command.ts';
import { InvalidStateError, NotFoundError, StaleRevisionError } from '../../graph/errors.ts';
import { ExistingSecretInput } from '../../graph/existing-secret.ts';
import { encodeId } from '../../graph/ids.ts';
import { OneTimeSecretType } from '../../graph/one-time-secret.ts';
import { PrivilegeEscalationError } from '../keys/errors.ts';
import { ApiKey } from '../keys/schema.ts';
import { EngineAlreadyExistsError, QuotaExceededError } from './errors.ts';
import { destroyEngineRules, registerEngineRules, reportEngineRules } from './input.ts';
import { Engine, EngineHealthEnum, EngineStatusEnum } from './schema.ts';

type Fields = PothosSchemaTypes.InputFieldBuilder<GraphSchemaTypes, 'InputObject'>;

const target = { type: 'Engine', field: 'engineId' } as const;

const expectedRevision = (t: Fields) => ({
  expectedRevision: t.int({
    description: 'The revision that you expect the engine to have; at any other one nothing is changed.',
  }),
});

const urlDescription = 'Where it is reached: http or https, at most 2,048 characters, without user name and password.';

command({
  name: 'registerEngine',
  description:
    'Registers an instance of a product for one of its users, with a key that can do what you can of the scope template `engine_runtime`. It counts against `maxEngines` of the policy until it is destroyed.',
  scopes: [['engines:write']],
  target: { type: 'Engine' },
  input: registerEngineRules,
  fields: (t) => ({
    productId: t.id({ description: 'The product. Default: the one that your key is of.' }),
    userExternalId: t.string({
      required: true,
      description: "The product's own name for the user, kept as it is, 1 to 255 characters; one engine for each user.",
    }),
    url: t.string({ description: urlDescription }),
    version: t.string({ description: 'What it runs, 1 to 255 characters.' }),
    existingSecret: t.field({
      type: ExistingSecretInput,
      description:
        'The secret that the engine has as its key already, itself or as a hash. Default: a new one is made.',
    }),
  }),
  errors: [NotFoundError, InvalidStateError, EngineAlreadyExistsError, QuotaExceededError, PrivilegeEscalationError],
  run: ({ engines }, scope, input) => engines.register(scope, input),
  payload: (t) => ({
    engine: t.expose('engine', { type: Engine, description: 'The new engine.' }),
    key: t.expose('key', {
      type: ApiKey,
      description: 'Its key. It can be rotated whatever the engine does, and goes when the engine is destroyed.',
    }),
    secret: t.expose('secret', {
      type: OneTimeSecretType,
      nullable: true,
      description: 'The secret of its key, shown this once; null when you brought your own.',
    }),
  }),
});

command({
  name: 'reportEngine',
  description:
    'Says how an engine is: what is omitted stays as it is. A report of what is known already is noted with its time and changes nothing else.',
  scopes: [['engines:report'], ['engines:write']],
  target,
  input: reportEngineRules,
  fields: (t) => ({
    engineId: t.id({ description: 'The engine. Default: the one that your key is of.' }),
    ...expectedRevision(t),
    status: t.field({ type: EngineStatusEnum, description: 'What it does. DESTROYING is final.' }),
    health: t.field({ type: EngineHealthEnum, description: 'How it is.' }),
    version: t.string({ description: 'What it runs, 1 to 255 characters; null: not known.' }),
    url: t.string({ description: `${urlDescription} Null: not known.` }),
    bootDurationMs: t.int({ description: 'How many milliseconds it took to come up; null: not known.' }),
    message: t.string({ description: 'What there is to say in words, at most 2,000 characters; empty: nothing.' }),
  }),
  errors: [NotFoundError, StaleRevisionError, InvalidStateError],
  run: ({ engines }, scope, input) => engines.report(scope, input),
  payload: (t) => ({
    engine: t.field({
      type: Engine,
      description:
        'The engine as it is now. Who is bound to the product reads it by this: a call that counts against its rate limit, past which the report is taken over and the engine not shown.',
      resolve: async ({ engine }, _args, { principal, services }) => {
        await services.engines.countRead(principal);
        return engine;
      },
    }),
  }),
});

command({
  name: 'destroyEngine',
  description:
    'Removes an engine and its keys, which frees its place. Whoever runs it has to stop it. A product that is being deleted goes with its last engine.',
  scopes: [['engines:write']],
  target,
  input: destroyEngineRules,
  fields: (t) => ({ engineId: t.id({ required: true, description: 'The engine.' }), ...expectedRevision(t) }),
  errors: [NotFoundError, StaleRevisionError],
  run: ({ engines }, scope, input) => engines.destroy(scope, input),
  payload: (t) => ({
    destroyedEngineId: t.id({
      description: 'The id of the engine.',
      resolve: (answer) => encodeId('Engine', answer.destroyedEngineId),
    }),
    deletedProductId: t.id({
      nullable: true,
      description: 'The product that waited for this engine and was deleted with it; null: none did.',
      resolve: ({ deletedProductId }) => (deletedProductId === null ? null : encodeId('Product', deletedProductId)),
    }),
  }),
});
