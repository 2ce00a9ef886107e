import { dayAt, monthAt, type Period } from './calendar.ts';

/** What a tally counts for: a calendar period of a time zone, or all time from `startedAt` on. */
export type TallyPeriod = 'DAY' | 'MONTH' | { readonly startedAt: number };

/** Everything that a tally is, as it is kept. */
export interface TallyState {
  readonly calendar: 'DAY' | 'MONTH' | null;
  readonly timeZone: string;
  readonly epoch: number;
  readonly start: number;
  /** Null: it never ends. */
  readonly end: number | null;
  readonly tokens: number;
  readonly costNanoUsd: bigint;
}

function periodAt(period: TallyPeriod, timeZone: string, at: number): Period {
  if (period === 'DAY') return dayAt(timeZone, at);
  if (period === 'MONTH') return monthAt(timeZone, at);
  return { start: period.startedAt, end: Number.POSITIVE_INFINITY };
}

/** The bounds of the period that counts now, where a tally was begun and where none was. */
export const boundsOf = (tally: Tally | undefined, period: TallyPeriod, timeZone: string, now: number): Period =>
  tally?.boundsFor(period, timeZone, now) ?? periodAt(period, timeZone, now);

/** Counts tokens and money of one period, and begins anew with the next one. */
export class Tally {
  #calendar: 'DAY' | 'MONTH' | null;
  #timeZone: string;
  /**
   * Names the period that is counted: a reservation gives back to the one that it took from, or to none. It stays when
   * a change of the time zone moves the bounds.
   */
  #epoch: number;
  #start: number;
  #end: number;
  #tokens: number;
  #costNanoUsd: bigint;

  private constructor(state: TallyState) {
    this.#calendar = state.calendar;
    this.#timeZone = state.timeZone;
    this.#epoch = state.epoch;
    this.#start = state.start;
    this.#end = state.end ?? Number.POSITIVE_INFINITY;
    this.#tokens = state.tokens;
    this.#costNanoUsd = state.costNanoUsd;
  }

  static of(period: TallyPeriod, timeZone: string, now: number): Tally {
    const { start, end } = periodAt(period, timeZone, now);
    const calendar = typeof period === 'string' ? period : null;
    return new Tally({ calendar, timeZone, epoch: start, start, end, tokens: 0, costNanoUsd: 0n });
  }

  static restore(state: TallyState): Tally {
    return new Tally(state);
  }

  get epoch(): number {
    return this.#epoch;
  }

  get tokens(): number {
    return this.#tokens;
  }

  get costNanoUsd(): bigint {
    return this.#costNanoUsd;
  }

  /** Whether it counts for such periods, this one or an earlier one. */
  isOf(period: TallyPeriod): boolean {
    return typeof period === 'string'
      ? this.#calendar === period
      : this.#calendar === null && this.#epoch === period.startedAt;
  }

  /** Whether what it counted counts now; if not, nothing does. */
  counts(period: TallyPeriod, now: number): boolean {
    if (!this.isOf(period)) return false;
    // A clock that goes back a little changes nothing. Ahead by more than a period, it was wrong when this one began.
    return now < this.#end && this.#start - now <= this.#end - this.#start;
  }

  /** When nothing of it counts any more; 0 when there is nothing, null: never by itself. */
  get lastEnd(): number | null {
    if (this.#tokens === 0 && this.#costNanoUsd === 0n) return 0;
    return this.#end === Number.POSITIVE_INFINITY ? null : this.#end;
  }

  /** The bounds of the period that it counts for; undefined when what it counted does not count now. */
  boundsFor(period: TallyPeriod, timeZone: string, now: number): Period | undefined {
    if (!this.counts(period, now)) return undefined;
    if (this.#calendar === null || timeZone === this.#timeZone) return { start: this.#start, end: this.#end };
    // The clocks of the new zone may show another day, but no use is forgotten by moving.
    return periodAt(period, timeZone, Math.max(now, this.#start));
  }

  /** Begins anew when its period is not the one that counts now. What was used stays when only the zone is another. */
  turnTo(period: TallyPeriod, timeZone: string, now: number): void {
    const isSame = this.counts(period, now);
    if (isSame && (this.#calendar === null || timeZone === this.#timeZone)) return;
    const { start, end } = boundsOf(this, period, timeZone, now);
    this.#start = start;
    this.#end = end;
    this.#timeZone = timeZone;
    if (isSame) return;
    this.#calendar = typeof period === 'string' ? period : null;
    this.#epoch = start;
    this.#tokens = 0;
    this.#costNanoUsd = 0n;
  }

  /** Begins anew when its period is over. */
  roll(now: number): void {
    if (this.#calendar !== null) this.turnTo(this.#calendar, this.#timeZone, now);
  }

  add(tokens: number, costNanoUsd: bigint): void {
    this.#tokens = Math.min(this.#tokens + tokens, Number.MAX_SAFE_INTEGER);
    if (costNanoUsd !== 0n) this.#costNanoUsd += costNanoUsd;
  }

  /** @returns whether anything came back: not when its period is over */
  giveBack(epoch: number, tokens: number, costNanoUsd: bigint): boolean {
    if (epoch !== this.#epoch) return false;
    this.#tokens = Math.max(0, this.#tokens - tokens);
    if (costNanoUsd !== 0n) this.#costNanoUsd = costNanoUsd > this.#costNanoUsd ? 0n : this.#costNanoUsd - costNanoUsd;
    return true;
  }

  state(): TallyState {
    return {
      calendar: this.#calendar,
      timeZone: this.#timeZone,
      epoch: this.#epoch,
      start: this.#start,
      end: this.#end === Number.POSITIVE_INFINITY ? null : this.#end,
      tokens: this.#tokens,
      costNanoUsd: this.#costNanoUsd,
    };
  }
}
