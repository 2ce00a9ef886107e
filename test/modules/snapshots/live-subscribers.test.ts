import fc from 'fast-check';
import type { GraphQLResolveInfo } from 'graphql';
import { describe, expect, it } from 'vitest';
import type { Principal } from '../../../src/access/principal.ts';
import { scopeNames } from '../../../src/access/scopes.ts';
import { decodeId } from '../../../src/graph/ids.ts';
import { eventually } from '../../testkit/eventually.ts';
import { follow, runningSubscriptions } from '../../testkit/follow.ts';
import { Socket } from '../../testkit/socket.ts';
import { SnapshotFollow, startLive } from './live.ts';

const { app, clock, seed, snapshots, tenants, metric, settle } = await startLive();

describe('subscribers who see the same', () => {
  it('share one execution for each snapshot, over both transports, and those who see something else do not', async () => {
    settle();
    const same = () => app.as({ kind: 'ADMIN', scopes: new Set(['fairshare:read'] as const) });
    const other = app.ofTenant(decodeId('Tenant', tenants[0].id), 'fairshare:read');
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
      ...(tenant === undefined ? {} : { tenantId: decodeId('Tenant', tenants[tenant]?.id ?? '') }),
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

it('whose credential is revoked is sent nothing more', async () => {
  settle();
  const { id, secret } = await seed.key({ kind: 'ADMIN', scopes: ['fairshare:read'] });
  const socket = await Socket.accepted(app.app.url, { authorization: `Bearer ${secret}` });
  socket.subscribe('1', 'subscription { fairshareLive { seq } }');
  await socket.message();
  await seed.run('revokeKey', { keyId: id });
  snapshots.change();
  clock.advance(250);
  expect(await socket.closed).toMatchObject({ code: 4401 });
});
