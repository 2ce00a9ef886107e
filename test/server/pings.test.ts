import { once } from 'node:events';
import { expect, it } from 'vitest';
import { WebSocket } from 'ws';
import { startTestApp } from '../testkit/app.ts';

const environment = { FAIRLEAD_SOCKET_PING_INTERVAL_MS: '200', FAIRLEAD_SOCKET_INIT_TIMEOUT_MS: '60000' };
const { app } = await startTestApp({ environment });

const open = async (options: { readonly autoPong?: boolean } = {}): Promise<WebSocket> => {
  const socket = new WebSocket(`${app.url.replace('http', 'ws')}/graphql`, 'graphql-transport-ws', options);
  await once(socket, 'open');
  return socket;
};

it('a client that answers no ping by the time of the next is gone, and one that answers stays', async () => {
  const silent = await open({ autoPong: false });
  const alive = await open();
  await once(silent, 'ping');
  const [code] = await once(silent, 'close');
  expect(code).toBe(1006);
  for (let count = 0; count < 3; count += 1) await once(alive, 'ping');
  expect(alive.readyState).toBe(WebSocket.OPEN);
  alive.close();
});

it('all who are connected are pinged, also those that came when others had gone', async () => {
  const first = await Promise.all(Array.from({ length: 120 }, () => open()));
  for (const socket of first.slice(0, 110)) {
    socket.close();
    await once(socket, 'close');
  }
  const sockets = [...first.slice(110), ...(await Promise.all(Array.from({ length: 120 }, () => open())))];
  await Promise.all(sockets.map((socket) => once(socket, 'ping')));
  for (const socket of sockets) socket.close();
});
