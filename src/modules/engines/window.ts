import { SlidingWindow } from '../limits/ledger/window.ts';

/** How many calls there were, by the time of the last one within its second. */
export type Calls = Readonly<Record<string, number>>;

/** How far a limit is used up. */
export interface RateLimit {
  readonly limit: number;
  /** How many calls are left now. */
  readonly remaining: number;
  /** When all of the limit is there again if no call is made; null: it is, or it never is since it is 0. */
  readonly resetAt: Date | null;
  /** How long until a call is admitted: 0 when one is now, null when none ever is. */
  readonly retryAfterMs: number | null;
}

const windowOf = (calls: Calls): SlidingWindow =>
  new SlidingWindow(Object.entries(calls).map(([at, count]) => [Number(at), count] as const));

/** How far the limit is used up at this time. */
export function stateOf(calls: Calls, limit: number, now: number): RateLimit {
  const window = windowOf(calls);
  const remaining = Math.max(0, limit - window.used(now));
  if (limit === 0) return { limit, remaining, resetAt: null, retryAfterMs: null };
  const emptyAt = window.emptyAt(now);
  return {
    limit,
    remaining,
    resetAt: emptyAt === null ? null : new Date(emptyAt),
    retryAfterMs: window.msUntilAtMost(limit - 1, now),
  };
}

/**
 * Makes a call, unless the limit is used up. No 60 seconds ever have more calls than the limit: a call counts for the
 * time of the last one within its second, so for at most a second more than 60.
 *
 * @returns the calls to keep; absent when it was refused, which costs nothing
 */
export function takeCall(calls: Calls, limit: number, now: number): Calls | undefined {
  const window = windowOf(calls);
  if (window.used(now) >= limit) return undefined;
  window.take(1, now);
  return Object.fromEntries(window.entries());
}
