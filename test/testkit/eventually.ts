import { vi } from 'vitest';

/** Waits until a check holds: patiently, since machines are busy, and without a pause that a test would notice. */
export const eventually = <Result>(check: () => Result | Promise<Result>): Promise<Result> =>
  vi.waitFor(check, { timeout: 10_000, interval: 10 });
