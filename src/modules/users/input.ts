import { z } from 'zod';
import { deletionRules } from '../../graph/commands/deletions.ts';
import { metadataRule } from '../../graph/commands/metadata.ts';
import { emailAddress, expectedRevision, externalId, idOf, plainText, rule } from '../../graph/commands/validation.ts';
import { limitsRules } from '../limits/limits.ts';

/** What can be said of a user, apart from its team, which `moveUser` changes. */
const details = {
  displayName: plainText(255).optional(),
  email: emailAddress.optional(),
  metadata: metadataRule.optional(),
};

const newUser = { externalId, ...details, teamId: idOf('Team').nullish(), limits: limitsRules.nullish() };

const reference = { userId: idOf('User'), expectedRevision };

/** One item of `bulkCreateUsers`, checked apart from the others. */
export const newUserRules = z.object(newUser);

export const createUserRules = z.object({ tenantId: idOf('Tenant').nullish(), ...newUser });

const bulkMessage = 'A call makes 1 to 1,000 users.';

export const bulkCreateUsersRules = z.object({
  tenantId: idOf('Tenant').nullish(),
  users: z.array(z.record(z.string(), z.unknown())).min(1, bulkMessage).max(1_000, bulkMessage),
});

export const updateUserRules = z.object({
  ...reference,
  externalId: externalId.optional(),
  ...details,
  limits: limitsRules.optional(),
});

export const moveUserRules = z
  .object({ ...reference, teamId: idOf('Team').nullish() })
  .refine(({ teamId }) => teamId !== undefined, {
    ...rule('REQUIRED', 'Name a team, or give null for none.'),
    path: ['teamId'],
  });

export const userStatusRules = z.object(reference);

export const deleteUserRules = z.object({ ...reference, ...deletionRules });

export type NewUser = z.infer<typeof newUserRules>;
export type CreateUser = z.infer<typeof createUserRules>;
export type BulkCreateUsers = z.infer<typeof bulkCreateUsersRules>;
export type UpdateUser = z.infer<typeof updateUserRules>;
export type MoveUser = z.infer<typeof moveUserRules>;
export type UserReference = z.infer<typeof userStatusRules>;
export type DeleteUser = z.infer<typeof deleteUserRules>;
