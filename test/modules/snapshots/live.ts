import { beforeEach, expect } from 'vitest';
import { decodeId } from '../../../src/graph/ids.ts';
import { historyResolutions } from '../../../src/modules/snapshots/history.ts';
import { startTestApp } from '../../testkit/app.ts';
import { eventually } from '../../testkit/eventually.ts';
import { runningSubscriptions } from '../../testkit/follow.ts';
import { graphql } from '../../testkit/generated/gql.ts';
import { Seed } from '../../testkit/seed.ts';
import { TestSnapshots } from '../../testkit/snapshots.ts';

export const SnapshotFollow = graphql(`
  subscription SnapshotFollow($pool: String, $tenant: ID, $minIntervalMs: Int) {
    fairshareLive(pool: $pool, tenant: $tenant, minIntervalMs: $minIntervalMs) {
      seq
      asOf
      totals {
        inFlight
      }
      tenants {
        name
        inFlight
      }
    }
  }
`);

/** A program that shows snapshots of three tenants in two groups, the first of which uses a model of its own. */
export async function startLive() {
  const snapshots = new TestSnapshots();
  const app = await startTestApp({ snapshotSource: snapshots });
  const { clock } = app;
  const startedAtMs = clock.nowMs();
  const { intervalMs } = historyResolutions.SECONDS;
  const seed = new Seed(app);
  const groups = [await seed.group(), await seed.group()] as const;
  const tenants = [await seed.tenant(), await seed.tenant(), await seed.tenant()] as const;
  const keys = await Promise.all(tenants.map(({ id: tenantId }) => seed.key({ kind: 'TENANT', tenantId })));
  snapshots.tenants = tenants.map((tenant, index) => ({
    id: decodeId('Tenant', tenant.id),
    name: tenant.name,
    groupId: decodeId('FairshareGroup', groups[index % 2 === 0 ? 0 : 1].id),
    model: index === 0 ? 'small' : 'large',
    keyIds: [decodeId('ApiKey', keys[index]?.id ?? '')],
    inFlight: index + 1,
  }));
  // Where a test lets go of its connection, the subscription ends a little later.
  beforeEach(() => eventually(async () => expect(await runningSubscriptions(app.app)).toBe(0)));
  return {
    app,
    clock,
    seed,
    snapshots,
    tenants,
    /** Of the tenants, one each. */
    keys,
    metric: async (name: 'liveExecutions' | 'liveResults'): Promise<number> =>
      (await app.app.metrics[name].get()).values[0]?.value ?? 0,
    /**
     * Lets time for the shortest interval between two snapshots go by, until some time after the history took one: the
     * next that it takes is not amidst what a test counts.
     */
    settle: () => clock.advance(intervalMs - ((clock.nowMs() - startedAtMs) % intervalMs) + intervalMs / 4),
  };
}
