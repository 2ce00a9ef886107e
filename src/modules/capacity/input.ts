import { z } from 'zod';
import { expectedRevision, idOf } from '../../graph/commands/validation.ts';
import { boundsOf, capacitySettings, fairshareAlgorithmNames, ownCapacity } from './values.ts';

const within = (bounds: { readonly min: number; readonly max: number }) => {
  const message = `It is ${boundsOf(bounds)}; null goes back to the default.`;
  return z.int().min(bounds.min, message).max(bounds.max, message).nullish();
};

export const setCapacityRules = z.object({
  deployment: within(capacitySettings.deploymentMaxInFlight),
  modelDefault: within(capacitySettings.modelDefaultMaxInFlight),
  queue: z
    .object({
      poolMax: within(capacitySettings.poolQueueMax),
      tenantMax: within(capacitySettings.tenantQueueMax),
      timeoutSeconds: within(capacitySettings.queueTimeoutSeconds),
    })
    .optional(),
  model: z.object({ modelId: idOf('Model'), maxInFlight: within(ownCapacity) }).optional(),
  gateway: z.object({ gatewayId: idOf('Gateway'), maxInFlight: within(ownCapacity) }).optional(),
  expectedRevision,
});

export const setFairshareAlgorithmRules = z.object({ algorithm: z.enum(fairshareAlgorithmNames), expectedRevision });

export type SetCapacity = z.infer<typeof setCapacityRules>;
export type SetFairshareAlgorithm = z.infer<typeof setFairshareAlgorithmRules>;
