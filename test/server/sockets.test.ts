import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { connect } from 'node:net';
import { createClient } from 'graphql-ws';
import { describe, expect, it, vi } from 'vitest';
import { WebSocket } from 'ws';
import { startTestApp } from '../testkit/app.ts';
import { Socket } from '../testkit/socket.ts';

const initTimeoutMs = 300;
const maxPayloadBytes = 10_000;
const { app, operator, ofTenant, withScopes, rootKey, rejections, logged } = await start();

async function start() {
  const test = await startTestApp({
    environment: {
      FAIRLEAD_SOCKET_INIT_TIMEOUT_MS: String(initTimeoutMs),
      FAIRLEAD_SOCKET_MAX_PAYLOAD_BYTES: String(maxPayloadBytes),
      FAIRLEAD_ALLOWED_ORIGINS: 'https://dashboard.example',
    },
  });
  return { ...test, rejections: test.app.metrics.rejectedRequests };
}

const { url } = app;
const accepted = (fields: object = { 'x-admin-key': rootKey }) => Socket.accepted(url, fields);
const gauge = async (name: 'sockets' | 'subscriptions') => (await app.metrics[name].get()).values[0]?.value;
const createTenant = `mutation ($name: String!) {
  createTenant(input: { name: $name }) { ... on CreateTenantPayload { tenant { name } } }
}`;

describe('a handshake', () => {
  it('speaks graphql-transport-ws', async () => {
    const socket = await Socket.open(url, { protocols: ['graphql-ws', 'graphql-transport-ws'] });
    await socket.close();
  });

  it.each([['graphql-ws'], ['soap']])('that offers only %s is refused', async (protocol) => {
    const socket = new WebSocket(`${url.replace('http', 'ws')}/graphql`, protocol);
    const failed = new Promise<string>((resolve) => socket.on('error', (error) => resolve(error.message)));
    expect(await failed).toBe('Server sent no subprotocol');
  });

  it('that offers no subprotocol is closed with 4406', async () => {
    const socket = await Socket.open(url, { protocols: [] });
    expect(await socket.closed).toEqual({ code: 4406, reason: 'Subprotocol not acceptable' });
  });

  it('at another path is a 404', async () => {
    expect(await Socket.refusal(url, { path: '/' })).toBe(404);
    expect(await Socket.refusal(url, { path: '/graphql/more' })).toBe(404);
  });

  it.each(['https://evil.example', 'null', 'https://dashboard.example.evil.example', 'http://dashboard.example'])(
    'from a page of %s is refused with 403',
    async (origin) => {
      expect(await Socket.refusal(url, { headers: { origin } })).toBe(403);
    },
  );

  it('that is refused and then reset by the client does the server no harm', async () => {
    const { hostname, port } = new URL(url);
    // Keeps its half open when the server has ended its own, so there is something to reset.
    const socket = connect({ host: hostname, port: Number(port), allowHalfOpen: true });
    socket.write('GET /elsewhere HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n');
    const [answer] = await once(socket, 'data');
    expect(String(answer)).toContain('404 Not Found');
    socket.resetAndDestroy();
    expect((await operator.send('{ __typename }')).status).toBe(200);
  });

  it.each([url, 'https://dashboard.example'])('from a page of %s is accepted', async (origin) => {
    const socket = await Socket.open(url, { headers: { origin } });
    await socket.close();
  });
});

describe('a credential', () => {
  const names = ['Authorization', 'authorization', 'AUTHORIZATION', 'X-Admin-Key', 'x-admin-key', 'x-Admin-kEY'];
  const value = (name: string) => (name.toLowerCase() === 'authorization' ? `Bearer ${rootKey}` : rootKey);

  it.each(names)('in connection_init as %s is accepted', async (name) => {
    const socket = await accepted({ [name]: value(name) });
    await socket.close();
  });

  it('in connection_init as X-API-Key is accepted', async () => {
    const { authorization = '' } = withScopes('tenants:read').headers;
    const socket = await accepted({ 'X-API-Key': authorization.replace('Bearer ', '') });
    await socket.close();
  });

  it.each(['authorization', 'x-admin-key'])('in the header %s of the upgrade is accepted', async (name) => {
    const socket = await Socket.accepted(url, {}, { headers: { [name]: value(name) } });
    await socket.close();
  });

  it('in the headers of the upgrade is accepted beside other fields of connection_init', async () => {
    const socket = await Socket.accepted(url, { locale: 'de' }, { headers: { 'x-admin-key': rootKey } });
    await socket.close();
  });

  it('in connection_init is the one that counts, where the upgrade has another', async () => {
    const socket = await Socket.accepted(url, { 'x-admin-key': rootKey }, { headers: { 'x-admin-key': 'of a proxy' } });
    await socket.close();
  });

  it.each([
    ['MISSING_CREDENTIAL', {}],
    ['MISSING_CREDENTIAL', undefined],
    ['UNKNOWN_CREDENTIAL', { 'x-admin-key': 'wrong' }],
    ['MALFORMED_CREDENTIAL', { authorization: 'Basic d3Jvbmc=' }],
    ['MALFORMED_CREDENTIAL', { authorization: ['Bearer', 'x'] }],
    ['MALFORMED_CREDENTIAL', { 'x-admin-key': 42 }],
    ['AMBIGUOUS_CREDENTIAL', { 'x-admin-key': 'one', 'x-api-key': 'two' }],
  ])('that is not good (%s) closes the socket with 4401', async (reason, fields) => {
    const countOf = async () =>
      (await rejections.get()).values.find(({ labels }) => labels.reason === reason)?.value ?? 0;
    const before = await countOf();
    const socket = await Socket.open(url);
    socket.send({ type: 'connection_init', payload: fields });
    expect(await socket.closed).toEqual({ code: 4401, reason: expect.stringMatching(/credential/) });
    expect(await countOf()).toBe(before + 1);
  });

  it('that is not good ends the reference client at once, without further attempts', async () => {
    let attempts = 0;
    const client = createClient({
      url: `${url.replace('http', 'ws')}/graphql`,
      webSocketImpl: WebSocket,
      connectionParams: { 'x-admin-key': 'wrong' },
      retryAttempts: 5,
      retryWait: async () => undefined,
      shouldRetry: () => true,
      on: { connecting: () => (attempts += 1) },
    });
    const failure = await client
      .iterate({ query: '{ __typename }' })
      .next()
      .catch((error: unknown) => error);
    expect(failure).toMatchObject({ code: 4401 });
    expect(attempts).toBe(1);
  });

  it('that does not come in time closes the socket with 4408', async () => {
    const socket = await Socket.open(url);
    expect(await socket.closed).toEqual({ code: 4408, reason: 'Connection initialisation timeout' });
  });

  it('that is sent twice closes the socket with 4429', async () => {
    const socket = await accepted();
    socket.send({ type: 'connection_init', payload: { 'x-admin-key': rootKey } });
    expect(await socket.closed).toMatchObject({ code: 4429 });
  });

  it('is needed before an operation: 4401', async () => {
    const socket = await Socket.open(url, { headers: { 'x-admin-key': rootKey } });
    socket.subscribe('1', '{ __typename }');
    expect(await socket.closed).toEqual({ code: 4401, reason: 'Unauthorized' });
  });
});

describe('an operation', () => {
  it('can be a query and a command', async () => {
    const socket = await accepted();
    expect(await socket.run('1', createTenant, { name: 'By socket' })).toMatchObject({
      data: { createTenant: { tenant: { name: 'By socket' } } },
    });
    expect(await socket.run('2', '{ tenants { edges { node { name } } } }')).toMatchObject({
      data: { tenants: { edges: [{ node: { name: 'By socket' } }] } },
    });
    await socket.close();
  });

  it.each([
    ['does not parse', '{ tenants', undefined, 'GRAPHQL_PARSE_FAILED'],
    ['does not fit the schema', '{ nothing }', undefined, 'GRAPHQL_VALIDATION_FAILED'],
    ['lacks a variable', 'query ($id: ID!) { node(id: $id) { id } }', {}, 'BAD_USER_INPUT'],
    [
      'has a variable of another type',
      'query ($n: Int) { tenants(first: $n) { totalCount } }',
      { n: 'x' },
      'BAD_USER_INPUT',
    ],
    ['has a bad argument', '{ node(id: "tnt_nonsense") { id } }', undefined, 'MALFORMED_ID'],
    [
      'has two operations and names none',
      'query A { __typename } query B { __typename }',
      undefined,
      'OPERATION_RESOLUTION_FAILURE',
    ],
    ['has no operation', 'fragment A on Tenant { id }', undefined, 'OPERATION_RESOLUTION_FAILURE'],
    [
      'costs too much',
      `{ tenants(first: 100) { edges { node { auditLog(first: 100) { totalCount } } } } }`,
      undefined,
      expect.any(String),
    ],
  ])('that %s gets an error, and the socket stays usable', async (_what, query, variables, code) => {
    const socket = await accepted();
    const { errors } = await socket.run('1', query, variables);
    expect(errors).toEqual([
      { ...errors?.[0], message: expect.any(String), extensions: expect.objectContaining({ code }) },
    ]);
    // What is meant for the HTTP answer is not part of the error.
    expect(errors?.[0]?.extensions).not.toHaveProperty('http');
    expect(await socket.run('1', '{ __typename }')).toMatchObject({ data: { __typename: 'Query' } });
    await socket.close();
  });

  it('without the scope gets FORBIDDEN, and the socket stays usable, also for a subscription', async () => {
    const socket = await accepted(withScopes('tenants:read').headers);
    expect((await socket.run('1', '{ auditLog { totalCount } }')).errors).toMatchObject([
      { extensions: { code: 'FORBIDDEN' } },
    ]);
    socket.subscribe('2', 'subscription { auditTail { id } }');
    expect(await socket.message()).toMatchObject({
      id: '2',
      type: expect.stringMatching(/^(next|error)$/),
    });
    await socket.close();
  });

  it('whose id is in use closes the socket with 4409', async () => {
    const socket = await accepted();
    socket.subscribe('same', 'subscription { auditTail { id } }');
    socket.subscribe('same', 'subscription { auditTail { id } }');
    expect(await socket.closed).toEqual({ code: 4409, reason: 'Subscriber for same already exists' });
    await vi.waitFor(async () => expect(await gauge('subscriptions')).toBe(0));
  });

  it('can have the id of one that is over', async () => {
    const socket = await accepted();
    for (const _turn of [1, 2]) expect((await socket.run('same', '{ __typename }')).errors).toBeUndefined();
    await socket.close();
  });

  it('that cannot be read as a message closes the socket with 4400', async () => {
    for (const text of [
      'no JSON',
      '{}',
      '[]',
      '{"type":"subscribe","id":"1","payload":{"query":1}}',
      '{"type":"unknown"}',
    ]) {
      const socket = await accepted();
      socket.send(text);
      expect({ text, ...(await socket.closed) }).toEqual({ text, code: 4400, reason: 'Invalid message received' });
    }
  });

  it('longer than allowed closes the socket with 1009', async () => {
    const socket = await accepted();
    socket.subscribe('1', `{ __typename } # ${'x'.repeat(maxPayloadBytes)}`);
    expect(await socket.closed).toMatchObject({ code: 1009 });
    await vi.waitFor(async () => expect(await gauge('sockets')).toBe(0));
  });

  it('has a request id of its own in the audit log, and no idempotency key, whatever the upgrade had', async () => {
    const headers = { 'x-admin-key': rootKey, 'x-request-id': 'of-the-upgrade', 'idempotency-key': 'of-the-upgrade' };
    const socket = await Socket.accepted(url, {}, { headers });
    await socket.run('1', createTenant, { name: 'First of two' });
    await socket.run('2', createTenant, { name: 'Second of two' });
    const { data } = await socket.run('3', '{ auditLog(first: 2) { edges { node { requestId } } } }');
    const ids = JSON.stringify(data).match(/"requestId":"[0-9a-f-]{36}"/g);
    expect(new Set(ids).size).toBe(2);
    await socket.close();
  });
});

describe('a ping', () => {
  it('is answered with a pong and its payload, also before connection_init', async () => {
    const socket = await Socket.open(url);
    socket.send({ type: 'ping', payload: { sentAt: 1 } });
    expect(await socket.message()).toEqual({ type: 'pong', payload: { sentAt: 1 } });
    await socket.close();
  });
});

describe('a subscription', () => {
  const follow = 'subscription { auditTail { action target { id } } }';
  const running = (count: number) => vi.waitFor(async () => expect(await gauge('subscriptions')).toBe(count));

  it('gives what happens after it began, and ends on the server when the client completes it', async () => {
    const socket = await accepted();
    // An action of this test alone: what was done just before may still be on its way.
    socket.subscribe('tail', 'subscription { auditTail(filter: { actions: ["createFairshareGroup"] }) { action } }');
    await running(1);
    await operator.send('mutation { createFairshareGroup(input: { name: "Followed" }) { __typename } }');
    expect(await socket.message()).toMatchObject({
      id: 'tail',
      type: 'next',
      payload: { data: { auditTail: { action: 'createFairshareGroup' } } },
    });
    socket.send({ type: 'complete', id: 'tail' });
    await running(0);
    expect((await socket.run('2', '{ __typename }')).errors).toBeUndefined();
    await socket.close();
  });

  it('ends on the server when its socket closes or vanishes', async () => {
    for (const end of [(socket: Socket) => socket.close(1000), (socket: Socket) => socket.terminate()]) {
      const socket = await accepted();
      socket.subscribe('a', follow);
      socket.subscribe('b', follow);
      await running(2);
      await end(socket);
      await running(0);
    }
  });

  it('whose source breaks gets an error without the cause, and the socket stays usable', async () => {
    const socket = await accepted();
    socket.subscribe('tail', follow);
    await running(1);
    const before = logged.length;
    // An entry that cannot be looked up: the database refuses the id.
    await app.database.pool.query(`SELECT pg_notify('fairlead_outbox', $1)`, [
      JSON.stringify({ id: randomUUID(), topic: 'AuditEntry.added', tenantId: null, payload: { id: 'no uuid' } }),
    ]);
    const message = await socket.message();
    expect(message).toMatchObject({
      id: 'tail',
      type: 'error',
      payload: [{ extensions: { code: 'INTERNAL_SERVER_ERROR', requestId: expect.any(String) } }],
    });
    expect(JSON.stringify(message)).not.toContain('uuid');
    expect(logged.slice(before).filter((line) => line.includes('no uuid'))).toHaveLength(1);
    await running(0);
    expect((await socket.run('2', '{ __typename }')).errors).toBeUndefined();
    await socket.close();
  });

  it('of a tenant leaves out what other tenants do', async () => {
    const ids = [];
    for (const name of ['Other', 'Seen']) {
      const { data } = await operator.send<{ createTenant: { tenant: { id: string } } }, object>(
        `mutation { createTenant(input: { name: "${name}" }) { ... on CreateTenantPayload { tenant { id } } } }`,
      );
      ids.push(data?.createTenant.tenant.id);
    }
    const { rows } = await app.database.pool.query<{ id: string }>("SELECT id FROM tenant WHERE name = 'Seen'");
    const socket = await accepted(ofTenant(rows[0]?.id ?? '', 'audit:read').headers);
    socket.subscribe('tail', 'subscription { auditTail(filter: { actions: ["suspendTenant"] }) { target { id } } }');
    await running(1);
    for (const id of ids) {
      const command = `mutation { suspendTenant(input: { tenantId: "${id}" }) { __typename } }`;
      expect((await operator.send(command)).data).toEqual({ suspendTenant: { __typename: 'SuspendTenantPayload' } });
    }
    expect(await socket.message()).toMatchObject({ payload: { data: { auditTail: { target: { id: ids[1] } } } } });
    await socket.close();
    await running(0);
  });

  it('leaves nothing behind, nor do their sockets, when two hundred of them come and go', async () => {
    await vi.waitFor(async () => expect(await gauge('sockets')).toBe(0));
    const sockets = await Promise.all(Array.from({ length: 200 }, () => accepted()));
    for (const socket of sockets) socket.subscribe('tail', follow);
    await running(200);
    expect(await gauge('sockets')).toBe(200);
    for (const [index, socket] of sockets.entries()) {
      if (index % 2 === 0) socket.terminate();
      else void socket.close();
    }
    await Promise.all(sockets.map(({ closed }) => closed));
    await running(0);
    await vi.waitFor(async () => expect(await gauge('sockets')).toBe(0));
  });
});
