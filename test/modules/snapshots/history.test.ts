import { describe, expect, it } from 'vitest';
import { encodeId, newId } from '../../../src/graph/ids.ts';
import { startTestApp } from '../../testkit/app.ts';
import { graphql } from '../../testkit/generated/gql.ts';
import { TestSnapshots } from '../../testkit/snapshots.ts';

const snapshots = new TestSnapshots();
const [own, foreign] = [newId(), newId()];
const [group, otherGroup] = [newId(), newId()];
snapshots.tenants = [
  { id: own, name: 'own', groupId: group, model: 'small', keyIds: [newId()], inFlight: 3 },
  { id: foreign, name: 'foreign', groupId: otherGroup, model: 'large', keyIds: [newId()], inFlight: 5 },
];
const app = await startTestApp({ snapshotSource: snapshots });
const second = 1_000;
const minute = 60 * second;

const SnapshotHistory = graphql(`
  query SnapshotHistory($pool: String, $since: DateTime, $until: DateTime, $resolution: HistoryResolution!) {
    fairshareHistory(pool: $pool, since: $since, until: $until, resolution: $resolution) {
      intervalMs
      retentionMs
      oldestAt
      points {
        at
        inFlight
        queued
        maxInFlight
        groups {
          groupId
          inFlight
        }
        tenants {
          tenantId
          name
          inFlight
        }
      }
    }
  }
`);

const historyOf = async (
  client: typeof app.operator,
  variables: { resolution: 'SECONDS' | 'MINUTES'; pool?: string; since?: string; until?: string },
) => (await client.run(SnapshotHistory, variables)).fairshareHistory;

describe('the history of fairshare', () => {
  const start = app.clock.now().getTime();
  const at = (ms: number) => new Date(start + ms).toISOString();

  it('has a point every 2 seconds, of the pool that is asked for or of all', async () => {
    expect((await historyOf(app.operator, { resolution: 'SECONDS' })).points).toEqual([]);
    app.clock.advance(2 * second);
    snapshots.change();
    app.clock.advance(2 * second);
    const all = await historyOf(app.operator, { resolution: 'SECONDS' });
    expect(all).toMatchObject({ intervalMs: 2_000, retentionMs: 3_600_000, oldestAt: at(2 * second) });
    expect(all.points).toMatchObject([
      { at: at(2 * second), inFlight: 8, queued: 16, maxInFlight: 8 },
      { at: at(4 * second), inFlight: 9, queued: 18, maxInFlight: 9 },
    ]);
    expect(all.points[1]?.groups).toEqual([
      { groupId: encodeId('FairshareGroup', group), inFlight: 4 },
      { groupId: encodeId('FairshareGroup', otherGroup), inFlight: 5 },
    ]);
    const large = await historyOf(app.operator, { resolution: 'SECONDS', pool: 'large' });
    expect(large.points.map(({ inFlight, tenants }) => [inFlight, tenants.map(({ name }) => name)])).toEqual([
      [5, ['foreign']],
      [5, ['foreign']],
    ]);
    expect((await historyOf(app.operator, { resolution: 'SECONDS', since: at(3 * second) })).points).toHaveLength(1);
    expect((await historyOf(app.operator, { resolution: 'SECONDS', until: at(4 * second) })).points).toHaveLength(1);
  });

  it('shows a tenant its own rows, and totals only to who may see them', async () => {
    const hidden = await historyOf(app.ofTenant(own, 'fairshare:read'), { resolution: 'SECONDS' });
    const tenants = [{ tenantId: encodeId('Tenant', own), name: 'own', inFlight: expect.any(Number) }];
    for (const point of hidden.points) {
      expect(point).toMatchObject({ inFlight: null, queued: null, maxInFlight: null, groups: null, tenants });
    }
    const shown = await historyOf(app.ofTenant(own, 'fairshare:read', 'fairshare:totals'), { resolution: 'SECONDS' });
    expect(shown.points.at(-1)).toMatchObject({ inFlight: 9, groups: null, tenants });
  });

  it('keeps a mean for each minute for a day, and forgets what is older', async () => {
    const minutes = await historyOf(app.operator, { resolution: 'MINUTES' });
    expect(minutes.points).toMatchObject([{ at: at(0), inFlight: 8.5, maxInFlight: 9 }]);
    app.clock.advance(62 * minute);
    const seconds = await historyOf(app.operator, { resolution: 'SECONDS' });
    expect(seconds.points).toHaveLength(1_800);
    expect((await historyOf(app.operator, { resolution: 'MINUTES' })).points).toHaveLength(63);
  });
});
