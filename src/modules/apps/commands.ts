import type { ObjectFieldsShape } from '@pothos/core';
import { builder, type GraphSchemaTypes } from '../../graph/builder.ts';
import { command } from '../../graph/commands/command.ts';
import { deletionFields, removalFields } from '../../graph/commands/deletions.ts';
import {
  HasChildrenError,
  InvalidStateError,
  NameTakenError,
  NotFoundError,
  StaleRevisionError,
} from '../../graph/errors.ts';
import { encodeId } from '../../graph/ids.ts';
import { ownerTenantDescription } from '../tenants/schema.ts';
import type { AppRow } from './entity.ts';
import { inferenceBounds } from './inference.ts';
import { appStatusRules, createAppRules, deleteAppRules, updateAppRules } from './input.ts';
import { App } from './schema.ts';

type Fields = PothosSchemaTypes.InputFieldBuilder<GraphSchemaTypes, 'InputObject'>;

const target = { type: 'App', field: 'appId' } as const;
const scopes = [['apps:write']] as const;

const nameDescription = 'Unique in the tenant without regard to case; trimmed, 1 to 255 characters.';
const limit = (field: keyof typeof inferenceBounds): string => inferenceBounds[field].toLocaleString('en');

const currentApp: ObjectFieldsShape<GraphSchemaTypes, { readonly app: AppRow }> = (t) => ({
  app: t.expose('app', { type: App, description: 'The application as it is now.' }),
});

const reference = (t: Fields) => ({
  appId: t.id({ required: true, description: 'The application.' }),
  expectedRevision: t.int({
    description: 'The revision that you expect the application to have; at any other one nothing is changed.',
  }),
});

const InferenceConfigurationInput = builder.inputType('InferenceConfigurationInput', {
  description: 'How an application calls models: an omitted setting stays as it is, null clears it.',
  fields: (t) => ({
    model: t.string({ description: 'The model, 1 to 255 characters; null: callers name one.' }),
    fallbackModels: t.stringList({
      description: `Models to try, in this order, when the first one cannot be had: at most ${limit('fallbackModels')}, each once.`,
    }),
    systemPrompt: t.string({
      description: `What comes before every conversation, at most ${limit('systemPrompt')} characters.`,
    }),
    temperature: t.float({ description: 'Sampling temperature, 0 to 2.' }),
    topP: t.float({ description: 'Nucleus sampling, 0 to 1.' }),
    maxOutputTokens: t.field({
      type: 'SafeInt',
      description: `The most tokens that an answer may have, 1 to ${limit('maxOutputTokens')}.`,
    }),
    timeoutMs: t.int({
      description: `Milliseconds after which a request is given up, 1 to ${limit('timeoutMs')}.`,
    }),
  }),
});

command({
  name: 'createApp',
  description: 'Makes an application. It is in use at once.',
  scopes,
  target: { type: 'App' },
  input: createAppRules,
  fields: (t) => ({
    tenantId: t.id({ description: ownerTenantDescription }),
    name: t.string({ required: true, description: nameDescription }),
    description: t.string({ description: 'Free text, at most 2,000 characters.' }),
    inference: t.field({
      type: InferenceConfigurationInput,
      description: 'How it calls models. Default: callers say everything.',
    }),
  }),
  errors: [NameTakenError, NotFoundError, InvalidStateError],
  run: ({ apps }, scope, input) => apps.create(scope, input),
  payload: (t) => ({ app: t.expose('app', { type: App, description: 'The new application.' }) }),
});

command({
  name: 'updateApp',
  description: 'Changes an application: an omitted field stays as it is.',
  scopes,
  target,
  input: updateAppRules,
  fields: (t) => ({
    ...reference(t),
    name: t.string({ description: nameDescription }),
    description: t.string({ description: 'Free text, at most 2,000 characters.' }),
    inference: t.field({
      type: InferenceConfigurationInput,
      description: 'The settings to change; those that are left out stay.',
    }),
  }),
  errors: [NotFoundError, StaleRevisionError, NameTakenError, InvalidStateError],
  run: ({ apps }, scope, input) => apps.update(scope, input),
  payload: currentApp,
});

command({
  name: 'archiveApp',
  description: 'Has all keys of an application refused and keeps it for its history. It can be restored.',
  scopes,
  target,
  input: appStatusRules,
  fields: reference,
  errors: [NotFoundError, StaleRevisionError],
  run: ({ apps }, scope, input) => apps.archive(scope, input),
  payload: currentApp,
});

command({
  name: 'restoreApp',
  description: 'Has the keys of an archived application accepted again. Restoring an active one changes nothing.',
  scopes,
  target,
  input: appStatusRules,
  fields: reference,
  errors: [NotFoundError, StaleRevisionError],
  run: ({ apps }, scope, input) => apps.restore(scope, input),
  payload: currentApp,
});

command({
  name: 'deleteApp',
  description: 'Deletes an application for good. Refused while it has live keys, unless `cascade` is given.',
  scopes,
  target,
  input: deleteAppRules,
  fields: (t) => ({
    ...reference(t),
    ...deletionFields(t, 'live keys'),
  }),
  errors: [NotFoundError, StaleRevisionError, HasChildrenError],
  run: ({ apps }, scope, input) => apps.delete(scope, input),
  payload: (t) => ({
    deletedAppId: t.id({
      description: 'The id of the application.',
      resolve: (answer) => encodeId('App', answer.deletedAppId),
    }),
    ...removalFields(t, 'live keys and the application itself'),
  }),
});
