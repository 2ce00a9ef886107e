import { once } from 'node:events';
import type { IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, describe, expect, it } from 'vitest';
import { WebSocket, WebSocketServer } from 'ws';
import { LiveResult } from '../../src/live/live-result.ts';
import { SocketSink } from '../../src/server/socket-sink.ts';

const server = new WebSocketServer({ port: 0, host: '127.0.0.1' });
await once(server, 'listening');

afterAll(() => {
  for (const socket of server.clients) socket.terminate();
  server.close();
});

/** A subscription over a socket of its own. */
async function subscribe(id: string) {
  const connected = once(server, 'connection') as Promise<[WebSocket, IncomingMessage]>;
  const client = new WebSocket(`ws://127.0.0.1:${(server.address() as AddressInfo).port}`);
  const [socket, request] = await connected;
  const received: unknown[] = [];
  client.on('message', (data) => received.push(JSON.parse(String(data))));
  const message = async (): Promise<unknown> => {
    if (received.length === 0) await once(client, 'message');
    return received.shift();
  };
  return { sink: new SocketSink({ socket, request }, id), stream: request.socket, socket, message };
}

const never = (): never => {
  throw new Error('It was sent at once, and said so.');
};

describe.each([
  ['small', 10],
  ['large', 100_000],
])('a %s result', (_name, size) => {
  const result = () => new LiveResult({ data: 'ä'.repeat(size) });
  const messageTo = (id: string) => ({ id, type: 'next', payload: { data: 'ä'.repeat(size) } });

  it('is sent to each with the id of his subscription', async () => {
    const ids = ['1', '2', '"long"'.repeat(3), 'far too long'.repeat(20)];
    const all = [];
    for (const id of ids) all.push(await subscribe(id));
    const shared = result();
    for (const { sink } of all) sink.send(shared, () => undefined);
    expect(await Promise.all(all.map(({ message }) => message()))).toEqual(ids.map(messageTo));
  });

  it('stays as it was for who has to wait, while others are sent theirs', async () => {
    const late = await subscribe('late');
    const later = await subscribe('later still');
    const quick = await subscribe('quick');
    const shared = result();
    const sent: string[] = [];
    for (const { stream } of [late, later]) stream.cork();
    expect(late.sink.send(shared, () => sent.push('late'))).toBe(false);
    quick.sink.send(shared, () => undefined);
    expect(later.sink.send(shared, () => sent.push('later'))).toBe(false);
    expect(await quick.message()).toEqual(messageTo('quick'));
    expect(sent).toEqual([]);
    for (const { stream } of [late, later]) stream.uncork();
    expect(await late.message()).toEqual(messageTo('late'));
    expect(await later.message()).toEqual(messageTo('later still'));
    await expect.poll(() => sent.sort()).toEqual(['late', 'later']);
  });
});

it('a small result is sent at once to who keeps up', async () => {
  const { sink, message } = await subscribe('1');
  expect(sink.send(new LiveResult({ data: 1 }), never)).toBe(true);
  expect(await message()).toEqual({ id: '1', type: 'next', payload: { data: 1 } });
});

it('nothing is sent over a socket that is being closed', async () => {
  const { sink, socket, stream } = await subscribe('1');
  socket.close();
  const { bytesWritten } = stream;
  expect(sink.send(new LiveResult({ data: 1 }), never)).toBe(false);
  expect(stream.bytesWritten).toBe(bytesWritten);
});
