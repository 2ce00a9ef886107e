import { Agent, type ClientRequest, request } from 'node:http';
import { afterAll, beforeEach, expect, it } from 'vitest';
import { startTestApp } from '../../testkit/app.ts';
import { eventually } from '../../testkit/eventually.ts';
import { callerOf, Gate, modelWith } from '../../testkit/gate.ts';
import { holdTable } from '../../testkit/held.ts';
import { Seed } from '../../testkit/seed.ts';
import { Socket } from '../../testkit/socket.ts';

const app = await startTestApp();
const seed = new Seed(app);
const gate = new Gate(app.operator);
const { admission } = app.app.services;

// Time stands still, so what a caller may spend does not come back by itself.
beforeEach(() => app.clock.advance(60_000));

afterAll(async () => {
  expect(await admission.figures()).toMatchObject({ inFlight: 0, queued: 0 });
  expect(await app.app.database.prisma.lease.count()).toBe(0);
  // One test has the database not answer.
  const unexpected = app.logged.filter((line) => !line.includes('could not be written'));
  expect(unexpected).toEqual([]);
});

const one = 'mutation ($input: AdmitRequestInput!) { admitRequest(input: $input) { __typename } }';
const many = 'mutation ($input: AdmitRequestsInput!) { admitRequests(input: $input) { __typename } }';

/** A slot that is taken, and a request that will wait behind it. */
async function takenSlot() {
  const model = await modelWith(app, seed, 1);
  const { keyId } = await callerOf(seed, {}, { limits: { requestsPerMinute: 3 } });
  const wanted = { keyId, model: model.name, estimatedInputTokens: 1, estimatedOutputTokens: 1 };
  const running = await gate.admit(wanted);
  /** Nothing was taken by what went away: one of three a minute is used. */
  const end = async (): Promise<void> => {
    await gate.settle(running.id);
    for (let time = 0; time < 2; time += 1) await gate.settle((await gate.admit(wanted)).id);
    expect(await gate.ask(wanted)).toMatchObject({ code: 'RATE_LIMITED' });
  };
  return { wanted, running, end };
}

const openSocket = () => Socket.accepted(app.operator.url, { 'x-admin-key': app.rootKey });

/** A request over a connection that is kept for the next one. */
function post(query: string, input: object, headers: Record<string, string> = {}): ClientRequest {
  const sent = request(`${app.operator.url}/graphql`, {
    method: 'POST',
    agent: new Agent({ keepAlive: true, maxSockets: 1 }),
    headers: { 'content-type': 'application/json', ...app.operator.headers, ...headers },
  });
  sent.on('error', () => undefined);
  sent.end(JSON.stringify({ query, variables: { input } }));
  return sent;
}

/** Asks, and gives what goes away then. */
type Way = (requestId: string, input: object) => Promise<() => unknown>;

it.each<[string, Way]>([
  [
    'closes its HTTP connection',
    async (_id, input) => {
      const sent = post(one, input);
      return () => sent.destroy();
    },
  ],
  [
    'closes its connection while it reads events',
    async (_id, input) => {
      const sent = post(one, input, { accept: 'text/event-stream' });
      return () => sent.destroy();
    },
  ],
  [
    'closes its WebSocket',
    async (id, input) => {
      const socket = await openSocket();
      socket.subscribe(id, one, { input });
      return () => socket.close();
    },
  ],
  [
    'vanishes with its WebSocket',
    async (id, input) => {
      const socket = await openSocket();
      socket.subscribe(id, one, { input });
      return () => socket.terminate();
    },
  ],
])('a request leaves the queue at once when its client %s, and takes nothing with it', async (_case, ask) => {
  const { wanted, end } = await takenSlot();
  const requestId = seed.name();
  const goAway = await ask('1', { ...wanted, requestId });
  await gate.whenQueued(requestId);
  await goAway();
  await gate.whenNotQueued(requestId);
  await end();
});

it('a client that gives up one request of its WebSocket leaves the queue with that one, and may go on', async () => {
  const { wanted, running, end } = await takenSlot();
  const socket = await openSocket();
  for (const requestId of ['stays', 'goes']) {
    socket.subscribe(requestId, one, { input: { ...wanted, requestId } });
    await gate.whenQueued(requestId);
  }
  socket.send({ type: 'complete', id: 'goes' });
  await gate.whenNotQueued('goes');
  expect(await gate.queued('stays')).toMatchObject({ position: 1 });
  // The same name may be used again, and given up again.
  socket.subscribe('goes', one, { input: { ...wanted, requestId: 'again' } });
  await gate.whenQueued('again');
  socket.send({ type: 'complete', id: 'goes' });
  await gate.whenNotQueued('again');
  await gate.cancel({ requestId: 'stays' });
  expect(await socket.message()).toMatchObject({ type: 'next', id: 'stays' });
  expect(await socket.message()).toMatchObject({ type: 'complete', id: 'stays' });
  expect(await socket.run('2', '{ viewer { __typename } }')).toMatchObject({ data: {} });
  await socket.close();
  expect(await gate.leaseIds()).toEqual([running.id]);
  await end();
});

it.each<[string, Way]>([
  [
    'over HTTP',
    async (_id, input) => {
      const sent = post(many, input);
      return () => sent.destroy();
    },
  ],
  [
    'over a WebSocket',
    async (id, input) => {
      const socket = await openSocket();
      socket.subscribe(id, many, { input });
      return () => socket.close();
    },
  ],
])(
  'a batch of a client that goes away %s leaves the queue, and keeps no slot that nobody can find',
  async (_case, ask) => {
    const { wanted, running, end } = await takenSlot();
    const free = { ...wanted, keyId: (await callerOf(seed)).keyId, model: 'another' };
    const [found, waits] = [seed.name(), seed.name()];
    const requests = [free, { ...free, requestId: found }, { ...wanted, requestId: waits }];
    const goAway = await ask('1', { requests });
    await gate.whenQueued(waits);
    // Until they are written, nobody has been given them.
    await eventually(async () => expect(await app.app.database.prisma.lease.count()).toBe(3));
    await eventually(async () => expect(await gate.leaseIds()).toHaveLength(3));
    await goAway();
    await gate.whenNotQueued(waits);
    // One that has a name is there for who asks for it again, as after any answer that was lost.
    await eventually(async () => expect(await gate.leaseIds()).toHaveLength(2));
    const again = await gate.admit({ ...free, requestId: found });
    expect(await gate.leaseIds()).toEqual([running.id, again.id]);
    await gate.settle(again.id);
    await end();
  },
);

it('of two clients that wait for the same request, one may go away', async () => {
  const { wanted, running } = await takenSlot();
  const input = { ...wanted, requestId: 'of both' };
  const sent = post(one, input);
  await gate.whenQueued('of both');
  const other = gate.admit(input);
  const socket = await openSocket();
  socket.subscribe('1', one, { input });
  // Answered after it: both of the others have asked by then.
  await socket.run('2', '{ viewer { __typename } }');
  sent.destroy();
  socket.send({ type: 'complete', id: '1' });
  await socket.run('3', '{ viewer { __typename } }');
  expect(await gate.queued('of both')).toMatchObject({ position: 1 });
  await gate.settle(running.id);
  await gate.settle((await other).id);
  await socket.close();
});

const whenInFlight = (inFlight: number) =>
  eventually(async () => expect(await admission.figures()).toMatchObject({ inFlight }));

it('whoever asks for a request whose lease is being written is given it when it is, and not before', async () => {
  const wanted = { keyId: (await callerOf(seed)).keyId, requestId: 'being written' };
  const release = await holdTable(app, 'lease');
  const first = gate.ask(wanted);
  await whenInFlight(1);
  // It is given up after two seconds: a lease that was never written is nobody's.
  expect(await Promise.all([first, gate.ask(wanted)])).toMatchObject([{ code: 'NOT_READY' }, { code: 'NOT_READY' }]);
  expect(await admission.figures()).toMatchObject({ inFlight: 0 });
  await release();
  await gate.settle((await gate.admit(wanted)).id);
});

it('a request that is asked for again while its slot is given back has a lease of its own', async () => {
  const { keyId } = await callerOf(seed);
  const wanted = { keyId, model: 'any', estimatedInputTokens: 1, estimatedOutputTokens: 1, requestId: 'at once' };
  const release = await holdTable(app, 'lease');
  const sent = post(one, wanted);
  await whenInFlight(1);
  sent.destroy();
  await whenInFlight(0);
  const again = gate.admit(wanted);
  await whenInFlight(1);
  await release();
  const { id } = await again;
  expect(await gate.leaseIds()).toEqual([id]);
  expect(await gate.admit(wanted)).toMatchObject({ id });
  expect(await gate.settle(id)).toMatchObject({ isRepeated: false });
});
