/** The length of the window that rate limits count in. */
export const windowMs = 60_000;

/** What was taken within one second: when last, and how much. */
export type WindowEntry = readonly [lastAt: number, amount: number];

const secondOf = (at: number): number => Math.floor(at / 1_000);

/**
 * Counts what was taken in the last 60 seconds, one entry a second. All of an entry counts for the time at which the
 * last of it was taken: so no 60 seconds ever have more than a limit that `used` was compared with, and what was taken
 * counts for at most a second more than 60.
 *
 * Looking and taking cost O(1), taken over all calls: every entry is added once and leaves once.
 */
export class SlidingWindow {
  /** Of the entries, ascending. Two lists of numbers, since a list of objects takes several times the memory. */
  #times: number[] = [];
  #amounts: number[] = [];
  /** The oldest entry that counts. */
  #first = 0;
  #used = 0;

  /** Takes back what `steps` gave. */
  static of(steps: readonly number[]): SlidingWindow {
    const entries: WindowEntry[] = [];
    let at = 0;
    for (let index = 0; index < steps.length; index += 2) {
      at += steps[index] ?? 0;
      entries.push([at, steps[index + 1] ?? 0]);
    }
    return new SlidingWindow(entries);
  }

  /** @param entries what was taken before, in any order */
  constructor(entries: Iterable<WindowEntry> = []) {
    for (const [at, amount] of [...entries].sort(([one], [other]) => one - other)) this.take(amount, at);
  }

  /** What counts at this time. */
  used(now: number): number {
    if (this.#times.length > 0) this.#leave(now);
    return this.#used;
  }

  /**
   * Takes, without comparing with any limit.
   *
   * @returns the second that it counts for, by which `giveBack` finds it
   */
  take(amount: number, now: number): number {
    this.#leave(now);
    const at = this.#atOrAfterLast(now);
    if (amount === 0) return secondOf(at);
    const last = this.#times.length - 1;
    this.#used += amount;
    if (last >= this.#first && secondOf(this.#times[last] ?? 0) === secondOf(at)) {
      this.#times[last] = at;
      this.#amounts[last] = (this.#amounts[last] ?? 0) + amount;
    } else if (last < 0) {
      // Most keys are used once a minute, and lists that were pushed to have room for seventeen.
      this.#times = [at];
      this.#amounts = [amount];
    } else {
      this.#times.push(at);
      this.#amounts.push(amount);
    }
    return secondOf(at);
  }

  /**
   * Gives back what was taken in that second. Nothing when that second has left the window; never more than it has.
   *
   * @returns how much came back
   */
  giveBack(amount: number, second: number, now: number): number {
    this.#leave(now);
    for (let index = this.#times.length - 1; index >= this.#first; index--) {
      const found = secondOf(this.#times[index] ?? 0);
      if (found > second) continue;
      if (found < second) return 0;
      const given = Math.min(amount, this.#amounts[index] ?? 0);
      this.#amounts[index] = (this.#amounts[index] ?? 0) - given;
      this.#used -= given;
      this.#dropEmptyEnd();
      return given;
    }
    return 0;
  }

  /** How long until no more than so much counts: 0 when that is so now. */
  msUntilAtMost(most: number, now: number): number {
    let used = this.used(now);
    if (used <= most) return 0;
    for (let index = this.#first; index < this.#times.length; index++) {
      used -= this.#amounts[index] ?? 0;
      if (used <= most) return (this.#times[index] ?? 0) + windowMs - now;
    }
    throw new Error('A window cannot count less than nothing.');
  }

  /** When nothing counts any more, if nothing is taken; null when nothing does now. */
  emptyAt(now: number): number | null {
    this.#leave(now);
    const last = this.#times[this.#times.length - 1];
    return last === undefined ? null : last + windowMs;
  }

  /** When nothing of it counts any more; 0 when there is nothing. */
  get lastEnd(): number {
    const last = this.#times[this.#times.length - 1];
    return last === undefined ? 0 : last + windowMs;
  }

  /** What counts; the oldest first. */
  entries(): WindowEntry[] {
    const entries: WindowEntry[] = [];
    for (let index = this.#first; index < this.#times.length; index++) {
      const amount = this.#amounts[index] ?? 0;
      if (amount > 0) entries.push([this.#times[index] ?? 0, amount]);
    }
    return entries;
  }

  /** The same, for keeping: of each entry the time since the one before, and the amount. As text it is much shorter. */
  steps(): number[] {
    const steps: number[] = [];
    let before = 0;
    for (let index = this.#first; index < this.#times.length; index++) {
      const amount = this.#amounts[index] ?? 0;
      if (amount === 0) continue;
      const at = this.#times[index] ?? 0;
      steps.push(at - before, amount);
      before = at;
    }
    return steps;
  }

  /** Clocks differ and are set back a little: nothing is put before what was taken already. */
  #atOrAfterLast(now: number): number {
    const last = this.#times[this.#times.length - 1];
    return last !== undefined && last > now && last <= now + windowMs ? last : now;
  }

  /** What is out of the window leaves; so does what is a window ahead, which a clock wrote that was set back since. */
  #leave(now: number): void {
    const times = this.#times;
    const amounts = this.#amounts;
    // Not what left before: it was taken off then.
    while (times.length > this.#first && (times[times.length - 1] ?? 0) > now + windowMs) {
      times.pop();
      this.#used -= amounts.pop() ?? 0;
    }
    while (this.#first < times.length && (times[this.#first] ?? 0) <= now - windowMs) {
      this.#used -= amounts[this.#first] ?? 0;
      this.#first += 1;
    }
    if (this.#first === times.length) this.#drop(times.length);
    // Now and then, so that each entry is moved once on average.
    else if (this.#first >= 64) this.#drop(this.#first);
  }

  /** What was given back altogether leaves no trace at the end, where the next one is put. */
  #dropEmptyEnd(): void {
    while (this.#times.length > this.#first && this.#amounts[this.#amounts.length - 1] === 0) {
      this.#times.pop();
      this.#amounts.pop();
    }
  }

  #drop(count: number): void {
    this.#times.copyWithin(0, count);
    this.#times.length -= count;
    this.#amounts.copyWithin(0, count);
    this.#amounts.length -= count;
    this.#first = 0;
  }
}
