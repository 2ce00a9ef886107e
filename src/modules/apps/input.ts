import { z } from 'zod';
import { deletionRules } from '../../graph/commands/deletions.ts';
import { expectedRevision, idOf, nameText, plainText } from '../../graph/commands/validation.ts';
import { inferenceRules } from './inference.ts';

const reference = { appId: idOf('App'), expectedRevision };
const details = { description: plainText(2_000).optional() };

export const createAppRules = z.object({
  tenantId: idOf('Tenant').nullish(),
  name: nameText,
  ...details,
  inference: inferenceRules.nullish(),
});

export const updateAppRules = z.object({
  ...reference,
  name: nameText.optional(),
  ...details,
  inference: inferenceRules.optional(),
});

export const appStatusRules = z.object(reference);

export const deleteAppRules = z.object({ ...reference, ...deletionRules });

export type CreateApp = z.infer<typeof createAppRules>;
export type UpdateApp = z.infer<typeof updateAppRules>;
export type AppReference = z.infer<typeof appStatusRules>;
export type DeleteApp = z.infer<typeof deleteAppRules>;
