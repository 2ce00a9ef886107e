import type { Lease } from '../../database/generated/client.ts';
import { encodeId } from '../../graph/ids.ts';
import { packReservation, type Reservation } from '../limits/ledger/reservation.ts';
import type { Attempt } from './attempt.ts';
import type { Wish } from './decision.ts';

const msPerSecond = 1_000;

/** What is kept of a slot that was given. */
interface Granted {
  readonly instanceId: string;
  readonly wish: Wish;
  readonly reservation: Reservation;
  readonly admission: Lease['admission'];
  readonly grantedAt: number;
}

export function leaseRow(
  { call, id, queuedAt }: Attempt,
  { instanceId, wish: { party, model, modelName, pool }, reservation, admission, grantedAt }: Granted,
): Lease {
  const { identity, user } = party;
  return {
    id,
    instanceId,
    credentialId: call.caller.credentialId,
    gatewayId: call.gatewayId,
    tenantId: identity.tenant.id,
    fairshareGroupId: identity.tenant.fairshareGroupId,
    keyId: identity.key.id,
    userId: user?.id ?? null,
    teamId: user?.team?.id ?? null,
    appId: identity.app?.id ?? null,
    productId: identity.product?.id ?? null,
    engineId: identity.engine?.id ?? null,
    modelId: model?.id ?? null,
    modelName,
    pool,
    requestId: call.requestId ?? encodeId('Lease', id),
    sessionId: call.sessionId,
    requestType: call.requestType,
    admission,
    estimatedInputTokens: BigInt(call.estimatedInputTokens),
    estimatedOutputTokens: BigInt(call.estimatedOutputTokens),
    reservation: packReservation(reservation),
    queuedAt: new Date(queuedAt),
    grantedAt: new Date(grantedAt),
    leaseSeconds: call.leaseSeconds,
    expiresAt: new Date(grantedAt + call.leaseSeconds * msPerSecond),
  };
}
