import { afterAll, beforeEach, describe, expect, it } from 'vitest';
import { startTestApp } from '../../testkit/app.ts';
import { eventually } from '../../testkit/eventually.ts';
import { callerOf, Gate, modelWith } from '../../testkit/gate.ts';
import { Seed } from '../../testkit/seed.ts';

const app = await startTestApp();
const seed = new Seed(app);
const gate = new Gate(app.operator);

beforeEach(() => app.clock.advance(10_000));

afterAll(() => {
  expect(app.logged).toEqual([]);
});

type Wanted = Parameters<Gate['admit']>[0];

let asked = 0;

/** Asks for slots of which some are there, and tells which of the requests run. */
async function asking(count: number, wanted: (index: number) => Wanted) {
  asked += 1;
  const name = (index: number) => `${asked} ${index}`;
  const running = new Map<number, string>();
  const answers = Array.from({ length: count }, async (_, index) => {
    const { id } = await gate.admit({ ...wanted(index), requestId: name(index), leaseSeconds: 3_600 });
    running.set(index, id);
  });
  const waiting = async () =>
    (await Promise.all(Array.from({ length: count }, (_, index) => gate.queued(name(index))))).filter(Boolean).length;
  return {
    running,
    /** Waits until so many run, and the rest waits. */
    async run(wantedCount: number) {
      await eventually(() => expect(running.size).toBe(wantedCount));
      await eventually(async () => expect(await waiting()).toBe(count - wantedCount));
      expect(running.size).toBe(wantedCount);
    },
    waiting,
    /** Fulfilled when all have begun. */
    begun: Promise.all(answers),
    /** Ends one that runs. */
    async settleOne() {
      // Its answer may still be on its way.
      await eventually(() => expect(running.size).toBeGreaterThan(0));
      const [first] = running;
      if (first === undefined) throw new Error('Nothing runs.');
      running.delete(first[0]);
      await gate.settle(first[1]);
    },
  };
}

const inFlight = async () => (await app.app.services.admission.figures()).inFlight;

describe.each([
  [
    'deployment',
    async () => {
      const models = [await modelWith(app, seed, 8), await modelWith(app, seed, 8)];
      return {
        set: (maxInFlight: number | null) => seed.run('setCapacity', { deployment: maxInFlight }),
        of: (index: number): Wanted => ({ model: models[index % 2]?.name ?? '' }),
      };
    },
  ],
  [
    'model',
    async () => {
      const { id: modelId, name } = await seed.model();
      return {
        set: (maxInFlight: number | null) => seed.run('setCapacity', { model: { modelId, maxInFlight } }),
        of: (): Wanted => ({ model: name }),
      };
    },
  ],
  [
    'models without their own',
    async () => {
      const { name } = await seed.model();
      return {
        set: (maxInFlight: number | null) => seed.run('setCapacity', { modelDefault: maxInFlight }),
        of: (): Wanted => ({ model: name }),
      };
    },
  ],
  [
    'gateway',
    async () => {
      const model = await modelWith(app, seed, 100);
      const { id: gatewayId } = await seed.gateway();
      return {
        set: (maxInFlight: number | null) => seed.run('setCapacity', { gateway: { gatewayId, maxInFlight } }),
        of: (): Wanted => ({ model: model.name, gatewayId }),
      };
    },
  ],
])('the capacity of a %s', (name, setUp) => {
  it('bounds what runs, acts at once when it grows, and ends nothing when it shrinks below what runs', async () => {
    const { keyId } = await callerOf(seed);
    const { set, of } = await setUp();
    await set(2);
    await app.app.services.admission.refreshed();
    const requests = await asking(6, (index) => ({ keyId, ...of(index) }));
    await requests.run(2);
    await set(4);
    await requests.run(4);
    await set(1);
    await app.app.services.admission.refreshed();
    expect(await inFlight()).toBe(4);
    // It drains: until less run than the bound, nobody else begins.
    for (const left of [3, 2, 1]) {
      await requests.settleOne();
      expect(await inFlight()).toBe(left);
      expect(await requests.waiting()).toBe(2);
    }
    await requests.settleOne();
    await eventually(async () => expect(await requests.waiting()).toBe(1));
    expect(await inFlight()).toBe(1);
    // A pool without slots may get some again; who names a gateway that may run nothing is told so.
    if (name !== 'gateway') {
      await set(0);
      await app.app.services.admission.refreshed();
    }
    await requests.settleOne();
    await eventually(async () => expect(await inFlight()).toBe(name === 'gateway' ? 1 : 0));
    expect(await requests.waiting()).toBe(name === 'gateway' ? 0 : 1);
    await set(null);
    await requests.begun;
    await requests.settleOne();
    expect(await inFlight()).toBe(0);
  });
});

describe('a gateway', () => {
  it('that is full keeps nobody waiting who comes through another one, or through none', async () => {
    const { keyId } = await callerOf(seed);
    const model = await modelWith(app, seed, 8);
    const [full, free] = [await seed.gateway({ maxInFlight: 1 }), await seed.gateway()];
    await app.app.services.admission.refreshed();
    const wanted = { keyId, model: model.name };
    const first = await gate.admit({ ...wanted, gatewayId: full.id });
    const waiting = gate.admit({ ...wanted, gatewayId: full.id, requestId: 'behind' });
    await gate.whenQueued('behind');
    const others = [await gate.admit({ ...wanted, gatewayId: free.id }), await gate.admit(wanted)];
    expect(others.map(({ admission }) => admission)).toEqual(['FAST', 'FAST']);
    await gate.settle(first.id);
    const ended = [...others, await waiting];
    await Promise.all(ended.map(({ id }) => gate.settle(id)));
  });

  it('runs no more than it says that it can, whatever was set for it, and more once it says so', async () => {
    const { keyId } = await callerOf(seed);
    const model = await modelWith(app, seed, 8);
    const name = seed.name();
    const gateway = await seed.gateway({ name, maxInFlight: 1 });
    await seed.run('setCapacity', { gateway: { gatewayId: gateway.id, maxInFlight: 5 } });
    await app.app.services.admission.refreshed();
    const requests = await asking(3, () => ({ keyId, model: model.name, gatewayId: gateway.id }));
    await requests.run(1);
    await seed.gateway({ name, maxInFlight: 2 });
    await requests.run(2);
    for (let count = 0; count < 3; count += 1) await requests.settleOne();
  });
});

it('capacity is the same after the program starts again', async () => {
  const first = await startTestApp();
  const before = new Seed(first);
  const model = await modelWith(first, before, 1);
  const gateway = await before.gateway();
  await before.run('setCapacity', {
    deployment: 7,
    modelDefault: 3,
    gateway: { gatewayId: gateway.id, maxInFlight: 2 },
  });
  const { keyId } = await callerOf(before);
  await first.app.close();
  const second = await startTestApp({ sameDatabaseAs: first, clock: first.clock });
  const next = new Gate(second.operator);
  const shown = `{ capacity { deployment { maxInFlight source } modelDefault { value source } }
    models { edges { node { capacity { maxInFlight source } } } }
    gateways { edges { node { capacity { maxInFlight source } } } } }`;
  const configured = (maxInFlight: number) => ({ maxInFlight, source: 'CONFIGURED' });
  expect((await second.operator.send(shown)).data).toEqual({
    capacity: { deployment: configured(7), modelDefault: { value: 3, source: 'CONFIGURED' } },
    models: { edges: [{ node: { capacity: configured(1) } }] },
    gateways: { edges: [{ node: { capacity: configured(2) } }] },
  });
  const running = await next.admit({ keyId, model: model.name });
  const waiting = next.ask({ keyId, model: model.name, requestId: 'second' });
  await next.whenQueued('second');
  await next.settle(running.id);
  expect(await waiting).toMatchObject({ __typename: 'AdmitRequestPayload' });
});

it('a gateway that may run nothing has what waits for it refused, as what comes, and what runs goes on', async () => {
  const model = await modelWith(app, seed, 100);
  const { id: gatewayId } = await seed.gateway();
  const { keyId } = await callerOf(seed);
  await seed.run('setCapacity', { gateway: { gatewayId, maxInFlight: 1 } });
  await app.app.services.admission.refreshed();
  const wanted = { keyId, model: model.name, gatewayId };
  const running = await gate.admit(wanted);
  const waiting = gate.refused({ ...wanted, requestId: 'behind' });
  await gate.whenQueued('behind');
  await seed.run('setCapacity', { gateway: { gatewayId, maxInFlight: 0 } });
  const refusal = { code: 'IN_FLIGHT_BLOCKED', limit: { owner: { type: 'GATEWAY', id: gatewayId }, limit: '0' } };
  expect(await waiting).toMatchObject(refusal);
  expect(await gate.refused(wanted)).toMatchObject(refusal);
  expect(await inFlight()).toBe(1);
  expect(await gate.settle(running.id)).toMatchObject({ isRepeated: false });
});
