import { type CountLimitName, costKind, countKinds, type Reading, readLimit, type Situation } from './kinds.ts';

/** One limit, as all that have a say in it set it. */
export interface EffectiveLimit<Amount> {
  /** What each of them sets, in the order in which they are asked: key, user, the user's part of the team, team, product, tenant. */
  readonly layers: readonly Reading<Amount>[];
  /** The one of them with the least left, which is the next to refuse; the first of several. Null: there is no limit. */
  readonly binding: Reading<Amount> | null;
}

/** What may be used, by all limits together: for each, every layer that sets it and the one that binds. */
export interface EffectiveLimits {
  /** Requests in any 60 seconds. */
  readonly requestsPerMinute: EffectiveLimit<number>;
  /** Input and output tokens in any 60 seconds. */
  readonly tokensPerMinute: EffectiveLimit<number>;
  /** Input and output tokens in a calendar day of the tenant's time zone. */
  readonly tokensPerDay: EffectiveLimit<number>;
  /** Input and output tokens in the period of each budget. */
  readonly budgetTokens: EffectiveLimit<number>;
  /** Nano-dollars in the period of each budget. */
  readonly budgetCostNanoUsd: EffectiveLimit<bigint>;
}

/** The layer with the least left, the first of several; null when none limits. */
export function bindingOf<Layer extends { readonly remaining: number | bigint | null }>(
  layers: readonly Layer[],
): Layer | null {
  let binding: Layer | null = null;
  for (const layer of layers) {
    if (layer.remaining === null) continue;
    if (binding === null || binding.remaining === null || layer.remaining < binding.remaining) binding = layer;
  }
  return binding;
}

export const effectiveLimit = <Amount extends number | bigint>(
  layers: readonly Reading<Amount>[],
): EffectiveLimit<Amount> => ({ layers, binding: bindingOf(layers) });

/** What each limit comes to in these situations, which `Ledger.situations` gives. */
export function effectiveLimits(situations: readonly Situation[]): EffectiveLimits {
  const ofCount = (name: CountLimitName): EffectiveLimit<number> =>
    effectiveLimit(situations.map((situation) => readLimit(countKinds[name], situation)));
  return {
    requestsPerMinute: ofCount('REQUESTS_PER_MINUTE'),
    tokensPerMinute: ofCount('TOKENS_PER_MINUTE'),
    tokensPerDay: ofCount('TOKENS_PER_DAY'),
    budgetTokens: ofCount('BUDGET_TOKENS'),
    budgetCostNanoUsd: effectiveLimit(situations.map((situation) => readLimit(costKind, situation))),
  };
}
