import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import { systemTimers } from '../../src/live/timers.ts';

const run = promisify(execFile);

const quietMs = 5_000;

/** How long a process that nothing else wakes up takes to let a timer go off. */
async function lateInQuietProcessMs(delayMs: number): Promise<number> {
  const timers = JSON.stringify(new URL('../../src/live/timers.ts', import.meta.url));
  const script = `
    const { systemTimers } = await import(${timers});
    setTimeout(() => process.exit(), ${quietMs});
    setTimeout(() => {
      const setAt = performance.now();
      systemTimers.after(${delayMs}, () => {
        console.log(performance.now() - setAt);
        process.exit();
      });
    }, 1);
  `;
  const { stdout } = await run(process.execPath, ['--input-type=module', '--eval', script]);
  return Number(stdout);
}

describe('timers of the system', () => {
  it.each([0, -5])('go off at once after %d ms, also when nothing else wakes the process up', async (delayMs) => {
    expect(await lateInQuietProcessMs(delayMs)).toBeLessThan(quietMs / 2);
  });

  it('go off when they are due', async () => {
    const startedAt = performance.now();
    await new Promise<void>((resolve) => systemTimers.after(20, resolve));
    expect(performance.now() - startedAt).toBeGreaterThanOrEqual(19);
  });

  it.each([0, 5])('do not go off after %d ms once they are prevented', async (delayMs) => {
    const wentOff: string[] = [];
    const prevent = systemTimers.after(delayMs, () => wentOff.push('prevented'));
    prevent();
    await new Promise<void>((resolve) => systemTimers.after(delayMs + 10, resolve));
    expect(wentOff).toEqual([]);
  });
});
