import type { InputFieldMap, ObjectFieldsShape } from '@pothos/core';
import type { GraphSchemaTypes } from '../../graph/builder.ts';
import { command } from '../../graph/commands/command.ts';
import { metadataBounds } from '../../graph/commands/metadata.ts';
import { InvalidStateError, NotFoundError, StaleRevisionError } from '../../graph/errors.ts';
import { ExistingSecretInput } from '../../graph/existing-secret.ts';
import { encodeId } from '../../graph/ids.ts';
import { OneTimeSecretType } from '../../graph/one-time-secret.ts';
import { LimitsInput } from '../limits/schema.ts';
import { ScopeTemplateEnum } from '../scopes/schema.ts';
import { LastAdminKeyError, PrivilegeEscalationError } from './errors.ts';
import { createKeyRules, keyReferenceRules, revokeKeyRules, updateKeyRules } from './input.ts';
import { ApiKey, KeyEnvironmentEnum, KeyKindEnum } from './schema.ts';
import type { KeyAnswer } from './service.ts';

type Fields = PothosSchemaTypes.InputFieldBuilder<GraphSchemaTypes, 'InputObject'>;

const target = { type: 'ApiKey', field: 'keyId' } as const;
const scopes = [['keys:write']] as const;

export const keyReference = (t: Fields) => ({
  keyId: t.id({ required: true, description: 'The key.' }),
  expectedRevision: t.int({
    description: 'The revision that you expect the key to have; at any other one nothing is changed.',
  }),
});

export const currentKey: ObjectFieldsShape<GraphSchemaTypes, KeyAnswer> = (t) => ({
  key: t.expose('key', { type: ApiKey, description: 'The key as it is now.' }),
});

const details = (t: Fields): InputFieldMap => ({
  scopes: t.stringList({
    description: 'What it may do: scopes that its kind may hold and that you hold yourself. See `scopeRegistry`.',
  }),
  allowedOrigins: t.stringList({
    description:
      'Of publishable keys, which need it: https://app.example.com, https://*.example.com (what is below it), http://localhost:*, or * for every origin. At most 100.',
  }),
  allowedIpRanges: t.stringList({
    description: 'The addresses that it is accepted from, as 192.0.2.7 or 10.0.0.0/8, at most 100. Default: every one.',
  }),
  allowedModels: t.stringList({
    description: "The only models that it may use, at most 1,000. Default: all of the tenant's.",
  }),
  weight: t.int({
    description:
      'Its share of the slots among the keys of its tenant, 1 to 1,000,000. Of a new key, 100 unless this says otherwise. Who is bound to less than the tenant gives no more than 100, or than its own key has.',
  }),
  limits: t.field({ type: LimitsInput, description: 'How much it may use. Default: everything inherits.' }),
  expiresAt: t.field({
    type: 'DateTime',
    description: 'It is refused from this time on. Default: it does not expire.',
  }),
  metadata: t.field({
    type: 'JSONObject',
    description: `Whatever you want to keep with it: ${metadataBounds}. It replaces what was there.`,
  }),
});

command({
  name: 'createKey',
  description:
    'Makes a key and its first secret, which is shown this once. It can do no more than your own credential: scopes, limits, models, addresses and expiry.',
  scopes,
  target: { type: 'ApiKey' },
  input: createKeyRules,
  fields: (t) => ({
    kind: t.field({ type: KeyKindEnum, required: true, description: 'What it is for; it decides whose it has to be.' }),
    name: t.string({ required: true, description: 'What people call it; trimmed, 1 to 255 characters, not unique.' }),
    tenantId: t.id({
      description: 'The tenant of a TENANT, PUBLISHABLE or GATEWAY key. Default: your own, or that of the owner.',
    }),
    userId: t.id({ description: 'The user of a USER key. Default: your own.' }),
    appId: t.id({ description: 'The application of an APP key; a PUBLISHABLE key may name one.' }),
    productId: t.id({ description: 'The product of a PRODUCT key. Default: your own.' }),
    engineId: t.id({ description: 'The engine of an ENGINE key.' }),
    environment: t.field({ type: KeyEnvironmentEnum, description: 'Of APP and PUBLISHABLE keys, which need it.' }),
    template: t.field({
      type: ScopeTemplateEnum,
      description:
        'Instead of scopes: all of those of a template, but of keys other than ADMIN those that a tenant can hold. Default for PUBLISHABLE, PRODUCT, ENGINE and GATEWAY keys: what you hold of the template of the kind.',
    }),
    existingSecret: t.field({
      type: ExistingSecretInput,
      description: 'A secret that the key takes over. Default: a new one is made.',
    }),
    ...details(t),
  }),
  errors: [NotFoundError, InvalidStateError, PrivilegeEscalationError],
  run: ({ keys }, scope, input) => keys.create(scope, input),
  payload: (t) => ({
    key: t.expose('key', { type: ApiKey, description: 'The new key.' }),
    secret: t.expose('secret', {
      type: OneTimeSecretType,
      nullable: true,
      description: 'Its secret; null when you brought your own.',
    }),
  }),
});

command({
  name: 'updateKey',
  description:
    'Changes a key: an omitted field stays, null clears those that can be null. What it can do may not go beyond your own credential.',
  scopes,
  target,
  input: updateKeyRules,
  fields: (t) => ({
    ...keyReference(t),
    name: t.string({ description: 'What people call it; trimmed, 1 to 255 characters.' }),
    ...details(t),
  }),
  errors: [NotFoundError, StaleRevisionError, InvalidStateError, PrivilegeEscalationError, LastAdminKeyError],
  run: ({ keys }, scope, input) => keys.update(scope, input),
  payload: currentKey,
});

command({
  name: 'disableKey',
  description: 'Refuses a key from now on, until it is enabled again.',
  scopes,
  target,
  input: keyReferenceRules,
  fields: keyReference,
  errors: [NotFoundError, StaleRevisionError, InvalidStateError, LastAdminKeyError],
  run: ({ keys }, scope, input) => keys.disable(scope, input),
  payload: currentKey,
});

command({
  name: 'enableKey',
  description: 'Accepts a disabled key again. It can do no more than your own credential.',
  scopes,
  target,
  input: keyReferenceRules,
  fields: keyReference,
  errors: [NotFoundError, StaleRevisionError, InvalidStateError, PrivilegeEscalationError],
  run: ({ keys }, scope, input) => keys.enable(scope, input),
  payload: currentKey,
});

command({
  name: 'revokeKey',
  description: 'Refuses a key and all of its secrets from now on, for good. A second time changes nothing.',
  scopes,
  target,
  input: revokeKeyRules,
  fields: (t) => ({
    ...keyReference(t),
    reason: t.string({ description: 'Why, at most 500 characters.' }),
  }),
  errors: [NotFoundError, StaleRevisionError, LastAdminKeyError],
  run: ({ keys }, scope, input) => keys.revoke(scope, input),
  payload: currentKey,
});

command({
  name: 'deleteKey',
  description: 'Deletes a key with its secrets. Its audit log stays. To keep its history at hand, revoke it instead.',
  scopes,
  target,
  input: keyReferenceRules,
  fields: keyReference,
  errors: [NotFoundError, StaleRevisionError, LastAdminKeyError],
  run: ({ keys }, scope, input) => keys.delete(scope, input),
  payload: (t) => ({
    deletedKeyId: t.id({
      description: 'The id of the key.',
      resolve: ({ deletedKeyId }) => encodeId('ApiKey', deletedKeyId),
    }),
  }),
});
