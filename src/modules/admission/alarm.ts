import type { Clock } from '../../graph/context.ts';
import type { Timers } from '../../live/timers.ts';

/** One timer for whatever is next. It may go off too soon, when what was next is no more; never too late. */
export class Alarm {
  readonly #clock: Clock;
  readonly #timers: Timers;
  readonly #ring: () => void;
  #at = Number.POSITIVE_INFINITY;
  #stop: (() => void) | undefined;

  constructor({ clock, timers, ring }: { readonly clock: Clock; readonly timers: Timers; readonly ring: () => void }) {
    this.#clock = clock;
    this.#timers = timers;
    this.#ring = ring;
  }

  /** @param at milliseconds since 1970; nothing: never */
  set(at: number | undefined): void {
    if (at === undefined || at >= this.#at) return;
    this.#stop?.();
    this.#at = at;
    this.#stop = this.#timers.after(at - this.#clock.now().getTime(), () => {
      this.#at = Number.POSITIVE_INFINITY;
      this.#ring();
    });
  }

  close(): void {
    this.#stop?.();
    this.#at = Number.NEGATIVE_INFINITY;
  }
}
