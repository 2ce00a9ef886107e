import { afterAll, beforeEach, describe, expect, it } from 'vitest';
import { startTestApp } from '../../testkit/app.ts';
import { eventually } from '../../testkit/eventually.ts';
import { Gate, modelWith } from '../../testkit/gate.ts';
import { Seed } from '../../testkit/seed.ts';

const app = await startTestApp();
const seed = new Seed(app);
const gate = new Gate(app.operator);

// Time stands still, so what a caller may spend does not come back by itself.
beforeEach(() => app.clock.advance(60_000));

afterAll(() => expect(app.logged).toEqual([]));

/** A product with these limits, its platform key, and the key of one of its engines. */
async function productWith(limits: Record<string, unknown>, of: Record<string, unknown> = {}) {
  const { id: productId, tenantId } = await seed.product({ limits, ...of });
  const scopes = ['cloud:inference'];
  const { id: platform } = await seed.key({ kind: 'PRODUCT', productId, scopes });
  const { id: engineId } = await seed.engine({ productId });
  const { id: engine } = await seed.key({ kind: 'ENGINE', engineId, scopes });
  return { productId, tenantId, platform, engine };
}

/** 30 tokens, of which each costs a dollar where the model says so. */
const tokens = { estimatedInputTokens: 10, estimatedOutputTokens: 20 };

describe("a product's limit of", () => {
  it.each([
    [{ requestsPerMinute: 1 }, 'RATE_LIMITED', { name: 'REQUESTS_PER_MINUTE', limit: '1', used: '1' }],
    [{ tokensPerMinute: 59 }, 'TOKENS_PER_MINUTE', { name: 'TOKENS_PER_MINUTE', limit: '59', used: '30' }],
    [{ tokensPerDay: 59 }, 'DAILY_TOKENS', { name: 'TOKENS_PER_DAY', limit: '59', used: '30' }],
    [{ budget: { tokens: 59 } }, 'BUDGET_EXHAUSTED', { name: 'BUDGET_TOKENS', limit: '59', used: '30' }],
    [{ budget: { costUsd: '59' } }, 'BUDGET_EXHAUSTED', { name: 'BUDGET_COST_USD', limit: '59', used: '30' }],
  ])(
    '%j holds for its platform key and its engines together, and for no other product',
    async (limits, code, limit) => {
      const model = await modelWith(app, seed, 9, { prices: { inputTokenUsd: '1', outputTokenUsd: '1' } });
      const { productId, tenantId, platform, engine } = await productWith(limits);
      const other = await productWith({}, { tenantId });
      const wanted = { model: model.name, ...tokens };
      const lease = await gate.admit({ ...wanted, keyId: platform });
      for (const keyId of [engine, platform]) {
        expect(await gate.refused({ ...wanted, keyId })).toMatchObject({
          code,
          permanent: false,
          limit: { owner: { type: 'PRODUCT', id: productId, userId: null }, ...limit },
        });
      }
      await gate.settle((await gate.admit({ ...wanted, keyId: other.engine })).id);
      // What was not started is given back.
      await gate.cancel({ leaseId: lease.id });
      await gate.settle((await gate.admit({ ...wanted, keyId: engine })).id);
    },
  );

  it('requests in flight has its engines wait for its platform key, and nobody else', async () => {
    const model = await modelWith(app, seed, 9);
    const { productId, tenantId, platform, engine } = await productWith({ maxInFlight: 1 });
    const other = await productWith({}, { tenantId });
    const running = await gate.admit({ keyId: platform, model: model.name });
    const waiting = gate.admit({ keyId: engine, model: model.name, requestId: 'waits' });
    await eventually(async () => expect(await gate.queued('waits')).toMatchObject({ position: 1 }));
    expect(await gate.admit({ keyId: other.engine, model: model.name })).toMatchObject({ admission: 'FAST' });
    await gate.settle(running.id);
    expect(await waiting).toMatchObject({ admission: 'QUEUED', productId });
  });

  it('requests in flight acts on what waits, as soon as it is raised or cleared', async () => {
    const model = await modelWith(app, seed, 9);
    const { productId, platform, engine } = await productWith({ maxInFlight: 1 });
    await gate.admit({ keyId: platform, model: model.name });
    for (const [requestId, maxInFlight] of [
      ['raised', 2],
      ['cleared', null],
    ] as const) {
      const waiting = gate.admit({ keyId: engine, model: model.name, requestId });
      await gate.whenQueued(requestId);
      await seed.run('updateProduct', { productId, limits: { maxInFlight } });
      expect(await waiting).toMatchObject({ admission: 'QUEUED' });
    }
  });

  it('0 blocks all of its keys, for good, and refuses those that wait', async () => {
    const model = await modelWith(app, seed, 9);
    const { productId, platform, engine } = await productWith({ maxInFlight: 1 });
    const running = await gate.admit({ keyId: platform, model: model.name });
    const waiting = gate.ask({ keyId: engine, model: model.name, requestId: 'blocked' });
    await gate.whenQueued('blocked');
    await seed.run('updateProduct', { productId, limits: { maxInFlight: 0 } });
    for (const keyId of [platform, engine]) {
      await eventually(async () =>
        expect(await gate.refused({ keyId, model: model.name })).toMatchObject({
          code: 'IN_FLIGHT_BLOCKED',
          permanent: true,
          limit: { owner: { type: 'PRODUCT', id: productId }, name: 'MAX_IN_FLIGHT', limit: '0' },
        }),
      );
    }
    expect(await waiting).toMatchObject({ code: 'IN_FLIGHT_BLOCKED', limit: { owner: { type: 'PRODUCT' } } });
    await gate.settle(running.id);
    await seed.run('updateProduct', { productId, limits: { maxInFlight: null, requestsPerMinute: 0 } });
    await eventually(async () =>
      expect(await gate.refused({ keyId: engine })).toMatchObject({ code: 'RATE_LIMITED', permanent: true }),
    );
  });

  it('tokens a day counts what was used before there was the limit, and a lower one gives no refill', async () => {
    const { productId, platform, engine } = await productWith({});
    await gate.settle((await gate.admit({ keyId: platform })).id, { inputTokens: 50, outputTokens: 0 });
    await gate.settle((await gate.admit({ keyId: engine })).id, { inputTokens: 30, outputTokens: 0 });
    for (const tokensPerDay of [100, 90]) {
      await seed.run('updateProduct', { productId, limits: { tokensPerDay } });
      expect(await gate.refused({ keyId: engine, estimatedInputTokens: 21, estimatedOutputTokens: 0 })).toMatchObject({
        code: 'DAILY_TOKENS',
        limit: {
          owner: { type: 'PRODUCT' },
          limit: String(tokensPerDay),
          used: '80',
          remaining: String(tokensPerDay - 80),
        },
      });
    }
    await gate.settle((await gate.admit({ keyId: engine, estimatedInputTokens: 10, estimatedOutputTokens: 0 })).id);
  });
});

it('the limits of a product go on in the next process, with what was used and what runs', async () => {
  const first = await startTestApp();
  const second = await startTestApp({ sameDatabaseAs: first, clock: first.clock });
  const seed = new Seed(first);
  const [gate, other] = [new Gate(first.operator), new Gate(second.operator)];
  const { id: productId } = await seed.product({ limits: { maxInFlight: 1, tokensPerDay: 100 } });
  const scopes = ['cloud:inference'];
  const { id: platform } = await seed.key({ kind: 'PRODUCT', productId, scopes });
  const { id: engineId } = await seed.engine({ productId });
  const { id: engine } = await seed.key({ kind: 'ENGINE', engineId, scopes });
  await gate.settle((await gate.admit({ keyId: platform })).id, { inputTokens: 40, outputTokens: 0 });
  const running = await gate.admit({ keyId: engine, ...tokens });
  await first.app.close();

  await eventually(async () => expect(await other.leaseIds()).toEqual([running.id]));
  const waiting = other.admit({ keyId: platform, requestId: 'waits', ...tokens });
  await eventually(async () => expect(await other.queued('waits')).toMatchObject({ position: 1 }));
  expect(await other.refused({ keyId: engine, estimatedInputTokens: 1, estimatedOutputTokens: 0 })).toMatchObject({
    limit: { owner: { type: 'PRODUCT' }, name: 'TOKENS_PER_DAY', used: '100', remaining: '0' },
  });
  await other.settle(running.id);
  expect(await waiting).toMatchObject({ admission: 'QUEUED', productId });
});
