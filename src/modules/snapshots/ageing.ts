import type { Timers } from '../../live/timers.ts';

/** How old a snapshot may get in which something changes by itself. */
const newAfterMs = 1_000;

/** Has snapshots be made anew in which something changes as time goes by, though nothing happens. */
export class Ageing {
  readonly #timers: Timers;
  readonly #changed: () => void;
  #stop: (() => void) | undefined;

  /** @param changed called a second after a snapshot was seen that ages */
  constructor(timers: Timers, changed: () => void) {
    this.#timers = timers;
    this.#changed = changed;
  }

  seen<Snapshot>(snapshot: Snapshot, ages: (snapshot: Snapshot) => boolean): Snapshot {
    this.close();
    if (ages(snapshot)) this.#stop = this.#timers.after(newAfterMs, this.#changed);
    return snapshot;
  }

  close(): void {
    this.#stop?.();
    this.#stop = undefined;
  }
}
