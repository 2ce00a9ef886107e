import { createClient as createSocketClient } from 'graphql-ws';
import { afterAll, describe, expect, it, vi } from 'vitest';
import { decodeId, newId } from '../../src/graph/ids.ts';
import { startTestApp } from '../testkit/app.ts';
import { eventually } from '../testkit/eventually.ts';
import { follow, runningSubscriptions, type Transport } from '../testkit/follow.ts';
import { graphql } from '../testkit/generated/gql.ts';
import type { CreateKeyInput } from '../testkit/generated/graphql.ts';
import { makeKey, withSecret } from '../testkit/keys.ts';
import { Seed } from '../testkit/seed.ts';
import { Socket } from '../testkit/socket.ts';

const app = await startTestApp();
const other = await startTestApp({ sameDatabaseAs: app, clock: app.clock });
const seed = new Seed(app);
const { id: tenantId } = await seed.tenant();

const tail = graphql(`
  subscription SubscriptionCredentialsTail {
    auditTail(filter: { actions: ["createTeam"] }) {
      action
    }
  }
`);

const second = 1_000;
const minute = 60 * second;

interface Ending {
  readonly how: string;
  readonly key?: Partial<CreateKeyInput>;
  /** Done through the first program, while the subscription runs on the first or the second. */
  readonly end: (keyId: string) => unknown;
  readonly closes?: { code: number; reason: string };
  readonly says: { code: string; reason: string };
}

const fatal = 4401;
const retried = 4403;

/** What ends a credential, or makes less of it. */
const endings: readonly Ending[] = [
  {
    how: 'is revoked',
    end: (keyId) => seed.run('revokeKey', { keyId }),
    closes: { code: fatal, reason: 'The credential was revoked.' },
    says: { code: 'UNAUTHENTICATED', reason: 'REVOKED_CREDENTIAL' },
  },
  {
    how: 'is revoked together with others',
    end: (keyId) => seed.run('revokeKeysBulk', { filter: { ids: [keyId] } }),
    closes: { code: fatal, reason: 'The credential was revoked.' },
    says: { code: 'UNAUTHENTICATED', reason: 'REVOKED_CREDENTIAL' },
  },
  {
    how: 'is disabled',
    end: (keyId) => seed.run('disableKey', { keyId }),
    closes: { code: fatal, reason: 'The credential is disabled.' },
    says: { code: 'UNAUTHENTICATED', reason: 'DISABLED_CREDENTIAL' },
  },
  {
    how: 'is deleted',
    end: (keyId) => seed.run('deleteKey', { keyId }),
    closes: { code: fatal, reason: 'The credential is not valid.' },
    says: { code: 'UNAUTHENTICATED', reason: 'UNKNOWN_CREDENTIAL' },
  },
  {
    how: 'loses a scope',
    end: (keyId) => seed.run('updateKey', { keyId, scopes: ['teams:read'] }),
    says: { code: 'FORBIDDEN', reason: 'PERMISSIONS_REDUCED' },
  },
  {
    how: 'expires',
    end: () => app.clock.advance(minute),
    closes: { code: retried, reason: 'The credential has expired; get a new one.' },
    says: { code: 'UNAUTHENTICATED', reason: 'EXPIRED_CREDENTIAL' },
  },
  {
    how: 'was rotated and the overlap of its older secret is over',
    key: { expiresAt: null },
    end: async (keyId) => {
      await seed.run('rotateKey', { keyId, overlapSeconds: 60 });
      app.clock.advance(minute);
    },
    closes: { code: retried, reason: 'The credential has expired; get a new one.' },
    says: { code: 'UNAUTHENTICATED', reason: 'EXPIRED_CREDENTIAL' },
  },
];

const newKey = (more: Partial<CreateKeyInput> = {}) =>
  makeKey(app.operator, {
    kind: 'TENANT',
    name: 'follower',
    tenantId,
    scopes: ['audit:read', 'fairshare:read', 'teams:read'],
    expiresAt: new Date(app.clock.now().getTime() + minute).toISOString(),
    ...more,
  });

/** What a subscription was told at its end: of a result that has errors, the test kit says which by an error of its own. */
const endOf = (failure: unknown): unknown =>
  failure instanceof Error && 'actual' in failure ? failure.actual : failure;

describe.each(endings)('once its key $how', ({ key: more, end, closes, says }) => {
  it.each<Transport>(['WebSocket', 'SSE'])('a subscription over %s gives nothing more', async (transport) => {
    // One of its own: the last team of the test before may still be on its way to followers.
    const { id: ownTenantId } = await seed.tenant();
    const { key, secret } = await newKey({ ...more, tenantId: ownTenantId });
    const following = await follow(app.app, withSecret(app, secret), tail, {}, transport);
    await seed.team({ tenantId: ownTenantId });
    expect(await following.next()).toEqual({ auditTail: { action: 'createTeam' } });
    const ended = following.next().catch((error: unknown) => error);
    await end(key.id);
    await seed.team({ tenantId: ownTenantId });
    const expected = transport === 'WebSocket' && closes !== undefined ? closes : [{ extensions: says }];
    expect(endOf(await ended)).toMatchObject(expected);
    await following.stop();
  });

  it.each<readonly [string, typeof app]>([
    ['of this program', app],
    ['of another program', other],
  ])('an idle subscription %s ends without another event', async (_where, { app: program }) => {
    const { key, secret } = await newKey(more);
    const headers = { authorization: `Bearer ${secret}` };
    const filtered = 'subscription { auditTail(filter: { actions: ["never"] }) { action } }';
    const before = await runningSubscriptions(program);
    const socket = await Socket.accepted(program.url, headers);
    socket.subscribe('1', filtered);
    const streamed = fetch(`${program.url}/graphql`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', accept: 'text/event-stream', ...headers },
      body: JSON.stringify({ query: filtered }),
    }).then((response) => response.text());
    await eventually(async () => expect(await runningSubscriptions(program)).toBe(before + 2));
    await end(key.id);
    if (closes === undefined) {
      expect(await socket.message()).toMatchObject({ id: '1', type: 'error', payload: [{ extensions: says }] });
      // What the key may still do, it can do over the same socket.
      expect(await socket.run('2', '{ viewer { scopes } }')).toMatchObject({
        data: { viewer: { scopes: ['teams:read'] } },
      });
      await socket.close();
    } else {
      expect(await socket.closed).toEqual(closes);
    }
    const lines = (await streamed).split('\n').filter((line) => line !== '' && line !== ':');
    expect(lines).toEqual(['event: next', expect.stringMatching(/^data: /), 'event: complete', 'data:']);
    expect(JSON.parse(lines[1]?.slice('data: '.length) ?? '')).toMatchObject({ errors: [{ extensions: says }] });
    await eventually(async () => expect(await runningSubscriptions(program)).toBe(before));
  });

  it.each<readonly [string, typeof app]>([
    ['of this program', app],
    ['of another program', other],
  ])('live snapshots %s end before the next one, and go on for others who share them', async (_where, program) => {
    const { key, secret } = await newKey(more);
    const shared = await newKey({ expiresAt: null });
    const headers = { authorization: `Bearer ${secret}` };
    const query = 'subscription { fairshareLive(minIntervalMs: 10000) { instanceId } }';
    const before = await runningSubscriptions(program.app);
    const [ending, going] = [
      await Socket.accepted(program.app.url, headers),
      await Socket.accepted(program.app.url, { authorization: `Bearer ${shared.secret}` }),
    ];
    for (const socket of [ending, going]) {
      socket.subscribe('1', query);
      expect(await socket.message()).toMatchObject({ type: 'next' });
    }
    const response = await fetch(`${program.app.url}/graphql`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', accept: 'text/event-stream', ...headers },
      body: JSON.stringify({ query }),
    });
    await eventually(async () => expect(await runningSubscriptions(program.app)).toBe(before + 3));
    await end(key.id);
    if (closes === undefined) {
      expect(await ending.message()).toMatchObject({ id: '1', type: 'error', payload: [{ extensions: says }] });
      await ending.close();
    } else {
      expect(await ending.closed).toEqual(closes);
    }
    const results = (await response.text()).split('\n').filter((line) => line.startsWith('data: '));
    expect(JSON.parse(results.at(-1)?.slice('data: '.length) ?? '')).toMatchObject({ errors: [{ extensions: says }] });
    await eventually(async () => expect(await runningSubscriptions(program.app)).toBe(before + 1));
    const next = going.message();
    app.clock.advance(10_000);
    expect(await next).toMatchObject({ id: '1', type: 'next' });
    await going.close();
  });
});

it('a live snapshot is kept back from a credential that is being looked at, and from nobody else', async () => {
  const [doubted, trusted] = [await newKey(), await newKey()];
  const query = 'subscription { fairshareLive(minIntervalMs: 10000) { seq } }';
  const follower = async (secret: string) => {
    const socket = await Socket.accepted(app.app.url, { authorization: `Bearer ${secret}` });
    socket.subscribe('1', query);
    expect(await socket.message()).toMatchObject({ type: 'next' });
    return socket;
  };
  const [ending, going] = [await follower(doubted.secret), await follower(trusted.secret)];
  const { pool } = app.app.database;
  const revoking = await pool.connect();
  const id = decodeId('ApiKey', doubted.key.id);
  await revoking.query('BEGIN; LOCK TABLE api_key IN ACCESS EXCLUSIVE MODE');
  await revoking.query('UPDATE api_key SET revoked_at = $2 WHERE id = $1', [id, app.clock.now()]);
  // From here on it is in doubt, and what says whether it is good cannot be read.
  app.app.events.deliverAhead([{ id: newId(), topic: 'ApiKey.changed', tenantId: null, payload: { id } }]);
  app.clock.advance(10_000);
  expect(await going.message()).toMatchObject({ type: 'next' });
  await revoking.query('COMMIT');
  revoking.release();
  expect(await ending.closed).toEqual({ code: fatal, reason: 'The credential was revoked.' });
  expect(ending.unread).toEqual([]);
  await going.close();
});

describe('the reference client', () => {
  const clients: { dispose(): unknown }[] = [];
  afterAll(() => Promise.all(clients.map((client) => client.dispose())));

  /** Follows with whatever secret it has when it connects. */
  function followWith(secretNow: () => string) {
    const connected = vi.fn();
    const failed = vi.fn();
    const client = createSocketClient({
      url: `${app.app.url.replace('http', 'ws')}/graphql`,
      connectionParams: () => ({ authorization: `Bearer ${secretNow()}` }),
      retryWait: async () => undefined,
      shouldRetry: () => true,
      on: { connected },
    });
    clients.push(client);
    const actions: unknown[] = [];
    client.subscribe<{ auditTail: { action: string } }>(
      { query: tail.toString() },
      { next: ({ data }) => actions.push(data?.auditTail.action), error: failed, complete: () => undefined },
    );
    return { connected, failed, actions };
  }

  it('stops for good when its key was revoked', async () => {
    const { key, secret } = await newKey();
    const before = await runningSubscriptions(app.app);
    const { connected, failed } = followWith(() => secret);
    await eventually(async () => expect(await runningSubscriptions(app.app)).toBe(before + 1));
    await seed.run('revokeKey', { keyId: key.id });
    await eventually(() => expect(failed).toHaveBeenCalledWith(expect.objectContaining({ code: fatal })));
    expect(connected).toHaveBeenCalledTimes(1);
  });

  it('connects again with its new key when the old one has expired, and goes on', async () => {
    const before = await runningSubscriptions(app.app);
    const old = await newKey();
    const fresh = await newKey({ expiresAt: null });
    const secrets = [old.secret, fresh.secret];
    const { connected, failed, actions } = followWith(() => secrets.shift() ?? fresh.secret);
    await eventually(async () => expect(await runningSubscriptions(app.app)).toBe(before + 1));
    app.clock.advance(minute);
    await eventually(() => expect(connected).toHaveBeenCalledTimes(2));
    await eventually(async () => expect(await runningSubscriptions(app.app)).toBe(before + 1));
    await seed.team({ tenantId });
    await eventually(() => expect(actions).toContain('createTeam'));
    expect(failed).not.toHaveBeenCalled();
  });

  it('stops when it connects again with the key that has expired', async () => {
    const { secret } = await newKey();
    const before = await runningSubscriptions(app.app);
    const { failed } = followWith(() => secret);
    await eventually(async () => expect(await runningSubscriptions(app.app)).toBe(before + 1));
    app.clock.advance(minute);
    await eventually(() => expect(failed).toHaveBeenCalledWith(expect.objectContaining({ code: fatal })));
  });
});
