/** graphql-ws with yoga's pub/sub, as their documentation puts them together: no authentication, no limits. */
import { once, setMaxListeners } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { buildSchema } from 'graphql';
import { useServer } from 'graphql-ws/use/ws';
import { createPubSub } from 'graphql-yoga';
import { WebSocketServer } from 'ws';
import { snapshotAt, typeDefinitions } from '../fanout/data.ts';
import { obeySuite } from '../fanout/measured.ts';

/** An event as the library's own resolvers take it. */
const eventOf = (seq: number) => {
  const asOf = new Date();
  return { fairshareLive: { ...snapshotAt({ seq, asOf, instanceId: 'plain' }), asOf: asOf.toISOString() } };
};

type Event = ReturnType<typeof eventOf>;

// Its own default is the same; Node warns of more than ten subscribers of one.
const eventTarget = new EventTarget();
setMaxListeners(0, eventTarget);
const pubSub = createPubSub<{ live: [event: Event] }>({ eventTarget });
let newest = eventOf(0);

async function* events(): AsyncGenerator<Event> {
  yield newest;
  yield* pubSub.subscribe('live');
}

const schema = buildSchema(typeDefinitions);
const field = schema.getSubscriptionType()?.getFields().fairshareLive;
if (field === undefined) throw new Error('the schema has lost its subscription');
field.subscribe = events;

const server = createServer();
const sockets = new WebSocketServer({ server, path: '/graphql' });
useServer({ schema }, sockets);
server.listen(0, '127.0.0.1');
await once(server, 'listening');

obeySuite(() => {
  newest = eventOf(newest.fairshareLive.seq + 1);
  pubSub.publish('live', newest);
});
// A TCP server's address is an object.
process.send?.({ value: `http://127.0.0.1:${(server.address() as AddressInfo).port}` });
