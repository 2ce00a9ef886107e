import { isDeepStrictEqual } from 'node:util';
import fc from 'fast-check';
import { afterAll, expect, it } from 'vitest';
import { encodeId, newId } from '../../../src/graph/ids.ts';
import { startTestApp, type TestApp } from '../../testkit/app.ts';
import { eventually } from '../../testkit/eventually.ts';
import { askToExplain, explain, limitsFor, type TestExplanation } from '../../testkit/explain.ts';
import { callerOf, Gate, modelWith } from '../../testkit/gate.ts';
import { graphql } from '../../testkit/generated/gql.ts';
import { Seed } from '../../testkit/seed.ts';

const environment = { FAIRLEAD_COST_CAPACITY: '1000000000', FAIRLEAD_MAX_OPERATION_COST: '1000000' };
const app = await startTestApp({ environment });
const seed = new Seed(app);
const gate = new Gate(app.operator);

afterAll(() => expect(app.logged).toEqual([]));

const figuresDocument = graphql(`
  query TestExplainFigures {
    fairshare {
      totals {
        inFlight
        queued
        borrowed
      }
      tenants {
        tenantId
        inFlight
        queued
        servedTokens
        shareScore
      }
      keys {
        keyId
        inFlight
        queued
        servedTokens
      }
    }
    stats {
      totals {
        admittedPerSecond
        refusedPerSecond
        settledPerSecond
        refusals {
          reason
          perSecond
        }
      }
    }
  }
`);

/** Everything that a request leaves behind: what is counted, held, shown and kept. */
async function everything(of: TestApp) {
  const { services, database, keyUsage } = of.app;
  await services.admission.flush();
  await keyUsage.flush();
  const { prisma } = database;
  const [figures, ...kept] = await Promise.all([
    of.operator.run(figuresDocument),
    // Those that are over are removed now and then.
    prisma.limitCounter.findMany({
      where: { OR: [{ expiresAt: null }, { expiresAt: { gt: of.clock.now() } }] },
      select: { key: true, state: true, expiresAt: true },
      orderBy: { key: 'asc' },
    }),
    prisma.lease.findMany({ orderBy: { id: 'asc' } }),
    prisma.usageRecord.count(),
    prisma.apiKeySecret.findMany({ orderBy: { id: 'asc' } }),
    prisma.auditEntry.count(),
  ]);
  return { figures, kept };
}

/** The same, once nothing changes by itself: who waits goes on or is refused soon after a limit has changed. */
async function everythingAtRest(of: TestApp) {
  for (let before = await everything(of); ; ) {
    const now = await everything(of);
    if (isDeepStrictEqual(now, before)) return now;
    before = now;
  }
}

/** A tenant of several people with limits of all kinds, all of them small. */
async function makeCrowd() {
  const model = await modelWith(app, seed, 3, { prices: { inputTokenUsd: '0.01' } });
  const limits = { requestsPerMinute: 12, tokensPerMinute: 900, tokensPerDay: 2_500, maxInFlight: 4 };
  const { tenantId, keyId, key } = await callerOf(seed, { limits });
  const narrow = { requestsPerMinute: 5, maxInFlight: 1, budget: { tokens: 1_200, costUsd: '4', period: 'MONTHLY' } };
  const another = await seed.key({ tenantId, scopes: ['cloud:inference'], limits: narrow });
  const team = await seed.team({ tenantId, limits: { tokensPerMinute: 600, maxInFlight: 3 }, userSharePercent: 50 });
  const users = [await seed.user({ tenantId, teamId: team.id }), await seed.user({ tenantId, limits: narrow })];
  return {
    tenantId,
    model: model.name,
    keys: [{ keyId }, { key }, { keyId: another.id }],
    users: [undefined, ...users.map(({ externalId }) => externalId)],
  };
}

type Crowd = Awaited<ReturnType<typeof makeCrowd>>;

type Step =
  | {
      readonly kind: 'ask';
      readonly who: number;
      readonly user: number;
      readonly tokens: number;
      readonly priority: 'HIGH' | 'NORMAL' | 'LOW';
    }
  | { readonly kind: 'settle'; readonly nth: number; readonly tokens: number }
  | { readonly kind: 'pass'; readonly ms: number }
  | { readonly kind: 'limit'; readonly requestsPerMinute: number | null; readonly maxInFlight: number | null };

const steps: fc.Arbitrary<Step[]> = fc.array(
  fc.oneof(
    {
      weight: 6,
      arbitrary: fc.record({
        kind: fc.constant('ask' as const),
        who: fc.nat({ max: 2 }),
        user: fc.nat({ max: 2 }),
        tokens: fc.constantFrom(0, 10, 100, 250, 700, 1_500, 3_000),
        priority: fc.constantFrom('HIGH', 'NORMAL', 'LOW'),
      }),
    },
    {
      weight: 3,
      arbitrary: fc.record({
        kind: fc.constant('settle' as const),
        nth: fc.nat({ max: 9 }),
        tokens: fc.constantFrom(0, 50, 400),
      }),
    },
    {
      weight: 1,
      arbitrary: fc.record({ kind: fc.constant('pass' as const), ms: fc.constantFrom(1, 900, 20_000, 61_000) }),
    },
    {
      weight: 1,
      arbitrary: fc.record({
        kind: fc.constant('limit' as const),
        requestsPerMinute: fc.constantFrom(null, 0, 3, 20),
        maxInFlight: fc.constantFrom(null, 0, 1, 4),
      }),
    },
  ),
  { minLength: 4, maxLength: 14, size: 'max' },
);

/** Whoever was asked for, and holds a slot or waits for one. */
class Crowded {
  readonly #crowd: Crowd;
  readonly #leases: string[] = [];
  readonly #waiting = new Map<string, Promise<void>>();
  readonly seen: Map<string, number>;

  constructor(crowd: Crowd, seen: Map<string, number>) {
    this.#crowd = crowd;
    this.seen = seen;
  }

  async perform(step: Step): Promise<void> {
    switch (step.kind) {
      case 'ask':
        return this.#ask(step);
      case 'settle': {
        const [leaseId] = this.#leases.splice(step.nth % Math.max(1, this.#leases.length), 1);
        if (leaseId !== undefined) await gate.settle(leaseId, { inputTokens: step.tokens, outputTokens: 0 });
        return;
      }
      case 'pass':
        app.clock.advance(step.ms);
        return;
      case 'limit': {
        const { requestsPerMinute, maxInFlight } = step;
        await seed.run('setTenantLimits', {
          tenantId: this.#crowd.tenantId,
          limits: { requestsPerMinute, maxInFlight },
        });
      }
    }
  }

  /** Ends all of it. */
  async end(): Promise<void> {
    for (const requestId of this.#waiting.keys()) await gate.cancel({ requestId });
    await Promise.all(this.#waiting.values());
    for (const leaseId of this.#leases) await gate.cancel({ leaseId });
  }

  async #ask({ who, user, tokens, priority }: Extract<Step, { kind: 'ask' }>): Promise<void> {
    const { keys, users, model } = this.#crowd;
    const userExternalId = users[user];
    const wanted = {
      ...keys[who],
      model,
      estimatedInputTokens: tokens,
      estimatedOutputTokens: 0,
      priority,
      ...(userExternalId === undefined ? {} : { userExternalId }),
    };
    const before = await everythingAtRest(app);
    const explanation = await explain(app.operator, wanted);
    expect(await everything(app)).toEqual(before);
    const became = await this.#becomes(wanted);
    expect(became).toEqual(foretold(explanation));
    this.seen.set(explanation.verdict, (this.seen.get(explanation.verdict) ?? 0) + 1);
  }

  /** Makes the request, and says what became of it. */
  async #becomes(wanted: Parameters<Gate['ask']>[0]) {
    const requestId = seed.name();
    let answer: Awaited<ReturnType<Gate['ask']>> | undefined;
    // Longer than all that passes: what ends by itself is written when it likes.
    const answered = gate.ask({ ...wanted, requestId, leaseSeconds: 3_600 }).then((given) => {
      answer = given;
      if (given.__typename === 'AdmitRequestPayload') this.#leases.push(given.lease.id);
      this.#waiting.delete(requestId);
    });
    const queued = await eventually(async () => {
      const place = await gate.queued(requestId);
      if (answer === undefined) expect(place).toBeDefined();
      return place;
    });
    if (answer === undefined) {
      this.#waiting.set(requestId, answered);
      return { verdict: 'WAIT', refusal: null, place: queued && { position: queued.position } };
    }
    if (answer.__typename === 'AdmitRequestPayload') return { verdict: 'ADMIT', refusal: null, place: null };
    return { verdict: 'REFUSE', refusal: answer, place: null };
  }
}

const foretold = ({ verdict, refusal, place }: TestExplanation) => ({
  verdict,
  refusal,
  place: place && { position: place.position },
});

const ask: Step = { kind: 'ask', who: 0, user: 0, tokens: 10, priority: 'NORMAL' };

/** One of each verdict: others need not have all of them. */
const eachVerdict: Step[] = [
  { kind: 'limit', requestsPerMinute: null, maxInFlight: 1 },
  ask,
  ask,
  { kind: 'limit', requestsPerMinute: 0, maxInFlight: 1 },
  ask,
];

it('an explanation says what becomes of the request when it is made, and takes, counts and keeps nothing', async () => {
  const seen = new Map<string, number>();
  await fc.assert(
    fc.asyncProperty(steps, async (trace) => {
      const crowded = new Crowded(await makeCrowd(), seen);
      try {
        for (const step of trace) await crowded.perform(step);
      } finally {
        await crowded.end();
      }
    }),
    { numRuns: 12, endOnFailure: true, examples: [[eachVerdict]] },
  );
  expect([...seen.keys()].sort()).toEqual(['ADMIT', 'REFUSE', 'WAIT']);
});

it('asked again exactly when a refusal says, it passes, and a millisecond earlier it does not, whichever limits refuse', async () => {
  const limits = { requestsPerMinute: 3, tokensPerMinute: 100 };
  const { tenantId, keyId } = await callerOf(seed, { limits, timeZone: 'Asia/Kolkata' });
  await seed.run('updateKey', { keyId, limits: { requestsPerMinute: 2, tokensPerMinute: 90, tokensPerDay: 500 } });
  const gone = (ms: number) => app.clock.advance(ms);
  for (const [tokens, ms] of [
    [30, 7_000],
    [60, 1_234],
  ] as const) {
    await gate.settle((await gate.admit({ keyId, estimatedInputTokens: tokens, estimatedOutputTokens: 0 })).id, {
      inputTokens: tokens,
      outputTokens: 0,
    });
    gone(ms);
  }
  const wanted = { keyId, estimatedInputTokens: 50, estimatedOutputTokens: 0 };
  const { refusal, limits: layers } = await explain(app.operator, wanted);
  // Requests pass when the first is a minute old, tokens only when the second is.
  const waits = layers.flatMap((limit) => limit.layers.map(({ fit }) => fit?.retryAfterMs ?? 0));
  expect(new Set(waits)).toEqual(new Set([0, 60_000 - 7_000 - 1_234, 60_000 - 1_234]));
  expect(refusal).toMatchObject({ code: 'RATE_LIMITED', retryAfterMs: 60_000 - 1_234 });
  gone(60_000 - 1_234 - 1);
  expect(await gate.refused(wanted)).toMatchObject({ code: 'TOKENS_PER_MINUTE', retryAfterMs: 1 });
  gone(1);
  await gate.settle((await gate.admit(wanted)).id, { inputTokens: 50, outputTokens: 0 });
  // The day of the key's tokens ends in the tenant's time zone.
  const daily = { keyId, estimatedInputTokens: 400, estimatedOutputTokens: 0 };
  await seed.run('setTenantLimits', { tenantId, limits: { requestsPerMinute: null, tokensPerMinute: null } });
  await seed.run('updateKey', { keyId, limits: { requestsPerMinute: null, tokensPerMinute: null } });
  const untilTomorrow = (await explain(app.operator, daily)).refusal?.retryAfterMs ?? 0;
  gone(untilTomorrow - 1);
  expect(await gate.refused(daily)).toMatchObject({ code: 'DAILY_TOKENS', retryAfterMs: 1 });
  gone(1);
  await gate.cancel({ leaseId: (await gate.admit(daily)).id });
});

it('checks are told in their order, each by itself: several may refuse, and what is not there is skipped', async () => {
  const { keyId, tenantId } = await callerOf(seed, { allowedModels: ['small'] }, { limits: { maxInFlight: 0 } });
  await seed.run('suspendTenant', { tenantId });
  const { checks, refusal } = await explain(app.operator, { keyId });
  expect(checks.map(({ check, outcome }) => `${check} ${outcome}`)).toEqual([
    'CREDENTIAL SKIPPED',
    'TENANT_GIVEN PASSED',
    'KEY PASSED',
    'TENANT REFUSED',
    'SCHEDULE PASSED',
    'USER SKIPPED',
    'APP SKIPPED',
    'PRODUCT SKIPPED',
    'ENGINE SKIPPED',
    'PLACE SKIPPED',
    'SCOPES PASSED',
    'MODEL_ALLOWED REFUSED',
    'MODEL_ENABLED SKIPPED',
    'LIMITS PASSED',
    'IN_FLIGHT REFUSED',
    'QUEUE PASSED',
  ]);
  expect(refusal?.code).toBe('TENANT_SUSPENDED');
  expect(checks.map((each) => each.refusal?.code ?? null).filter((code) => code !== null)).toEqual([
    'TENANT_SUSPENDED',
    'MODEL_NOT_ALLOWED',
    'IN_FLIGHT_BLOCKED',
  ]);
});

it('of a request with a model, a gateway and others beside it, its estimate, its share and its place are shown', async () => {
  const model = await modelWith(app, seed, 2, {
    prices: { inputTokenUsd: '0.5', outputTokenUsd: '2' },
    admissionWeightPercent: 50,
  });
  const { id: gatewayId } = await seed.gateway({ maxInFlight: 5 });
  const [one, other] = [await callerOf(seed, { weight: 300 }), await callerOf(seed, { weight: 100 })];
  const wanted = { model: model.name, estimatedInputTokens: 3, estimatedOutputTokens: 4, gatewayId };
  const running = [
    await gate.admit({ ...wanted, keyId: other.keyId }),
    await gate.admit({ ...wanted, keyId: other.keyId }),
  ];
  const explanation = await explain(app.operator, { ...wanted, keyId: one.keyId });
  expect(explanation).toMatchObject({
    verdict: 'WAIT',
    modelId: model.id,
    estimate: { requests: 1, tokens: 7, costUsd: '9.5' },
    fairness: { algorithm: 'HIERARCHICAL', tenantWeight: 300, weightPercent: 50, keyWeight: 100, expectedSlots: 1.5 },
    place: { position: 1 },
  });
  const inFlight = explanation.limits.find(({ name }) => name === 'MAX_IN_FLIGHT')?.layers ?? [];
  expect(inFlight.slice(-3)).toMatchObject([
    { owner: { type: 'GATEWAY', id: gatewayId }, limit: '5', used: '2', isBinding: false, fit: { fits: true } },
    { owner: { type: 'MODEL', id: model.id }, limit: '2', used: '2', isBinding: true, fit: { fits: false } },
    { owner: { type: 'DEPLOYMENT', id: null }, used: '2', fit: { fits: true } },
  ]);
  for (const { id } of running) await gate.cancel({ leaseId: id });
});

it('a server that has just started shows the limits as the one before it did, before anybody is admitted', async () => {
  const first = await startTestApp({ environment });
  const [ofFirst, oldGate] = [new Seed(first), new Gate(first.operator)];
  const { tenantId, keyId } = await callerOf(ofFirst, {
    limits: { requestsPerMinute: 9, tokensPerMinute: 500, tokensPerDay: 900, budget: { tokens: 5_000 } },
  });
  await oldGate.settle((await oldGate.admit({ keyId })).id, { inputTokens: 7, outputTokens: 8 });
  await oldGate.admit({ keyId, leaseSeconds: 600 });
  const before = [await limitsFor(first.operator, tenantId), (await explain(first.operator, { keyId })).limits];
  const second = await startTestApp({ sameDatabaseAs: first, clock: first.clock, environment });
  await first.app.close();
  const after = await eventually(async () => [
    await limitsFor(second.operator, tenantId),
    (await explain(second.operator, { keyId })).limits,
  ]);
  expect(after).toEqual(before);
  expect(after[0]?.[2]).toMatchObject({ name: 'TOKENS_PER_DAY', layers: [{ used: '45' }] });
});

it.each<[string, Parameters<typeof askToExplain>[1]]>([
  ['key', {}],
  ['key', { key: 'fl_tenant_x', keyId: encodeId('ApiKey', newId()) }],
  ['keyId', { keyId: encodeId('Tenant', newId()) }],
  ['model', { key: 'x', model: '' }],
  ['model', { key: 'x', model: 'x'.repeat(256) }],
  ['estimatedInputTokens', { key: 'x', estimatedInputTokens: -1 }],
  ['estimatedOutputTokens', { key: 'x', estimatedOutputTokens: 10_000_001 }],
  ['userExternalId', { key: 'x', userExternalId: ' ada' }],
  ['gatewayId', { key: 'x', gatewayId: 'nothing' }],
  ['priority', { key: 'x', priority: null }],
  ['origin', { key: 'x', origin: 'x'.repeat(2_001) }],
  ['ipAddress', { key: 'x', ipAddress: 'x'.repeat(65) }],
])('the rules of a request hold for one that is asked about as well: %s', async (field, wanted) => {
  expect(await askToExplain(app.operator, wanted)).toMatchObject({ __typename: 'ValidationError', path: [field] });
});
