import type { Clock } from '../../src/graph/context.ts';

/** A clock that stands still until a test moves it. */
export class TestClock implements Clock {
  #now: number;

  constructor(start = '2026-03-01T12:00:00.000Z') {
    this.#now = Date.parse(start);
  }

  now(): Date {
    return new Date(this.#now);
  }

  advance(byMs: number): void {
    this.#now += byMs;
  }
}

/** The system's clock, for tests whose subject is real time. It cannot be moved. */
export class RunningClock extends TestClock {
  override now(): Date {
    return new Date();
  }
}
