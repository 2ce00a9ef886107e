/** The program as src/main.ts starts it, with snapshots that the suite makes it publish. */
import { startApp } from '../../src/app.ts';
import { readConfig } from '../../src/config.ts';
import { idleSource } from '../../src/modules/snapshots/idle-source.ts';
import { snapshotAt } from '../fanout/data.ts';
import { obeySuite } from '../fanout/measured.ts';

const listeners = new Set<() => void>();
const app = await startApp(readConfig(), {
  snapshotSource: {
    ...idleSource,
    fairshare: snapshotAt,
    onChanged: (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
  },
});
obeySuite(() => {
  for (const listener of listeners) listener();
});
process.send?.({ value: app.url });
