import type { Logger } from 'pino';
import type { Principal } from '../../access/principal.ts';
import type { Clock } from '../../graph/context.ts';
import { isGiven } from '../../graph/given.ts';
import type { KeyDirectory } from '../keys/directory.ts';
import { seesTotals } from '../snapshots/views.ts';
import { callerOf, presentedKey, raise } from './asking.ts';
import { AdmissionRefusedError } from './errors.ts';
import {
  type AdmissionCheckName,
  type AdmissionCheckView,
  admissionChecks,
  type EffectiveLimitView,
  type ExplanationView,
} from './explanation.ts';
import type { ExplainAdmission } from './input.ts';
import type { AdmissionOwner, LimitTarget, NearestLimitsCall } from './owner.ts';
import { type LimitView, type RefusalView, refusalFor } from './refusals.ts';

export interface Check extends Omit<AdmissionCheckView, 'refusal'> {
  readonly refusal: AdmissionRefusedError | null;
}

/** What would become of a request, as the graph shows it. */
export interface Explanation extends Omit<ExplanationView, 'keyId' | 'refusal' | 'checks'> {
  /** Null: what was presented is no key. */
  readonly keyId: string | null;
  readonly refusal: AdmissionRefusedError | null;
  readonly checks: readonly Check[];
}

/** Where the limits stand of somebody. */
export interface EffectiveLimits {
  readonly at: number;
  readonly limits: readonly EffectiveLimitView[];
}

interface Parts {
  readonly decider: () => AdmissionOwner;
  readonly directory: KeyDirectory;
  readonly clock: Clock;
  readonly log: Logger;
}

const errorOf = (refusal: RefusalView, path: readonly string[] = []) => new AdmissionRefusedError(refusal, path);

const checkOf = ({ refusal, ...check }: AdmissionCheckView): Check => ({
  ...check,
  refusal: refusal && errorOf(refusal),
});

/** The check that is made before the one who decides is asked. */
const credentialCheck = (refusal: AdmissionRefusedError | null): Check => ({
  check: 'CREDENTIAL',
  outcome: refusal === null ? 'PASSED' : 'REFUSED',
  refusal,
});

/** Shows limits, and decisions that are not made. */
export class Explanations {
  readonly #parts: Parts;

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  /**
   * @throws {NotFoundError} when the key, the user or the gateway is none that the caller may name
   * @throws {AdmissionUnavailableError} when nobody can decide at the moment
   */
  async explain(principal: Principal, input: ExplainAdmission): Promise<Explanation> {
    const { key, keyId, origin, ipAddress } = input;
    if (!isGiven(key)) {
      const skipped: Check = { check: 'CREDENTIAL', outcome: 'SKIPPED', refusal: null };
      const isPlaced = isGiven(origin) || isGiven(ipAddress);
      return this.#explain(principal, { ...input, keyId: keyId ?? '' }, { first: skipped, isPlaced });
    }
    const presented = await presentedKey(this.#parts, principal, key);
    if (presented === 'MALFORMED') return this.#malformed(input);
    const { record, refusal } = presented;
    const first = credentialCheck(refusal === undefined ? null : errorOf(refusalFor(refusal), ['key']));
    return this.#explain(principal, { ...input, keyId: record.key.id }, { first, isPlaced: true });
  }

  /** @throws {AdmissionUnavailableError} when nobody can be asked at the moment */
  async effectiveLimits(target: LimitTarget): Promise<EffectiveLimits> {
    const answer = await this.#parts.decider().effectiveLimits(target);
    return answer.outcome === 'READ' ? answer : raise(answer);
  }

  /** Null when it cannot be told: whoever has just been given a slot is not to lose it over that. */
  async nearestLimits(call: NearestLimitsCall): Promise<readonly LimitView[] | null> {
    try {
      return await this.#parts.decider().nearestLimits(call);
    } catch (error) {
      this.#parts.log.warn({ err: error }, 'what is left of limits could not be told to a request that was admitted');
      return null;
    }
  }

  async #explain(
    principal: Principal,
    { keyId, origin, ipAddress, deadline, ...input }: ExplainAdmission & { readonly keyId: string },
    { first, isPlaced }: { readonly first: Check; readonly isPlaced: boolean },
  ): Promise<Explanation> {
    const answer = await this.#parts.decider().explain({
      caller: callerOf(principal),
      keyId,
      place: isPlaced ? { origin: origin ?? null, ipAddress: ipAddress ?? null } : null,
      model: input.model,
      estimatedInputTokens: input.estimatedInputTokens,
      estimatedOutputTokens: input.estimatedOutputTokens,
      userExternalId: input.userExternalId ?? null,
      deadline: deadline?.getTime() ?? null,
      priority: input.priority,
      gatewayId: input.gatewayId ?? null,
      showsTotals: seesTotals(principal),
    });
    if (answer.outcome !== 'EXPLAINED') return raise(answer);
    const { explanation } = answer;
    const checks = [first, ...explanation.checks.map(checkOf)];
    const refusal = checks.find(({ outcome }) => outcome === 'REFUSED')?.refusal ?? null;
    const isRefusedBefore = first.refusal !== null;
    return {
      ...explanation,
      verdict: isRefusedBefore ? 'REFUSE' : explanation.verdict,
      place: isRefusedBefore ? null : explanation.place,
      refusal,
      checks,
    };
  }

  /** Of what was mistyped or cut, nothing more is known. */
  #malformed({ model, estimatedInputTokens, estimatedOutputTokens }: ExplainAdmission): Explanation {
    const refusal = errorOf(refusalFor('KEY_MALFORMED'), ['key']);
    const names = Object.keys(admissionChecks) as AdmissionCheckName[];
    const rest = names.slice(1).map((check): Check => ({ check, outcome: 'SKIPPED', refusal: null }));
    return {
      at: this.#parts.clock.now().getTime(),
      verdict: 'REFUSE',
      refusal,
      checks: [credentialCheck(refusal), ...rest],
      keyId: null,
      tenantId: null,
      userId: null,
      teamId: null,
      productId: null,
      modelId: null,
      modelName: model,
      estimate: { requests: 1, tokens: estimatedInputTokens + estimatedOutputTokens, costUsd: '0' },
      limits: [],
      fairness: null,
      place: null,
    };
  }
}
