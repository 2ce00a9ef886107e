/** Thousands of subscribers, as the suite says. They read as little of a result as it takes to know its age. */
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { Agent, type IncomingMessage, request as openRequest } from 'node:http';
import { WebSocket } from 'ws';
import { percentile } from '../harness/statistics.ts';
import type { ClientOrder, Deliveries, Reply, Transport } from './protocol.ts';

/** Each ends one subscription and its connection. */
let leave: (() => Promise<unknown>)[] = [];
let ages: number[] | undefined;
let bytes = 0;

const asOfPattern = /"asOf":"([^"]+)"/;

/** @param data its beginning at least */
function onResult(data: Buffer, length: number): void {
  if (ages === undefined) return;
  const now = Date.now();
  const asOf = asOfPattern.exec(data.toString('latin1', 0, 400))?.[1];
  if (asOf === undefined) return;
  ages.push(now - Date.parse(asOf));
  bytes = length;
}

/** Connects and subscribes; ready when the first result is there. */
async function subscribe(url: string, connectionParams: object, query: string): Promise<WebSocket> {
  const socket = new WebSocket(`${url.replace('http', 'ws')}/graphql`, 'graphql-transport-ws', {
    perMessageDeflate: false,
  });
  const gone = new AbortController();
  const until = { signal: gone.signal };
  socket.once('close', (code, reason) => gone.abort(new Error(`a socket was closed with ${code} ${reason}`)));
  await once(socket, 'open', until);
  socket.send(JSON.stringify({ type: 'connection_init', payload: connectionParams }));
  await once(socket, 'message', until);
  socket.send(JSON.stringify({ type: 'subscribe', id: randomUUID(), payload: { query } }));
  const [first] = (await once(socket, 'message', until)) as [Buffer];
  if (!asOfPattern.test(first.toString('latin1', 0, 400))) throw new Error(`no result: ${String(first).slice(0, 400)}`);
  socket.on('message', (data: Buffer) => onResult(data, data.length));
  return socket;
}

const agent = new Agent({ maxSockets: Number.POSITIVE_INFINITY });

/** The same as a stream of events. */
async function subscribeToEvents(url: string, headers: object, query: string): Promise<() => Promise<unknown>> {
  const outgoing = openRequest(`${url}/graphql`, {
    method: 'POST',
    agent,
    headers: { accept: 'text/event-stream', 'content-type': 'application/json', ...headers },
  });
  const answered = once(outgoing, 'response') as Promise<[IncomingMessage]>;
  outgoing.end(JSON.stringify({ query }));
  const [response] = await answered;
  // It ends when the client closes it.
  response.on('error', () => undefined);
  await new Promise<void>((resolve) => {
    let length = 0;
    response.on('data', (data: Buffer) => {
      // A result begins an event; what else comes is its rest, or a sign of life.
      if (data.toString('latin1', 0, 6) !== 'event:') {
        length += data.length;
        return;
      }
      // How long it becomes is not known yet; the one before was as long.
      onResult(data, length);
      length = data.length;
      resolve();
    });
  });
  return () => {
    const closed = once(response, 'close');
    response.destroy();
    return closed;
  };
}

async function join(transport: Transport, url: string, params: object, query: string): Promise<() => Promise<unknown>> {
  if (transport === 'SSE') return subscribeToEvents(url, params, query);
  const socket = await subscribe(url, params, query);
  return () => {
    const closed = once(socket, 'close');
    socket.close();
    return closed;
  };
}

async function inTurns<Item>(
  items: readonly Item[],
  atOnce: number,
  work: (item: Item) => Promise<void>,
): Promise<void> {
  const rest = items.values();
  await Promise.all(
    Array.from({ length: atOnce }, async () => {
      for (const item of rest) await work(item);
    }),
  );
}

const connectAtOnce = 50;

async function obey(order: ClientOrder): Promise<Deliveries | undefined> {
  switch (order.kind) {
    case 'connect': {
      const { transport, url, count, connectionParams, query } = order;
      await inTurns(
        Array.from({ length: count }, (_, index) => connectionParams[index % connectionParams.length] ?? {}),
        connectAtOnce,
        async (params) => {
          leave.push(await join(transport, url, params, query));
        },
      );
      return undefined;
    }
    case 'measure': {
      ages = [];
      await new Promise((resolve) => setTimeout(resolve, order.ms));
      const sorted = ages.sort((a, b) => a - b);
      ages = undefined;
      if (sorted.length === 0) throw new Error('nothing was delivered');
      return {
        count: sorted.length,
        bytesEach: bytes,
        p50Ms: percentile(sorted, 0.5),
        p99Ms: percentile(sorted, 0.99),
        maxMs: sorted.at(-1) ?? 0,
      };
    }
    case 'disconnect': {
      await Promise.all(leave.map((end) => end()));
      leave = [];
      return undefined;
    }
    case 'churn': {
      const { url, count, connectionParams, query } = order;
      await inTurns(Array.from({ length: count }), connectAtOnce, async () => {
        const socket = await subscribe(url, connectionParams, query);
        const closed = once(socket, 'close');
        socket.close();
        await closed;
      });
      return undefined;
    }
  }
}

process.on('message', (order: ClientOrder) => {
  obey(order).then(
    (value) => process.send?.({ value } satisfies Reply<Deliveries | undefined>),
    (error: unknown) => process.send?.({ failure: String(error) } satisfies Reply<never>),
  );
});
process.on('disconnect', () => process.exit());
