import type { Clock } from '../../graph/context.ts';
import type { Attempt } from './attempt.ts';
import type { CatalogState } from './catalog.ts';
import { refusalOfWish, type Wish } from './decision.ts';
import type { Leases } from './leases.ts';
import type { Party } from './parties.ts';
import { type AdmissionReason, refusalFor } from './refusals.ts';
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
    for (const attempt of [...slots.waiting]) {
      if (attempt.wish?.party === before) this.#look(attempt, { ...attempt.wish, party: now });
    }
  }

  /** Somebody is no more whom requests wait for. */
  partyGone(party: Party, reason: AdmissionReason): void {
    const { slots } = this.#parts;
    for (const attempt of [...slots.waiting]) {
      if (attempt.wish?.party === party) slots.cancel(attempt.id, { refusal: refusalFor(reason) });
    }
  }

  /** Takes over what is configured now. */
  configure(catalog: CatalogState): void {
    const { slots } = this.#parts;
    slots.configure(catalog);
    for (const attempt of [...slots.waiting]) {
      const { wish } = attempt;
      if (wish?.model === undefined) continue;
      this.#look(attempt, { ...wish, model: catalog.models.get(wish.model.id) });
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

  #look(attempt: Attempt, wish: Wish): void {
    attempt.wish = wish;
    const { slots, clock } = this.#parts;
    const refusal = refusalOfWish(wish, clock.now());
    if (refusal !== undefined) slots.cancel(attempt.id, { refusal });
  }
}
