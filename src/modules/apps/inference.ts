import { z } from 'zod';
import { distinct, listItem, plainText } from '../../graph/commands/validation.ts';
import { definedOf } from '../../graph/patches.ts';

export const inferenceBounds = {
  fallbackModels: 20,
  systemPrompt: 32_000,
  temperature: 2,
  topP: 1,
  maxOutputTokens: 100_000_000,
  timeoutMs: 3_600_000,
} as const;

const between = (minimum: number, maximum: number) => {
  const message = `From ${minimum.toLocaleString('en')} to ${maximum.toLocaleString('en')}.`;
  return [minimum, maximum, message] as const;
};

const fraction = (maximum: number) => {
  const [from, to, message] = between(0, maximum);
  return z.number().min(from, message).max(to, message).nullish();
};

const count = (maximum: number) => {
  const [from, to, message] = between(1, maximum);
  return z.int().min(from, message).max(to, message).nullish();
};

/** The rules of `InferenceConfigurationInput`. */
export const inferenceRules = z.object({
  model: listItem.nullish(),
  fallbackModels: z
    .array(listItem)
    .max(inferenceBounds.fallbackModels, `At most ${inferenceBounds.fallbackModels} models.`)
    .refine(...distinct('A model is named once.'))
    .nullish(),
  systemPrompt: plainText(inferenceBounds.systemPrompt).nullish(),
  temperature: fraction(inferenceBounds.temperature),
  topP: fraction(inferenceBounds.topP),
  maxOutputTokens: count(inferenceBounds.maxOutputTokens),
  timeoutMs: count(inferenceBounds.timeoutMs),
});

export type InferencePatch = z.infer<typeof inferenceRules>;

/** What a row keeps: nothing for what callers have to say themselves. */
export const storedInference = z.object({
  model: z.string().nullable().default(null),
  fallbackModels: z.array(z.string()).default([]),
  systemPrompt: z.string().nullable().default(null),
  temperature: z.number().nullable().default(null),
  topP: z.number().nullable().default(null),
  maxOutputTokens: z.number().nullable().default(null),
  timeoutMs: z.number().nullable().default(null),
});

export type Inference = z.infer<typeof storedInference>;

/** A configuration after a patch: an omitted setting stays, null clears it. */
export const patchedInference = (stored: unknown, { fallbackModels, ...patch }: InferencePatch): Inference => ({
  ...storedInference.parse(stored),
  ...definedOf(patch),
  ...(fallbackModels === undefined ? {} : { fallbackModels: fallbackModels ?? [] }),
});
