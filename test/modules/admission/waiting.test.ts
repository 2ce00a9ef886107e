import { afterAll, beforeEach, describe, expect, it } from 'vitest';
import { decodeId } from '../../../src/graph/ids.ts';
import { startTestApp } from '../../testkit/app.ts';
import { callerOf, Gate, modelWith } from '../../testkit/gate.ts';
import { Seed } from '../../testkit/seed.ts';

const app = await startTestApp();
const seed = new Seed(app);
const gate = new Gate(app.operator);
const { admission } = app.app.services;

// Time stands still, so what a caller may spend does not come back by itself.
beforeEach(() => app.clock.advance(60_000));

afterAll(async () => {
  expect(await admission.figures()).toMatchObject({ inFlight: 0, queued: 0 });
  expect(await app.app.database.prisma.lease.count()).toBe(0);
  expect(app.logged).toEqual([]);
});

type Wanted = Parameters<Gate['ask']>[0];

const inference = { scopes: ['cloud:inference'] };
const inMs = (ms: number) => new Date(app.clock.now().getTime() + ms).toISOString();

/** A request that waits for the one slot of a model. */
async function waiting(wanted: Wanted) {
  const model = await modelWith(app, seed, 1);
  const { keyId } = await callerOf(seed);
  const running = await gate.admit({ keyId, model: model.name, leaseSeconds: 600 });
  const requestId = seed.name();
  const answer = gate.ask({ ...wanted, model: model.name, requestId });
  await gate.whenQueued(requestId);
  return { model, answer, requestId, running };
}

/** A tenant, its key and its user in a team, for whom a request waits. */
async function ownersOfWaiting(of: Record<string, unknown> = {}) {
  const caller = await callerOf(seed, {}, of);
  const { tenantId } = caller;
  const team = await seed.team({ tenantId, userSharePercent: 50 });
  const user = await seed.user({ tenantId, teamId: team.id });
  return { ...caller, teamId: team.id, userId: user.id, wanted: { key: caller.key, userExternalId: user.externalId } };
}

type Owners = Awaited<ReturnType<typeof ownersOfWaiting>>;
type Change = readonly [command: string, input: (owners: Owners) => Record<string, unknown>];

describe('a request that waits is refused at once', () => {
  const noneInFlight = { limits: { maxInFlight: 0 } };

  it.each<readonly [string, ...Change]>([
    ['KEY_DISABLED', 'disableKey', ({ keyId }) => ({ keyId })],
    ['TENANT_ARCHIVED', 'archiveTenant', ({ tenantId }) => ({ tenantId })],
    ['OUTSIDE_SCHEDULE', 'updateTenant', ({ tenantId }) => ({ tenantId, activeFrom: inMs(3_600_000) })],
    ['USER_DEACTIVATED', 'deactivateUser', ({ userId }) => ({ userId })],
    ['USER_DEACTIVATED', 'deleteUser', ({ userId }) => ({ userId })],
    ['KEY_REVOKED', 'deleteKey', ({ keyId }) => ({ keyId })],
    ['IP_NOT_ALLOWED', 'updateKey', ({ keyId }) => ({ keyId, allowedIpRanges: ['192.0.2.0/24'] })],
    ['INSUFFICIENT_SCOPE', 'updateKey', ({ keyId }) => ({ keyId, scopes: ['models:read'] })],
    ['MODEL_NOT_ALLOWED', 'updateKey', ({ keyId }) => ({ keyId, allowedModels: ['another'] })],
    ['MODEL_NOT_ALLOWED', 'updateTenant', ({ tenantId }) => ({ tenantId, allowedModels: ['another'] })],
    ['IN_FLIGHT_BLOCKED', 'updateKey', ({ keyId }) => ({ keyId, ...noneInFlight })],
    ['IN_FLIGHT_BLOCKED', 'setTenantLimits', ({ tenantId }) => ({ tenantId, ...noneInFlight })],
    ['IN_FLIGHT_BLOCKED', 'updateUser', ({ userId }) => ({ userId, ...noneInFlight })],
    ['IN_FLIGHT_BLOCKED', 'updateTeam', ({ teamId }) => ({ teamId, ...noneInFlight })],
  ])('with %s by `%s`', async (code, command, input) => {
    const owners = await ownersOfWaiting();
    const { answer, running } = await waiting(owners.wanted);
    const change = input(owners);
    if (command === 'deleteKey') await seed.run('revokeKey', change);
    if (command === 'deleteUser') await seed.run('deactivateUser', change);
    await seed.run(command, change);
    expect(await answer).toMatchObject({ code });
    await gate.settle(running.id);
  });

  it.each<
    readonly [string, string, (seeds: Seed) => Promise<{ key: Record<string, unknown>; change: [string, object] }>]
  >([
    [
      'APP_ARCHIVED',
      'application',
      async (seeds) => {
        const { id } = await seeds.app();
        return { key: { kind: 'APP', appId: id, environment: 'LIVE' }, change: ['archiveApp', { appId: id }] };
      },
    ],
    [
      'PRODUCT_SUSPENDED',
      'product',
      async (seeds) => {
        const { id } = await seeds.product();
        return { key: { kind: 'PRODUCT', productId: id }, change: ['suspendProduct', { productId: id }] };
      },
    ],
    [
      'ENGINE_DESTROYING',
      'engine',
      async (seeds) => {
        const { id } = await seeds.runningEngine();
        const change = { engineId: id, status: 'DESTROYING' };
        return { key: { kind: 'ENGINE', engineId: id }, change: ['reportEngine', change] };
      },
    ],
  ])('with %s when its %s is', async (code, _owner, prepare) => {
    const { key, change } = await prepare(seed);
    const { secret } = await seed.key({ ...inference, ...key });
    const { answer, running } = await waiting({ key: secret });
    await seed.run(change[0], { ...change[1] });
    expect(await answer).toMatchObject({ code });
    await gate.settle(running.id);
  });

  it('with MODEL_DISABLED when its model is deleted, and what runs is charged as it cost then', async () => {
    const { keyId } = await callerOf(seed);
    const { answer, model, running } = await waiting({ keyId });
    await seed.run('updateModel', { modelId: model.id, prices: { inputTokenUsd: '0.5' } });
    await admission.refreshed();
    await seed.run('deleteModel', { modelId: model.id });
    expect(await answer).toMatchObject({ code: 'MODEL_DISABLED' });
    expect(await gate.settle(running.id, { inputTokens: 3 })).toMatchObject({ usageRecord: { costUsd: '1.5' } });
  });

  it('with IN_FLIGHT_BLOCKED when its gateway may run none any more', async () => {
    const { keyId } = await callerOf(seed);
    const gateway = await seed.gateway();
    const { answer, running } = await waiting({ keyId, gatewayId: gateway.id });
    await seed.run('setCapacity', { gateway: { gatewayId: gateway.id, maxInFlight: 0 } });
    expect(await answer).toMatchObject({
      code: 'IN_FLIGHT_BLOCKED',
      limit: { owner: { type: 'GATEWAY', id: gateway.id }, limit: '0' },
    });
    await gate.settle(running.id);
  });
});

describe('when its turn comes, a request that waited', () => {
  it.each<readonly [string, Record<string, unknown>, (owners: Owners) => readonly [string, Record<string, unknown>]]>([
    ['RATE_LIMITED', { requestsPerMinute: 0 }, ({ keyId }) => ['updateKey', { keyId }]],
    ['TOKENS_PER_MINUTE', { tokensPerMinute: 29 }, ({ tenantId }) => ['setTenantLimits', { tenantId }]],
    ['DAILY_TOKENS', { tokensPerDay: 29 }, ({ userId }) => ['updateUser', { userId }]],
    ['DAILY_TOKENS', { tokensPerDay: 59 }, ({ teamId }) => ['updateTeam', { teamId }]],
    ['BUDGET_EXHAUSTED', { budget: { tokens: 29, period: 'MONTHLY' } }, ({ keyId }) => ['updateKey', { keyId }]],
  ])('is refused with %s by a limit that was set to %j, and another one has the slot', async (code, limits, of) => {
    const owners = await ownersOfWaiting();
    const { answer, model, running } = await waiting(owners.wanted);
    const [command, input] = of(owners);
    await seed.run(command, { ...input, limits });
    await admission.refreshed();
    const next = gate.admit({ keyId: (await callerOf(seed)).keyId, model: model.name, requestId: 'next' });
    await gate.whenQueued('next');
    await gate.settle(running.id);
    expect(await answer).toMatchObject({ code, limit: { limit: expect.stringMatching(/^(0|29)$/) } });
    await gate.settle((await next).id);
  });

  it('is not asked again for what it has taken long ago, as long as no limit is lower', async () => {
    const { keyId, tenantId } = await callerOf(seed, { limits: { requestsPerMinute: 1, tokensPerMinute: 100 } });
    await seed.run('setCapacity', { queue: { timeoutSeconds: 600 } });
    const { answer, running, requestId } = await waiting({ keyId });
    app.clock.advance(60_000);
    expect(await gate.queued(requestId)).toBeDefined();
    // The minute of the first is over: this one is all of the next.
    const other = await gate.admit({ keyId, model: 'another' });
    await seed.run('updateTenant', { tenantId, name: seed.name() });
    await seed.run('setTenantLimits', { tenantId, limits: { requestsPerMinute: 1, tokensPerMinute: 200 } });
    await admission.refreshed();
    await gate.settle(running.id);
    const lease = await answer;
    expect(lease).toMatchObject({ lease: { requestId } });
    if ('lease' in lease) await gate.settle(lease.lease.id);
    await gate.settle(other.id);
    await seed.run('setCapacity', { queue: { timeoutSeconds: null } });
  });

  it.each<readonly [string, string, (at: string) => { readonly tenant?: object; readonly key?: object }]>([
    ['OUTSIDE_SCHEDULE', 'its tenant’s time is over', (activeUntil) => ({ tenant: { activeUntil } })],
    ['KEY_EXPIRED', 'its key has expired', (expiresAt) => ({ key: { expiresAt } })],
  ])('is refused with %s if %s by then, takes nothing, and another one has the slot', async (code, _case, ends) => {
    const { tenant = {}, key = {} } = ends(inMs(10_000));
    const { keyId, tenantId } = await callerOf(seed, { ...tenant }, { ...key });
    const { answer, model, running } = await waiting({ keyId });
    const next = gate.admit({ keyId: (await callerOf(seed)).keyId, model: model.name, requestId: 'next' });
    await gate.whenQueued('next');
    app.clock.advance(10_000);
    await gate.settle(running.id);
    expect(await answer).toMatchObject({ code });
    expect(await admission.figures()).toMatchObject({ inFlight: 1 });
    await gate.settle((await next).id);
    expect(await app.app.database.prisma.limitCounter.count({ where: { key: { endsWith: tenantId } } })).toBe(0);
  });

  it('has used its secret once, although that is looked at twice', async () => {
    const { key, keyId } = await callerOf(seed);
    const secretId = decodeId('ApiKeySecret', await seed.secretIdOf(keyId));
    const { answer, running } = await waiting({ key });
    await gate.settle(running.id);
    const answered = await answer;
    expect(answered).toHaveProperty('lease');
    if ('lease' in answered) await gate.settle(answered.lease.id);
    await app.app.keyUsage.flush();
    const { useCount } = await app.app.database.prisma.apiKeySecret.findUniqueOrThrow({ where: { id: secretId } });
    expect(useCount).toBe(1n);
  });

  it('is refused if its secret was revoked by then, though its key has another one', async () => {
    const { key, keyId } = await callerOf(seed);
    const secretId = await seed.secretIdOf(keyId);
    const { answer, model, running } = await waiting({ key });
    await seed.run('rotateKey', { keyId, overlapSeconds: 300 });
    await seed.run('revokeSecret', { secretId });
    const next = gate.admit({ keyId, model: model.name, requestId: 'next' });
    await gate.whenQueued('next');
    await gate.settle(running.id);
    expect(await answer).toMatchObject({ code: 'KEY_REVOKED', path: ['key'] });
    await gate.settle((await next).id);
  });

  it('is served outside of hours that were its tenant’s when it came, if they are others by then', async () => {
    const { keyId, tenantId } = await callerOf(seed, { activeUntil: inMs(10_000) });
    const { answer, running } = await waiting({ keyId });
    await seed.run('updateTenant', { tenantId, activeUntil: inMs(100_000) });
    await admission.refreshed();
    app.clock.advance(10_000);
    await gate.settle(running.id);
    const lease = await answer;
    expect(lease).toMatchObject({ __typename: 'AdmitRequestPayload' });
    if ('lease' in lease) await gate.settle(lease.lease.id);
  });
});

describe('a change while requests wait', () => {
  it.each([
    ['HIERARCHICAL', ['alone', 'alone', 'alone']],
    ['WEIGHTED', ['alone', 'alone']],
  ] as const)('to the algorithm %s acts at the next decision, and nothing is lost', async (algorithm, ofSix) => {
    const model = await modelWith(app, seed, 1);
    const [crowd, alone] = [await seed.group(), await seed.group()];
    const tenants = [
      { name: 'one', ...(await callerOf(seed, { fairshareGroupId: crowd.id })) },
      { name: 'other', ...(await callerOf(seed, { fairshareGroupId: crowd.id })) },
      { name: 'alone', ...(await callerOf(seed, { fairshareGroupId: alone.id })) },
    ];
    // The other way round from what is set later.
    await seed.run('setFairshareAlgorithm', { algorithm: algorithm === 'WEIGHTED' ? 'HIERARCHICAL' : 'WEIGHTED' });
    const running = await gate.admit({ keyId: (await callerOf(seed)).keyId, model: model.name });
    const order: string[] = [];
    const all = [];
    for (let round = 0; round < 4; round += 1) {
      for (const { name, keyId } of tenants) {
        const requestId = seed.name();
        all.push(
          gate.admit({ keyId, model: model.name, requestId }).then(async ({ id }) => {
            order.push(name);
            await gate.settle(id);
          }),
        );
        await gate.whenQueued(requestId);
      }
    }
    await seed.run('setFairshareAlgorithm', { algorithm });
    await admission.refreshed();
    await gate.settle(running.id);
    await Promise.all(all);
    expect(order).toHaveLength(12);
    expect(order.slice(0, 6).filter((name) => name === 'alone')).toEqual(ofSix);
    await seed.run('setFairshareAlgorithm', { algorithm: 'HIERARCHICAL' });
  });

  it('of how many of a tenant may run acts at once, up and down, and ends nothing that runs', async () => {
    const { keyId, tenantId } = await callerOf(seed, { limits: { maxInFlight: 2 } });
    const running = [await gate.admit({ keyId }), await gate.admit({ keyId })];
    const waits = ['first', 'second'].map((requestId) => gate.admit({ keyId, requestId }));
    await gate.whenQueued('second');
    await seed.run('setTenantLimits', { tenantId, limits: { maxInFlight: 1 } });
    await admission.refreshed();
    await gate.settle(running[0]?.id ?? '');
    expect(await admission.figures()).toMatchObject({ inFlight: 1, queued: 2 });
    await seed.run('setTenantLimits', { tenantId, limits: { maxInFlight: 3 } });
    const leases = await Promise.all(waits);
    for (const { id } of [running[1], ...leases].flatMap((lease) => lease ?? [])) await gate.settle(id);
  });
});

describe('where a request stands', () => {
  it('is told to who asked for it, by its turn and by how fast slots came lately, and to nobody else', async () => {
    const model = await modelWith(app, seed, 1);
    const { keyId } = await callerOf(seed);
    const wanted = { keyId, model: model.name, leaseSeconds: 600 };
    let running = await gate.admit(wanted);
    const ids = ['first', 'second', 'third'].map((id) => `${id} in turn`);
    const waits = [];
    for (const requestId of ids) {
      app.clock.advance(1_000);
      waits.push(gate.admit({ ...wanted, requestId }));
      await gate.whenQueued(requestId);
    }
    const since = app.clock.now().getTime();
    for (const [index, id] of ids.entries()) {
      expect(await gate.queued(id)).toMatchObject({
        position: index + 1,
        modelName: model.name,
        since: new Date(since - (2 - index) * 1_000).toISOString(),
      });
    }
    const other = new Gate(app.withScopes('requests:admit'));
    expect(await other.queued('first in turn')).toBeUndefined();
    expect(await other.cancel({ requestId: 'first in turn' })).toMatchObject({ code: 'NOT_FOUND' });
    // Three seconds have passed since the only slot was given.
    expect(await gate.queued('third in turn')).toMatchObject({ estimatedWaitMs: 9_000 });
    app.clock.advance(1_000);
    await gate.settle(running.id);
    running = await (waits[0] ?? Promise.reject(new Error('Nothing waits.')));
    expect(await gate.queued('first in turn')).toBeUndefined();
    // Two in four seconds.
    expect(await gate.queued('third in turn')).toMatchObject({ position: 2, estimatedWaitMs: 4_000 });
    for (const lease of [Promise.resolve(running), ...waits.slice(1)]) await gate.settle((await lease).id);
  });

  it('is behind as many as may wait for a model, and one more is told how many that is', async () => {
    const model = await modelWith(app, seed, 1);
    const { keyId } = await callerOf(seed);
    await seed.run('setCapacity', { queue: { poolMax: 2 } });
    await admission.refreshed();
    const wanted = { keyId, model: model.name };
    const running = await gate.admit(wanted);
    const waits = ['a', 'b'].map((id) => gate.ask({ ...wanted, requestId: `${id} of two` }));
    await gate.whenQueued('a of two');
    await gate.whenQueued('b of two');
    expect(await gate.refused(wanted)).toMatchObject({
      code: 'QUEUE_FULL',
      limit: { owner: { type: 'MODEL', id: model.id }, name: 'QUEUE_LENGTH', limit: '2', used: '2' },
    });
    // Fewer from now on: who waits already stays.
    await seed.run('setCapacity', { queue: { poolMax: 1 } });
    await admission.refreshed();
    expect(await admission.figures()).toMatchObject({ queued: 2 });
    for (const id of ['a of two', 'b of two']) await gate.cancel({ requestId: id });
    expect(await Promise.all(waits)).toMatchObject([{ code: 'CANCELLED' }, { code: 'CANCELLED' }]);
    await seed.run('setCapacity', { queue: { poolMax: null } });
    await gate.settle(running.id);
  });
});
