import { vi } from 'vitest';

/**
 * Waits until a check holds: patiently, since machines are busy, and without a pause that a test would notice.
 *
 * @param timeoutMs longer where processes have to start first
 */
export const eventually = <Result>(
  check: () => Result | Promise<Result>,
  timeoutMs: number = 10_000,
): Promise<Result> => vi.waitFor(check, { timeout: timeoutMs, interval: 10 });
