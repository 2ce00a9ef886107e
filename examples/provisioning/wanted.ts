import { z } from 'zod';

// The server checks the values; here only misspelt names are caught, which JSON would hide.

const weight = z.int().optional();
const limit = z.int().nullish();

const limits = z.strictObject({
  requestsPerMinute: limit,
  tokensPerMinute: limit,
  tokensPerDay: limit,
  maxInFlight: limit,
  budget: z
    .strictObject({ tokens: limit, costUsd: z.string().nullish(), period: z.enum(['LIFETIME', 'MONTHLY', 'TERM']) })
    .nullish(),
});

const group = z.strictObject({ name: z.string(), weight });

const tenant = z.strictObject({
  name: z.string(),
  fairshareGroup: z.string().optional(),
  weight,
  limits: limits.optional(),
  description: z.string().optional(),
  organization: z.string().optional(),
  contactEmail: z.string().optional(),
  timeZone: z.string().optional(),
  synthetic: z.boolean().optional(),
});

/** What the file of `provision-tenants` describes. What it leaves out is left as it is. */
export const wantedState = z.strictObject({
  fairshareGroups: z.array(group).default([]),
  tenants: z.array(tenant).default([]),
});

export type WantedGroup = z.infer<typeof group>;
export type WantedTenant = z.infer<typeof tenant>;
