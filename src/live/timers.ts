/** What is to happen later. Tests bring their own, which go off when their clock is moved. */
export interface Timers {
  /** Calls back once, so long from now; the returned function prevents it. */
  after(delayMs: number, callback: () => void): () => void;
  /** Milliseconds of a clock that is never set. */
  nowMs(): number;
}

/** The longest that one timer of Node can wait. */
const timeoutMaxMs = 2 ** 31 - 1;

/** Timers of the system. They do not keep the process running, but for those that go off in this turn. */
export const systemTimers: Timers = {
  nowMs: () => performance.now(),
  after: (delayMs, callback) => {
    if (delayMs <= 0) {
      // In this turn, and not woken up for it a millisecond later. One without a reference would wait until something
      // else wakes the process up.
      const immediate = setImmediate(callback);
      return () => clearImmediate(immediate);
    }
    let timeout: NodeJS.Timeout;
    const wait = (remainingMs: number): void => {
      const delay = Math.min(Math.max(0, remainingMs), timeoutMaxMs);
      timeout = setTimeout(() => (remainingMs > delay ? wait(remainingMs - delay) : callback()), delay).unref();
    };
    wait(delayMs);
    return () => clearTimeout(timeout);
  },
};
