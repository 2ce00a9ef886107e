import { z } from 'zod';
import { engineVersionText, expectedRevision, idOf, nameText, rule } from '../../graph/commands/validation.ts';
import { isGiven } from '../../graph/given.ts';
import { limitsRules } from '../limits/limits.ts';
import { policyRules } from './policy.ts';

const slugPattern = /^[a-z0-9]+(?:-[a-z0-9]+)*$/;

const asciiLowerCase = (text: string): string => text.replace(/[A-Z]/g, (letter) => letter.toLowerCase());

/** A product's name in URLs and logs. Only ASCII letters are lower-cased: others have no place in a slug. */
const slug = z
  .string()
  .transform(asciiLowerCase)
  .refine(
    (text) => text.length >= 3 && text.length <= 63 && slugPattern.test(text),
    rule(
      'INVALID_SLUG',
      'A slug has 3 to 63 letters a to z, digits and hyphens; hyphens stand alone between the others, as in my-product-2.',
    ),
  );

export const registerProductRules = z
  .object({
    tenantId: idOf('Tenant').nullish(),
    slug,
    displayName: nameText,
    policy: policyRules.nullish(),
    limits: limitsRules.nullish(),
    engineVersion: engineVersionText.nullish(),
  })
  .refine(
    ({ policy, engineVersion }) =>
      !isGiven(engineVersion) || !isGiven(policy?.engineVersion) || policy.engineVersion === engineVersion,
    {
      ...rule('CONFLICTING_FIELDS', 'engineVersion sets policy.engineVersion; give one of the two, or the same twice.'),
      path: ['engineVersion'],
    },
  );

const ofProduct = { productId: idOf('Product'), expectedRevision };
const ofPolicy = { ...ofProduct, dryRun: z.boolean() };

export const updateProductRules = z.object({
  ...ofProduct,
  displayName: nameText.optional(),
  limits: limitsRules.optional(),
});
export const productStatusRules = z.object(ofProduct);
export const deleteProductRules = z.object({ ...ofPolicy, drainEngines: z.boolean() });
export const productPolicyRules = z.object({ ...ofPolicy, policy: policyRules });
export const revertProductPolicyRules = z.object({
  ...ofPolicy,
  version: z.int().min(1, 'Versions begin at 1.'),
});

export type RegisterProduct = z.infer<typeof registerProductRules>;
export type UpdateProduct = z.infer<typeof updateProductRules>;
export type ProductReference = z.infer<typeof productStatusRules>;
export type DeleteProduct = z.infer<typeof deleteProductRules>;
export type ChangePolicy = z.infer<typeof productPolicyRules>;
export type RevertPolicy = z.infer<typeof revertProductPolicyRules>;
