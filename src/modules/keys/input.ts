import { z } from 'zod';
import { isScope, type Scope, scopeTemplates } from '../../access/scopes.ts';
import { KeyEnvironment, KeyKind } from '../../database/generated/enums.ts';
import { metadataRule } from '../../graph/commands/metadata.ts';
import { expectedRevision, idOf, nameText, plainText, rule, weight } from '../../graph/commands/validation.ts';
import { existingSecretRule } from '../../graph/existing-secret.ts';
import { isGiven } from '../../graph/given.ts';
import { limitsRules } from '../limits/limits.ts';
import { normalIpRange, normalOrigin } from './origins.ts';
import { type KeyState, keyStates } from './states.ts';

const listMax = 100;
const modelsMax = 1_000;

const distinct = (items: readonly string[]): boolean => new Set(items).size === items.length;

const scope = z
  .string()
  .refine(isScope, {
    error: (issue) => `There is no scope "${String(issue.input).slice(0, 60)}"; scopeRegistry lists all of them.`,
    params: { rule: 'UNKNOWN_SCOPE' },
  })
  .transform((text) => text as Scope);

const scopes = z
  .array(scope)
  .min(1, 'A key has at least one scope.')
  .refine(distinct, rule('DUPLICATE', 'A scope is named once.'));

/** A list of texts that are brought into one spelling. */
const normalList = (normal: (text: string) => string | undefined, message: string) =>
  z
    .array(
      z.string().transform((text, context) => {
        const found = normal(text.trim());
        if (found !== undefined) return found;
        context.addIssue({ code: 'custom', message, params: { rule: 'INVALID_FORMAT' } });
        return z.NEVER;
      }),
    )
    .min(1, 'A list has at least one entry.')
    .max(listMax, `A list has at most ${listMax} entries.`)
    .refine(distinct, rule('DUPLICATE', 'An entry stands in the list once.'));

const allowedOrigins = normalList(
  normalOrigin,
  'An origin is a scheme and a host, such as https://app.example.com, https://*.example.com, http://localhost:* or *; without a path.',
);

const allowedIpRanges = normalList(
  normalIpRange,
  'An address or a range, such as 192.0.2.7, 10.0.0.0/8 or 2001:db8::/32.',
);

const allowedModels = z
  .array(z.string().trim().min(1, 'A model has 1 to 255 characters.').pipe(plainText(255)))
  .min(1, 'An allow-list names at least one model; null allows every one, and disableKey stops a key.')
  .max(modelsMax, `An allow-list has at most ${modelsMax} models.`)
  .refine(distinct, rule('DUPLICATE', 'A model is named once.'));

/** What a caller may say of a key, and change later. */
const details = {
  scopes: scopes.optional(),
  allowedOrigins: allowedOrigins.optional(),
  allowedIpRanges: allowedIpRanges.nullish(),
  allowedModels: allowedModels.nullish(),
  weight: weight.optional(),
  limits: limitsRules.optional(),
  expiresAt: z.date().nullish(),
  metadata: metadataRule.optional(),
};

export const createKeyRules = z.object({
  kind: z.enum(KeyKind),
  name: nameText,
  tenantId: idOf('Tenant').nullish(),
  userId: idOf('User').nullish(),
  appId: idOf('App').nullish(),
  productId: idOf('Product').nullish(),
  engineId: idOf('Engine').nullish(),
  environment: z.enum(KeyEnvironment).nullish(),
  template: z.enum(Object.keys(scopeTemplates) as [keyof typeof scopeTemplates]).nullish(),
  existingSecret: existingSecretRule.nullish(),
  ...details,
});

const ofKey = { keyId: idOf('ApiKey'), expectedRevision };

export const updateKeyRules = z.object({ ...ofKey, name: nameText.optional(), ...details });

export const keyReferenceRules = z.object(ofKey);

export const revokeKeyRules = z.object({ ...ofKey, reason: plainText(500).nullish() });

export const revokeSecretRules = z.object({ secretId: idOf('ApiKeySecret') });

const overlapSeconds = z
  .int({ error: 'An overlap is a whole number of seconds.' })
  .min(0, 'An overlap is 0 or more.')
  .nullish();

const duringOverlap = z.enum(['REFUSE', 'RETIRE_OLDEST']);

const emptyFilter = rule(
  'EMPTY_FILTER',
  'A filter names at least one condition, so that nobody means every key by leaving it out.',
);

/** A condition of several parts, of which one has to be there: without any, every key would meet it. */
const someOf = <Shape extends z.ZodRawShape>(shape: Shape) =>
  z
    .object(shape)
    .refine((parts) => Object.values(parts).some(isGiven), emptyFilter)
    .nullish();

/** What every text begins with and contains is no condition. */
const compared = z
  .string()
  .refine((text) => text !== '', emptyFilter)
  .pipe(plainText(255))
  .nullish();

const period = someOf({ from: z.date().nullish(), until: z.date().nullish() });

/** Which keys a bulk command is for. Every field may be left out, yet not all of them. */
const bulkFilter = z.object({
  ids: z
    .array(idOf('ApiKey'))
    .max(listMax * 10, `At most ${listMax * 10} ids.`)
    .nullish(),
  kinds: z.array(z.enum(KeyKind)).nullish(),
  states: z.array(z.enum(Object.keys(keyStates) as [KeyState])).nullish(),
  environment: z.enum(KeyEnvironment).nullish(),
  tenantId: idOf('Tenant').nullish(),
  userId: idOf('User').nullish(),
  appId: idOf('App').nullish(),
  productId: idOf('Product').nullish(),
  engineId: idOf('Engine').nullish(),
  name: someOf({ equals: compared, startsWith: compared }),
  startsWith: compared,
  scope: scope.nullish(),
  createdById: compared,
  createdAt: period,
  expiresAt: period,
  lastUsedAt: period,
  neverUsed: z.boolean().nullish(),
});

const bulk = {
  filter: bulkFilter.refine((filter) => Object.values(filter).some(isGiven), emptyFilter),
  dryRun: z.boolean(),
};

export const revokeKeysBulkRules = z.object({ ...bulk, reason: plainText(500).nullish() });

export const rotateKeysBulkRules = z.object({ ...bulk, overlapSeconds, duringOverlap });

const reportsMax = 1_000;

export const reportLeakedKeysRules = z
  .object({
    tokens: z.array(z.string().min(1, 'A token is not empty.').max(8_192, 'A token has at most 8,192 characters.')),
    sha256s: z.array(z.string().regex(/^[0-9a-f]{64}$/i, 'SHA-256 of a token: 64 hexadecimal digits.')),
    where: plainText(500).nullish(),
  })
  .refine(
    ({ tokens, sha256s }) => tokens.length + sha256s.length >= 1 && tokens.length + sha256s.length <= reportsMax,
    rule('OUT_OF_RANGE', `A report has 1 to ${reportsMax} tokens and hashes in all.`),
  );

export const rotateKeyRules = z.object({
  ...ofKey,
  overlapSeconds,
  duringOverlap,
  existingSecret: existingSecretRule.nullish(),
});

export type CreateKey = z.infer<typeof createKeyRules>;
export type UpdateKey = z.infer<typeof updateKeyRules>;
export type KeyReference = z.infer<typeof keyReferenceRules>;
export type RotateKey = z.infer<typeof rotateKeyRules>;
export type RevokeKey = z.infer<typeof revokeKeyRules>;
