/**
 * The floor: one prepared frame, given to the stream of every subscriber as it is. Nothing is executed, and nobody is
 * asked who he is, so that what it takes is the system's part of any server's work.
 */
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { buildSchema, executeSync, parse } from 'graphql';
import { WebSocketServer } from 'ws';
import { frameHead } from '../../src/live/live-result.ts';
import { snapshotAt, typeDefinitions } from '../fanout/data.ts';
import { obeySuite } from '../fanout/measured.ts';

/** What a subscriber says, as far as it is listened to. */
interface Message {
  readonly type: string;
  readonly id?: string;
  readonly payload?: { readonly query?: string };
}

const schema = buildSchema(typeDefinitions);

/** As the others send it. */
function frameOf({ id, payload }: Message): Buffer {
  const asOf = new Date();
  const snapshot = snapshotAt({ seq: 1, asOf, instanceId: 'floor' });
  const result = executeSync({
    schema,
    document: parse(payload?.query ?? ''),
    rootValue: { fairshareLive: { ...snapshot, asOf: asOf.toISOString() } },
  });
  const message = Buffer.from(JSON.stringify({ id, type: 'next', payload: result }));
  return Buffer.concat([frameHead(message.length), message]);
}

let frame: Buffer | undefined;
const streams = new Set<Socket>();

const server = createServer();
const sockets = new WebSocketServer({ server, path: '/graphql' });
sockets.on('connection', (socket, { socket: stream }) => {
  socket.on('message', (data: Buffer) => {
    const message = JSON.parse(String(data)) as Message;
    if (message.type === 'connection_init') socket.send(JSON.stringify({ type: 'connection_ack' }));
    if (message.type !== 'subscribe') return;
    frame ??= frameOf(message);
    streams.add(stream);
    stream.write(frame);
  });
  socket.once('close', () => {
    streams.delete(stream);
    // The next to come may ask for another result.
    if (streams.size === 0) frame = undefined;
  });
});
server.listen(0, '127.0.0.1');
await once(server, 'listening');

const timeMark = '"asOf":"';

obeySuite(() => {
  if (frame === undefined) return;
  // Some of the one before may still be on its way.
  frame = Buffer.from(frame);
  frame.write(new Date().toISOString(), frame.indexOf(timeMark) + timeMark.length, 'latin1');
  for (const stream of streams) stream.write(frame);
});
// A TCP server's address is an object.
process.send?.({ value: `http://127.0.0.1:${(server.address() as AddressInfo).port}` });
