import { beforeAll, describe, expect, it } from 'vitest';
import { encodeId, newId } from '../../../src/graph/ids.ts';
import { FairshareHistory } from '../../../src/modules/snapshots/history.ts';
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

  it('is asked for from one time to another, the end excluded, and what cannot be right is refused', async () => {
    const { oldestAt, points } = await historyOf(app.operator, { resolution: 'SECONDS' });
    expect(oldestAt).toBe(points[0]?.at);
    const [since, until] = [points[3]?.at ?? '', points[5]?.at ?? ''];
    const some = await historyOf(app.operator, { resolution: 'SECONDS', since, until });
    expect(some.points).toEqual(points.slice(3, 5));
    expect((await historyOf(app.operator, { resolution: 'SECONDS', since, until: since })).points).toEqual([]);
    expect((await historyOf(app.operator, { resolution: 'SECONDS', since: at(-minute), until })).points).toEqual(
      points.slice(0, 5),
    );
    const refused = async (text: string) =>
      (await app.operator.send(`{ fairshareHistory(${text}) { intervalMs } }`)).errors?.[0];
    expect(await refused(`since: "${until}", until: "${since}"`)).toMatchObject({
      message: 'since is after until.',
      extensions: { code: 'BAD_USER_INPUT', argument: 'since' },
    });
    expect(await refused('pool: "a\\u0000b"')).toMatchObject({ extensions: { code: 'BAD_USER_INPUT' } });
    for (const text of ['since: "yesterday"', 'since: 5', 'resolution: HOURS', 'resolution: null']) {
      expect(await refused(text)).toMatchObject({ extensions: { code: 'GRAPHQL_VALIDATION_FAILED' } });
    }
  });

  it('of a pool is found by its name in any case, and of one that is not known, nothing was taken', async () => {
    const large = await historyOf(app.operator, { resolution: 'SECONDS', pool: ' LARGE ' });
    expect(large.points.at(-1)).toMatchObject({ inFlight: 5, tenants: [{ name: 'foreign' }] });
    const unknown = await historyOf(app.operator, { resolution: 'SECONDS', pool: 'unknown' });
    expect(unknown.points).toHaveLength(large.points.length);
    expect(unknown.points.at(-1)).toMatchObject({ inFlight: 0, maxInFlight: 0, groups: [], tenants: [] });
    // A tenant cannot tell the pools of others from none.
    const tenant = app.ofTenant(own, 'fairshare:read');
    expect(await historyOf(tenant, { resolution: 'SECONDS', pool: 'large' })).toEqual(
      await historyOf(tenant, { resolution: 'SECONDS', pool: 'unknown' }),
    );
  });
});

describe('what the history costs', () => {
  const tenants = Array.from({ length: 30 }, (_, index) => ({
    id: newId(),
    name: `Tenant ${index}`,
    groupId: group,
    model: 'small',
    keyIds: [],
    inFlight: 1,
  }));
  const ids = tenants.map(({ id }) => encodeId('Tenant', id));
  const totals = '{ points { at inFlight } }';
  const rows = '{ points { at tenants { name inFlight } } }';
  const ask = async (text: string, client = app.operator, variables = {}) => {
    const { data, errors, extensions } = await client.send(text, variables);
    const points = (data as { fairshareHistory: { points: { tenants?: unknown[] }[] } } | null)?.fairshareHistory
      .points;
    return { points, error: errors?.[0], cost: (extensions as { cost: { requested: number } }).cost.requested };
  };

  beforeAll(() => {
    snapshots.tenants = tenants;
    app.clock.advance(61 * minute);
  });

  it('is by points and their rows: what costs too much is refused whole, and told how to ask for less', async () => {
    const all = await ask(`{ fairshareHistory ${totals} }`);
    expect(all).toMatchObject({ error: undefined, cost: 1 + 1_800 * 0.2 });
    expect(all.points).toHaveLength(1_800);
    const refused = await ask(`{ fairshareHistory ${rows} }`);
    expect(refused).toMatchObject({ points: undefined, cost: 1 + 1_800 * 0.2 * 31 });
    expect(refused.error).toMatchObject({ extensions: { code: 'OPERATION_TOO_EXPENSIVE' } });
    expect(refused.error?.message).toContain(
      'Of fairshareHistory, ask for a shorter time (since, until), for MINUTES, for the rows of some tenants (tenants(ids: …)), or for totals alone.',
    );
    const since = new Date(app.clock.now().getTime() - 10 * minute).toISOString();
    const shorter = await ask(`{ fairshareHistory(since: "${since}") ${rows} }`);
    expect(shorter).toMatchObject({ error: undefined, cost: Math.ceil(1 + 301 * 0.2 * 31) });
    expect(shorter.points?.map((point) => point.tenants?.length)).toEqual(Array(301).fill(30));
    expect(await ask(`{ fairshareHistory(resolution: MINUTES) ${rows} }`)).toMatchObject({ error: undefined });
  });

  it('is by the tenants that are named, and by its own for a tenant', async () => {
    const text = `query ($ids: [ID!]) { fairshareHistory { points { tenants(ids: $ids) { name } } } }`;
    const named = await ask(text, app.operator, { ids: [ids[7], ids[3], encodeId('Tenant', newId())] });
    expect(named).toMatchObject({ error: undefined, cost: 1 + 1_800 * 0.2 * 4 });
    expect(named.points).toHaveLength(1_800);
    expect(named.points?.at(-1)).toEqual({ tenants: [{ name: 'Tenant 3' }, { name: 'Tenant 7' }] });
    const tenant = app.ofTenant(tenants[7]?.id ?? '', 'fairshare:read');
    const ofTenant = await ask(text, tenant);
    expect(ofTenant).toMatchObject({ error: undefined, cost: 1 + 1_800 * 0.2 * 2 });
    expect(ofTenant.points?.at(-1)).toEqual({ tenants: [{ name: 'Tenant 7' }] });
    expect((await ask(text, tenant, { ids: [ids[3]] })).points?.at(-1)).toEqual({ tenants: [] });
  });

  it.each([
    ['another type', ['key_01h455vb4pex5vsknk084sn02q'], 'WRONG_ID_TYPE'],
    ['no id', ['own'], 'MALFORMED_ID'],
    ['more than a hundred', Array(101).fill(ids[0]), 'INVALID_PAGE_SIZE'],
  ])('takes no ids of %s', async (_what, given, code) => {
    const text = `query ($ids: [ID!]) { fairshareHistory(resolution: MINUTES) { points { tenants(ids: $ids) { name } } } }`;
    const { error } = await ask(text, app.operator, { ids: given });
    expect(error).toMatchObject({ extensions: { code, argument: 'ids' } });
  });

  it('is by what there is at that time, also of a document that was asked before', async () => {
    const text = `{ fairshareHistory(resolution: MINUTES) ${totals} }`;
    const { cost } = await ask(text);
    app.clock.advance(10 * minute);
    expect((await ask(text)).cost).toBe(cost + 10 * 0.2);
  });
});

describe('what is kept', () => {
  const source = new TestSnapshots();
  let seq = 0;
  const sample = (ms: number) => {
    seq += 1;
    return source.fairshare({ seq, asOf: new Date(ms), instanceId: 'here' });
  };
  const tenantsOf = (count: number, generation: number) =>
    Array.from({ length: count }, (_, index) => ({
      id: `tenant ${generation} ${index}`,
      name: `Tenant ${index}`,
      groupId: 'group',
      model: `model ${index % 10}`,
      keyIds: [],
      inFlight: 1,
    }));
  const all = [new Date(0), new Date(8.64e15)] as const;

  it('is bounded, however many tenants and pools there are: the oldest points go first, which is told', () => {
    const history = new FairshareHistory(10_000);
    for (let count = 1; count <= 60; count += 1) {
      source.tenants = tenantsOf(200, count);
      history.add(sample(count * 2_000));
    }
    const points = history.between('SECONDS', ...all);
    // 200 tenants in all and in their pools, with the groups, and the pools themselves.
    const rowsOfPoint = 2 * 200 + 11 + 11 * 10;
    expect(points.length).toBeLessThanOrEqual(10_000 / rowsOfPoint + 1);
    expect(points.length).toBeGreaterThan(10_000 / rowsOfPoint - 1);
    expect(history.oldestAt('SECONDS')).toEqual(points[0]?.at);
    expect(points.at(-1)).toMatchObject({ at: new Date(120_000), inFlight: 200, queued: 400 });
    for (const [index, { at, tenants }] of points.entries()) {
      const generation = at.getTime() / 2_000;
      expect(generation).toBe(60 - points.length + 1 + index);
      expect(tenants().map(({ id }) => id)).toEqual(tenantsOf(200, generation).map(({ id }) => id));
    }
  });

  it('is a day of minutes, and of names what some point has', () => {
    const history = new FairshareHistory();
    for (let minutes = 0; minutes < 3_000; minutes += 1) {
      source.tenants = tenantsOf(3, minutes);
      history.add(sample(minutes * 60_000));
    }
    const day = history.between('MINUTES', ...all);
    expect(day).toHaveLength(1_440);
    expect(day[0]?.at).toEqual(history.oldestAt('MINUTES'));
    expect(day.at(-1)?.at).toEqual(new Date(2_999 * 60_000));
    // A day of minutes, and the group.
    expect(history.namesKept).toBeLessThanOrEqual(3 * 1_440 + 1);
    expect(history.namesKept).toBeGreaterThan(3 * 1_430);
  });

  it('is the name that somebody had then', () => {
    const history = new FairshareHistory();
    for (const [index, name] of ['before', 'after'].entries()) {
      source.tenants = tenantsOf(1, 0).map((tenant) => ({ ...tenant, name }));
      history.add(sample(index * 2_000));
    }
    source.tenants = [];
    history.add(sample(4_000));
    expect(history.between('SECONDS', ...all).map(({ tenants }) => tenants().map(({ name }) => name))).toEqual([
      ['before'],
      ['after'],
      [],
    ]);
  });

  it('has no points of times in which the process did nothing, and goes on with the last when the clock is set back', () => {
    const history = new FairshareHistory();
    source.tenants = tenantsOf(1, 0);
    for (const ms of [10_000, 20_000, 13_000, 20_500]) history.add(sample(ms));
    expect(history.between('SECONDS', ...all).map(({ at }) => at.getTime())).toEqual([10_000, 20_000]);
  });
});
