import type { Database } from '../../database/database.ts';
import type { Clock } from '../../graph/context.ts';
import type { Outlook } from '../fairshare/outlook.ts';
import type { KeyDirectory } from '../keys/directory.ts';
import type { Ledger } from '../limits/ledger/ledger.ts';
import type { Amounts } from '../limits/ledger/reservation.ts';
import type { CatalogState } from './catalog.ts';
import { amountsOf } from './costs.ts';
import type { Counters } from './counters.ts';
import { hasTenant, locate, partyFor, reasonOf, type Wish, wishChecks } from './decision.ts';
import type { AdmissionCheckName, AdmissionCheckView, ExplanationView, FairnessView } from './explanation.ts';
import { type CapacityLayer, limitsOf, type Met, nearestOf } from './limit-layers.ts';
import { limitedNode } from './limited-nodes.ts';
import type { EffectiveLimitsAnswer, ExplainAnswer, ExplainCall, LimitTarget, NearestLimitsCall } from './owner.ts';
import { gatewayCap, limitsMet, type Party } from './parties.ts';
import { amountText, type LimitView, type RefusalView, refusalFor, refusalOfLimit } from './refusals.ts';
import { refusalOfSlots } from './slot-refusals.ts';
import type { Slots } from './slots.ts';

interface Parts {
  readonly slots: Slots;
  readonly ledger: Ledger;
  readonly counters: Counters;
  readonly database: Database;
  readonly directory: KeyDirectory;
  readonly catalog: () => CatalogState;
  readonly catalogUnderWay: () => Promise<void> | undefined;
  readonly clock: Clock;
}

const metBy = ({ identity, user, stack, caps }: Party): Met => ({ ...identity, user, stack, caps });

/** Tells what would become of a request, and where limits stand: by the rules of admission, without taking anything. */
export class Explaining {
  readonly #parts: Parts;

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  get #now(): number {
    return this.#parts.clock.now().getTime();
  }

  async explain(call: ExplainCall): Promise<ExplainAnswer> {
    const { catalog, catalogUnderWay, counters, directory } = this.#parts;
    const underWay = catalogUnderWay();
    if (underWay !== undefined) await underWay;
    const look = () => locate(directory, call, catalog);
    let located = await look();
    let { ledger } = this.#parts;
    if (located !== 'WITHOUT_TENANT' && 'wish' in located) {
      const foreseen = counters.foreseen(located.wish.party.stack, this.#now);
      if (foreseen instanceof Promise) {
        ledger = await foreseen;
        // What changed meanwhile has changed.
        located = await look();
      }
    }
    if (located === 'WITHOUT_TENANT') return { outcome: 'EXPLAINED', explanation: this.#withoutTenant(call) };
    if ('notFound' in located) return located.notFound;
    return { outcome: 'EXPLAINED', explanation: this.#explain(call, located.wish, ledger) };
  }

  async effectiveLimits(target: LimitTarget): Promise<EffectiveLimitsAnswer> {
    const { counters, database, directory, slots } = this.#parts;
    const limited = await limitedNode(target, { database, directory });
    if (limited === null) return { outcome: 'NOT_FOUND', type: target.type.toLowerCase(), path: ['for'] };
    // No request is admitted for it, so that it meets none.
    if (limited === 'WITHOUT_TENANT') return { outcome: 'READ', at: this.#now, limits: [] };
    const met = { ...limited, ...limitsMet(limited) };
    const ledger = await counters.foreseen(met.stack, this.#now);
    const now = this.#now;
    const scene = { ledger, figures: slots.figures, met, capacity: [], now, request: undefined };
    return { outcome: 'READ', at: now, limits: limitsOf(scene) };
  }

  async nearestLimits({ keyId, userExternalId }: NearestLimitsCall): Promise<readonly LimitView[]> {
    const { directory, ledger, slots } = this.#parts;
    const identity = await directory.findById(keyId);
    if (identity === undefined || !hasTenant(identity)) return [];
    const party = await partyFor(directory, identity, { userExternalId });
    if ('notFound' in party) return [];
    return nearestOf({ ledger, figures: slots.figures, met: metBy(party), now: this.#now });
  }

  #explain(call: ExplainCall, wish: Wish, ledger: Ledger): ExplanationView {
    const { clock, slots } = this.#parts;
    const { party, model, modelName } = wish;
    const { identity, user } = party;
    const now = this.#now;
    const request = amountsOf(call, model);
    const refused = ledger.check(party.stack, request, now);
    const outlook = slots.outlook(wish, call);
    const ofSlots =
      outlook.submitted.outcome === 'REFUSED' ? refusalOfSlots(outlook.submitted, wish, call.gatewayId) : undefined;
    const isBlocked = ofSlots?.reason === 'IN_FLIGHT_BLOCKED';
    const checks = [
      checked('TENANT_GIVEN', undefined),
      ...wishChecks.map(({ check, appliesTo, refusalOf }) =>
        appliesTo(wish) ? checked(check, viewOf(refusalOf(wish, clock.now()))) : skipped(check),
      ),
      checked('LIMITS', refused && refusalOfLimit(refused)),
      checked('IN_FLIGHT', isBlocked ? ofSlots : undefined),
      checked('QUEUE', isBlocked ? undefined : ofSlots),
    ];
    return {
      at: now,
      ...verdictOf(checks, outlook),
      checks,
      keyId: identity.key.id,
      tenantId: identity.tenant.id,
      userId: user?.id ?? null,
      teamId: user?.team?.id ?? null,
      productId: identity.product?.id ?? null,
      modelId: model?.id ?? null,
      modelName,
      estimate: estimateOf(request),
      limits: limitsOf({
        ledger,
        figures: slots.figures,
        met: metBy(party),
        capacity: this.#capacityOf(call, wish),
        now,
        request,
      }),
      fairness: this.#fairnessOf(wish, outlook),
    };
  }

  /** Of a key that belongs to the deployment itself: everything else is asked of a tenant. */
  #withoutTenant(call: ExplainCall): ExplanationView {
    const refusal = refusalFor('TENANT_REQUIRED');
    const rest: AdmissionCheckName[] = [...wishChecks.map(({ check }) => check), 'LIMITS', 'IN_FLIGHT', 'QUEUE'];
    return {
      at: this.#now,
      verdict: 'REFUSE',
      refusal,
      checks: [checked('TENANT_GIVEN', refusal), ...rest.map(skipped)],
      keyId: call.keyId,
      tenantId: null,
      userId: null,
      teamId: null,
      productId: null,
      modelId: null,
      modelName: call.model,
      estimate: estimateOf(amountsOf(call, undefined)),
      limits: [],
      fairness: null,
      place: null,
    };
  }

  /** What the deployment sets, of which a tenant sees its own part alone unless it may see the totals. */
  #capacityOf({ gatewayId, showsTotals }: ExplainCall, { party, model, pool }: Wish): readonly CapacityLayer[] {
    const { figures } = this.#parts.slots;
    const { gateways, settings } = this.#parts.catalog();
    const { tenant } = party.identity;
    const running = { name: 'MAX_IN_FLIGHT' } as const;
    const waiting = { name: 'QUEUE_LENGTH' } as const;
    const owner = (type: 'TENANT' | 'GATEWAY' | 'MODEL' | 'DEPLOYMENT', id: string | null) => ({
      owner: { type, id, userId: null },
    });
    const ofGateway =
      gatewayId === null
        ? []
        : [
            {
              ...running,
              ...owner('GATEWAY', gatewayId),
              limit: gateways.get(gatewayId)?.maxInFlight ?? null,
              used: figures.cap(gatewayCap(gatewayId)).inFlight,
            },
          ];
    const queued = figures.tenant(tenant.id).queued;
    const ofTenant = { ...waiting, ...owner('TENANT', tenant.id), limit: settings.tenantQueueMax, used: queued };
    if (!showsTotals) return [...ofGateway, ofTenant];
    const ofPool = figures.pool(pool);
    const ofAll = figures.deployment;
    const modelOwner = owner('MODEL', model?.id ?? null);
    return [
      ...ofGateway,
      { ...running, ...modelOwner, limit: ofPool.capacity, used: ofPool.inFlight },
      { ...running, ...owner('DEPLOYMENT', null), limit: ofAll.ceiling, used: ofAll.inFlight },
      ofTenant,
      { ...waiting, ...modelOwner, limit: settings.poolQueueMax, used: ofPool.queued },
    ];
  }

  #fairnessOf({ party: { identity }, model }: Wish, outlook: Outlook): FairnessView {
    const { algorithm } = this.#parts.catalog().settings;
    const { tenant, key } = identity;
    return {
      algorithm,
      fairshareGroupId: tenant.fairshareGroupId,
      tenantWeight: tenant.weight,
      weightPercent: model?.weightPercent ?? 100,
      keyWeight: key.weight,
      expectedSlots: outlook.expectedSlots,
      inFlight: outlook.inFlight,
      queued: outlook.queued,
    };
  }
}

const estimateOf = ({ requests, tokens, costNanoUsd }: Amounts) => ({
  requests,
  tokens,
  costUsd: amountText(costNanoUsd),
});

const checked = (check: AdmissionCheckName, refusal: RefusalView | undefined): AdmissionCheckView => ({
  check,
  outcome: refusal === undefined ? 'PASSED' : 'REFUSED',
  refusal: refusal ?? null,
});

const viewOf = (refusal: Parameters<typeof reasonOf>[0] | undefined): RefusalView | undefined =>
  refusal && refusalFor(reasonOf(refusal));

const skipped = (check: AdmissionCheckName): AdmissionCheckView => ({ check, outcome: 'SKIPPED', refusal: null });

/** What the first check that refuses says is what admission says. */
function verdictOf(
  checks: readonly AdmissionCheckView[],
  { submitted, position }: Outlook,
): Pick<ExplanationView, 'verdict' | 'refusal' | 'place'> {
  const refusal = checks.find(({ outcome }) => outcome === 'REFUSED')?.refusal ?? null;
  if (refusal !== null) return { verdict: 'REFUSE', refusal, place: null };
  if (submitted.outcome === 'GRANTED') return { verdict: 'ADMIT', refusal, place: null };
  return { verdict: 'WAIT', refusal, place: position ?? null };
}
