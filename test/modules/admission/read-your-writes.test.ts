import { afterAll, describe, expect, inject, it } from 'vitest';
import { startTestApp, type TestApp } from '../../testkit/app.ts';
import { eventually } from '../../testkit/eventually.ts';
import { freePort } from '../../testkit/free-port.ts';
import { callerOf, Gate } from '../../testkit/gate.ts';
import { verify } from '../../testkit/keys.ts';
import { Seed } from '../../testkit/seed.ts';
import { startTcpProxy, type TcpProxy } from '../../testkit/tcp-proxy.ts';

const port = await freePort();
const [ofOwner, ofReplica, between] = await Promise.all([
  startTcpProxy(inject('postgresUrl')),
  startTcpProxy(inject('postgresUrl')),
  startTcpProxy(`http://127.0.0.1:${port}`),
]);
afterAll(async () => {
  for (const proxy of [ofOwner, ofReplica, between]) await proxy.close();
});

const prepared = await startTestApp();
await prepared.app.close();

/** A process whose way to the database is a proxy. */
function startBehind(proxy: TcpProxy, environment: Readonly<Record<string, string>> = {}): Promise<TestApp> {
  const url = new URL(proxy.url);
  url.pathname = new URL(prepared.databaseUrl).pathname;
  return startTestApp({
    sameDatabaseAs: prepared,
    clock: prepared.clock,
    environment: { DATABASE_URL: url.href, ...environment },
  });
}

/** Decides, since it was the first. */
const owner = await startBehind(ofOwner, { PORT: String(port), FAIRLEAD_ADVERTISE_URL: between.url });
const replica = await startBehind(ofReplica);
const seed = new Seed(replica);

afterAll(() => {
  // On a busy machine they are held back for so long that they are made again.
  const isOther = (line: string): boolean => !line.includes('the connection for events');
  expect([...owner.logged, ...replica.logged].filter(isOther)).toEqual([]);
});

/** Runs it while neither process hears what Postgres announces, which must not take so long that they find out. */
async function unannounced(work: () => Promise<void>): Promise<void> {
  const releases = [ofOwner, ofReplica].map((proxy) => proxy.hold('fairlead events'));
  await work();
  for (const release of releases) release();
}

describe.each([
  ['the same process, which does not decide', replica],
  ['the process that decides', owner],
])('what a process that does not decide has answered acts at once on what is asked of %s', (_name, asked) => {
  const gate = new Gate(asked.operator);

  it('a new model and its capacity', async () => {
    const { keyId } = await callerOf(seed);
    await unannounced(async () => {
      const model = await seed.model();
      for (const maxInFlight of [1, 2]) {
        await seed.run('setCapacity', { model: { modelId: model.id, maxInFlight } });
        const admitted = await gate.admit({ keyId, model: model.name, deadline: prepared.clock.now().toISOString() });
        expect(admitted).toMatchObject({ modelId: model.id, admission: 'FAST' });
      }
    });
  });

  it('a new gateway and a new key', async () => {
    await gate.admit({ keyId: (await callerOf(seed)).keyId });
    await unannounced(async () => {
      const { id: gatewayId } = await seed.gateway();
      const { keyId } = await callerOf(seed);
      expect(await gate.admit({ keyId, gatewayId })).toMatchObject({ keyId, gatewayId });
    });
  });

  it('a limit that was set', async () => {
    const { keyId, tenantId } = await callerOf(seed, { limits: { requestsPerMinute: 2 } });
    await gate.admit({ keyId });
    await unannounced(async () => {
      await seed.run('setTenantLimits', { tenantId, limits: { requestsPerMinute: 1 } });
      expect(await gate.refused({ keyId })).toMatchObject({ code: 'RATE_LIMITED', limit: { limit: '1', used: '1' } });
    });
  });

  it('a key that was revoked, given by its id or as it is', async () => {
    const { keyId, key } = await callerOf(seed);
    await gate.admit({ keyId });
    await unannounced(async () => {
      await seed.run('revokeKey', { keyId });
      expect(await gate.refused({ keyId })).toMatchObject({ code: 'KEY_REVOKED' });
    });
    expect(await new Gate(replica.operator).refused({ key })).toMatchObject({ code: 'KEY_REVOKED' });
  });
});

it.each([
  ['that decides', owner],
  ['that does not decide', replica],
])('a key that a process %s has revoked is refused there at once, before Postgres announces it', async (_name, app) => {
  const { keyId, key } = await callerOf(seed);
  expect(await verify(app.operator, key)).toMatchObject({ isValid: true });
  await unannounced(async () => {
    await new Seed(app).run('revokeKey', { keyId });
    expect(await verify(app.operator, key)).toMatchObject({ isValid: false, reason: 'REVOKED' });
    expect(await new Gate(app.operator).refused({ key })).toMatchObject({ code: 'KEY_REVOKED' });
  });
});

it('what the process that decides does not answer holds no command up for long, and is told to it first when it is reached again', async () => {
  const gate = new Gate(replica.operator);
  const { keyId } = await callerOf(seed);
  await gate.admit({ keyId });
  await unannounced(async () => {
    between.loseEverythingSent();
    const since = performance.now();
    const { id: gatewayId } = await seed.gateway();
    // It has waited to be told that it is known there, though not until anybody could find out that nothing is carried.
    const waitedMs = performance.now() - since;
    expect(waitedMs).toBeGreaterThan(400);
    expect(waitedMs).toBeLessThan(1_500);
    between.cut();
    await eventually(async () => expect(await gate.ask({ keyId })).not.toMatchObject({ code: 'NOT_READY' }));
    expect(await gate.admit({ keyId, gatewayId })).toMatchObject({ gatewayId });
  });
});

it('a request that is handed on to a process that is silent from then on is answered NOT_READY', async () => {
  const gate = new Gate(replica.operator);
  const { keyId } = await callerOf(seed);
  await gate.admit({ keyId });
  between.loseEverythingSent();
  expect(await gate.ask({ keyId })).toMatchObject({ code: 'NOT_READY' });
});
