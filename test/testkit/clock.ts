import type { Clock } from '../../src/graph/context.ts';
import { systemTimers, type Timers } from '../../src/live/timers.ts';

interface Alarm {
  readonly at: number;
  readonly ring: () => void;
}

/** A clock that stands still until a test moves it, and whose timers go off while it is moved past them. */
export class TestClock implements Clock, Timers {
  #now: number;
  readonly #alarms = new Set<Alarm>();

  constructor(start = '2026-03-01T12:00:00.000Z') {
    this.#now = Date.parse(start);
  }

  now(): Date {
    return new Date(this.#now);
  }

  advance(byMs: number): void {
    const end = this.#now + byMs;
    for (let next = this.#nextAlarm(end); next !== undefined; next = this.#nextAlarm(end)) {
      this.#alarms.delete(next);
      this.#now = Math.max(this.#now, next.at);
      next.ring();
    }
    this.#now = end;
  }

  /** As for a process that was suspended meanwhile: all that is due by then goes off at the end, and once. */
  leap(byMs: number): void {
    this.#now += byMs;
    for (const alarm of [...this.#alarms].filter(({ at }) => at <= this.#now).sort((a, b) => a.at - b.at)) {
      if (this.#alarms.delete(alarm)) alarm.ring();
    }
  }

  nowMs(): number {
    return this.#now;
  }

  after(delayMs: number, callback: () => void): () => void {
    const alarm = { at: this.#now + Math.max(0, delayMs), ring: callback };
    this.#alarms.add(alarm);
    return () => this.#alarms.delete(alarm);
  }

  /** The earliest up to a time; of several at one time, the one that was set first. */
  #nextAlarm(until: number): Alarm | undefined {
    let next: Alarm | undefined;
    for (const alarm of this.#alarms) if (alarm.at <= until && alarm.at < (next?.at ?? Infinity)) next = alarm;
    return next;
  }
}

/** The system's clock, for tests whose subject is real time. It cannot be moved. */
export class RunningClock extends TestClock {
  override now(): Date {
    return new Date();
  }

  override nowMs(): number {
    return systemTimers.nowMs();
  }

  override after(delayMs: number, callback: () => void): () => void {
    return systemTimers.after(delayMs, callback);
  }
}
