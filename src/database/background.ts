import { AsyncLocalStorage } from 'node:async_hooks';

const background = new AsyncLocalStorage<true>();

/** Does work that no caller asked for. What it asks of Postgres is not recorded as a part of any operation. */
export function inBackground<Result>(work: () => Result | PromiseLike<Result>): Promise<Result> {
  // Waited for within: what Prisma returns begins only then.
  return background.run(true, async () => await work());
}

export const isInBackground = (): boolean => background.getStore() === true;

/** Does such work once, `delayMs` from now, without keeping the process running; the returned function prevents it. */
export function laterInBackground(delayMs: number, work: () => unknown): () => void {
  const timer = setTimeout(() => void inBackground(work), delayMs);
  timer.unref();
  return () => clearTimeout(timer);
}

/** Does such work every `intervalMs`, without keeping the process running; the returned function ends it. */
export function repeatInBackground(intervalMs: number, work: () => unknown): () => void {
  const timer = setInterval(() => void inBackground(work), intervalMs);
  timer.unref();
  return () => clearInterval(timer);
}
