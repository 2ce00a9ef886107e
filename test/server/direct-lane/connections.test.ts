import { once } from 'node:events';
import { beforeAll, describe, expect, it } from 'vitest';
import { startTestApp } from '../../testkit/app.ts';
import { eventually } from '../../testkit/eventually.ts';
import { holdTenants } from '../../testkit/held.ts';
import { openConnection } from '../../testkit/raw-http.ts';
import { addTenants, directOperations, json, page, send } from './lane.ts';

const test = await startTestApp();
await addTenants(test);
const { operator } = test;

describe('the direct lane, written to by hand,', () => {
  const { body } = json(page, { first: 1 });
  const head = (version: string, more: readonly string[]) =>
    [
      `POST /graphql HTTP/${version}`,
      'Host: localhost',
      `X-Admin-Key: ${test.rootKey}`,
      'Content-Type: application/json',
      ...more,
      '\r\n',
    ].join('\r\n');
  const withLength = (version = '1.1', ...more: readonly string[]) =>
    `${head(version, [...more, `Content-Length: ${body.length}`])}${body}`;
  let expected: string;
  beforeAll(async () => {
    await send(operator, { body });
    expected = JSON.stringify(JSON.parse((await send(operator, { body })).body).data);
  });
  /** Carries the work out and says how many operations came to the lane. */
  const counting = async (work: () => Promise<void>): Promise<number> => {
    const before = await directOperations(test);
    await work();
    return (await directOperations(test)) - before;
  };
  const answersIn = (received: string): number => received.split(`{"data":${expected}`).length - 1;

  it('answers requests that are sent without waiting, in their order, on one connection', async () => {
    const direct = await counting(async () => {
      const { socket, received } = await openConnection(test.app.url);
      const ids = ['first', 'second', 'third'];
      // The second goes to yoga, which takes longer.
      socket.write(
        ids
          .map((id) => withLength('1.1', `X-Request-Id: ${id}`, ...(id === 'second' ? ['Accept: */*;x=y'] : [])))
          .join(''),
      );
      await eventually(() => expect(answersIn(received())).toBe(3));
      expect(received().match(/^x-request-id: .*$/gim)).toEqual(ids.map((id) => `x-request-id: ${id}`));
      socket.destroy();
    });
    expect(direct).toBe(2);
  });

  it('leaves a subscription to yoga, with the body that was read', async () => {
    const direct = await counting(async () => {
      const { socket, received } = await openConnection(test.app.url);
      const subscription = JSON.stringify({ query: 'subscription { auditTail { action } }' });
      socket.write(`${head('1.1', [`Content-Length: ${subscription.length}`])}${subscription}`);
      await eventually(async () => expect((await test.app.metrics.subscriptions.get()).values[0]?.value).toBe(1));
      await operator.send('mutation { createFairshareGroup(input: { name: "followed" }) { __typename } }');
      await eventually(() => expect(received()).toContain('{"data":{"auditTail":{"action":"createFairshareGroup"}}}'));
      expect(received()).toMatch(/^content-type: text\/event-stream\r$/im);
      socket.destroy();
      await eventually(async () => expect((await test.app.metrics.subscriptions.get()).values[0]?.value).toBe(0));
    });
    expect(direct).toBe(0);
  });

  it('answers HTTP/1.0 and closes', async () => {
    const direct = await counting(async () => {
      const { socket, received } = await openConnection(test.app.url);
      const ended = once(socket, 'end');
      socket.write(withLength('1.0'));
      await ended;
      expect(received()).toMatch(/^HTTP\/1\.1 200 OK\r\n/);
      expect(answersIn(received())).toBe(1);
    });
    expect(direct).toBe(1);
  });

  it('reads a body that comes in chunks, in pieces', async () => {
    const direct = await counting(async () => {
      const { socket, received } = await openConnection(test.app.url);
      socket.write(head('1.1', ['Transfer-Encoding: chunked']));
      for (const piece of [body.slice(0, 10), body.slice(10)]) {
        socket.write(`${piece.length.toString(16)}\r\n${piece}\r\n`);
      }
      socket.write('0\r\n\r\n');
      await eventually(() => expect(answersIn(received())).toBe(1));
      socket.destroy();
    });
    expect(direct).toBe(1);
  });

  it('tells a client to continue that asks for it', async () => {
    const direct = await counting(async () => {
      const { socket, received } = await openConnection(test.app.url);
      socket.write(head('1.1', ['Expect: 100-continue', `Content-Length: ${body.length}`]));
      await eventually(() => expect(received()).toContain('HTTP/1.1 100 Continue'));
      socket.write(body);
      await eventually(() => expect(answersIn(received())).toBe(1));
      socket.destroy();
    });
    expect(direct).toBe(1);
  });

  it('closes the connection where the client asks for it', async () => {
    const direct = await counting(async () => {
      const { socket, received } = await openConnection(test.app.url);
      const ended = once(socket, 'end');
      socket.write(withLength('1.1', 'Connection: close'));
      await ended;
      expect(received()).toMatch(/^Connection: close\r$/im);
    });
    expect(direct).toBe(1);
  });
});

describe('the direct lane, when clients go away or the program ends,', () => {
  const query = 'query Held { tenants { totalCount } }';

  it('logs nothing and goes on', async () => {
    const program = await startTestApp();
    const { app, logged, operator: caller } = program;
    await send(caller, json(query));
    const { body } = json(query);
    const head = `POST /graphql HTTP/1.1\r\nHost: x\r\nX-Admin-Key: ${program.rootKey}\r\nContent-Type: application/json\r\n`;
    const whole = `${head}Content-Length: ${body.length}\r\n\r\n${body}`;

    const inBody = await openConnection(app.url);
    inBody.socket.write(`${head}Expect: 100-continue\r\nContent-Length: 500\r\n\r\n`);
    await eventually(() => expect(inBody.received()).toContain('100 Continue'));
    inBody.socket.write('{"query":');
    inBody.socket.resetAndDestroy();

    const tenants = await holdTenants(program);
    const inOperation = await openConnection(app.url);
    inOperation.socket.write(whole);
    await tenants.held(1);
    inOperation.socket.resetAndDestroy();
    await tenants.release();

    expect((await send(caller, json(query))).status).toBe(200);
    expect(await directOperations(program)).toBe(2);
    await program.close();
    expect(logged).toEqual([]);
  });

  it('finishes what is in flight with its whole answer', async () => {
    const program = await startTestApp();
    await send(program.operator, json(query));
    const tenants = await holdTenants(program);
    const answer = send(program.operator, json(query));
    await tenants.held(1);
    const closed = program.app.close();
    await tenants.release();
    expect(await answer).toMatchObject({ status: 200, body: expect.stringContaining('"totalCount":0') });
    expect(await directOperations(program)).toBe(1);
    await closed;
  });
});
