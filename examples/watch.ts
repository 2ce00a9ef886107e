/**
 * Who has which share of the slots, in the terminal, live: groups with their tenants, what runs and waits, each one's
 * share beside what its weight gives it, and what is borrowed. It goes on by itself after a lost connection.
 *
 *   npm run example -- watch
 *   npm run example -- watch --pool gpt-oss-120b
 *   npm run example -- watch --once
 *
 * `--pool` shows the slots of one model, `--interval` is the least time between two pictures in milliseconds, and
 * `--once` prints one and ends. With FAIRLEAD_URL and FAIRLEAD_KEY (scopes fairshare:read, stats:read) it watches another
 * server than the one of this folder; the key of a tenant shows that tenant.
 */
import { parseArgs } from 'node:util';
import { graphql } from './generated/gql.ts';
import type { WatchFairshareSubscription, WatchStatsSubscription } from './generated/graphql.ts';
import { follow } from './support/live.ts';
import { picture } from './watch/picture.ts';
import { Screen } from './watch/screen.ts';

const fairshareLive = graphql(`
  subscription WatchFairshare($pool: String, $minIntervalMs: Int) {
    fairshareLive(pool: $pool, minIntervalMs: $minIntervalMs) {
      asOf
      algorithm
      totals {
        capacity
        inFlight
        queued
        borrowed
        oldestWaitMs
      }
      groups {
        name
        ...WatchedShare
      }
      tenants {
        name
        groupName
        ...WatchedShare
      }
      pools {
        model
        totals {
          capacity
          inFlight
          queued
          borrowed
          oldestWaitMs
        }
      }
    }
  }

  fragment WatchedShare on FairshareShare {
    weight
    inFlight
    queued
    weightShare
    expectedSlots
    slotCap
    borrowed
    oldestWaitMs
  }
`);

const statsLive = graphql(`
  subscription WatchStats($minIntervalMs: Int) {
    statsLive(minIntervalMs: $minIntervalMs) {
      totals {
        gatewaysAlive
        ...WatchedActivity
      }
      tenants {
        ...WatchedActivity
      }
    }
  }

  fragment WatchedActivity on Activity {
    admittedPerSecond
    refusedPerSecond
    settledPerSecond
    tokensPerSecond
    queueWaitP50Ms
    queueWaitP99Ms
    refusals {
      reason
      perSecond
    }
  }
`);

const { values: options } = parseArgs({
  options: {
    pool: { type: 'string' },
    interval: { type: 'string', default: '250' },
    once: { type: 'boolean', default: false },
  },
});
const minIntervalMs = Number(options.interval);
/** Whoever wants one picture wants to know when there is none. */
const attempts = options.once ? { retryAttempts: 3 } : {};

let fairshare: WatchFairshareSubscription['fairshareLive'] | undefined;
let stats: WatchStatsSubscription['statsLive'] | undefined;
let isConnected = false;

const screen = new Screen(process.stdout, (size) =>
  picture({ fairshare, stats, isConnected, pool: options.pool }, size),
);

async function watchFairshare(): Promise<void> {
  const events = {
    ...attempts,
    onConnected: () => {
      isConnected = true;
    },
    onLost: () => {
      // After the only picture, the connection is not needed any more.
      if (options.once) return;
      isConnected = false;
      screen.draw();
    },
  };
  const variables = { minIntervalMs, ...(options.pool === undefined ? {} : { pool: options.pool }) };
  for await (const { fairshareLive: snapshot } of follow(fairshareLive, variables, events)) {
    fairshare = snapshot;
    if (options.once) return;
    screen.draw();
  }
}

async function watchStats(): Promise<void> {
  for await (const { statsLive: snapshot } of follow(statsLive, { minIntervalMs }, attempts)) {
    stats = snapshot;
    if (options.once) return;
    screen.draw();
  }
}

if (!options.once) screen.open();
try {
  await Promise.all([watchFairshare(), watchStats()]);
  screen.print();
} catch (error) {
  screen.close();
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exit(1);
}
