import { z } from 'zod';
import { deletionRules } from '../../graph/commands/deletions.ts';
import {
  distinct,
  emailAddress,
  expectedRevision,
  idOf,
  listItem,
  nameText,
  plainText,
  weight,
} from '../../graph/commands/validation.ts';
import { limitsRules } from '../limits/limits.ts';
import { timeZoneRule, weeklyWindowsRule } from './schedule.ts';

const allowedModelsMax = 1_000;
const keywordsMax = 1_000;

const allowedModels = z
  .array(listItem)
  .min(1, 'An allow-list names at least one model; null allows every one, and suspendTenant stops a tenant.')
  .max(allowedModelsMax, `An allow-list has at most ${allowedModelsMax} models.`)
  .refine(...distinct('A model is named once.'));

export const guardrailsActions = ['BLOCK', 'REDACT', 'LOG_ONLY'] as const;

export const guardrailsPolicy = z.object({
  action: z.enum(guardrailsActions),
  scanners: z.array(listItem).max(keywordsMax, `At most ${keywordsMax} scanners.`),
  guardModel: listItem.nullish().transform((model) => model ?? null),
  banKeywords: z.array(listItem).max(keywordsMax, `At most ${keywordsMax} keywords.`),
  failOpen: z.boolean(),
});

export type GuardrailsPolicy = z.infer<typeof guardrailsPolicy>;

/** What a caller may say of a tenant besides its name, weight, group and limits. */
const details = {
  description: plainText(2_000).optional(),
  organization: plainText(255).optional(),
  contactEmail: emailAddress.optional(),
  timeZone: timeZoneRule.optional(),
  activeFrom: z.date().nullish(),
  activeUntil: z.date().nullish(),
  weeklyWindows: weeklyWindowsRule.nullish(),
  allowedModels: allowedModels.nullish(),
  tracingEnabled: z.boolean().optional(),
  guardrailsPolicy: guardrailsPolicy.nullish(),
  synthetic: z.boolean().optional(),
};

const ofTenant = { tenantId: idOf('Tenant'), expectedRevision };

export const createTenantRules = z.object({
  name: nameText,
  weight: weight.optional(),
  fairshareGroupId: idOf('FairshareGroup').nullish(),
  limits: limitsRules.nullish(),
  ...details,
});

export const updateTenantRules = z.object({ ...ofTenant, name: nameText.optional(), ...details });

export const setTenantWeightRules = z.object({ ...ofTenant, weight });

export const setTenantLimitsRules = z.object({ ...ofTenant, limits: limitsRules });

export const setTenantGroupRules = z.object({ ...ofTenant, fairshareGroupId: idOf('FairshareGroup') });

export const tenantStatusRules = z.object(ofTenant);

export const deleteTenantRules = z.object({ ...ofTenant, ...deletionRules });

export type CreateTenant = z.infer<typeof createTenantRules>;
export type UpdateTenant = z.infer<typeof updateTenantRules>;
export type TenantDetails = Omit<UpdateTenant, 'tenantId' | 'expectedRevision' | 'name'>;
export type TenantReference = z.infer<typeof tenantStatusRules>;
export type DeleteTenant = z.infer<typeof deleteTenantRules>;
