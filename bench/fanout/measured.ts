/** Has a server publish and tell what it took, as the suite says. */
import { monitorEventLoopDelay } from 'node:perf_hooks';
import type { Reply, ServerOrder, ServerReport } from './protocol.ts';

/** Looking takes time itself, a tenth of a millisecond each: it is not done where CPU time is measured. */
const resolutionMs = 20;

/** @param publish called with every change */
export function obeySuite(publish: () => void): void {
  const delays = monitorEventLoopDelay({ resolution: resolutionMs });
  let cpu = process.cpuUsage();
  let timer: NodeJS.Timeout | undefined;
  const report = (): ServerReport => {
    const { user, system } = process.cpuUsage(cpu);
    const { heapUsed, external } = process.memoryUsage();
    return {
      cpuMicroseconds: user + system,
      // A tick that comes on time is counted as well.
      longestBlockMs: Math.max(0, delays.max / 1e6 - resolutionMs),
      heapBytes: heapUsed + external,
    };
  };
  const obey = async (order: ServerOrder): Promise<ServerReport | undefined> => {
    switch (order.kind) {
      case 'publish':
        timer = setInterval(publish, order.everyMs);
        return undefined;
      case 'pause':
        clearInterval(timer);
        return undefined;
      case 'reset':
        delays.disable();
        delays.reset();
        if (order.watchesBlocks) delays.enable();
        cpu = process.cpuUsage();
        return undefined;
      case 'report':
        return report();
      case 'heap':
        for (let round = 0; round < 4; round += 1) {
          globalThis.gc?.();
          await new Promise((resolve) => setTimeout(resolve, 50));
        }
        return report();
    }
  };
  process.on('message', (order: ServerOrder) => {
    obey(order).then(
      (value) => process.send?.({ value } satisfies Reply<ServerReport | undefined>),
      (error: unknown) => process.send?.({ failure: String(error) } satisfies Reply<never>),
    );
  });
  process.on('disconnect', () => process.exit());
}
