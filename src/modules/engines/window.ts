/** The length of the window that rate limits count in. */
export const windowMs = 60_000;

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

/** The calls that count at this time, the oldest first. What is a window ahead was written by a clock set back since. */
const counted = (calls: Calls, now: number): (readonly [at: number, count: number])[] =>
  Object.entries(calls)
    .map(([at, count]) => [Number(at), count] as const)
    .filter(([at]) => at > now - windowMs && at <= now + windowMs)
    .toSorted(([one], [other]) => one - other);

const sum = (entries: readonly (readonly [at: number, count: number])[]): number =>
  entries.reduce((total, [, count]) => total + count, 0);

/** How far the limit is used up at this time. */
export function stateOf(calls: Calls, limit: number, now: number): RateLimit {
  const entries = counted(calls, now);
  const remaining = Math.max(0, limit - sum(entries));
  const last = limit === 0 ? undefined : entries.at(-1);
  return {
    limit,
    remaining,
    resetAt: last === undefined ? null : new Date(last[0] + windowMs),
    retryAfterMs: remaining > 0 ? 0 : limit === 0 ? null : waitFor(entries, sum(entries) - limit + 1, now),
  };
}

/** How long until so many of the calls are out of the window. */
function waitFor(entries: readonly (readonly [at: number, count: number])[], leaving: number, now: number): number {
  let left = 0;
  for (const [at, count] of entries) {
    left += count;
    if (left >= leaving) return at + windowMs - now;
  }
  throw new Error('More calls would have to leave the window than it has.');
}

/**
 * Makes a call, unless the limit is used up. No 60 seconds ever have more calls than the limit: a call counts for the
 * time of the last one within its second, so for at most a second more than 60.
 *
 * @returns the calls to keep; absent when it was refused, which costs nothing
 */
export function takeCall(calls: Calls, limit: number, now: number): Calls | undefined {
  const entries = counted(calls, now);
  if (sum(entries) >= limit) return undefined;
  const last = entries.at(-1);
  // The clocks of two replicas differ a little; a call is never put before one that was made already.
  const at = Math.max(now, last?.[0] ?? 0);
  const isSameSecond = last !== undefined && Math.floor(last[0] / 1_000) === Math.floor(at / 1_000);
  const earlier = isSameSecond ? entries.slice(0, -1) : entries;
  return Object.fromEntries([...earlier, [at, isSameSecond ? last[1] + 1 : 1]]);
}
