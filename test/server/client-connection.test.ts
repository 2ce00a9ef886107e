import { once } from 'node:events';
import { createServer, request, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect, onTestFinished, test } from 'vitest';
import { RequestConnection } from '../../src/server/client-connection.ts';

/** A request that a server has received, and what it can answer to. */
async function received() {
  const { promise: arrived, resolve } = Promise.withResolvers<ServerResponse>();
  const server = createServer((_request, response) => resolve(response));
  await once(server.listen(0, '127.0.0.1'), 'listening');
  onTestFinished(() => void server.close());
  // The address of a server that listens on a port.
  const { port } = server.address() as AddressInfo;
  const sent = request({ host: '127.0.0.1', port, agent: false });
  sent.on('error', () => undefined);
  sent.end();
  return { sent, response: await arrived };
}

test('whoever asks when the client has gone already is told so', async () => {
  const { sent, response } = await received();
  const connection = new RequestConnection(response);
  sent.destroy();
  await once(response, 'close');
  expect(connection.closed.aborted).toBe(true);
});

test('whoever asks before the client goes is told when it does', async () => {
  const { sent, response } = await received();
  const { closed } = new RequestConnection(response);
  expect(closed.aborted).toBe(false);
  sent.destroy();
  await once(closed, 'abort');
});

test('a request that was answered has nobody gone, whenever that is asked', async () => {
  const { sent, response } = await received();
  const before = new RequestConnection(response);
  expect(before.closed.aborted).toBe(false);
  sent.on('response', (answer) => answer.resume());
  response.end('answered');
  await once(response, 'close');
  expect(before.closed.aborted).toBe(false);
  expect(new RequestConnection(response).closed.aborted).toBe(false);
});
