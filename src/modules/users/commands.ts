import type { InputFieldMap, ObjectFieldsShape } from '@pothos/core';
import { builder, type GraphSchemaTypes } from '../../graph/builder.ts';
import { command } from '../../graph/commands/command.ts';
import { deletionFields, removalFields } from '../../graph/commands/deletions.ts';
import { metadataBounds } from '../../graph/commands/metadata.ts';
import { errorValue, UserErrorInterface } from '../../graph/error-types.ts';
import { HasChildrenError, InvalidStateError, NotFoundError, StaleRevisionError } from '../../graph/errors.ts';
import { encodeId } from '../../graph/ids.ts';
import { LimitsInput } from '../limits/schema.ts';
import { ownerTenantDescription } from '../tenants/schema.ts';
import { type BulkItem, errorOf } from './bulk.ts';
import type { UserRow } from './entity.ts';
import { ExternalIdTakenError } from './errors.ts';
import {
  bulkCreateUsersRules,
  createUserRules,
  deleteUserRules,
  moveUserRules,
  updateUserRules,
  userStatusRules,
} from './input.ts';
import { User } from './schema.ts';

type Fields = PothosSchemaTypes.InputFieldBuilder<GraphSchemaTypes, 'InputObject'>;

const target = { type: 'User', field: 'userId' } as const;
const scopes = [['users:write']] as const;

const externalIdDescription =
  "What the tenant's own systems call it, unique in the tenant. 1 to 255 characters that can be seen, with spaces between them at most. It is kept and compared as it is written: with case, and not trimmed.";

const currentUser: ObjectFieldsShape<GraphSchemaTypes, { readonly user: UserRow }> = (t) => ({
  user: t.expose('user', { type: User, description: 'The user as it is now.' }),
});

const reference = (t: Fields) => ({
  userId: t.id({ required: true, description: 'The user.' }),
  expectedRevision: t.int({
    description: 'The revision that you expect the user to have; at any other one nothing is changed.',
  }),
});

const details = (t: Fields): InputFieldMap => ({
  displayName: t.string({ description: 'What people call it, at most 255 characters.' }),
  email: t.string({ description: 'An e-mail address of at most 254 characters, or empty.' }),
  metadata: t.field({
    type: 'JSONObject',
    description: `What you keep with it, as a whole: ${metadataBounds}. The graph never reads it.`,
  }),
});

const newUser = (t: Fields): InputFieldMap => ({
  externalId: t.string({ required: true, description: externalIdDescription }),
  ...details(t),
  teamId: t.id({ description: 'The team that it is in. Default: none.' }),
  limits: t.field({ type: LimitsInput, description: 'How much it may use. Default: everything inherits.' }),
});

command({
  name: 'createUser',
  description: 'Makes a user. It is active at once.',
  scopes,
  target: { type: 'User' },
  input: createUserRules,
  fields: (t) => ({ tenantId: t.id({ description: ownerTenantDescription }), ...newUser(t) }),
  errors: [ExternalIdTakenError, NotFoundError, InvalidStateError],
  run: ({ users }, scope, input) => users.create(scope, input),
  payload: (t) => ({ user: t.expose('user', { type: User, description: 'The new user.' }) }),
});

const NewUserInput = builder.inputType('NewUserInput', { description: 'A user to make.', fields: newUser });

const BulkCreatedUser = builder.objectRef<BulkItem>('BulkCreatedUser').implement({
  description: 'What became of one of many users: either it was made, or it was refused.',
  fields: (t) => ({
    index: t.exposeInt('index', { description: 'Its place in the input, from 0.' }),
    user: t.expose('user', { type: User, nullable: true, description: 'The new user; null: it was refused.' }),
    error: t.field({
      type: UserErrorInterface,
      nullable: true,
      description: 'Why it was refused: its rules, its team, or its external id; null: it was made.',
      resolve: (item) => {
        const error = errorOf(item);
        return error === null ? null : errorValue(error);
      },
    }),
  }),
});

command({
  name: 'bulkCreateUsers',
  description:
    'Makes many users. Those that cannot be made are answered with their error and do not stop the others; of two with the same `externalId` the first is made.',
  scopes,
  target: { type: 'Tenant', field: 'tenantId' },
  input: bulkCreateUsersRules,
  cost: ({ users }) => 10 + (Array.isArray(users) ? users.length : 0),
  fields: (t) => ({
    tenantId: t.id({ description: ownerTenantDescription }),
    users: t.field({ type: [NewUserInput], required: true, description: '1 to 1,000 users.' }),
  }),
  errors: [NotFoundError, InvalidStateError],
  run: ({ users }, scope, input) => users.createMany(scope, input),
  payload: (t) => ({
    tenantId: t.id({
      description: 'The tenant that they belong to.',
      resolve: (answer) => encodeId('Tenant', answer.tenantId),
    }),
    createdCount: t.exposeInt('createdCount', { description: 'How many were made.' }),
    results: t.field({
      type: [BulkCreatedUser],
      description: 'What became of each, in the order of the input.',
      resolve: (answer) => [...answer.items],
    }),
  }),
});

command({
  name: 'updateUser',
  description: 'Changes a user: an omitted field stays as it is.',
  scopes,
  target,
  input: updateUserRules,
  fields: (t) => ({
    ...reference(t),
    externalId: t.string({ description: externalIdDescription }),
    ...details(t),
    limits: t.field({ type: LimitsInput, description: 'The limits to set; those that are left out stay.' }),
  }),
  errors: [NotFoundError, StaleRevisionError, ExternalIdTakenError],
  run: ({ users }, scope, input) => users.update(scope, input),
  payload: currentUser,
});

command({
  name: 'moveUser',
  description: 'Puts a user into another team of its tenant, or into none. From then on it counts against that one.',
  scopes,
  target,
  input: moveUserRules,
  fields: (t) => ({
    ...reference(t),
    teamId: t.id({ description: 'The team. Needed; null: none.' }),
  }),
  errors: [NotFoundError, StaleRevisionError],
  run: ({ users }, scope, input) => users.move(scope, input),
  payload: currentUser,
});

command({
  name: 'deactivateUser',
  description:
    'Has all keys of a user refused until it is reactivated. Deactivating a deactivated one changes nothing: the first time is kept.',
  scopes,
  target,
  input: userStatusRules,
  fields: reference,
  errors: [NotFoundError, StaleRevisionError],
  run: ({ users }, scope, input) => users.deactivate(scope, input),
  payload: currentUser,
});

command({
  name: 'reactivateUser',
  description: 'Has the keys of a deactivated user accepted again. Reactivating an active one changes nothing.',
  scopes,
  target,
  input: userStatusRules,
  fields: reference,
  errors: [NotFoundError, StaleRevisionError],
  run: ({ users }, scope, input) => users.reactivate(scope, input),
  payload: currentUser,
});

command({
  name: 'deleteUser',
  description: 'Deletes a user for good. Refused while it has live keys, unless `cascade` is given.',
  scopes,
  target,
  input: deleteUserRules,
  fields: (t) => ({
    ...reference(t),
    ...deletionFields(t, 'live keys'),
  }),
  errors: [NotFoundError, StaleRevisionError, HasChildrenError],
  run: ({ users }, scope, input) => users.delete(scope, input),
  payload: (t) => ({
    deletedUserId: t.id({
      description: 'The id of the user.',
      resolve: (answer) => encodeId('User', answer.deletedUserId),
    }),
    ...removalFields(t, 'live keys and the user itself'),
  }),
});
