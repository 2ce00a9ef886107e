import { command } from '../../graph/commands/command.ts';
import { InvalidStateError, NameTakenError, NotFoundError, StaleRevisionError } from '../../graph/errors.ts';
import { encodeId } from '../../graph/ids.ts';
import { LimitsInput } from '../limits/schema.ts';
import { ownerTenantDescription } from '../tenants/schema.ts';
import { createTeamRules, deleteTeamRules, updateTeamRules } from './input.ts';
import { Team } from './schema.ts';

const target = { type: 'Team', field: 'teamId' } as const;
const scopes = [['teams:write']] as const;

const idDescription = 'The team.';
const nameDescription = 'Unique in the tenant without regard to case; trimmed, 1 to 255 characters.';
const shareDescription = 'How much of each limit of the team one user can take, in percent, 1 to 100; null: all of it.';
const revisionDescription = 'The revision that you expect the team to have; at any other one nothing is changed.';

command({
  name: 'createTeam',
  description: 'Makes a team.',
  scopes,
  target: { type: 'Team' },
  input: createTeamRules,
  fields: (t) => ({
    tenantId: t.id({ description: ownerTenantDescription }),
    name: t.string({ required: true, description: nameDescription }),
    description: t.string({ description: 'Free text, at most 2,000 characters.' }),
    limits: t.field({
      type: LimitsInput,
      description: 'How much its users may use together. Default: everything inherits.',
    }),
    userSharePercent: t.int({ description: `${shareDescription} Default: null.` }),
  }),
  errors: [NameTakenError, NotFoundError, InvalidStateError],
  run: ({ teams }, scope, input) => teams.create(scope, input),
  payload: (t) => ({ team: t.expose('team', { type: Team, description: 'The new team.' }) }),
});

command({
  name: 'updateTeam',
  description: 'Changes a team: an omitted field stays as it is.',
  scopes,
  target,
  input: updateTeamRules,
  fields: (t) => ({
    teamId: t.id({ required: true, description: idDescription }),
    expectedRevision: t.int({ description: revisionDescription }),
    name: t.string({ description: nameDescription }),
    description: t.string({ description: 'Free text, at most 2,000 characters.' }),
    limits: t.field({ type: LimitsInput, description: 'The limits to set; those that are left out stay.' }),
    userSharePercent: t.int({ description: shareDescription }),
  }),
  errors: [NotFoundError, StaleRevisionError, NameTakenError],
  run: ({ teams }, scope, input) => teams.update(scope, input),
  payload: (t) => ({ team: t.expose('team', { type: Team, description: 'The team as it is now.' }) }),
});

command({
  name: 'deleteTeam',
  description: 'Deletes a team. Its users stay: without a team, or in the team that the call names.',
  scopes,
  target,
  input: deleteTeamRules,
  fields: (t) => ({
    teamId: t.id({ required: true, description: idDescription }),
    expectedRevision: t.int({ description: revisionDescription }),
    moveUsersToTeamId: t.id({
      description: 'The team of the same tenant that its users move to. Default: they are without a team.',
    }),
    dryRun: t.boolean({ required: true, defaultValue: false, description: 'Only say what would happen.' }),
  }),
  errors: [NotFoundError, StaleRevisionError],
  run: ({ teams }, scope, input) => teams.delete(scope, input),
  payload: (t) => ({
    deletedTeamId: t.id({
      description: 'The id of the team.',
      resolve: (answer) => encodeId('Team', answer.deletedTeamId),
    }),
    dryRun: t.exposeBoolean('dryRun', { description: 'True: nothing was changed, this is what would be.' }),
    movedUserCount: t.exposeInt('movedUserCount', { description: 'How many users were in it.' }),
    movedToTeam: t.expose('movedToTeam', {
      type: Team,
      nullable: true,
      description: 'The team that they are in now; null: they are without a team.',
    }),
  }),
});
