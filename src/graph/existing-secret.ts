import { z } from 'zod';
import { builder } from './builder.ts';
import { rule } from './commands/validation.ts';

/** Own secrets are as hard to guess as those that are made here: nothing else stands between them and a caller. */
const ownSecretMin = 32;

/** A secret that a key takes over. */
export const existingSecretRule = z
  .object({
    text: z
      .string()
      .min(ownSecretMin, `A secret has at least ${ownSecretMin} characters.`)
      .max(512, 'A secret has at most 512 characters.')
      .regex(/^[\x21-\x7e]*$/, 'A secret has printable ASCII characters only, without spaces.')
      .nullish(),
    sha256: z
      .string()
      .regex(/^[0-9a-f]{64}$/i, 'SHA-256 of the secret: 64 hexadecimal digits.')
      .nullish(),
  })
  .refine(
    ({ text, sha256 }) => (text == null) !== (sha256 == null),
    rule('EXACTLY_ONE', 'Give text or sha256, one of the two.'),
  );

export type ExistingSecret = z.infer<typeof existingSecretRule>;

export const ExistingSecretInput = builder.inputType('ExistingSecretInput', {
  description: 'A secret that exists already, such as one from another system. Give one of the two.',
  fields: (t) => ({
    text: t.string({ description: 'The secret itself: 32 to 512 printable characters. It is stored as a hash.' }),
    sha256: t.string({ description: 'Its SHA-256, 64 hexadecimal digits: the secret itself is never seen here.' }),
  }),
});
