import { afterAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { decodeId } from '../../../src/graph/ids.ts';
import { startTestApp } from '../../testkit/app.ts';
import { eventually } from '../../testkit/eventually.ts';
import { callerOf, Gate, modelWith } from '../../testkit/gate.ts';
import { missingLease } from '../../testkit/ids.ts';
import { Seed } from '../../testkit/seed.ts';

const app = await startTestApp();
const seed = new Seed(app);
const gate = new Gate(app.operator);
const { prisma } = app.app.database;
const { admission } = app.app.services;

// Time stands still, so what a caller may spend does not come back by itself.
beforeEach(() => app.clock.advance(60_000));

afterAll(() => {
  expect(app.logged).toEqual([]);
});

const recordsOf = (leaseId: string) => prisma.usageRecord.findMany({ where: { id: decodeId('Lease', leaseId) } });

describe('a lease', () => {
  it('that nobody renews or settles gives its slot back when it expires, and is recorded as UNSETTLED', async () => {
    const model = await modelWith(app, seed, 1, { prices: { outputTokenUsd: '0.001' } });
    const { keyId } = await callerOf(seed);
    const wanted = { keyId, model: model.name, leaseSeconds: 10 };
    const lease = await gate.admit(wanted);
    const next = gate.admit({ ...wanted, requestId: 'next' });
    await gate.whenQueued('next');
    app.clock.advance(9_999);
    expect(await gate.leaseIds()).toEqual([lease.id]);
    app.clock.advance(1);
    expect(await next).toMatchObject({ admission: 'QUEUED', queueWaitMs: 10_000 });
    await eventually(async () =>
      expect(await recordsOf(lease.id)).toMatchObject([
        { settlement: 'UNSETTLED', statusCode: null, inputTokens: null, estimatedOutputTokens: 20n },
      ]),
    );
    expect((await recordsOf(lease.id))[0]?.costUsd.toFixed()).toBe('0.02');

    // Late figures correct the record once and free nothing.
    const late = await gate.settle(lease.id, { inputTokens: 3, outputTokens: 5 });
    expect(late).toMatchObject({
      isRepeated: false,
      usageRecord: { settlement: 'LATE', inputTokens: 3, outputTokens: 5, costUsd: '0.005' },
    });
    expect(await gate.settle(lease.id, { inputTokens: 99 })).toEqual({ ...late, isRepeated: true });
    expect(await gate.leaseIds()).toEqual([(await next).id]);
    await gate.settle((await next).id);
    expect(await recordsOf(lease.id)).toHaveLength(1);
  });

  it('is held for as long as it is renewed', async () => {
    const { keyId } = await callerOf(seed);
    const lease = await gate.admit({ keyId, leaseSeconds: 10 });
    app.clock.advance(9_000);
    const renewed = await gate.renew({ leaseId: lease.id, leaseSeconds: 30 });
    const end = new Date(app.clock.now().getTime() + 30_000).toISOString();
    expect(renewed).toMatchObject({ lease: { id: lease.id, expiresAt: end } });
    app.clock.advance(29_999);
    expect(await gate.settle(lease.id)).toMatchObject({ usageRecord: { settlement: 'SETTLED' } });
    expect(await gate.renew({ leaseId: lease.id })).toMatchObject({ code: 'NOT_FOUND' });
  });

  it('of somebody else is not found, by whatever command, and nothing becomes of it', async () => {
    const { keyId } = await callerOf(seed);
    const stranger = new Gate(app.withScopes('requests:admit'));
    const lease = await gate.admit({ keyId });
    for (const leaseId of [lease.id, missingLease]) {
      expect(await stranger.settle(leaseId)).toMatchObject({ code: 'NOT_FOUND' });
      expect(await stranger.renew({ leaseId })).toMatchObject({ code: 'NOT_FOUND' });
      expect(await stranger.cancel({ leaseId })).toMatchObject({ code: 'NOT_FOUND' });
    }
    expect(await gate.settle(lease.id)).toMatchObject({ isRepeated: false });
    expect(await stranger.settle(lease.id)).toMatchObject({ code: 'NOT_FOUND' });
    expect(await stranger.cancel({ leaseId: lease.id })).toMatchObject({ code: 'NOT_FOUND' });
  });

  it('that is settled many times at once is recorded once', async () => {
    const { keyId } = await callerOf(seed);
    const lease = await gate.admit({ keyId });
    const answers = await Promise.all(
      Array.from({ length: 10 }, (_, index) => gate.settle(lease.id, { inputTokens: 100 + index })),
    );
    const made = answers.filter((answer) => answer.__typename === 'SettleRequestPayload' && !answer.isRepeated);
    expect(made).toHaveLength(1);
    expect(new Set(answers.map((answer) => JSON.stringify({ ...answer, isRepeated: true })))).toHaveProperty('size', 1);
    expect(await recordsOf(lease.id)).toHaveLength(1);
  });

  it('that is cancelled gives back everything, is not recorded, and says so again', async () => {
    const { keyId } = await callerOf(seed, {}, { limits: { requestsPerMinute: 1, tokensPerMinute: 30 } });
    const lease = await gate.admit({ keyId, requestId: 'taken back' });
    expect(await gate.cancel({ leaseId: lease.id })).toMatchObject({ cancellation: 'RELEASED' });
    expect(await gate.cancel({ leaseId: lease.id })).toMatchObject({ cancellation: 'RELEASED' });
    expect(await gate.cancel({ requestId: 'taken back' })).toMatchObject({ cancellation: 'RELEASED' });
    expect(await gate.settle(lease.id)).toMatchObject({ code: 'NOT_FOUND' });
    expect(await recordsOf(lease.id)).toEqual([]);
    const again = await gate.admit({ keyId });
    await gate.settle(again.id);
    expect(await gate.cancel({ leaseId: again.id })).toMatchObject({ code: 'INVALID_STATE' });
  });
});

describe('the same request id', () => {
  it('gives the same lease while it is held, to the same credential, and another one after that', async () => {
    const { keyId } = await callerOf(seed);
    const wanted = { keyId, requestId: 'same' };
    const answers = await Promise.all([gate.admit(wanted), gate.admit(wanted), gate.admit(wanted)]);
    expect(new Set(answers.map(({ id }) => id))).toHaveProperty('size', 1);
    const other = new Gate(app.withScopes('requests:admit'));
    const foreign = await other.admit(wanted);
    expect(foreign.id).not.toBe(answers[0].id);
    await other.settle(foreign.id);
    await gate.settle(answers[0].id);
    const next = await gate.admit(wanted);
    expect(next.id).not.toBe(answers[0].id);
    await gate.settle(next.id);
  });

  it('that waits is one request, which goes on until the last who asks for it is gone', async () => {
    const model = await modelWith(app, seed, 1);
    const { keyId } = await callerOf(seed);
    const wanted = { keyId, model: model.name };
    const running = await gate.admit(wanted);
    const waiting = [1, 2].map(() => gate.admit({ ...wanted, requestId: 'shared' }));
    await eventually(async () => expect(await gate.queued('shared')).toMatchObject({ position: 1 }));
    expect(await admission.figures()).toMatchObject({ queued: 1 });
    await gate.settle(running.id);
    const [one, other] = await Promise.all(waiting);
    expect(one?.id).toBe(other?.id);
    await gate.settle(one?.id ?? '');
  });
});

describe('a request that waits', () => {
  /** Two requests for one slot: the second waits under this id. */
  async function waitBehind(requestId: string) {
    const model = await modelWith(app, seed, 1);
    const caller = await callerOf(seed);
    const wanted = { keyId: caller.keyId, model: model.name };
    const running = await gate.admit(wanted);
    const answer = gate.ask({ ...wanted, requestId });
    await gate.whenQueued(requestId);
    return { ...caller, model, running, answer, wanted };
  }

  it('leaves the queue at once when its client closes the connection', async () => {
    const { wanted, running } = await waitBehind('stays');
    const client = new AbortController();
    const gone = fetch(`${app.operator.url}/graphql`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...app.operator.headers },
      body: JSON.stringify({
        query: `mutation ($input: AdmitRequestInput!) { admitRequest(input: $input) { __typename } }`,
        variables: { input: { ...wanted, estimatedInputTokens: 1, estimatedOutputTokens: 1, requestId: 'goes' } },
      }),
      signal: client.signal,
    });
    await gate.whenQueued('goes');
    client.abort();
    await expect(gone).rejects.toThrow('aborted');
    await gate.whenNotQueued('goes');
    expect(await gate.queued('stays')).toMatchObject({ position: 1 });
    expect(await gate.cancel({ requestId: 'stays' })).toMatchObject({ cancellation: 'WITHDRAWN' });
    await gate.settle(running.id);
  });

  it('can be withdrawn by its id, and is told so', async () => {
    const { answer, running } = await waitBehind('withdrawn');
    expect(await gate.cancel({ requestId: 'withdrawn' })).toMatchObject({ cancellation: 'WITHDRAWN' });
    expect(await answer).toMatchObject({ code: 'CANCELLED' });
    await gate.settle(running.id);
  });

  it('gives up at its own deadline', async () => {
    const { wanted, running } = await waitBehind('first');
    const deadline = new Date(app.clock.now().getTime() + 5_000).toISOString();
    const answer = gate.ask({ ...wanted, requestId: 'hurries', deadline });
    await gate.whenQueued('hurries');
    app.clock.advance(5_000);
    expect(await answer).toMatchObject({ code: 'QUEUE_TIMEOUT' });
    await gate.cancel({ requestId: 'first' });
    await gate.settle(running.id);
  });

  it('runs as soon as there are more slots', async () => {
    const { answer, model, running } = await waitBehind('more slots');
    await seed.run('setCapacity', { model: { modelId: model.id, maxInFlight: 2 } });
    const lease = await answer;
    if (lease.__typename !== 'AdmitRequestPayload') throw new Error(lease.__typename);
    await Promise.all([gate.settle(lease.lease.id), gate.settle(running.id)]);
  });

  it.each([
    ['its tenant is suspended', 'TENANT_SUSPENDED', 'suspendTenant', 'tenantId'],
    ['its key is revoked', 'KEY_REVOKED', 'revokeKey', 'keyId'],
  ] as const)('is refused as soon as %s', async (_case, code, command, field) => {
    const waiting = await waitBehind(command);
    await seed.run(command, { [field]: waiting[field] });
    expect(await waiting.answer).toMatchObject({ code });
    await gate.settle(waiting.running.id);
  });

  it('is refused as soon as its model is disabled, while what runs goes on', async () => {
    const { answer, model, running } = await waitBehind('disabled');
    await seed.run('updateModel', { modelId: model.id, isEnabled: false });
    expect(await answer).toMatchObject({ code: 'MODEL_DISABLED' });
    expect(await gate.settle(running.id)).toMatchObject({ usageRecord: { settlement: 'SETTLED' } });
  });

  it('of the heavier tenant comes first once the weights are changed, whoever came first', async () => {
    const model = await modelWith(app, seed, 1);
    const [light, heavy] = [await callerOf(seed, { weight: 1 }), await callerOf(seed, { weight: 1 })];
    const running = await gate.admit({ keyId: light.keyId, model: model.name });
    const order: string[] = [];
    const ask = async (keyId: string, name: string) => {
      const lease = await gate.admit({ keyId, model: model.name, requestId: name, leaseSeconds: 3_600 });
      order.push(name);
      await gate.settle(lease.id);
    };
    const all = [];
    for (const number of [1, 2, 3]) {
      all.push(ask(light.keyId, `light ${number}`));
      await gate.whenQueued(`light ${number}`);
    }
    for (const number of [1, 2, 3]) {
      all.push(ask(heavy.keyId, `heavy ${number}`));
      await gate.whenQueued(`heavy ${number}`);
    }
    await seed.run('setTenantWeight', { tenantId: heavy.tenantId, weight: 1_000 });
    await gate.settle(running.id);
    await Promise.all(all);
    expect(order.filter((name) => name.startsWith('heavy'))).toHaveLength(3);
    expect(order.indexOf('heavy 3')).toBeLessThan(order.indexOf('light 2'));
  });
});

it('of one more request than there are slots, all sent at once, exactly that many run', async () => {
  const model = await modelWith(app, seed, 8);
  const { keyId } = await callerOf(seed);
  const answers = Array.from({ length: 9 }, (_, index) =>
    gate.admit({ keyId, model: model.name, requestId: `race ${index}` }),
  );
  await eventually(async () => expect(await admission.figures()).toMatchObject({ inFlight: 8, queued: 1 }));
  const { data } = await app.operator.send<{ capacity: object; model: object }, { id: string }>(
    'query ($id: ID!) { capacity { deployment { inFlight queued } } model(id: $id) { capacity { inFlight queued } } }',
    { id: model.id },
  );
  const live = { inFlight: 8, queued: 1 };
  expect(data).toEqual({ capacity: { deployment: live }, model: { capacity: live } });
  const first = await Promise.race(answers);
  await gate.settle(first.id);
  const leases = await Promise.all(answers);
  expect(leases.filter(({ admission: how }) => how === 'QUEUED')).toHaveLength(1);
  await Promise.all(leases.filter(({ id }) => id !== first.id).map(({ id }) => gate.settle(id)));
  expect(await admission.figures()).toMatchObject({ inFlight: 0, queued: 0 });
});

describe('a gateway', () => {
  it('finds no lease of another one with the same key when it says which one it is, and ends whichever when it does not', async () => {
    const { keyId } = await callerOf(seed);
    const [own, other] = [await seed.gateway(), await seed.gateway()];
    const [first, second] = [
      await gate.admit({ keyId, gatewayId: own.id, requestId: 'of one gateway' }),
      await gate.admit({ keyId, gatewayId: own.id }),
    ];
    const none = { code: 'NOT_FOUND' };
    expect(await gate.renew({ leaseId: first.id, gatewayId: other.id })).toMatchObject(none);
    expect(await gate.settle(first.id, { gatewayId: other.id })).toMatchObject(none);
    expect(await gate.cancel({ leaseId: first.id, gatewayId: other.id })).toMatchObject(none);
    expect(await gate.cancel({ requestId: 'of one gateway', gatewayId: other.id })).toMatchObject(none);
    expect(await gate.renew({ leaseId: first.id, gatewayId: own.id })).toMatchObject({ lease: { id: first.id } });
    expect(await gate.settle(first.id, { gatewayId: own.id })).toMatchObject({ isRepeated: false });
    // It has ended: whose it was is known from its record.
    expect(await gate.settle(first.id, { gatewayId: other.id })).toMatchObject(none);
    expect(await gate.cancel({ leaseId: first.id, gatewayId: other.id })).toMatchObject(none);
    expect(await gate.settle(first.id)).toMatchObject({ isRepeated: true });
    // One that took another one's work over has its key and need not know its name.
    expect(await gate.settle(second.id)).toMatchObject({ isRepeated: false });
  });

  it('renews what it holds with its heartbeats, and loses it all at once when it goes silent', async () => {
    const { silenceSeconds } = app.config.gateways;
    const { keyId } = await callerOf(seed);
    const { id: gatewayId } = await seed.gateway();
    const lease = await gate.admit({ keyId, gatewayId, leaseSeconds: 3_600 });
    const short = await gate.admit({ keyId, gatewayId, leaseSeconds: silenceSeconds });
    for (let time = 0; time < 3; time += 1) {
      app.clock.advance(silenceSeconds * 900);
      await seed.run('gatewayHeartbeat', { gatewayId, inFlight: 2, leaseIds: [lease.id, short.id] });
    }
    expect((await gate.leaseIds()).toSorted()).toEqual([lease.id, short.id].toSorted());
    await app.app.services.gatewayHeartbeats.flush();
    app.clock.advance(silenceSeconds * 1_000 + 2);
    await eventually(async () => expect(await gate.leaseIds()).toEqual([]));
    await eventually(async () => expect(await recordsOf(lease.id)).toMatchObject([{ settlement: 'UNSETTLED' }]));
  });
});

describe('a free slot', () => {
  it('is got without a wait, also while the clock goes on', async () => {
    const { keyId } = await callerOf(seed);
    const now = app.clock.now().getTime();
    let looks = 0;
    const looking = vi.spyOn(app.clock, 'now').mockImplementation(() => {
      looks += 1;
      return new Date(now + looks);
    });
    const lease = await gate.admit({ keyId });
    looking.mockRestore();
    expect(lease).toMatchObject({ admission: 'FAST', queueWaitMs: 0 });
    expect(await gate.settle(lease.id)).toMatchObject({ usageRecord: { admission: 'FAST', queueWaitMs: 0 } });
  });
});

describe('a batch', () => {
  it('is answered item by item: what is refused does not stop the others', async () => {
    const { keyId } = await callerOf(seed);
    const item = { keyId, model: 'any', estimatedInputTokens: 1, estimatedOutputTokens: 1 };
    const { results: admitted } = (await seed.run('admitRequests', {
      requests: [item, { ...item, estimatedInputTokens: -1 }, { ...item, requestId: 'in a batch' }],
    })) as { results?: { lease: { id: string } | null; error: { code: string; path: string[] } | null }[] };
    expect(admitted).toMatchObject([
      { lease: {}, error: null },
      { lease: null, error: { code: 'VALIDATION_FAILED', path: ['requests', '1', 'estimatedInputTokens'] } },
      { lease: { requestId: 'in a batch' }, error: null },
    ]);
    const ids = (admitted ?? []).flatMap(({ lease }) => lease?.id ?? []);
    expect(await seed.run('renewLeases', { leases: [{ leaseId: ids[0] }, { leaseId: missingLease }] })).toMatchObject({
      results: [{ lease: { id: ids[0] } }, { error: { code: 'NOT_FOUND' } }],
    });
    const figures = { inputTokens: 1, outputTokens: 1 };
    expect(
      await seed.run('settleRequests', {
        requests: [
          { leaseId: ids[0], ...figures },
          { leaseId: missingLease, ...figures },
        ],
      }),
    ).toMatchObject({ results: [{ usageRecord: { settlement: 'SETTLED' } }, { error: { code: 'NOT_FOUND' } }] });
    expect(await seed.run('cancelRequests', { requests: [{ leaseId: ids[1] }, { leaseId: ids[0] }] })).toMatchObject({
      results: [{ cancellation: 'RELEASED' }, { error: { code: 'INVALID_STATE' } }],
    });
  });
});
