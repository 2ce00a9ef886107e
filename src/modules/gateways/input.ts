import { z } from 'zod';
import { idOf, nameText, plainText } from '../../graph/commands/validation.ts';

const capacityMessage = 'A gateway runs 1 to 1,000,000 requests at once; null: any number.';
const heldMessage = 'A gateway holds 0 to 1,000,000 requests.';

/** Leases that one heartbeat may name; one that holds more names them in several. */
export const leasesMax = 10_000;

export const registerGatewayRules = z.object({
  name: nameText,
  version: plainText(255).optional(),
  address: plainText(500).optional(),
  maxInFlight: z.int().min(1, capacityMessage).max(1_000_000, capacityMessage).nullish(),
});

const ofGateway = { gatewayId: idOf('Gateway') };

export const deregisterGatewayRules = z.object(ofGateway);

export const gatewayHeartbeatRules = z.object({
  ...ofGateway,
  inFlight: z.int().min(0, heldMessage).max(1_000_000, heldMessage),
  leaseIds: z
    .array(plainText(64).min(1, 'A lease has an id.'))
    .max(leasesMax, `A heartbeat names at most ${leasesMax.toLocaleString('en')} leases.`)
    .optional(),
});

export type RegisterGateway = z.infer<typeof registerGatewayRules>;
export type GatewayReference = z.infer<typeof deregisterGatewayRules>;
export type GatewayHeartbeat = z.infer<typeof gatewayHeartbeatRules>;
