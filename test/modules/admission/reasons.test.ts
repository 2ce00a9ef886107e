import { afterAll, beforeEach, describe, expect, it } from 'vitest';
import { decodeId } from '../../../src/graph/ids.ts';
import { type AdmissionReason, admissionReasons } from '../../../src/modules/admission/refusals.ts';
import { startTestApp } from '../../testkit/app.ts';
import { explain } from '../../testkit/explain.ts';
import { callerOf, Gate, modelWith } from '../../testkit/gate.ts';
import { Seed } from '../../testkit/seed.ts';

const app = await startTestApp();
const seed = new Seed(app);
const gate = new Gate(app.operator);

// Time stands still, so what a caller may spend does not come back by itself.
beforeEach(() => app.clock.advance(60_000));

afterAll(async () => {
  // What was refused has taken no slot and left no lease.
  expect(await app.app.services.admission.figures()).toMatchObject({ inFlight: 0, queued: 0 });
  expect(await app.app.database.prisma.lease.count()).toBe(0);
  expect(app.logged).toEqual([]);
});

type Wanted = Parameters<Gate['ask']>[0];

/** A request that is refused, and what ends what it left running. */
interface Prepared {
  readonly wanted: Wanted;
  /** Called as soon as it was asked for. */
  readonly whileAsked?: () => Promise<unknown>;
  readonly after?: () => Promise<unknown>;
}

const inference = { scopes: ['cloud:inference'] };
const mistyped = (key: string) => `${key.slice(0, -1)}${key.endsWith('0') ? '1' : '0'}`;
const inFuture = (ms: number) => new Date(app.clock.now().getTime() + ms).toISOString();

/** A key of a tenant, which a command then changes with what it belongs to. */
const keyAfter =
  (command: string, field: 'keyId' | 'tenantId', input: Record<string, unknown> = {}) =>
  async (): Promise<Prepared> => {
    const caller = await callerOf(seed);
    await seed.run(command, { [field]: caller[field], ...input });
    return { wanted: { key: caller.key } };
  };

async function keyOf(owner: Record<string, unknown>, command: string, input: Record<string, unknown>) {
  const { secret } = await seed.key({ ...inference, ...owner });
  await seed.run(command, input);
  return { wanted: { key: secret } };
}

const limited = (limits: Record<string, unknown>) => async (): Promise<Prepared> => ({
  wanted: { key: (await callerOf(seed, {}, { limits })).key },
});

/** Two requests for one slot, of which the first runs. */
async function behindAnother(queue: Record<string, unknown>): Promise<Prepared & { readonly requestId: string }> {
  const model = await modelWith(app, seed, 1);
  const { keyId } = await callerOf(seed);
  await seed.run('setCapacity', { queue });
  await app.app.services.admission.refreshed();
  const running = await gate.admit({ keyId, model: model.name });
  const requestId = seed.name();
  return {
    requestId,
    wanted: { keyId, model: model.name, requestId },
    after: async () => {
      await gate.settle(running.id);
      await seed.run('setCapacity', { queue: { poolMax: null, tenantMax: null, timeoutSeconds: null } });
    },
  };
}

/** A way to be refused for every reason that there is: the compiler misses one that is not here. */
const ways: Readonly<Record<AdmissionReason, () => Promise<Prepared>>> = {
  REQUEST_ID_REUSED: async () => {
    const { keyId } = await callerOf(seed);
    const running = await gate.admit({ keyId, requestId: 'of two' });
    return { wanted: { key: (await callerOf(seed)).key, requestId: 'of two' }, after: () => gate.settle(running.id) };
  },
  KEY_MALFORMED: async () => ({ wanted: { key: mistyped((await callerOf(seed)).key) } }),
  KEY_REVOKED: keyAfter('revokeKey', 'keyId'),
  KEY_EXPIRED: async () => {
    const { key } = await callerOf(seed, {}, { expiresAt: inFuture(1_000) });
    app.clock.advance(1_000);
    return { wanted: { key } };
  },
  KEY_SUPERSEDED: keyAfter('rotateKey', 'keyId', { overlapSeconds: 0 }),
  KEY_DISABLED: keyAfter('disableKey', 'keyId'),
  TENANT_REQUIRED: async () => ({ wanted: { key: (await seed.key({ kind: 'ADMIN', ...inference })).secret } }),
  TENANT_ARCHIVED: keyAfter('archiveTenant', 'tenantId'),
  TENANT_SUSPENDED: keyAfter('suspendTenant', 'tenantId'),
  OUTSIDE_SCHEDULE: async () => ({
    wanted: { key: (await callerOf(seed, { activeFrom: inFuture(3_600_000) })).key },
  }),
  USER_DEACTIVATED: async () => {
    const { id } = await seed.user();
    return keyOf({ kind: 'USER', userId: id }, 'deactivateUser', { userId: id });
  },
  APP_ARCHIVED: async () => {
    const { id } = await seed.app();
    return keyOf({ kind: 'APP', appId: id, environment: 'LIVE' }, 'archiveApp', { appId: id });
  },
  PRODUCT_SUSPENDED: async () => {
    const { id } = await seed.product();
    return keyOf({ kind: 'PRODUCT', productId: id }, 'suspendProduct', { productId: id });
  },
  PRODUCT_DELETING: async () => {
    const { productId } = await seed.engine();
    return keyOf({ kind: 'PRODUCT', productId }, 'deleteProduct', { productId, drainEngines: true });
  },
  ENGINE_DESTROYING: async () => {
    const { id } = await seed.runningEngine();
    return keyOf({ kind: 'ENGINE', engineId: id }, 'reportEngine', { engineId: id, status: 'DESTROYING' });
  },
  IP_NOT_ALLOWED: async () => ({
    wanted: { key: (await callerOf(seed, {}, { allowedIpRanges: ['192.0.2.0/24'] })).key, ipAddress: '198.51.100.7' },
  }),
  ORIGIN_NOT_ALLOWED: async () => {
    const { id: appId, tenantId } = await seed.app();
    const publishable = { kind: 'PUBLISHABLE', appId, tenantId, environment: 'LIVE' };
    const { secret } = await seed.key({
      ...publishable,
      scopes: ['models:read'],
      allowedOrigins: ['https://a.example'],
    });
    return { wanted: { key: secret, origin: 'https://b.example' } };
  },
  INSUFFICIENT_SCOPE: async () => ({ wanted: { key: (await callerOf(seed, {}, { scopes: ['models:read'] })).key } }),
  MODEL_NOT_ALLOWED: async () => ({ wanted: { key: (await callerOf(seed, {}, { allowedModels: ['another'] })).key } }),
  MODEL_DISABLED: async () => {
    const model = await modelWith(app, seed, 1, { isEnabled: false });
    return { wanted: { key: (await callerOf(seed)).key, model: model.name } };
  },
  RATE_LIMITED: limited({ requestsPerMinute: 0 }),
  TOKENS_PER_MINUTE: limited({ tokensPerMinute: 1 }),
  DAILY_TOKENS: limited({ tokensPerDay: 1 }),
  BUDGET_EXHAUSTED: limited({ budget: { tokens: 1, period: 'MONTHLY' } }),
  IN_FLIGHT_BLOCKED: limited({ maxInFlight: 0 }),
  QUEUE_FULL: () => behindAnother({ poolMax: 0 }),
  QUEUE_TIMEOUT: async () => {
    const { requestId, ...prepared } = await behindAnother({ timeoutSeconds: 7 });
    const whileAsked = async () => {
      await gate.whenQueued(requestId);
      app.clock.advance(7_000);
    };
    return { ...prepared, whileAsked };
  },
  CANCELLED: async () => {
    const { requestId, ...prepared } = await behindAnother({});
    const whileAsked = async () => {
      await gate.whenQueued(requestId);
      await gate.cancel({ requestId });
    };
    return { ...prepared, whileAsked };
  },
};

const namesLimit: ReadonlySet<AdmissionReason> = new Set([
  'RATE_LIMITED',
  'TOKENS_PER_MINUTE',
  'DAILY_TOKENS',
  'BUDGET_EXHAUSTED',
  'IN_FLIGHT_BLOCKED',
  'QUEUE_FULL',
]);

it.each(admissionReasons)('a request is refused with %s, and says whether a limit is the reason', async (reason) => {
  const { wanted, whileAsked, after } = await ways[reason]();
  const refusal = gate.refused(wanted);
  await whileAsked?.();
  expect(await refusal).toMatchObject({
    code: reason,
    message: expect.stringMatching(/^\S.*\.$/),
    limit: namesLimit.has(reason) ? { name: expect.any(String) } : null,
    // All of these ask for more than there can be, but for those that may find room later.
    retryable: reason === 'QUEUE_FULL' || reason === 'QUEUE_TIMEOUT',
    permanent: namesLimit.has(reason) && reason !== 'QUEUE_FULL',
  });
  await after?.();
});

/** What happens to a request that was made already. */
const afterwards: ReadonlySet<AdmissionReason> = new Set(['REQUEST_ID_REUSED', 'CANCELLED']);

it.each(admissionReasons.filter((reason) => !afterwards.has(reason)))(
  'who asks what would become of a request is told %s, as whoever makes it',
  async (reason) => {
    const { wanted, after } = await ways[reason]();
    // Who asks does not wait; there is no time to, for one whose deadline is over.
    const late = reason === 'QUEUE_TIMEOUT' ? { deadline: inFuture(-1) } : {};
    const { requestId: _, ...asked } = { ...wanted, ...late };
    const { verdict, refusal, checks } = await explain(app.operator, asked);
    expect({ verdict, code: refusal?.code }).toEqual({ verdict: 'REFUSE', code: reason });
    expect(checks.find(({ outcome }) => outcome === 'REFUSED')?.refusal).toEqual(refusal);
    expect(await gate.refused({ ...wanted, ...late })).toEqual(refusal);
    await after?.();
  },
);

describe('of several reasons', () => {
  it('the first is said, from the key over whom it belongs to and what it may do to limits and the queue', async () => {
    const model = await modelWith(app, seed, 1, { isEnabled: false });
    const { key, keyId, tenantId } = await callerOf(
      seed,
      { activeFrom: inFuture(3_600_000) },
      { scopes: ['models:read'], allowedModels: ['another'], allowedIpRanges: ['192.0.2.0/24'] },
    );
    const user = await seed.user({ tenantId });
    await seed.run('deactivateUser', { userId: user.id });
    const none = { requestsPerMinute: 0, tokensPerMinute: 0, tokensPerDay: 0, maxInFlight: 0 };
    const nothing = { ...none, budget: { tokens: 0, period: 'LIFETIME' } };
    await seed.run('setTenantLimits', { tenantId, limits: nothing });
    await seed.run('suspendTenant', { tenantId });
    await seed.run('disableKey', { keyId });
    await seed.run('setCapacity', { queue: { poolMax: 0 } });
    const running = await gate.admit({ keyId: (await callerOf(seed)).keyId });
    const setLimits = (limits: Record<string, unknown>) => () => seed.run('setTenantLimits', { tenantId, limits });
    const wanted = { key, model: model.name, userExternalId: user.externalId, ipAddress: '198.51.100.7' };
    const repairs: readonly (readonly [AdmissionReason, () => Promise<unknown>])[] = [
      ['KEY_DISABLED', () => seed.run('enableKey', { keyId })],
      ['TENANT_SUSPENDED', () => seed.run('resumeTenant', { tenantId })],
      ['OUTSIDE_SCHEDULE', () => seed.run('updateTenant', { tenantId, activeFrom: null })],
      ['USER_DEACTIVATED', () => seed.run('reactivateUser', { userId: user.id })],
      ['IP_NOT_ALLOWED', () => seed.run('updateKey', { keyId, allowedIpRanges: null })],
      ['INSUFFICIENT_SCOPE', () => seed.run('updateKey', { keyId, scopes: ['cloud:inference'] })],
      ['MODEL_NOT_ALLOWED', () => seed.run('updateKey', { keyId, allowedModels: null })],
      ['MODEL_DISABLED', () => seed.run('updateModel', { modelId: model.id, isEnabled: true })],
      ['RATE_LIMITED', setLimits({ requestsPerMinute: null })],
      ['TOKENS_PER_MINUTE', setLimits({ tokensPerMinute: null })],
      ['DAILY_TOKENS', setLimits({ tokensPerDay: null })],
      ['BUDGET_EXHAUSTED', setLimits({ budget: null })],
      ['IN_FLIGHT_BLOCKED', setLimits({ maxInFlight: null })],
    ];
    for (const [reason, repair] of repairs) {
      const { refusal } = await explain(app.operator, wanted);
      expect(refusal).toMatchObject({ code: reason });
      expect(await gate.ask(wanted)).toEqual(refusal);
      await repair();
    }
    const first = await gate.admit(wanted);
    expect(await gate.ask(wanted)).toMatchObject({ code: 'QUEUE_FULL' });
    await seed.run('setCapacity', { queue: { poolMax: null } });
    for (const { id } of [running, first]) await gate.settle(id);
  });

  it('a limit that the request can never fit into is named before one that lets it pass later', async () => {
    const { keyId, tenantId } = await callerOf(seed, {}, { limits: { requestsPerMinute: 1 } });
    await gate.settle((await gate.admit({ keyId })).id);
    expect(await gate.refused({ keyId })).toMatchObject({ code: 'RATE_LIMITED', permanent: false });
    await seed.run('setTenantLimits', { tenantId, limits: { tokensPerDay: 29 } });
    expect(await gate.refused({ keyId })).toMatchObject({
      code: 'DAILY_TOKENS',
      permanent: true,
      retryable: false,
      limit: { owner: { type: 'TENANT', id: tenantId } },
    });
  });
});

it('of a key that is not theirs, callers are told nothing, wherever they say that it is used from', async () => {
  const { keyId, key } = await callerOf(seed, {}, { allowedIpRanges: ['192.0.2.0/24'] });
  const stranger = new Gate(app.ofTenant(decodeId('Tenant', (await seed.tenant()).id), 'requests:admit'));
  const places = { ipAddress: '198.51.100.7', origin: 'https://a.example' };
  expect(await stranger.ask({ keyId, ...places })).toMatchObject({ code: 'NOT_FOUND', path: ['keyId'] });
  expect(await stranger.ask({ key, ...places })).toMatchObject({ code: 'NOT_FOUND', path: ['key'] });
});

it.each([
  ['the key', { key: undefined, keyId: 'another' }],
  ['the model', { model: 'another' }],
  ['tokens', { estimatedInputTokens: 11 }],
  ['the user', { userExternalId: 'ada' }],
  ['the session', { sessionId: 'another' }],
  ['the type', { requestType: 'embedding' }],
] as const)(
  'a request id that runs is nobody’s way to its slot: not with another value of %s',
  async (_name, other) => {
    const { keyId, tenantId } = await callerOf(seed);
    await seed.user({ tenantId, externalId: 'ada' });
    const requestId = seed.name();
    const wanted = { keyId, requestId };
    const lease = await gate.admit(wanted);
    const changed = 'keyId' in other ? { keyId: (await callerOf(seed)).keyId } : other;
    expect(await gate.ask({ ...wanted, ...changed })).toMatchObject({ code: 'REQUEST_ID_REUSED', path: ['requestId'] });
    // How long it may wait and be held is no part of what it is.
    const deadline = inFuture(1_000);
    expect(await gate.admit({ ...wanted, model: ' UNKNOWN ', deadline, leaseSeconds: 90 })).toMatchObject({
      id: lease.id,
    });
    await gate.settle(lease.id);
    await gate.settle((await gate.admit({ ...wanted, ...changed })).id);
  },
);
