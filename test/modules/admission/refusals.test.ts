import { afterAll, beforeEach, describe, expect, it } from 'vitest';
import { decodeId } from '../../../src/graph/ids.ts';
import { startTestApp } from '../../testkit/app.ts';
import { callerOf, Gate, modelWith } from '../../testkit/gate.ts';
import { missingKey } from '../../testkit/ids.ts';
import { Seed } from '../../testkit/seed.ts';

const app = await startTestApp();
const seed = new Seed(app);
const gate = new Gate(app.operator);

// Time stands still, so what a caller may spend does not come back by itself.
beforeEach(() => app.clock.advance(60_000));

afterAll(async () => {
  // What was refused has taken no slot and left no lease.
  expect(await app.app.services.admission.figures()).toMatchObject({ queued: 0 });
  expect(app.logged).toEqual([]);
});

describe('a request is refused', () => {
  it('with RATE_LIMITED, naming the limit and exactly when it passes', async () => {
    const { keyId } = await callerOf(seed, {}, { limits: { requestsPerMinute: 1 } });
    const lease = await gate.admit({ keyId });
    app.clock.advance(1_500);
    const refusal = await gate.refused({ keyId });
    expect(refusal).toMatchObject({
      code: 'RATE_LIMITED',
      retryable: true,
      retryAfterMs: 58_500,
      permanent: false,
      limit: {
        owner: { type: 'KEY', id: keyId, userId: null },
        name: 'REQUESTS_PER_MINUTE',
        limit: '1',
        used: '1',
        remaining: '0',
      },
    });
    await gate.settle(lease.id);
    app.clock.advance(58_499);
    await gate.refused({ keyId });
    app.clock.advance(1);
    await gate.settle((await gate.admit({ keyId })).id);
  });

  it('with TOKENS_PER_MINUTE, and for good when it asks for more than there can ever be', async () => {
    const { keyId, tenantId } = await callerOf(seed, { limits: { tokensPerMinute: 100 } });
    const lease = await gate.admit({ keyId, estimatedInputTokens: 50, estimatedOutputTokens: 40 });
    expect(await gate.refused({ keyId, estimatedInputTokens: 11, estimatedOutputTokens: 0 })).toMatchObject({
      code: 'TOKENS_PER_MINUTE',
      permanent: false,
      retryAfterMs: 60_000,
      limit: { owner: { type: 'TENANT', id: tenantId }, used: '90', remaining: '10' },
    });
    expect(await gate.refused({ keyId, estimatedInputTokens: 101, estimatedOutputTokens: 0 })).toMatchObject({
      code: 'TOKENS_PER_MINUTE',
      permanent: true,
      retryable: false,
      retryAfterMs: null,
    });
    // What was estimated and not used comes back at once.
    await gate.settle(lease.id, { inputTokens: 10, outputTokens: 0 });
    await gate.settle((await gate.admit({ keyId, estimatedInputTokens: 90, estimatedOutputTokens: 0 })).id);
  });

  it('with DAILY_TOKENS, also for what was used before there was the limit', async () => {
    const { keyId, tenantId } = await callerOf(seed);
    await gate.settle((await gate.admit({ keyId })).id, { inputTokens: 60, outputTokens: 20 });
    await seed.run('setTenantLimits', { tenantId, limits: { tokensPerDay: 100 } });
    expect(await gate.refused({ keyId, estimatedInputTokens: 21, estimatedOutputTokens: 0 })).toMatchObject({
      code: 'DAILY_TOKENS',
      limit: { name: 'TOKENS_PER_DAY', used: '80', remaining: '20' },
    });
  });

  it('with BUDGET_EXHAUSTED, in dollars by the prices of the model', async () => {
    const model = await modelWith(app, seed, 5, { prices: { inputTokenUsd: '0.5' } });
    const { keyId } = await callerOf(seed, {}, { limits: { budget: { costUsd: '1.25', period: 'LIFETIME' } } });
    const lease = await gate.admit({ keyId, model: model.name, estimatedInputTokens: 2, estimatedOutputTokens: 9 });
    const more = { keyId, model: model.name, estimatedInputTokens: 1, estimatedOutputTokens: 0 };
    expect(await gate.refused(more)).toMatchObject({
      code: 'BUDGET_EXHAUSTED',
      retryAfterMs: null,
      permanent: false,
      limit: { name: 'BUDGET_COST_USD', limit: '1.25', used: '1', remaining: '0.25' },
    });
    await gate.settle(lease.id, { inputTokens: 1, outputTokens: 0 });
    await gate.settle((await gate.admit(more)).id, { inputTokens: 1 });
  });

  it('by what one user can take of a team, while another user of it is served', async () => {
    const { keyId, tenantId } = await callerOf(seed);
    const team = await seed.team({ tenantId, limits: { requestsPerMinute: 4 }, userSharePercent: 50 });
    const users = [await seed.user({ tenantId, teamId: team.id }), await seed.user({ tenantId, teamId: team.id })];
    const [one, other] = users.map(({ externalId }) => ({ keyId, userExternalId: externalId }));
    const leases = [await gate.admit({ ...one }), await gate.admit({ ...one })];
    expect(await gate.refused({ ...one })).toMatchObject({
      code: 'RATE_LIMITED',
      limit: { owner: { type: 'TEAM_USER_SHARE', id: team.id, userId: users[0]?.id }, limit: '2' },
    });
    leases.push(await gate.admit({ ...other }));
    for (const { id } of leases) await gate.settle(id);
  });

  it('with IN_FLIGHT_BLOCKED, when somebody may have none', async () => {
    const { keyId } = await callerOf(seed, {}, { limits: { maxInFlight: 0 } });
    expect(await gate.refused({ keyId })).toMatchObject({
      code: 'IN_FLIGHT_BLOCKED',
      permanent: true,
      limit: { owner: { type: 'KEY', id: keyId }, name: 'MAX_IN_FLIGHT', limit: '0' },
    });
  });

  it('with QUEUE_FULL, and with QUEUE_TIMEOUT, and then nothing is taken from its limits', async () => {
    const model = await modelWith(app, seed, 1);
    const { keyId, tenantId } = await callerOf(seed, {}, { limits: { requestsPerMinute: 2 } });
    await seed.run('setCapacity', { queue: { tenantMax: 1, timeoutSeconds: 30 } });
    await app.app.services.admission.refreshed();
    const wanted = { keyId, model: model.name };
    const running = await gate.admit(wanted);
    const waiting = gate.refused({ ...wanted, requestId: 'waits' });
    await gate.whenQueued('waits');
    const another = (await seed.key({ tenantId, scopes: ['cloud:inference'] })).id;
    expect(await gate.refused({ keyId: another, model: model.name })).toMatchObject({
      code: 'QUEUE_FULL',
      retryable: true,
      retryAfterMs: 1_000,
      limit: { owner: { type: 'TENANT' }, name: 'QUEUE_LENGTH', limit: '1', used: '1', remaining: '0' },
    });
    app.clock.advance(30_000);
    expect(await waiting).toMatchObject({ code: 'QUEUE_TIMEOUT', retryable: true });
    await seed.run('setCapacity', { queue: { tenantMax: null, timeoutSeconds: null } });
    await gate.settle(running.id);
    // One of two a minute is used: what timed out was given back.
    await gate.settle((await gate.admit(wanted)).id);
    await gate.refused(wanted);
  });
});

it("a key, a user and a gateway that nobody knows, or that are not the caller's, are all not found", async () => {
  const { keyId, key } = await callerOf(seed);
  const stranger = new Gate(app.ofTenant(decodeId('Tenant', (await seed.tenant()).id), 'requests:admit'));
  const { gateway } = await seed.gatewayOfKey();
  for (const [by, wanted, path] of [
    [gate, { keyId: missingKey }, 'keyId'],
    [stranger, { keyId }, 'keyId'],
    [stranger, { key }, 'key'],
    [gate, { keyId, userExternalId: 'nobody' }, 'userExternalId'],
    [gate, { keyId, gatewayId: gateway.id }, 'gatewayId'],
  ] as const) {
    expect(await by.ask(wanted)).toMatchObject({ __typename: 'NotFoundError', path: [path] });
  }
});
