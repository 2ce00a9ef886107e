/** The program as src/main.ts starts it, with snapshots that the suite makes it publish. */
import { startApp } from '../../src/app.ts';
import { readConfig } from '../../src/config.ts';
import type { SnapshotSource } from '../../src/modules/snapshots/snapshot.ts';
import { snapshotAt } from '../fanout/data.ts';
import { obeySuite } from '../fanout/measured.ts';

const listeners = new Set<() => void>();
const snapshotSource: SnapshotSource = {
  fairshare: snapshotAt,
  stats: (stamp) => ({
    ...stamp,
    totals: {
      inFlight: 0,
      queued: 0,
      admittedPerSecond: 0,
      refusedPerSecond: 0,
      settledPerSecond: 0,
      tokensPerSecond: 0,
      refusals: [],
      queueWaitP50Ms: null,
      queueWaitP99Ms: null,
      oldestWaitMs: null,
      maxInFlight: 0,
      gatewaysAlive: 0,
    },
    tenants: [],
  }),
  onChanged: (listener) => {
    listeners.add(listener);
    return () => listeners.delete(listener);
  },
};
const app = await startApp(readConfig(), { snapshotSource });
obeySuite(() => {
  for (const listener of listeners) listener();
});
process.send?.({ value: app.url });
