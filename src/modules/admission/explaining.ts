import type { EffectiveLimitsAnswer, ExplainAnswer, Unavailable } from './owner.ts';
import type { LimitView } from './refusals.ts';

const notYet: Unavailable = { outcome: 'UNAVAILABLE', message: 'This cannot be asked yet.', retryAfterMs: 1_000 };

/** Tells what would become of a request, and where limits stand, without taking anything. */
export class Explaining {
  explain(): Promise<ExplainAnswer> {
    return Promise.resolve(notYet);
  }

  effectiveLimits(): Promise<EffectiveLimitsAnswer> {
    return Promise.resolve(notYet);
  }

  nearestLimits(): Promise<readonly LimitView[]> {
    return Promise.resolve([]);
  }
}
