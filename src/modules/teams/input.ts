import { z } from 'zod';
import { expectedRevision, idOf, nameText, plainText } from '../../graph/commands/validation.ts';
import { limitsRules } from '../limits/limits.ts';

const reference = { teamId: idOf('Team'), expectedRevision };
const description = plainText(2_000).optional();
const shareBounds = 'A share is 1 to 100 percent; null lets one user take all.';
const userSharePercent = z.int().min(1, shareBounds).max(100, shareBounds).nullish();

export const createTeamRules = z.object({
  tenantId: idOf('Tenant').nullish(),
  name: nameText,
  description,
  limits: limitsRules.nullish(),
  userSharePercent,
});

export const updateTeamRules = z.object({
  ...reference,
  name: nameText.optional(),
  description,
  limits: limitsRules.optional(),
  userSharePercent,
});

export const deleteTeamRules = z.object({
  ...reference,
  moveUsersToTeamId: idOf('Team').nullish(),
  dryRun: z.boolean(),
});

export type CreateTeam = z.infer<typeof createTeamRules>;
export type UpdateTeam = z.infer<typeof updateTeamRules>;
export type DeleteTeam = z.infer<typeof deleteTeamRules>;
export type TeamReference = Pick<UpdateTeam, 'teamId' | 'expectedRevision'>;
