import { builder } from '../../graph/builder.ts';
import { command } from '../../graph/commands/command.ts';
import { errorValue, UserErrorInterface } from '../../graph/error-types.ts';
import { InvalidStateError, NotFoundError, revivedError, StaleRevisionError } from '../../graph/errors.ts';
import { ExistingSecretInput } from '../../graph/existing-secret.ts';
import { OneTimeSecretType } from '../../graph/one-time-secret.ts';
import type { RotatedKey } from './bulk.ts';
import { currentKey, keyReference } from './commands.ts';
import { LastAdminKeyError, PrivilegeEscalationError, RotationInProgressError } from './errors.ts';
import {
  keyReferenceRules,
  reportLeakedKeysRules,
  revokeKeysBulkRules,
  revokeSecretRules,
  rotateKeyRules,
  rotateKeysBulkRules,
} from './input.ts';
import { ApiKeyFilterInput } from './queries.ts';
import { ApiKey, ApiKeySecret } from './schema.ts';

const target = { type: 'ApiKey', field: 'keyId' } as const;
const scopes = [['keys:write']] as const;

const DuringOverlapEnum = builder.enumType('DuringOverlap', {
  description: 'What a rotation does when an older secret of the key is still accepted.',
  values: {
    REFUSE: { description: 'Nothing: it is refused with ROTATION_IN_PROGRESS.' },
    RETIRE_OLDEST: { description: 'The older secret is refused at once, and the newest becomes the older one.' },
  } as const,
});

const overlapDescription =
  "How long the secret of before is accepted as well, in seconds, within the deployment's bounds (0 to 300 unless it was configured otherwise). Default: the longest.";

/** Why a key is not rotated. */
const rotationErrors = [
  NotFoundError,
  StaleRevisionError,
  InvalidStateError,
  PrivilegeEscalationError,
  RotationInProgressError,
];

command({
  name: 'rotateKey',
  description:
    'Gives a key a new secret, which is shown this once. The one before works until the end of the overlap, to the millisecond; nothing else of the key changes.',
  scopes,
  target,
  input: rotateKeyRules,
  fields: (t) => ({
    ...keyReference(t),
    overlapSeconds: t.int({ description: overlapDescription }),
    duringOverlap: t.field({
      type: DuringOverlapEnum,
      required: true,
      defaultValue: 'REFUSE',
      description: 'What happens when an older secret is still accepted.',
    }),
    existingSecret: t.field({
      type: ExistingSecretInput,
      description: 'A secret that the key takes over. Default: a new one is made.',
    }),
  }),
  errors: rotationErrors,
  run: ({ keyRotation }, scope, input) => keyRotation.rotate(scope, input),
  payload: (t) => ({
    key: t.expose('key', { type: ApiKey, description: 'The key as it is now.' }),
    secret: t.expose('secret', {
      type: OneTimeSecretType,
      nullable: true,
      description: 'Its new secret; null when you brought your own.',
    }),
    retiringUntil: t.expose('retiringUntil', {
      type: 'DateTime',
      description: 'The secret of before is refused from this time on.',
    }),
  }),
});

command({
  name: 'cancelRotation',
  description: 'Takes the newest secret back while the one before is still accepted, which then stays for good.',
  scopes,
  target,
  input: keyReferenceRules,
  fields: keyReference,
  errors: [NotFoundError, StaleRevisionError, InvalidStateError, PrivilegeEscalationError],
  run: ({ keyRotation }, scope, input) => keyRotation.cancel(scope, input),
  payload: currentKey,
});

command({
  name: 'revokeSecret',
  description: 'Refuses one secret of a key from now on. The key and its other secrets stay.',
  scopes,
  target: { type: 'ApiKeySecret', field: 'secretId' },
  input: revokeSecretRules,
  fields: (t) => ({ secretId: t.id({ required: true, description: 'The secret.' }) }),
  errors: [NotFoundError, LastAdminKeyError],
  run: ({ keyRotation }, scope, { secretId }) => keyRotation.revokeSecret(scope, secretId),
  payload: (t) => ({
    key: t.expose('key', { type: ApiKey, description: 'The key as it is now.' }),
    secret: t.expose('secret', { type: ApiKeySecret, description: 'The secret as it is now.' }),
  }),
});

const RotatedKeyType = builder.objectRef<RotatedKey>('RotatedKey').implement({
  description: 'What became of one of many keys.',
  fields: (t) => ({
    key: t.expose('key', { type: ApiKey, description: 'The key.' }),
    secret: t.expose('secret', {
      type: OneTimeSecretType,
      nullable: true,
      description: 'Its new secret; null when it was not rotated.',
    }),
    retiringUntil: t.expose('retiringUntil', {
      type: 'DateTime',
      nullable: true,
      description: 'Its secret of before is refused from this time on; null when it was not rotated.',
    }),
    error: t.field({
      type: UserErrorInterface,
      nullable: true,
      description: 'Why it was left as it was.',
      resolve: ({ error }) => (error === null ? null : errorValue(revivedError(error, rotationErrors))),
    }),
  }),
});

const filterDescription = 'Which keys; at least one condition.';
const dryRunDescription = 'Only say which keys it would be.';

command({
  name: 'rotateKeysBulk',
  description:
    'Rotates every key that a filter finds, at most 1,000. One that cannot be rotated does not stop the others.',
  scopes,
  input: rotateKeysBulkRules,
  fields: (t) => ({
    filter: t.field({ type: ApiKeyFilterInput, required: true, description: filterDescription }),
    overlapSeconds: t.int({ description: overlapDescription }),
    duringOverlap: t.field({
      type: DuringOverlapEnum,
      required: true,
      defaultValue: 'REFUSE',
      description: 'What happens to those of which an older secret is still accepted.',
    }),
    dryRun: t.boolean({ required: true, defaultValue: false, description: dryRunDescription }),
  }),
  run: ({ keyBulk }, scope, input) => keyBulk.rotate(scope, input),
  payload: (t) => ({
    dryRun: t.exposeBoolean('dryRun', { description: 'True: nothing was changed, this is what would be.' }),
    matchedCount: t.exposeInt('matchedCount', { description: 'How many keys the filter found.' }),
    rotatedCount: t.exposeInt('rotatedCount', { description: 'How many of them were rotated.' }),
    results: t.field({
      type: [RotatedKeyType],
      description: 'What became of each.',
      resolve: ({ results }) => [...results],
    }),
  }),
});

command({
  name: 'revokeKeysBulk',
  description: 'Revokes every key that a filter finds, however many.',
  scopes,
  input: revokeKeysBulkRules,
  fields: (t) => ({
    filter: t.field({ type: ApiKeyFilterInput, required: true, description: filterDescription }),
    reason: t.string({ description: 'Why, at most 500 characters.' }),
    dryRun: t.boolean({ required: true, defaultValue: false, description: dryRunDescription }),
  }),
  errors: [LastAdminKeyError],
  run: ({ keyBulk }, scope, input) => keyBulk.revoke(scope, input),
  payload: (t) => ({
    dryRun: t.exposeBoolean('dryRun', { description: 'True: nothing was changed, this is what would be.' }),
    revokedCount: t.int({
      description: 'How many keys were revoked; those that had been revoked before are not counted.',
      resolve: ({ matchedCount }) => matchedCount,
    }),
  }),
});

command({
  name: 'reportLeakedKeys',
  description:
    'Revokes keys that were found where they should not be. The answer says nothing of whether they existed.',
  scopes: [['keys:report']],
  input: reportLeakedKeysRules,
  fields: (t) => ({
    tokens: t.stringList({ required: true, defaultValue: [], description: 'What was found, as it was found.' }),
    sha256s: t.stringList({
      required: true,
      defaultValue: [],
      description:
        'SHA-256 of what was found, 64 hexadecimal digits each: for those who do not want to pass secrets on.',
    }),
    where: t.string({ description: 'Where it was found, at most 500 characters; for the audit log.' }),
  }),
  run: ({ leakReports }, scope, { tokens, sha256s, where }) =>
    leakReports.report(scope, { tokens, sha256s, where: where ?? null }),
  payload: (t) => ({
    reportedCount: t.exposeInt('reportedCount', { description: 'How many tokens and hashes the report had.' }),
  }),
});
