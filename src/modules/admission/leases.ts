import type { Lease } from '../../database/generated/client.ts';
import type { Reservation } from '../limits/ledger/reservation.ts';
import type { LeaseView } from './owner.ts';
import { PassingMap } from './passing-map.ts';

/** A slot that is held: what is kept of it, and what it took from limits. */
export interface Held {
  /** As it is written; renewed by another row in its place. */
  row: Lease;
  readonly reservation: Reservation;
  /** Of whom it was asked for; absent when an earlier process granted it. */
  readonly userExternalId?: string | null;
}

export const viewOf = (row: Lease): LeaseView => ({
  id: row.id,
  credentialId: row.credentialId,
  tenantId: row.tenantId,
  fairshareGroupId: row.fairshareGroupId,
  keyId: row.keyId,
  userId: row.userId,
  teamId: row.teamId,
  appId: row.appId,
  productId: row.productId,
  engineId: row.engineId,
  modelId: row.modelId,
  modelName: row.modelName,
  gatewayId: row.gatewayId,
  requestId: row.requestId,
  sessionId: row.sessionId,
  requestType: row.requestType,
  admission: row.admission,
  estimatedInputTokens: Number(row.estimatedInputTokens),
  estimatedOutputTokens: Number(row.estimatedOutputTokens),
  queueWaitMs: row.grantedAt.getTime() - row.queuedAt.getTime(),
  grantedAt: row.grantedAt.getTime(),
  expiresAt: row.expiresAt.getTime(),
});

/** The leases that are held, by id and by the gateway that holds them. */
export class Leases {
  readonly #held = new PassingMap<Held>();
  readonly #byGateway = new Map<string, PassingMap<string>>();

  get(id: string): Held | undefined {
    return this.#held.get(id);
  }

  add(held: Held): void {
    const { id, gatewayId } = held.row;
    this.#held.set(id, held);
    if (gatewayId === null) return;
    const ids = this.#byGateway.get(gatewayId) ?? new PassingMap();
    this.#byGateway.set(gatewayId, ids);
    ids.set(id, id);
  }

  /** @returns what was held, once */
  remove(id: string): Held | undefined {
    const held = this.#held.get(id);
    if (held === undefined) return undefined;
    this.#held.delete(id);
    const { gatewayId } = held.row;
    if (gatewayId !== null) {
      const ids = this.#byGateway.get(gatewayId);
      ids?.delete(id);
      if (ids?.size === 0) this.#byGateway.delete(gatewayId);
    }
    return held;
  }

  /** The gateways that hold any. */
  gateways(): Iterable<string> {
    return this.#byGateway.keys();
  }

  isHeldBy(gatewayId: string): boolean {
    return this.#byGateway.has(gatewayId);
  }

  ofGateway(gatewayId: string): Held[] {
    return (this.#byGateway.get(gatewayId)?.values() ?? []).flatMap((id) => this.#held.get(id) ?? []);
  }

  all(): Held[] {
    return this.#held.values();
  }
}
