import { once } from 'node:events';
import { connect } from 'node:net';
import fc from 'fast-check';
import type { GraphQLResolveInfo } from 'graphql';
import { describe, expect, it } from 'vitest';
import type { Principal } from '../../../src/access/principal.ts';
import { scopeNames } from '../../../src/access/scopes.ts';
import { decodeId, encodeId, newId } from '../../../src/graph/ids.ts';
import { startTestApp } from '../../testkit/app.ts';
import type { Client } from '../../testkit/client.ts';
import { eventually } from '../../testkit/eventually.ts';
import { follow, runningSubscriptions, type Transport } from '../../testkit/follow.ts';
import { graphql } from '../../testkit/generated/gql.ts';
import { openConnection } from '../../testkit/raw-http.ts';
import { Seed } from '../../testkit/seed.ts';
import { TestSnapshots } from '../../testkit/snapshots.ts';
import { Socket } from '../../testkit/socket.ts';

const snapshots = new TestSnapshots();
const app = await startTestApp({ snapshotSource: snapshots });
const { clock } = app;
const seed = new Seed(app);

const uuid = (type: Parameters<typeof decodeId>[0], { id }: { readonly id: string }) => decodeId(type, id);

const groups = [await seed.group(), await seed.group()];
const tenants = [await seed.tenant(), await seed.tenant(), await seed.tenant()];
const keys = await Promise.all(tenants.map(({ id: tenantId }) => seed.key({ kind: 'TENANT', tenantId })));
snapshots.tenants = tenants.map((tenant, index) => ({
  id: uuid('Tenant', tenant),
  name: tenant.name,
  groupId: uuid('FairshareGroup', groups[index % 2] ?? { id: '' }),
  model: index === 0 ? 'small' : 'large',
  keyIds: [uuid('ApiKey', keys[index] ?? { id: '' })],
  inFlight: index + 1,
}));

const SnapshotFollow = graphql(`
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

const SnapshotFiltered = graphql(`
  query SnapshotFiltered($pool: String, $tenant: ID) {
    fairshare(pool: $pool, tenant: $tenant) {
      ...SnapshotRows
    }
  }
`);

const SnapshotFilteredLive = graphql(`
  subscription SnapshotFilteredLive($pool: String, $tenant: ID) {
    fairshareLive(pool: $pool, tenant: $tenant) {
      ...SnapshotRows
    }
  }

  fragment SnapshotRows on FairshareSnapshot {
    totals {
      inFlight
    }
    groups {
      groupId
    }
    tenants {
      name
    }
    keys {
      tenantId
      tenant {
        name
      }
    }
    pools {
      model
      tenants {
        name
      }
    }
  }
`);

const StatsFollow = graphql(`
  subscription SnapshotStatsFollow {
    statsLive {
      seq
      totals {
        inFlight
      }
    }
  }
`);

const metric = async (name: 'liveExecutions' | 'liveResults'): Promise<number> =>
  (await app.app.metrics[name].get()).values[0]?.value ?? 0;

/** Lets time for the shortest interval between two snapshots go by. */
const settle = () => clock.advance(1_000);

describe.each<Transport>(['WebSocket', 'SSE'])('a live subscription over %s', (transport) => {
  it('gives the newest at once, then the newest when something changed, no sooner than asked for', async () => {
    settle();
    const following = await follow(app.app, app.operator, SnapshotFollow, { minIntervalMs: 250 }, transport);
    const { fairshareLive: first } = await following.next();
    expect(first.totals?.inFlight).toBe(snapshots.tenants.reduce((sum, { inFlight }) => sum + inFlight, 0));
    const second = following.next();
    snapshots.change();
    clock.advance(249);
    snapshots.change();
    clock.advance(1);
    expect((await second).fairshareLive).toMatchObject({
      seq: first.seq + 1,
      asOf: clock.now().toISOString(),
      totals: { inFlight: (first.totals?.inFlight ?? 0) + 2 },
    });
    await following.stop();
  });

  it('gives something every 10 seconds, also when nothing changes', async () => {
    settle();
    const following = await follow(app.app, app.operator, SnapshotFollow, {}, transport);
    const { fairshareLive: first } = await following.next();
    const second = following.next();
    clock.advance(10_000);
    const { fairshareLive: next } = await second;
    expect(next.seq).toBeGreaterThan(first.seq);
    // The newest may be a second old when nothing has changed.
    expect(clock.nowMs() - Date.parse(next.asOf)).toBeLessThanOrEqual(1_000);
    await following.stop();
  });

  it('gives every second how long somebody waits, and how fast requests come, though nothing else changes', async () => {
    settle();
    snapshots.oldestWaitMs = 1;
    const waits = await follow(app.app, app.operator, SnapshotFollow, { minIntervalMs: 250 }, transport);
    const rates = await follow(app.app, app.operator, StatsFollow, {}, transport);
    let seen = { fairshare: (await waits.next()).fairshareLive.seq, stats: (await rates.next()).statsLive.seq };
    for (let round = 0; round < 3; round += 1) {
      const next = [waits.next(), rates.next()] as const;
      clock.advance(1_000);
      const [{ fairshareLive }, { statsLive }] = await Promise.all(next);
      expect({ fairshare: fairshareLive.seq, stats: statsLive.seq }).toEqual({
        fairshare: seen.fairshare + 1,
        stats: seen.stats + 1,
      });
      seen = { fairshare: fairshareLive.seq, stats: statsLive.seq };
    }
    snapshots.oldestWaitMs = null;
    await Promise.all([waits.stop(), rates.stop()]);
  });

  it.each([[99], [0], [-1], [10_001]])('refuses an interval of %i ms', async (minIntervalMs) => {
    const socket = await Socket.accepted(app.app.url, app.operator.headers);
    const { errors } = await socket.run('1', SnapshotFollow.toString(), { minIntervalMs });
    expect(errors).toMatchObject([{ extensions: { code: 'BAD_USER_INPUT', argument: 'minIntervalMs' } }]);
    await socket.close();
  });

  it('needs its scope', async () => {
    const socket = await Socket.accepted(app.app.url, app.withScopes('tenants:read').headers);
    const { errors } = await socket.run('1', 'subscription { statsLive { seq } }');
    expect(errors).toMatchObject([{ extensions: { code: 'FORBIDDEN' } }]);
    await socket.close();
  });
});

describe('subscribers who see the same', () => {
  it('share one execution for each snapshot, over both transports, and those who see something else do not', async () => {
    settle();
    const same = () => app.as({ kind: 'ADMIN', scopes: new Set(['fairshare:read'] as const) });
    const other = app.ofTenant(uuid('Tenant', tenants[0] ?? { id: '' }), 'fairshare:read');
    const before = await metric('liveExecutions');
    const all = [];
    for (const [caller, transport] of [
      ...Array.from({ length: 6 }, (_, index) => [same(), index % 2 === 0 ? 'WebSocket' : 'SSE'] as const),
      [other, 'WebSocket'] as const,
    ]) {
      all.push(await follow(app.app, caller, SnapshotFollow, { minIntervalMs: 100 }, transport));
    }
    const firsts = await Promise.all(all.map((following) => following.next()));
    expect(new Set(firsts.slice(0, 6).map((data) => JSON.stringify(data))).size).toBe(1);
    expect(await metric('liveExecutions')).toBe(before + 2);
    const nexts = all.map((following) => following.next());
    snapshots.change();
    clock.advance(100);
    await Promise.all(nexts);
    expect(await metric('liveExecutions')).toBe(before + 4);
    await Promise.all(all.map((following) => following.stop()));
  });

  it('get what the links ask of the database with one statement for each type, however many rows and subscribers', async () => {
    settle();
    const query = `subscription { fairshareLive(minIntervalMs: 100) {
      groups { group { name } } tenants { tenant { name } group { name } } keys { key { name } }
      pools { tenants { tenant { weight } } keys { key { kind } } groups { group { weight } } } } }`;
    const sockets = await Promise.all(
      Array.from({ length: 5 }, () => Socket.accepted(app.app.url, app.operator.headers)),
    );
    for (const socket of sockets) socket.subscribe('1', query);
    for (const socket of sockets) await socket.message();
    const { statements } = await app.app.database.statements.during(async () => {
      snapshots.change();
      clock.advance(100);
      const messages = await Promise.all(sockets.map((socket) => socket.message()));
      expect(messages[0]?.payload).toMatchObject({
        data: { fairshareLive: { tenants: tenants.map(({ name }) => ({ tenant: { name } })) } },
      });
    });
    expect(statements).toHaveLength(3);
    await Promise.all(sockets.map((socket) => socket.close()));
  });

  it('leave nothing behind', async () => {
    const listeners = snapshots.taken;
    const sockets = await Promise.all(
      Array.from({ length: 50 }, () => Socket.accepted(app.app.url, app.operator.headers)),
    );
    for (const socket of sockets) socket.subscribe('1', 'subscription { fairshareLive { seq } }');
    await Promise.all(sockets.map((socket) => socket.message()));
    await Promise.all(sockets.map((socket, index) => (index % 2 === 0 ? socket.close() : socket.terminate())));
    await eventually(async () => expect(await runningSubscriptions(app.app)).toBe(0));
    clock.advance(60_000);
    expect(snapshots.taken - listeners).toBeLessThanOrEqual(31);
  });
});

describe('the arguments', () => {
  const [first, second] = tenants;
  if (first === undefined || second === undefined) throw new Error('There are no tenants.');
  const names = (rows: readonly { readonly name: string }[]) => rows.map(({ name }) => name);
  const shown = async (client: typeof app.operator, pool?: string, tenant?: string) => {
    settle();
    const variables = { ...(pool !== undefined && { pool }), ...(tenant !== undefined && { tenant }) };
    const { fairshare } = await client.run(SnapshotFiltered, variables);
    const following = await follow(app.app, client, SnapshotFilteredLive, variables);
    const { fairshareLive } = await following.next();
    await following.stop();
    expect(fairshareLive).toEqual(fairshare);
    return fairshare;
  };

  it('pool gives the rows of that pool, whatever the case of its name; totals stay those of all', async () => {
    const all = await shown(app.operator);
    expect(names(all.tenants)).toEqual(names(tenants));
    const small = await shown(app.operator, ' SMALL ');
    expect(small).toMatchObject({ totals: all.totals, pools: [{ model: 'small' }], groups: [{}], keys: [{}] });
    expect(names(small.tenants)).toEqual([first.name]);
    expect(names(small.pools[0]?.tenants ?? [])).toEqual([first.name]);
  });

  it('tenant gives the rows of that tenant, its group, and the pools where it has any', async () => {
    const own = await shown(app.operator, undefined, second.id);
    expect(names(own.tenants)).toEqual([second.name]);
    expect(own.groups).toHaveLength(1);
    expect(own.keys.map(({ tenantId }) => tenantId)).toEqual([second.id]);
    expect(own.pools.map(({ model }) => model)).toEqual(['large']);
    expect(await shown(app.operator, 'small', second.id)).toMatchObject({
      tenants: [],
      keys: [],
      groups: [],
      pools: [],
    });
  });

  it('that name what does not exist, or what belongs to somebody else, both give no rows', async () => {
    const missing = encodeId('Tenant', newId());
    const nothing = { tenants: [], keys: [], pools: [] };
    expect(await shown(app.operator, undefined, missing)).toMatchObject(nothing);
    expect(await shown(app.operator, 'missing')).toMatchObject(nothing);
    const tenant = app.ofTenant(uuid('Tenant', first), 'fairshare:read');
    const foreign = await shown(tenant, undefined, second.id);
    expect(foreign).toMatchObject(nothing);
    expect(await shown(tenant, undefined, missing)).toEqual(foreign);
    expect(await shown(tenant, 'large')).toEqual(await shown(tenant, 'missing'));
    expect(await shown(tenant, 'large')).toMatchObject(nothing);
  });

  it.each(['fairshareLive', 'fairshare'])('of %s that cannot be right are refused', async (field) => {
    const operation = field === 'fairshare' ? 'query' : 'subscription';
    for (const [argument, value, code] of [
      ['pool', '"a\\u0000b"', 'BAD_USER_INPUT'],
      ['tenant', '"nobody"', 'MALFORMED_ID'],
      ['tenant', `"${keys[0]?.id}"`, 'WRONG_ID_TYPE'],
    ]) {
      const socket = await Socket.accepted(app.app.url, app.operator.headers);
      const { errors } = await socket.run('1', `${operation} { ${field}(${argument}: ${value}) { seq } }`);
      expect(errors).toMatchObject([{ extensions: { code, argument } }]);
      await socket.close();
    }
  });
});

describe('a live subscription over HTTP', () => {
  const body = JSON.stringify({ query: 'subscription { fairshareLive { algorithm tenants { name } } }' });
  const data = { fairshareLive: { algorithm: 'HIERARCHICAL', tenants: tenants.map(({ name }) => ({ name })) } };

  const begin = async (version: string, accept: string) => {
    settle();
    const { socket, received } = await openConnection(app.app.url);
    const headers = { ...app.operator.headers, accept, 'content-type': 'application/json' };
    const lines = Object.entries({ host: 'here', ...headers, 'content-length': body.length });
    socket.write(
      `POST /graphql HTTP/${version}\r\n${lines.map(([name, value]) => `${name}: ${value}\r\n`).join('')}\r\n${body}`,
    );
    return { socket, received };
  };

  it('is a stream of events in chunks', async () => {
    const { socket, received } = await begin('1.1', 'text/event-stream');
    const event = `event: next\ndata: ${JSON.stringify({ data })}\n\n`;
    const chunk = `${Buffer.byteLength(event).toString(16)}\r\n${event}\r\n`;
    await eventually(() => expect(received()).toMatch(/event: next(.*\n)+\r\n$/));
    snapshots.change();
    clock.advance(250);
    await eventually(() => expect(received().split('event: next')).toHaveLength(3));
    expect(received()).toMatch(/^HTTP\/1.1 200 /);
    expect(received().slice(received().indexOf('\r\n\r\n') + 4)).toBe(`3\r\n:\n\n\r\n${chunk}${chunk}`);
    socket.destroy();
  });

  it('is the events alone for a client of HTTP/1.0, which knows no chunks', async () => {
    const { socket, received } = await begin('1.0', 'text/event-stream');
    await eventually(() => expect(received()).toContain('event: next'));
    snapshots.change();
    clock.advance(250);
    const event = `event: next\ndata: ${JSON.stringify({ data })}\n\n`;
    await eventually(() => expect(received().slice(received().indexOf('\r\n\r\n') + 4)).toBe(`:\n\n${event}${event}`));
    socket.destroy();
  });

  it('ends when its caller takes no stream of events', async () => {
    const { socket, received } = await begin('1.1', 'multipart/mixed');
    await eventually(() => expect(received()).toMatch(/^HTTP\/1.1 406 /));
    await eventually(async () => expect(await runningSubscriptions(app.app)).toBe(0));
    socket.destroy();
  });
});

describe('what each subscriber is sent', () => {
  /** Everything of a snapshot that can differ between callers, with links to what they may not all see. */
  const selection = `{
    seq asOf instanceId algorithm mode replicas isReplicaAware
    totals { capacity configuredCapacity inFlight queued borrowed oldestWaitMs clusterInFlight ceiling sharedSlots }
    groups { groupId name inFlight group { name weight } }
    tenants { tenantId name inFlight queued weightShare tenant { name weight limits { maxInFlight } } group { name } }
    keys { keyId name tenantId inFlight key { name kind scopes tenantId } }
    pools { model totals { inFlight } groups { name } tenants { name tenant { status } } keys { name } }
  }`;

  const kinds = ['ADMIN', 'TENANT', 'LOGIN', 'GATEWAY'] as const;
  const caller = fc.record({
    kind: fc.constantFrom(...kinds),
    tenant: fc.option(fc.integer({ min: 0, max: tenants.length - 1 }), { nil: undefined }),
    scopes: fc.subarray(
      [...scopeNames].filter((scope) => /^(fairshare|tenants|keys|stats):(read|totals)$/.test(scope)),
    ),
    pool: fc.constantFrom(undefined, 'small', 'large', 'missing'),
  });

  const principalOf = ({ kind, tenant, scopes }: typeof caller extends fc.Arbitrary<infer Value> ? Value : never) =>
    ({
      kind,
      ...(tenant === undefined ? {} : { tenantId: uuid('Tenant', tenants[tenant] ?? { id: '' }) }),
      scopes: new Set(['fairshare:read' as const, ...scopes]),
    }) satisfies Omit<Principal, 'credentialId' | 'name'>;

  it('is what a query of his own gives, whoever else follows the same', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(caller, { minLength: 2, maxLength: 8 }), async (callers) => {
        settle();
        // Twice each, so that something is shared.
        const clients = [...callers, ...callers].map((each) => ({ ...each, client: app.as(principalOf(each)) }));
        const sockets = [];
        for (const { client, pool } of clients) {
          const socket = await Socket.accepted(app.app.url, client.headers);
          socket.subscribe('live', `subscription ($pool: String) { answer: fairshareLive(pool: $pool) ${selection} }`, {
            pool,
          });
          sockets.push({ socket, client, pool });
        }
        for (const { socket } of sockets) await socket.message();
        snapshots.change();
        clock.advance(250);
        for (const { socket, client, pool } of sockets) {
          const { payload } = await socket.message();
          const { data, errors } = await client.send(
            `query ($pool: String) { answer: fairshare(pool: $pool) ${selection} }`,
            { pool },
          );
          // Where in the operation an error is depends on the operation's text.
          const plain = (result: { errors?: unknown; data?: unknown }) =>
            JSON.parse(JSON.stringify(result).replaceAll(/"locations":\[[^\]]*\],?/g, ''));
          expect(plain(payload as object)).toEqual(plain(errors === undefined ? { data } : { data, errors }));
        }
        await Promise.all(sockets.map(({ socket }) => socket.close()));
      }),
      { numRuns: 12 },
    );
  });

  it('is executed for him alone where a resolver wants to know who asks', async () => {
    settle();
    const field = app.app.schema.getType('FairshareTenantRow');
    if (field === undefined || !('getFields' in field)) throw new Error('The type is missing.');
    const name = field.getFields().name as { resolve?: unknown };
    const before = name.resolve;
    name.resolve = (
      _row: unknown,
      _args: unknown,
      { principal }: { principal: Principal },
      _info: GraphQLResolveInfo,
    ) => principal.credentialId;
    try {
      const sockets = [];
      for (const _caller of [1, 2]) {
        const { headers } = app.as({ kind: 'ADMIN', scopes: new Set(['fairshare:read'] as const) });
        const socket = await Socket.accepted(app.app.url, headers);
        const { data } = await socket.run('1', '{ viewer { credentialId } }');
        const { credentialId } = { ...(data?.viewer ?? {}) } as { credentialId?: string };
        expect(credentialId).toEqual(expect.any(String));
        sockets.push({ socket, credentialId });
      }
      for (const { socket } of sockets) socket.subscribe('2', 'subscription { fairshareLive { tenants { name } } }');
      for (const { socket, credentialId } of sockets) {
        const { payload } = await socket.message();
        const data = { fairshareLive: { tenants: tenants.map(() => ({ name: credentialId })) } };
        expect(payload).toEqual({ data });
        await socket.close();
      }
    } finally {
      name.resolve = before;
    }
  });

  it('is the same, errors as well, once it was asked for so often that it is compiled', async () => {
    settle();
    const client = app.as({ kind: 'ADMIN', scopes: new Set(['fairshare:read'] as const) });
    const socket = await Socket.accepted(app.app.url, client.headers);
    socket.subscribe(
      'live',
      `subscription ($pool: String, $yes: Boolean = true) { answer: fairshareLive(pool: $pool, minIntervalMs: 100) {
        __typename algorithm mode ...rows @include(if: $yes) oldest: totals @skip(if: $yes) { oldestWaitMs }
        pools { model tenants { group { name } } } } }
      fragment rows on FairshareSnapshot { groups { groupId name group { weight } }
        tenants { __typename name weight maxInFlight tenant { name } } }`,
    );
    const messages = [await socket.message()];
    // More than it takes; src/server/compiled-queries.ts says how often that is.
    for (let round = 0; round < 40; round += 1) {
      snapshots.change();
      clock.advance(100);
      messages.push(await socket.message());
    }
    expect(messages[0]).toMatchObject({
      payload: { errors: expect.arrayContaining([expect.objectContaining({ path: expect.any(Array) })]) },
    });
    expect(new Set(messages.map((message) => JSON.stringify(message).replaceAll(/"requestId":"[^"]+"/g, '')))).toEqual(
      new Set([JSON.stringify(messages[0]).replaceAll(/"requestId":"[^"]+"/g, '')]),
    );
    await socket.close();
  });

  it('has an error masked, with an id that the log has as well', async () => {
    settle();
    const socket = await Socket.accepted(app.app.url, app.operator.headers);
    socket.subscribe('1', 'subscription { fairshareLive { tenants { tenant { weeklyWindows { day } } } } }');
    await socket.message();
    await app.app.database.pool.query(`UPDATE tenant SET weekly_windows = '"broken"' WHERE id = $1`, [
      snapshots.tenants[0]?.id,
    ]);
    snapshots.change();
    clock.advance(250);
    const { payload } = await socket.message();
    await app.app.database.pool.query(`UPDATE tenant SET weekly_windows = NULL WHERE id = $1`, [
      snapshots.tenants[0]?.id,
    ]);
    const [error] = (payload as { errors: { message: string; extensions: { requestId: string; code: string } }[] })
      .errors;
    expect(error?.extensions.code).toBe('INTERNAL_SERVER_ERROR');
    expect(app.logged.filter((line) => line.includes(error?.extensions.requestId ?? ''))).toHaveLength(1);
    await socket.close();
  });
});

describe('a slow reader', () => {
  const large = 'x'.repeat(200);
  /** A selection whose result is far larger than what systems keep for one connection. */
  const heavy = `subscription { fairshareLive(minIntervalMs: 100) { seq tenants { name
    ${Array.from({ length: 20 }, (_, index) => `${large}${index}: name`).join(' ')} } } }`;

  it('over a WebSocket skips to the newest, keeps no more than one result waiting, and holds nobody up', async () => {
    settle();
    const kept = snapshots.tenants;
    snapshots.tenants = Array.from({ length: 300 }, () => kept).flat();
    try {
      const slow = await Socket.accepted(app.app.url, app.operator.headers);
      const quick = await Socket.accepted(app.app.url, app.operator.headers);
      quick.subscribe('1', 'subscription { fairshareLive(minIntervalMs: 100) { seq } }');
      await quick.message();
      slow.subscribe('1', heavy);
      await slow.message();
      slow.pause();
      const before = process.memoryUsage().rss;
      const sentBefore = await metric('liveResults');
      const rounds = 60;
      let last: unknown;
      for (let round = 0; round < rounds; round += 1) {
        snapshots.change();
        clock.advance(100);
        last = (await quick.message()).payload;
      }
      const sentToSlow = (await metric('liveResults')) - sentBefore - rounds;
      expect(sentToSlow).toBeLessThan(20);
      expect(process.memoryUsage().rss - before).toBeLessThan(400_000_000);
      slow.resume();
      const newest = (last as { data: { fairshareLive: { seq: number } } }).data.fairshareLive.seq;
      let seen = 0;
      for (let count = 0; count <= sentToSlow && seen < newest; count += 1) {
        const { payload } = await slow.message();
        seen = (payload as { data: { fairshareLive: { seq: number } } }).data.fairshareLive.seq;
      }
      expect(seen).toBe(newest);
      await Promise.all([slow.close(), quick.close()]);
    } finally {
      snapshots.tenants = kept;
    }
  });

  it('over SSE skips to the newest as well', async () => {
    settle();
    const kept = snapshots.tenants;
    snapshots.tenants = Array.from({ length: 300 }, () => kept).flat();
    try {
      const before = await runningSubscriptions(app.app);
      const { hostname, port } = new URL(app.app.url);
      const stream = connect(Number(port), hostname);
      await once(stream, 'connect');
      stream.pause();
      const body = JSON.stringify({ query: heavy });
      const headers = { ...app.operator.headers, accept: 'text/event-stream', 'content-type': 'application/json' };
      const lines = Object.entries({ host: 'here', ...headers, 'content-length': body.length });
      stream.write(
        `POST /graphql HTTP/1.1\r\n${lines.map(([name, value]) => `${name}: ${value}\r\n`).join('')}\r\n${body}`,
      );
      await eventually(async () => expect(await runningSubscriptions(app.app)).toBe(before + 1));
      const quick = await Socket.accepted(app.app.url, app.operator.headers);
      quick.subscribe('1', 'subscription { fairshareLive(minIntervalMs: 100) { seq } }');
      await quick.message();
      const sentBefore = await metric('liveResults');
      let last: unknown;
      for (let round = 0; round < 60; round += 1) {
        snapshots.change();
        clock.advance(100);
        last = (await quick.message()).payload;
      }
      expect((await metric('liveResults')) - sentBefore - 60).toBeLessThan(20);
      await quick.close();
      const newest = `"seq":${(last as { data: { fairshareLive: { seq: number } } }).data.fairshareLive.seq},`;
      let end = '';
      const isThere = new Promise<void>((resolve) => {
        stream.setEncoding('latin1').on('data', (more: string) => {
          if ((end + more).includes(newest)) resolve();
          end = more.slice(-newest.length);
        });
      });
      stream.resume();
      // Nothing changes any more: what was not sent is sent as soon as there is room.
      await isThere;
      stream.destroy();
      await eventually(async () => expect(await runningSubscriptions(app.app)).toBe(before));
    } finally {
      snapshots.tenants = kept;
    }
  });
});

it('whose credential is revoked is sent nothing more', async () => {
  settle();
  const { id, secret } = await seed.key({ kind: 'ADMIN', scopes: ['fairshare:read'] });
  const caller: Pick<Client, 'headers'> = { headers: { authorization: `Bearer ${secret}` } };
  const socket = await Socket.accepted(app.app.url, caller.headers);
  socket.subscribe('1', 'subscription { fairshareLive { seq } }');
  await socket.message();
  await seed.run('revokeKey', { keyId: id });
  snapshots.change();
  clock.advance(250);
  expect(await socket.closed).toMatchObject({ code: 4401 });
});
