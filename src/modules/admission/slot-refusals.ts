import type { Refusal } from '../fairshare/api.ts';
import type { CatalogGateway } from './catalog.ts';
import type { Wish } from './decision.ts';
import { gatewayCap } from './parties.ts';
import { type LimitView, type RefusalView, refusalFor } from './refusals.ts';

/** What is said to whoever may ask again soon: nobody knows better when there is room. */
const soonMs = 1_000;

const limitOf = (
  owner: Pick<LimitView['owner'], 'type' | 'id'> & { readonly userId?: string | null },
  name: LimitView['name'],
  limit: number,
  used: number,
): LimitView => ({
  owner: { userId: null, ...owner },
  name,
  limit: String(limit),
  used: String(used),
  remaining: String(Math.max(0, limit - used)),
  resetAt: null,
});

const blockedBy = (owner: Parameters<typeof limitOf>[0]): RefusalView =>
  refusalFor('IN_FLIGHT_BLOCKED', { limit: limitOf(owner, 'MAX_IN_FLIGHT', 0, 0), permanent: true });

/** Why the scheduler gives no slot, in the words of the graph. */
export function refusalOfSlots(refusal: Refusal, { party, model }: Wish, gatewayId: string | null): RefusalView {
  const { key, tenant } = party.identity;
  switch (refusal.reason) {
    case 'UNKNOWN_POOL':
      return refusalFor('MODEL_DISABLED');
    case 'DEADLINE':
      return waitIsOver();
    case 'QUEUE_FULL': {
      const owners = {
        TENANT: { type: 'TENANT', id: tenant.id },
        POOL: { type: 'MODEL', id: model?.id ?? null },
        DEPLOYMENT: { type: 'DEPLOYMENT', id: null },
      } as const;
      return refusalFor('QUEUE_FULL', {
        limit: limitOf(owners[refusal.bound], 'QUEUE_LENGTH', refusal.limit, refusal.queued),
        retryable: true,
        retryAfterMs: soonMs,
      });
    }
    case 'BLOCKED': {
      const cap = party.caps.find(({ id }) => id === refusal.id)?.owner;
      const gateway = gatewayId !== null && refusal.id === gatewayCap(gatewayId) ? gatewayId : null;
      const owner =
        refusal.by === 'TENANT'
          ? ({ type: 'TENANT', id: tenant.id } as const)
          : refusal.by === 'KEY'
            ? ({ type: 'KEY', id: key.id } as const)
            : (cap ?? ({ type: 'GATEWAY', id: gateway } as const));
      return blockedBy(owner);
    }
  }
}

/** Why waiting does not help any more: somebody may have nothing in flight. */
export function blockOf({ party }: Wish, gateway: CatalogGateway | undefined): RefusalView | undefined {
  const { key, tenant } = party.identity;
  const owner =
    tenant.limits.maxInFlight === 0
      ? ({ type: 'TENANT', id: tenant.id } as const)
      : key.limits.maxInFlight === 0
        ? ({ type: 'KEY', id: key.id } as const)
        : (party.caps.find(({ max }) => max === 0)?.owner ??
          (gateway?.maxInFlight === 0 ? ({ type: 'GATEWAY', id: gateway.id } as const) : undefined));
  return owner && blockedBy(owner);
}

/** A request that waited as long as it may. */
export const waitIsOver = (): RefusalView => refusalFor('QUEUE_TIMEOUT', { retryable: true, retryAfterMs: soonMs });
