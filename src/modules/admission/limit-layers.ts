import type { Figures } from '../fairshare/figures.ts';
import { bindingOf, type EffectiveLimit, effectiveLimits } from '../limits/ledger/effective.ts';
import {
  costKind,
  countKinds,
  countLimitNames,
  type Kind,
  type Reading,
  readLimit,
  refusalBy,
  type Situation,
} from '../limits/ledger/kinds.ts';
import type { Ledger } from '../limits/ledger/ledger.ts';
import type { Amounts } from '../limits/ledger/reservation.ts';
import type { EffectiveLimitView, LimitFitView, LimitLayerView, LimitSource } from './explanation.ts';
import type { Limited, limitsMet } from './parties.ts';
import { amountText, intMax, type LimitName, type LimitView, ownerView } from './refusals.ts';

/** Whose limits they are, and what they and all above them set. */
export type Met = Limited & ReturnType<typeof limitsMet>;

/** What is looked at. */
export interface Scene {
  readonly ledger: Ledger;
  readonly figures: Figures;
  readonly met: Met;
  /** What the deployment sets of what runs and waits: shown to those who may know. */
  readonly capacity: readonly CapacityLayer[];
  readonly now: number;
  /** Of a request that is asked about. */
  readonly request: Amounts | undefined;
}

/** How much may run or wait at once, as the deployment sets it. */
export interface CapacityLayer extends Use {
  readonly name: 'MAX_IN_FLIGHT' | 'QUEUE_LENGTH';
}

interface Use {
  readonly owner: LimitView['owner'];
  /** Null: any number. */
  readonly limit: number | null;
  readonly used: number;
}

/** A layer before it is known which of them binds. */
interface Draft<Amount extends number | bigint> {
  readonly owner: LimitView['owner'];
  readonly source: LimitSource;
  readonly reading: Pick<Reading<Amount>, 'limit' | 'used' | 'remaining' | 'since' | 'resetAt'>;
  readonly fit: LimitFitView | null;
}

const nobody = { userId: null } as const;

const sharePercentOf = ({ team, user }: Met): number | null => (team ?? user?.team)?.userSharePercent ?? null;

/** Whoever is met, with what runs of each and may, in the order in which they are asked. */
function runningOf({ met, figures }: Pick<Scene, 'met' | 'figures'>): readonly Use[] {
  const { key, caps, tenant } = met;
  const sharePercent = sharePercentOf(met);
  return [
    ...(key === undefined
      ? []
      : [
          {
            owner: { type: 'KEY' as const, id: key.id, ...nobody },
            limit: key.limits.maxInFlight,
            used: figures.key(key.id).inFlight,
          },
        ]),
    // What one user runs of a team is counted also where there is no part for each.
    ...caps
      .filter(({ owner }) => owner.type !== 'TEAM_USER_SHARE' || sharePercent !== null)
      .map(({ id, owner, max }) => ({ owner, limit: max, used: figures.cap(id).inFlight })),
    {
      owner: { type: 'TENANT' as const, id: tenant.id, ...nobody },
      limit: tenant.limits.maxInFlight,
      used: figures.tenant(tenant.id).inFlight,
    },
  ];
}

const sourceOf = ({ type }: LimitView['owner'], limit: unknown): LimitSource =>
  limit === null ? 'NONE' : type === 'TEAM_USER_SHARE' ? 'USER_SHARE' : 'OWN';

const readingOfUse = ({ limit, used }: Use): Draft<number>['reading'] =>
  limit === null
    ? { limit, used: null, remaining: null, since: null, resetAt: null }
    : { limit, used, remaining: Math.max(0, limit - used), since: null, resetAt: null };

function draftOfUse(use: Use, source: LimitSource, asks: boolean): Draft<number> {
  const { owner, limit, used } = use;
  const fit: LimitFitView | null =
    limit === null || !asks ? null : { requested: '1', fits: used < limit, retryAfterMs: null, permanent: limit === 0 };
  return { owner, source, reading: readingOfUse(use), fit };
}

function draftOf<Amount extends number | bigint>(
  kind: Kind<Amount>,
  situation: Situation,
  request: Amounts | undefined,
): Draft<Amount> {
  const owner = ownerView(situation.owner);
  const reading = readLimit(kind, situation);
  const refused = request && refusalBy(kind, situation, request);
  const { retryAfterMs = null, permanent = false } = refused ?? {};
  const fit =
    request === undefined || reading.limit === null
      ? null
      : {
          requested: amountText(kind.amountOf(request)),
          fits: refused === undefined,
          retryAfterMs: retryAfterMs === null ? null : Math.min(retryAfterMs, intMax),
          permanent,
        };
  return { owner, source: sourceOf(owner, reading.limit), reading, fit };
}

/** The layers with the one that is the next to refuse marked, as text. */
function layersOf<Amount extends number | bigint>(
  drafts: readonly Draft<Amount>[],
  sharePercent: number | null,
): LimitLayerView[] {
  const binding = bindingOf(drafts.map(({ reading }) => reading));
  const text = (amount: Amount | null) => (amount === null ? null : amountText(amount));
  return drafts.map(({ owner, source, reading, fit }) => {
    const { limit, used, remaining, since, resetAt } = reading;
    return {
      owner,
      source,
      sharePercent: owner.type === 'TEAM_USER_SHARE' ? sharePercent : null,
      limit: text(limit),
      used: text(used),
      remaining: text(remaining),
      since,
      resetAt,
      isBinding: reading === binding,
      fit,
    };
  });
}

/** Every limit that is met, by all who set it. */
export function limitsOf({ ledger, figures, met, capacity, now, request }: Scene): readonly EffectiveLimitView[] {
  const situations = ledger.situations(met.stack, now);
  const sharePercent = sharePercentOf(met);
  const asks = request !== undefined;
  const ofCapacity = (wanted: CapacityLayer['name']) =>
    capacity.filter(({ name }) => name === wanted).map((use) => draftOfUse(use, 'CAPACITY', asks));
  const inFlight = runningOf({ met, figures }).map((use) => draftOfUse(use, sourceOf(use.owner, use.limit), asks));
  const effective = <Amount extends number | bigint>(name: LimitName, drafts: readonly Draft<Amount>[]) => ({
    name,
    layers: layersOf(drafts, sharePercent),
  });
  return [
    ...countLimitNames.map((name) =>
      effective(
        name,
        situations.map((situation) => draftOf(countKinds[name], situation, request)),
      ),
    ),
    effective(
      'BUDGET_COST_USD',
      situations.map((situation) => draftOf(costKind, situation, request)),
    ),
    effective('MAX_IN_FLIGHT', [...inFlight, ...ofCapacity('MAX_IN_FLIGHT')]),
    effective('QUEUE_LENGTH', ofCapacity('QUEUE_LENGTH')),
  ];
}

/** What of a limit is shown that has the least left of all layers. */
function nearest<Amount extends number | bigint>(
  name: LimitName,
  owner: LimitView['owner'],
  { limit, used, remaining, resetAt }: Draft<Amount>['reading'],
): LimitView[] {
  if (limit === null || used === null || remaining === null) return [];
  const texts = { limit: amountText(limit), used: amountText(used), remaining: amountText(remaining) };
  return [{ owner, name, ...texts, resetAt }];
}

/** Of each limit that is set by anybody the layer with the least left. */
export function nearestOf({ ledger, figures, met, now }: Pick<Scene, 'ledger' | 'figures' | 'met' | 'now'>) {
  const limits = effectiveLimits(ledger.situations(met.stack, now));
  const ofLedger = <Amount extends number | bigint>(name: LimitName, { binding }: EffectiveLimit<Amount>) =>
    binding === null ? [] : nearest(name, ownerView(binding.owner), binding);
  const running = bindingOf(runningOf({ met, figures }).map((use) => ({ ...readingOfUse(use), owner: use.owner })));
  return [
    ...ofLedger('REQUESTS_PER_MINUTE', limits.requestsPerMinute),
    ...ofLedger('TOKENS_PER_MINUTE', limits.tokensPerMinute),
    ...ofLedger('TOKENS_PER_DAY', limits.tokensPerDay),
    ...ofLedger('BUDGET_TOKENS', limits.budgetTokens),
    ...ofLedger('BUDGET_COST_USD', limits.budgetCostNanoUsd),
    ...(running === null ? [] : nearest('MAX_IN_FLIGHT', running.owner, running)),
  ];
}
