import { z } from 'zod';
import { command } from '../../graph/commands/command.ts';
import { expectedRevision, idOf, nameText, weight } from '../../graph/commands/validation.ts';
import { NameTakenError, NotFoundError, StaleRevisionError } from '../../graph/errors.ts';
import { encodeId } from '../../graph/ids.ts';
import { DefaultGroupProtectedError } from './errors.ts';
import { FairshareGroup } from './schema.ts';

const target = { type: 'FairshareGroup', field: 'fairshareGroupId' } as const;
const scopes = [['fairshare:write']] as const;

const idDescription = 'The group.';
const revisionDescription = 'The revision that you expect the group to have; at any other one nothing is changed.';

command({
  name: 'createFairshareGroup',
  description: 'Makes a fairshare group.',
  scopes,
  target: { type: 'FairshareGroup' },
  input: z.object({ name: nameText, weight }),
  fields: (t) => ({
    name: t.string({ required: true, description: 'Unique without regard to case; trimmed, 1 to 255 characters.' }),
    weight: t.int({ required: true, defaultValue: 100, description: 'Its share, 1 to 1,000,000.' }),
  }),
  errors: [NameTakenError],
  run: ({ fairshareGroups }, scope, input) => fairshareGroups.create(scope, input),
  payload: (t) => ({
    fairshareGroup: t.expose('fairshareGroup', { type: FairshareGroup, description: 'The new group.' }),
  }),
});

command({
  name: 'renameFairshareGroup',
  description: 'Gives a fairshare group another name. Its tenants stay in it.',
  scopes,
  target,
  input: z.object({ fairshareGroupId: idOf('FairshareGroup'), name: nameText, expectedRevision }),
  fields: (t) => ({
    fairshareGroupId: t.id({ required: true, description: idDescription }),
    name: t.string({ required: true, description: 'Unique without regard to case; trimmed, 1 to 255 characters.' }),
    expectedRevision: t.int({ description: revisionDescription }),
  }),
  errors: [NotFoundError, StaleRevisionError, NameTakenError, DefaultGroupProtectedError],
  run: ({ fairshareGroups }, scope, input) => fairshareGroups.rename(scope, input),
  payload: (t) => ({
    fairshareGroup: t.expose('fairshareGroup', { type: FairshareGroup, description: 'The group as it is now.' }),
  }),
});

command({
  name: 'setFairshareGroupWeight',
  description: 'Changes the share of a fairshare group. It costs the same however many tenants are in it.',
  scopes,
  target,
  input: z.object({ fairshareGroupId: idOf('FairshareGroup'), weight, expectedRevision }),
  fields: (t) => ({
    fairshareGroupId: t.id({ required: true, description: idDescription }),
    weight: t.int({ required: true, description: 'Its share, 1 to 1,000,000.' }),
    expectedRevision: t.int({ description: revisionDescription }),
  }),
  errors: [NotFoundError, StaleRevisionError],
  run: ({ fairshareGroups }, scope, input) => fairshareGroups.setWeight(scope, input),
  payload: (t) => ({
    fairshareGroup: t.expose('fairshareGroup', { type: FairshareGroup, description: 'The group as it is now.' }),
  }),
});

command({
  name: 'deleteFairshareGroup',
  description: 'Deletes a fairshare group. Its tenants move to the group that the call names, or else to `default`.',
  scopes,
  target,
  input: z.object({
    fairshareGroupId: idOf('FairshareGroup'),
    moveTenantsToId: idOf('FairshareGroup').nullish(),
    expectedRevision,
  }),
  fields: (t) => ({
    fairshareGroupId: t.id({ required: true, description: idDescription }),
    moveTenantsToId: t.id({ description: 'The group that its tenants move to. Default: the group `default`.' }),
    expectedRevision: t.int({ description: revisionDescription }),
  }),
  errors: [NotFoundError, StaleRevisionError, DefaultGroupProtectedError],
  run: ({ fairshareGroups }, scope, input) => fairshareGroups.delete(scope, input),
  payload: (t) => ({
    deletedFairshareGroupId: t.id({
      description: 'The id of the deleted group.',
      resolve: (answer) => encodeId('FairshareGroup', answer.deletedFairshareGroupId),
    }),
    fairshareGroup: t.expose('fairshareGroup', {
      type: FairshareGroup,
      description: 'The group that its tenants are in now.',
    }),
    movedTenantCount: t.exposeInt('movedTenantCount', { description: 'How many tenants moved.' }),
  }),
});
