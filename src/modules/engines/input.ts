import { z } from 'zod';
import { EngineHealth, EngineStatus } from '../../database/generated/enums.ts';
import {
  engineVersionText,
  expectedRevision,
  externalId,
  idOf,
  plainText,
  rule,
} from '../../graph/commands/validation.ts';
import { existingSecretRule } from '../../graph/existing-secret.ts';

const urlLengthMax = 2_048;

/** Where an engine is reached. Credentials have no place in it: it is shown and logged. */
const engineUrl = z
  .string()
  .refine((url) => url.length <= urlLengthMax, rule('TOO_LONG', `At most ${urlLengthMax} characters.`))
  .refine(
    (url) => {
      if (!url.isWellFormed() || /[\s\p{Cc}]/u.test(url) || !URL.canParse(url)) return false;
      const { protocol, username, password } = new URL(url);
      return ['http:', 'https:'].includes(protocol) && username === '' && password === '';
    },
    rule('INVALID_URL', 'A URL is absolute, begins with http:// or https:// and has no user name or password.'),
  );

const ofUser = { productId: idOf('Product').nullish(), userExternalId: externalId };

export const registerEngineRules = z.object({
  ...ofUser,
  url: engineUrl.nullish(),
  version: engineVersionText.nullish(),
  existingSecret: existingSecretRule.nullish(),
});

export const admitEngineRules = z.object(ofUser);

export const reportEngineRules = z.object({
  engineId: idOf('Engine').nullish(),
  expectedRevision,
  status: z.enum(EngineStatus).optional(),
  health: z.enum(EngineHealth).optional(),
  version: engineVersionText.nullish(),
  url: engineUrl.nullish(),
  bootDurationMs: z.int().min(0, 'A duration is 0 or more milliseconds.').nullish(),
  message: plainText(2_000).optional(),
});

export const destroyEngineRules = z.object({ engineId: idOf('Engine'), expectedRevision });

export type RegisterEngine = z.infer<typeof registerEngineRules>;
export type AdmitEngine = z.infer<typeof admitEngineRules>;
export type ReportEngine = z.infer<typeof reportEngineRules>;
export type DestroyEngine = z.infer<typeof destroyEngineRules>;
