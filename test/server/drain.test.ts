import { once } from 'node:events';
import { connect } from 'node:net';
import { createClient } from 'graphql-ws';
import pg from 'pg';
import { describe, expect, it, vi } from 'vitest';
import { WebSocket } from 'ws';
import { startTestApp } from '../testkit/app.ts';
import { holdTenants } from '../testkit/held.ts';
import { Socket } from '../testkit/socket.ts';

const createTenant =
  'mutation { createTenant(input: { name: "In flight" }) { ... on CreateTenantPayload { tenant { name } } } }';

const refusesConnections = async (url: string): Promise<boolean> => {
  const socket = connect(Number(new URL(url).port), '127.0.0.1');
  return once(socket, 'connect').then(
    () => {
      socket.destroy();
      return false;
    },
    () => true,
  );
};

describe('a program that is told to stop', () => {
  it('lets a request in flight finish with its whole answer, and takes no new connections meanwhile', async () => {
    const test = await startTestApp();
    const tenants = await holdTenants(test);
    const answer = test.operator.send(createTenant);
    await tenants.held(1);

    const closed = test.app.close();
    await vi.waitFor(async () => expect(await refusesConnections(test.app.url)).toBe(true));
    await tenants.release();
    expect(await answer).toMatchObject({ status: 200, data: { createTenant: { tenant: { name: 'In flight' } } } });
    await closed;
  });

  it('lets a command in flight on a socket finish with its answer before the socket is closed', async () => {
    const test = await startTestApp();
    const tenants = await holdTenants(test);
    const socket = await Socket.accepted(test.app.url, { 'x-admin-key': test.rootKey });
    socket.send({ id: '1', type: 'subscribe', payload: { query: createTenant } });
    await tenants.held(1);

    const closed = test.app.close();
    await vi.waitFor(async () => expect(await refusesConnections(test.app.url)).toBe(true));
    await tenants.release();
    expect(await socket.message()).toMatchObject({
      id: '1',
      type: 'next',
      payload: { data: { createTenant: { tenant: { name: 'In flight' } } } },
    });
    expect(await socket.message()).toEqual({ id: '1', type: 'complete' });
    expect(await socket.closed).toMatchObject({ code: 1001 });
    await closed;
  });

  it('says at /ready that it is draining, where a connection is still open, and answers what was asked before', async () => {
    const test = await startTestApp();
    const tenants = await holdTenants(test);
    const connection = connect(Number(new URL(test.app.url).port), '127.0.0.1');
    let received = '';
    connection.setEncoding('utf8').on('data', (text: string) => {
      received += text;
    });
    const body = JSON.stringify({ query: createTenant });
    const head = `POST /graphql HTTP/1.1\r\nHost: x\r\nX-Admin-Key: ${test.rootKey}\r\nContent-Type: application/json`;
    connection.write(`${head}\r\nContent-Length: ${body.length}\r\n\r\n${body}`);
    await tenants.held(1);

    const closed = test.app.close();
    connection.write('GET /ready HTTP/1.1\r\nHost: x\r\n\r\n');
    await tenants.release();
    await Promise.all([once(connection, 'close'), closed]);
    expect(received).toContain('{"data":{"createTenant":{"tenant":{"name":"In flight"}}}');
    expect(received).toContain('{"status":"not ready","reason":"draining"}');
    expect(received.match(/HTTP\/1\.1 \d+/g)).toEqual(['HTTP/1.1 200', 'HTTP/1.1 503']);
  });

  it('closes sockets with 1001, after which the reference client connects again', async () => {
    const { app, rootKey } = await startTestApp();
    const socket = await Socket.accepted(app.url, { 'x-admin-key': rootKey });
    const attempts: string[] = [];
    const client = createClient({
      url: `${app.url.replace('http', 'ws')}/graphql`,
      webSocketImpl: WebSocket,
      connectionParams: { 'x-admin-key': rootKey },
      retryAttempts: 1,
      retryWait: async () => undefined,
      shouldRetry: () => true,
      on: { connecting: (isRetry) => attempts.push(isRetry ? 'again' : 'first') },
    });
    const event = client.iterate({ query: 'subscription { auditTail { id } }' }).next();
    const ended = event.catch((error: unknown) => error);
    await vi.waitFor(async () => expect((await app.metrics.subscriptions.get()).values[0]?.value).toBe(1));

    await app.close();
    expect(await socket.closed).toEqual({ code: 1001, reason: 'Going away' });
    await ended;
    expect(attempts).toEqual(['first', 'again']);
  });

  it.each(['text/event-stream', '*/*'])('ends streams that were asked for with Accept: %s', async (accept) => {
    const { app, operator } = await startTestApp();
    const response = await fetch(`${app.url}/graphql?query=subscription{auditTail{id}}`, {
      headers: { ...operator.headers, accept },
    });
    expect(response.headers.get('content-type')).toMatch(/^text\/event-stream/);
    const text = response.text();
    await vi.waitFor(async () => expect((await app.metrics.subscriptions.get()).values[0]?.value).toBe(1));
    await app.close();
    expect(await text).not.toContain('event: next');
    expect((await app.metrics.subscriptions.get()).values[0]?.value).toBe(0);
  });

  it('waits neither for clients that keep a connection open nor for those that hang, past its limit', async () => {
    const { app, operator, logged } = await startTestApp({ environment: { FAIRLEAD_DRAIN_TIMEOUT_MS: '200' } });
    await operator.send('{ __typename }');
    const hanging = new WebSocket(`${app.url.replace('http', 'ws')}/graphql`, 'graphql-transport-ws');
    await once(hanging, 'open');
    // Never sees the server's farewell, so it never answers it.
    hanging.pause();
    await app.close();
    expect(logged.map((line) => JSON.parse(line).msg)).toEqual([
      'requests in flight took longer than the drain may; their connections are closed',
    ]);
    hanging.terminate();
  });

  it('may be told twice', async () => {
    const { app } = await startTestApp();
    await Promise.all([app.close(), app.close()]);
    await app.close();
    expect(await refusesConnections(app.url)).toBe(true);
  });

  it('stops although its database is gone, and says what could not be done', async () => {
    const { app, anonymous, databaseUrl, logged } = await startTestApp();
    await anonymous.send('{ __typename }');
    const name = new URL(databaseUrl).pathname.slice(1);
    const client = new pg.Client({ connectionString: databaseUrl.replace(name, 'postgres') });
    await client.connect();
    await client.query(`DROP DATABASE "${name}" WITH (FORCE)`);
    await client.end();
    await app.close();
    expect(await refusesConnections(app.url)).toBe(true);
    expect(logged.map((line) => JSON.parse(line).msg)).toContain('rejected attempts could not be counted');
  });
});
