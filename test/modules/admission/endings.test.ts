import { afterAll, beforeEach, describe, expect, it } from 'vitest';
import { decodeId } from '../../../src/graph/ids.ts';
import { startTestApp } from '../../testkit/app.ts';
import { eventually } from '../../testkit/eventually.ts';
import { callerOf, Gate, modelWith } from '../../testkit/gate.ts';
import { holdTable, whenHeldUp } from '../../testkit/held.ts';
import { Seed } from '../../testkit/seed.ts';

const app = await startTestApp();
const seed = new Seed(app);
const gate = new Gate(app.operator);
const { admission } = app.app.services;
const { prisma } = app.app.database;

// Time stands still, so what a caller may spend does not come back by itself.
beforeEach(() => app.clock.advance(60_000));

afterAll(async () => {
  expect(await admission.figures()).toMatchObject({ inFlight: 0, queued: 0 });
  expect(await prisma.lease.count()).toBe(0);
  // Some tests have the database not answer.
  expect(app.logged.filter((line) => !line.includes('could not be written'))).toEqual([]);
});

const recordsOf = (leaseId: string) => prisma.usageRecord.findMany({ where: { id: decodeId('Lease', leaseId) } });

describe('a settlement', () => {
  it('records all that is known of the request: whose it was, what it asked for, how long it took and what it cost', async () => {
    const model = await modelWith(app, seed, 1, {
      prices: {
        inputTokenUsd: '0.000001',
        outputTokenUsd: '0.000002',
        imageUsd: '0.04',
        audioSecondUsd: '0.006',
        characterUsd: '0.00003',
      },
    });
    const { id: appId, tenantId } = await seed.app();
    const ofApp = { kind: 'APP', appId, environment: 'LIVE', scopes: ['cloud:inference'] };
    const { id: keyId } = await seed.key(ofApp);
    const group = await seed.group();
    await seed.run('setTenantGroup', { tenantId, fairshareGroupId: group.id });
    const team = await seed.team({ tenantId });
    const user = await seed.user({ tenantId, teamId: team.id });
    const gateway = await seed.gateway();
    const blocking = await gate.admit({ keyId: (await callerOf(seed)).keyId, model: model.name });
    const asked = gate.admit({
      keyId,
      model: model.name,
      userExternalId: user.externalId,
      gatewayId: gateway.id,
      requestId: 'everything',
      sessionId: 'session 7',
      requestType: 'image',
    });
    await gate.whenQueued('everything');
    app.clock.advance(1_250);
    await gate.settle(blocking.id);
    const lease = await asked;
    app.clock.advance(2_000);
    await gate.settle(lease.id, {
      statusCode: 206,
      inputTokens: 1_000,
      outputTokens: 500,
      images: 2,
      audioSeconds: 1.5,
      characters: 10,
      ttftMs: 120,
      totalMs: 3_250,
      cacheStatus: 'MISS',
    });
    const [record] = await recordsOf(lease.id);
    expect(record).toEqual({
      id: decodeId('Lease', lease.id),
      tenantId: decodeId('Tenant', tenantId),
      fairshareGroupId: decodeId('FairshareGroup', group.id),
      keyId: decodeId('ApiKey', keyId),
      userId: decodeId('User', user.id),
      teamId: decodeId('Team', team.id),
      appId: decodeId('App', appId),
      productId: null,
      engineId: null,
      modelId: decodeId('Model', model.id),
      modelName: model.name,
      gatewayId: decodeId('Gateway', gateway.id),
      credentialId: expect.any(String),
      requestId: 'everything',
      sessionId: 'session 7',
      requestType: 'image',
      admission: 'QUEUED',
      settlement: 'SETTLED',
      statusCode: 206,
      estimatedInputTokens: 10n,
      estimatedOutputTokens: 20n,
      inputTokens: 1_000n,
      outputTokens: 500n,
      images: 2,
      audioMs: 1_500,
      characters: 10,
      queueWaitMs: 1_250,
      ttftMs: 120,
      totalMs: 3_250,
      cacheStatus: 'MISS',
      costUsd: expect.anything(),
      completedAt: app.clock.now(),
    });
    // 0.001 + 0.001 + 0.08 + 0.009 + 0.0003, exactly.
    expect(record?.costUsd.toFixed()).toBe('0.0913');
  });

  it.each([
    ['images', { images: 3 }, '0.12'],
    ['seconds of audio, to the millisecond', { audioSeconds: 2.0006 }, '0.012006'],
    ['characters', { characters: 1_000 }, '0.03'],
  ])('says how many %s were made and paid for, in time and late', async (_what, units, costUsd) => {
    const prices = { imageUsd: '0.04', audioSecondUsd: '0.006', characterUsd: '0.00003' };
    const model = await modelWith(app, seed, 2, { prices });
    const { keyId } = await callerOf(seed);
    const [inTime, late] = await Promise.all(
      [60, 10].map((leaseSeconds) => gate.admit({ keyId, model: model.name, leaseSeconds })),
    );
    const figures = { inputTokens: 0, outputTokens: 0, ...units };
    const kept = { images: 0, audioSeconds: 0, characters: 0, ...units, costUsd };
    if ('audioSeconds' in units) kept.audioSeconds = 2.001;
    app.clock.advance(10_000);
    const unknown = { images: null, audioMs: null, characters: null };
    await eventually(async () => expect(await recordsOf(late?.id ?? '')).toMatchObject([unknown]));
    for (const [lease, settlement] of [
      [inTime, 'SETTLED'],
      [late, 'LATE'],
    ] as const) {
      const settled = await gate.settle(lease?.id ?? '', figures);
      expect(settled).toMatchObject({ isRepeated: false, usageRecord: { settlement, ...kept } });
      // As it is stored, not only as it was answered.
      expect(await gate.settle(lease?.id ?? '')).toEqual({ ...settled, isRepeated: true });
    }
  });

  it('costs what the model costs when the request ends, and later prices do not change it', async () => {
    const model = await modelWith(app, seed, 3, { prices: { inputTokenUsd: '0.1' } });
    const { keyId } = await callerOf(seed, {}, { limits: { budget: { costUsd: '10', period: 'LIFETIME' } } });
    const wanted = { keyId, model: model.name, estimatedInputTokens: 10, estimatedOutputTokens: 0 };
    const leases = [await gate.admit(wanted), await gate.admit(wanted)];
    const setPrice = async (inputTokenUsd: string) => {
      await seed.run('updateModel', { modelId: model.id, prices: { inputTokenUsd } });
      await admission.refreshed();
    };
    await setPrice('0.3');
    const first = leases[0]?.id ?? '';
    const settled = await gate.settle(first, { inputTokens: 7, outputTokens: 0 });
    expect(settled).toMatchObject({ usageRecord: { costUsd: '2.1' } });
    await setPrice('0.5');
    expect(await gate.settle(first, { inputTokens: 9 })).toEqual({ ...settled, isRepeated: true });
    expect((await recordsOf(first))[0]?.costUsd.toFixed()).toBe('2.1');
    // Of ten dollars, 2.1 are spent and 1 is reserved, as it was estimated.
    expect(await gate.refused({ ...wanted, estimatedInputTokens: 14 })).toMatchObject({
      limit: { name: 'BUDGET_COST_USD', used: '3.1', remaining: '6.9' },
    });
    await gate.settle(leases[1]?.id ?? '', { inputTokens: 0, outputTokens: 0 });
  });

  it('that the database keeps waiting frees the slot at once, is asked for again, and is recorded once, as first said', async () => {
    const model = await modelWith(app, seed, 1);
    const { keyId } = await callerOf(seed);
    const lease = await gate.admit({ keyId, model: model.name });
    const release = await holdTable(app, 'usage_record');
    const answer = gate.settle(lease.id, { inputTokens: 7, outputTokens: 8 });
    await eventually(async () => expect(await admission.figures()).toMatchObject({ inFlight: 0 }));
    expect(await answer).toMatchObject({ code: 'NOT_READY' });
    expect(await gate.settle(lease.id, { inputTokens: 1, outputTokens: 1 })).toMatchObject({ code: 'NOT_READY' });
    expect(await gate.cancel({ leaseId: lease.id })).toMatchObject({ code: 'NOT_READY' });
    await release();
    // Without being asked for again.
    await eventually(async () => expect(await recordsOf(lease.id)).toHaveLength(1));
    expect(await gate.settle(lease.id, { inputTokens: 1, outputTokens: 1 })).toMatchObject({
      isRepeated: true,
      usageRecord: { settlement: 'SETTLED', inputTokens: 7, outputTokens: 8 },
    });
    expect(await recordsOf(lease.id)).toHaveLength(1);
  });

  it('that is being written when its lease would expire is in time', async () => {
    const { keyId } = await callerOf(seed);
    const lease = await gate.admit({ keyId, leaseSeconds: 10 });
    const release = await holdTable(app, 'usage_record');
    const answer = gate.settle(lease.id, { inputTokens: 7 });
    await whenHeldUp(app, 1);
    app.clock.advance(10_000);
    await release();
    expect(await answer).toMatchObject({ isRepeated: false, usageRecord: { settlement: 'SETTLED', inputTokens: 7 } });
    expect(await recordsOf(lease.id)).toMatchObject([{ settlement: 'SETTLED' }]);
  });

  it('that comes while its expiry is being written corrects that, once, whoever of many is first', async () => {
    const { keyId } = await callerOf(seed, {}, { limits: { tokensPerMinute: 1_000 } });
    const lease = await gate.admit({ keyId, leaseSeconds: 10, estimatedInputTokens: 900 });
    const release = await holdTable(app, 'usage_record');
    app.clock.advance(10_000);
    await whenHeldUp(app, 1);
    const answers = [1, 2, 3].map((inputTokens) => gate.settle(lease.id, { inputTokens, outputTokens: 0 }));
    await release();
    const settled = await Promise.all(answers);
    const made = settled.filter((answer) => answer.__typename === 'SettleRequestPayload' && !answer.isRepeated);
    expect(made).toHaveLength(1);
    const [record] = await recordsOf(lease.id);
    expect(record).toMatchObject({ settlement: 'LATE' });
    for (const answer of settled) {
      expect(answer).toMatchObject({ usageRecord: { settlement: 'LATE', inputTokens: Number(record?.inputTokens) } });
    }
    // What was estimated is counted no more, but what was used: of 1,000, at most three.
    await gate.settle((await gate.admit({ keyId, estimatedInputTokens: 977, estimatedOutputTokens: 20 })).id);
  });
});

describe('a lease that has expired', () => {
  it('is not renewed, and not cancelled: what it was expected to use is recorded', async () => {
    const { keyId } = await callerOf(seed);
    const lease = await gate.admit({ keyId, leaseSeconds: 10 });
    app.clock.advance(10_000);
    expect(await gate.renew({ leaseId: lease.id })).toMatchObject({ code: 'NOT_FOUND' });
    expect(await gate.cancel({ leaseId: lease.id })).toMatchObject({ code: 'INVALID_STATE' });
    expect(await recordsOf(lease.id)).toMatchObject([{ settlement: 'UNSETTLED' }]);
    expect(await prisma.lease.count()).toBe(0);
  });

  it('counts in limits as it was estimated until it is settled', async () => {
    const { keyId } = await callerOf(seed, {}, { limits: { tokensPerDay: 100 } });
    const lease = await gate.admit({ keyId, leaseSeconds: 10, estimatedInputTokens: 70, estimatedOutputTokens: 20 });
    app.clock.advance(10_000);
    expect(await gate.refused({ keyId })).toMatchObject({ code: 'DAILY_TOKENS', limit: { used: '90' } });
    await gate.settle(lease.id, { inputTokens: 5, outputTokens: 6 });
    expect(await gate.refused({ keyId, estimatedInputTokens: 70 })).toMatchObject({ limit: { used: '11' } });
  });
});

describe('what the cache of a gateway answered', () => {
  it('costs nothing, and counts as a request without tokens: in limits, in shares, and in limits that are set later', async () => {
    const model = await modelWith(app, seed, 3, { prices: { inputTokenUsd: '0.01', imageUsd: '0.5' } });
    const limits = { requestsPerMinute: 4, tokensPerDay: 100, budget: { costUsd: '2', period: 'LIFETIME' } };
    const { keyId, tenantId } = await callerOf(seed, {}, { limits });
    const wanted = { keyId, model: model.name };
    const [inTime, late, running] = [
      await gate.admit({ ...wanted, leaseSeconds: 30 }),
      await gate.admit({ ...wanted, leaseSeconds: 10 }),
      await gate.admit({ ...wanted, leaseSeconds: 30 }),
    ];
    const served = () =>
      admission.deciding?.slots.snapshot().pools.find(({ name }) => name === decodeId('Model', model.id));
    expect(served()?.tenants).toMatchObject([{ servedTokens: 90 }]);
    app.clock.advance(10_000);
    await eventually(async () => expect(await recordsOf(late.id)).toHaveLength(1));
    const figures = { inputTokens: 40, outputTokens: 50, images: 1 };
    for (const lease of [inTime, late]) {
      const settled = await gate.settle(lease.id, { ...figures, cacheStatus: 'HIT' });
      expect(settled).toMatchObject({ usageRecord: { ...figures, cacheStatus: 'HIT', costUsd: '0' } });
    }
    // What expired was served as it was estimated, and no slot counts as less than a token.
    expect(served()?.tenants).toMatchObject([{ servedTokens: 61 }]);
    await gate.settle(running.id, { inputTokens: 5, outputTokens: 5, cacheStatus: 'MISS' });
    await seed.run('setTenantLimits', {
      tenantId,
      limits: { tokensPerDay: 90, budget: { costUsd: '0.5', period: 'LIFETIME' } },
    });
    await admission.refreshed();
    const refused = async (more: object) => (await gate.refused({ ...wanted, ...more })).limit;
    const owner = { type: 'TENANT' };
    const none = { estimatedInputTokens: 0, estimatedOutputTokens: 0 };
    expect(await refused({ ...none, estimatedOutputTokens: 101 })).toMatchObject({
      name: 'TOKENS_PER_DAY',
      used: '10',
    });
    expect(await refused({ ...none, estimatedOutputTokens: 95 })).toMatchObject({ owner, used: '10' });
    expect(await refused({ ...none, estimatedInputTokens: 55 })).toMatchObject({
      owner,
      name: 'BUDGET_COST_USD',
      used: '0.05',
    });
    await gate.settle((await gate.admit(wanted)).id);
    expect(await refused(wanted)).toMatchObject({ name: 'REQUESTS_PER_MINUTE', used: '4' });
  });
});

describe('what a request used beyond its estimate', () => {
  it('is a debt of one limit at most, and what it did not use comes back exactly', async () => {
    const { keyId } = await callerOf(seed, {}, { limits: { tokensPerDay: 100 } });
    const wanted = { keyId, estimatedInputTokens: 60, estimatedOutputTokens: 0 };
    await gate.settle((await gate.admit(wanted)).id, { inputTokens: 13, outputTokens: 0 });
    expect(await gate.refused({ ...wanted, estimatedInputTokens: 100 })).toMatchObject({ limit: { used: '13' } });
    await gate.settle((await gate.admit(wanted)).id, { inputTokens: 9_000, outputTokens: 0 });
    expect(await gate.refused(wanted)).toMatchObject({ limit: { used: '200', remaining: '0' } });
  });

  it('and whatever one of all owners refuses has taken nothing from any of the others', async () => {
    const limits = { requestsPerMinute: 10, tokensPerMinute: 1_000, tokensPerDay: 1_000 };
    const all = { ...limits, budget: { tokens: 1_000, period: 'MONTHLY' } };
    const { keyId, tenantId } = await callerOf(seed, { limits: all }, { limits: all });
    const team = await seed.team({ tenantId, limits: all, userSharePercent: 90 });
    const user = await seed.user({ tenantId, teamId: team.id, limits: all });
    const wanted = { keyId, userExternalId: user.externalId, estimatedInputTokens: 10, estimatedOutputTokens: 0 };
    await gate.settle((await gate.admit(wanted)).id, { inputTokens: 10, outputTokens: 0 });
    await admission.flush();
    const counters = () =>
      prisma.limitCounter.findMany({
        select: { key: true, state: true },
        orderBy: { key: 'asc' },
      });
    const before = await counters();
    expect(before.filter(({ key }) => key.includes(decodeId('User', user.id)))).toHaveLength(2);
    // 901 are more than one user's part of the team's tokens, which is asked after key and user.
    expect(await gate.refused({ ...wanted, estimatedInputTokens: 901 })).toMatchObject({
      limit: { owner: { type: 'TEAM_USER_SHARE' }, limit: '900' },
    });
    await seed.run('setTenantLimits', { tenantId, limits: { requestsPerMinute: 0 } });
    await admission.refreshed();
    expect(await gate.refused(wanted)).toMatchObject({ limit: { owner: { type: 'TENANT' } } });
    await admission.flush();
    expect(await counters()).toEqual(before);
  });
});
