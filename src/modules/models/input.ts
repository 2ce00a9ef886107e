import { z } from 'zod';
import { ModelType } from '../../database/generated/enums.ts';
import { expectedRevision, idOf, nameText, plainText } from '../../graph/commands/validation.ts';
import { pricesRules } from './prices.ts';

const percentMessage = 'An admission weight is 1 to 10,000 percent.';

const details = {
  description: plainText(2_000).optional(),
  type: z.enum(ModelType).optional(),
  prices: pricesRules.optional(),
  admissionWeightPercent: z.int().min(1, percentMessage).max(10_000, percentMessage).optional(),
  isEnabled: z.boolean().optional(),
};

const ofModel = { modelId: idOf('Model'), expectedRevision };

export const createModelRules = z.object({ name: nameText, ...details });
export const updateModelRules = z.object({ ...ofModel, name: nameText.optional(), ...details });
export const deleteModelRules = z.object(ofModel);

export type CreateModel = z.infer<typeof createModelRules>;
export type UpdateModel = z.infer<typeof updateModelRules>;
export type ModelReference = z.infer<typeof deleteModelRules>;
