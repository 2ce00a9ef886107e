import { z } from 'zod';
import type { Product, ProductPolicyVersion } from '../../database/generated/client.ts';
import type { JsonObject } from '../../graph/audit.ts';
import { engineVersionText } from '../../graph/commands/validation.ts';

/** The columns in which a product and each version of its policy hold the policy's values. */
export const policyColumns = [
  'maxEngines',
  'rateLimitRpm',
  'engineVersion',
  'rolloutEngineVersion',
  'rolloutPercent',
] as const satisfies readonly (keyof Product & keyof ProductPolicyVersion)[];

export type PolicyValues = Pick<Product, (typeof policyColumns)[number]>;

/** A policy as the graph shows it. */
export interface Policy extends PolicyValues {
  readonly version: number;
}

const int32Max = 2_147_483_647;

const limit = (what: string) =>
  z
    .int()
    .min(0, `${what} is 0 or more; 0 blocks, null is unlimited.`)
    .max(int32Max, `${what} is at most ${int32Max.toLocaleString('en')}.`)
    .nullish();

/** The rules of `ProductPolicyInput`. */
export const policyRules = z.object({
  maxEngines: limit('maxEngines'),
  rateLimitRpm: limit('rateLimitRpm'),
  engineVersion: engineVersionText.nullish(),
  rollout: z
    .object({
      engineVersion: engineVersionText,
      percent: z.int().min(0, 'A percentage is 0 to 100.').max(100, 'A percentage is 0 to 100.'),
    })
    .nullish(),
});

export type PolicyInput = z.infer<typeof policyRules>;

/** The values that a patch changes: what is omitted stays, null clears, and a rollout is replaced as a whole. */
export function policyPatch({ maxEngines, rateLimitRpm, engineVersion, rollout }: PolicyInput): Partial<PolicyValues> {
  return {
    ...(maxEngines === undefined ? {} : { maxEngines }),
    ...(rateLimitRpm === undefined ? {} : { rateLimitRpm }),
    ...(engineVersion === undefined ? {} : { engineVersion }),
    ...(rollout === undefined
      ? {}
      : { rolloutEngineVersion: rollout?.engineVersion ?? null, rolloutPercent: rollout?.percent ?? null }),
  };
}

/** A policy as a whole: what is omitted is unlimited. */
export const wholePolicy = (input: PolicyInput): PolicyValues => ({ ...unlimited, ...policyPatch(input) });

const unlimited: PolicyValues = {
  maxEngines: null,
  rateLimitRpm: null,
  engineVersion: null,
  rolloutEngineVersion: null,
  rolloutPercent: null,
};

/** The values alone of a row that has them. */
export const policyValuesOf = (row: PolicyValues): PolicyValues => ({
  maxEngines: row.maxEngines,
  rateLimitRpm: row.rateLimitRpm,
  engineVersion: row.engineVersion,
  rolloutEngineVersion: row.rolloutEngineVersion,
  rolloutPercent: row.rolloutPercent,
});

/** A policy in the words of the graph, for the audit log. */
export const describePolicy = (policy: Policy): JsonObject => ({
  version: policy.version,
  maxEngines: policy.maxEngines,
  rateLimitRpm: policy.rateLimitRpm,
  engineVersion: policy.engineVersion,
  rollout:
    policy.rolloutEngineVersion === null
      ? null
      : { engineVersion: policy.rolloutEngineVersion, percent: policy.rolloutPercent },
});
