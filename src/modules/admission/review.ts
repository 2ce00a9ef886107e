import type { Clock } from '../../graph/context.ts';
import type { Attempt } from './attempt.ts';
import type { CatalogGateway, CatalogState } from './catalog.ts';
import { refusalOfWish, type Wish } from './decision.ts';
import type { Leases } from './leases.ts';
import { nameOf, type Party } from './parties.ts';
import { type AdmissionReason, refusalFor } from './refusals.ts';
import { blockOf } from './slot-refusals.ts';
import type { Slots } from './slots.ts';

interface Parts {
  readonly slots: Slots;
  readonly leases: Leases;
  readonly clock: Clock;
}

/** Has what changes act on what waits already. */
export class Review {
  readonly #parts: Parts;

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  /** Everybody for whom something waits or ran lately. */
  get parties(): Iterable<Party> {
    return this.#parts.slots.parties;
  }

  /** Takes over how somebody is now, and ends what waits and may not any more. */
  partyChanged(before: Party, now: Party): void {
    const { slots } = this.#parts;
    slots.meet(now);
    for (const { attempt, wish } of this.#waitingOf(before)) this.#look(attempt, { ...wish, party: now });
  }

  /** Somebody is no more whom requests wait for. */
  partyGone(party: Party, reason: AdmissionReason): void {
    const { slots } = this.#parts;
    for (const { attempt } of this.#waitingOf(party)) slots.cancel(attempt.id, { refusal: refusalFor(reason) });
  }

  #waitingOf(party: Party): readonly { readonly attempt: Attempt; readonly wish: Wish }[] {
    const name = nameOf(party);
    return this.#parts.slots.waiting.flatMap((attempt) =>
      attempt.wish !== undefined && nameOf(attempt.wish.party) === name ? [{ attempt, wish: attempt.wish }] : [],
    );
  }

  /** Takes over what is configured now. */
  configure(catalog: CatalogState): void {
    const { slots } = this.#parts;
    slots.configure(catalog);
    for (const attempt of slots.waiting) {
      const { wish } = attempt;
      if (wish === undefined) continue;
      const { gatewayId } = attempt.call;
      const gateway = gatewayId === null ? undefined : catalog.gateways.get(gatewayId);
      this.#look(attempt, { ...wish, model: wish.model && catalog.models.get(wish.model.id) }, gateway);
    }
  }

  /** Forgets how those are of whom nothing waits or runs. */
  forgetIdle(): void {
    const { slots, leases } = this.#parts;
    const active = new Set<string>();
    for (const { row } of leases.all()) active.add(row.keyId);
    for (const { call } of slots.waiting) active.add(call.keyId);
    slots.forget((keyId) => active.has(keyId));
  }

  #look(attempt: Attempt, wish: Wish, gateway?: CatalogGateway): void {
    attempt.wish = wish;
    const { slots, clock } = this.#parts;
    const refusal = refusalOfWish(wish, clock.now()) ?? blockOf(wish, gateway);
    if (refusal !== undefined) slots.cancel(attempt.id, { refusal });
  }
}
