import { beforeEach, describe, expect, it } from 'vitest';
import { decodeId } from '../../../src/graph/ids.ts';
import { startTestApp, type TestApp } from '../../testkit/app.ts';
import { expectNoFailures } from '../../testkit/bad-input.ts';
import type { Client } from '../../testkit/client.ts';
import { graphql } from '../../testkit/generated/gql.ts';
import { missingProduct } from '../../testkit/ids.ts';
import { storedRows } from '../../testkit/rows.ts';
import { Seed, type SeededEngine } from '../../testkit/seed.ts';

const app = await startTestApp();
const replica = await startTestApp({ sameDatabaseAs: app, clock: app.clock });
const { operator, clock } = app;
const seed = new Seed(app);
expectNoFailures(app);
expectNoFailures(replica);
// Time stands still, so what a caller may spend does not come back by itself.
beforeEach(() => clock.advance(600_000));

const admit = graphql(`
  mutation AdmitEngine($input: AdmitEngineInput!) {
    admitEngine(input: $input) {
      __typename
      ... on AdmitEnginePayload {
        admission {
          admitted
          reason
          message
          engine {
            id
            url
          }
          rateLimit {
            limit
            remaining
            resetAt
            retryAfterMs
          }
        }
      }
      ... on UserError {
        code
        message
        path
      }
    }
  }
`);

async function admission(client: Client, input: { productId?: string; userExternalId: string }) {
  const { admitEngine } = await client.run(admit, { input });
  if (admitEngine.__typename !== 'AdmitEnginePayload') throw new Error(admitEngine.message);
  return admitEngine.admission;
}

const ofUser = ({ productId, userExternalId }: SeededEngine) => ({ productId, userExternalId });

/** An engine that runs, of a product with this rate limit. */
async function limited(rateLimitRpm: number | null): Promise<SeededEngine> {
  const { id: productId } = await seed.product({ policy: { rateLimitRpm } });
  return seed.runningEngine({ productId });
}

/** A platform key of the engine's product. */
async function platformKey(engine: SeededEngine, at: TestApp = app): Promise<Client> {
  const productId = decodeId('Product', engine.productId);
  const { tenantId } = await app.app.database.prisma.product.findUniqueOrThrow({ where: { id: productId } });
  return at.as({
    kind: 'PRODUCT',
    tenantId,
    productId,
    scopes: new Set(['engines:admit', 'engines:read', 'engines:report', 'products:read']),
  });
}

describe('admitEngine', () => {
  it('admits an engine that runs, with where it is, and writes nothing into the audit log', async () => {
    const { id: productId } = await seed.product();
    const engine = await seed.runningEngine({ productId, url: 'http://10.0.0.7:9001' });
    const before = await app.app.database.prisma.auditEntry.count();
    expect(await admission(operator, ofUser(engine))).toEqual({
      admitted: true,
      reason: null,
      message: 'The engine is admitted.',
      engine: { id: engine.id, url: 'http://10.0.0.7:9001' },
      rateLimit: null,
    });
    expect(await app.app.database.prisma.auditEntry.count()).toBe(before);
  });

  it.each([
    ['PROVISIONING', 'ENGINE_PROVISIONING'],
    ['SLEEPING', 'ENGINE_SLEEPING'],
    ['STOPPED', 'ENGINE_STOPPED'],
    ['FAILED', 'ENGINE_UNHEALTHY'],
    ['DESTROYING', 'ENGINE_DESTROYING'],
  ])('refuses an engine that is %s: %s, without the engine, which counts as a call', async (status, reason) => {
    const engine = await limited(2);
    await seed.run('reportEngine', { engineId: engine.id, status });
    expect(await admission(operator, ofUser(engine))).toMatchObject({
      admitted: false,
      reason,
      engine: null,
      message: expect.stringMatching(/^\S.*\.$/),
      rateLimit: { limit: 2, remaining: 1 },
    });
  });

  it('refuses an engine that is reported as unhealthy, and admits it again when it is healthy', async () => {
    const engine = await limited(null);
    await seed.run('reportEngine', { engineId: engine.id, health: 'UNHEALTHY' });
    expect(await admission(operator, ofUser(engine))).toMatchObject({ admitted: false, reason: 'ENGINE_UNHEALTHY' });
    await seed.run('reportEngine', { engineId: engine.id, health: 'HEALTHY' });
    expect(await admission(operator, ofUser(engine))).toMatchObject({ admitted: true });
  });

  it('refuses a user without an engine, also one whose name differs in case', async () => {
    const engine = await limited(null);
    for (const userExternalId of ['nobody', engine.userExternalId.toUpperCase()]) {
      expect(await admission(operator, { ...ofUser(engine), userExternalId })).toMatchObject({
        admitted: false,
        reason: 'ENGINE_NOT_FOUND',
      });
    }
  });

  it('refuses what belongs to a suspended or archived tenant, or to a suspended or deleted product', async () => {
    const { id: productId, tenantId } = await seed.product();
    const engine = await seed.runningEngine({ productId });
    const reason = async () => (await admission(operator, ofUser(engine))).reason;
    await seed.run('suspendProduct', { productId });
    expect(await reason()).toBe('PRODUCT_SUSPENDED');
    await seed.run('suspendTenant', { tenantId });
    expect(await reason()).toBe('TENANT_SUSPENDED');
    await seed.run('archiveTenant', { tenantId });
    expect(await reason()).toBe('TENANT_ARCHIVED');
    await seed.run('resumeTenant', { tenantId });
    await seed.run('resumeProduct', { productId });
    expect(await reason()).toBeNull();
    await seed.run('deleteProduct', { productId, drainEngines: true });
    expect(await reason()).toBe('PRODUCT_DELETING');
  });

  it('takes the product of the key that asks, and answers for no other one', async () => {
    const [own, foreign] = [await limited(null), await limited(null)];
    const client = await platformKey(own);
    expect(await admission(client, { userExternalId: own.userExternalId })).toMatchObject({
      admitted: true,
      engine: { id: own.id },
    });
    const answers = [foreign.productId, missingProduct].map((productId) =>
      client.run(admit, { input: { productId, userExternalId: foreign.userExternalId } }),
    );
    const [other, missing] = await Promise.all(answers);
    expect(other).toEqual(missing);
    expect(other?.admitEngine).toMatchObject({ __typename: 'NotFoundError', path: ['productId'] });
  });

  it('asks callers who belong to no product to say which', async () => {
    const { admitEngine } = await operator.run(admit, { input: { userExternalId: 'ada' } });
    expect(admitEngine).toMatchObject({ code: 'VALIDATION_FAILED', path: ['productId'] });
  });
});

describe('the rate limit of a product', () => {
  it('counts down, is refused with the time to wait, and is there again after 60 s', async () => {
    const engine = await limited(2);
    const resetAt = new Date(clock.now().getTime() + 60_000).toISOString();
    expect(await admission(operator, ofUser(engine))).toMatchObject({
      rateLimit: { limit: 2, remaining: 1, resetAt, retryAfterMs: 0 },
    });
    clock.advance(10_000);
    expect((await admission(operator, ofUser(engine))).rateLimit).toMatchObject({ remaining: 0, retryAfterMs: 50_000 });
    const before = await storedRows(app);
    expect(await admission(operator, ofUser(engine))).toMatchObject({
      admitted: false,
      reason: 'RATE_LIMITED',
      engine: null,
      message: expect.stringContaining('50000 ms'),
      rateLimit: { limit: 2, remaining: 0, retryAfterMs: 50_000 },
    });
    // A refused call costs nothing.
    expect(await storedRows(app)).toBe(before);
    clock.advance(49_999);
    expect(await admission(operator, ofUser(engine))).toMatchObject({ reason: 'RATE_LIMITED' });
    clock.advance(1);
    expect(await admission(operator, ofUser(engine))).toMatchObject({ admitted: true });
    expect(await admission(operator, ofUser(engine))).toMatchObject({ reason: 'RATE_LIMITED' });
  });

  it('is one for all replicas and all users: of parallel calls exactly as many are admitted as it allows', async () => {
    const engine = await limited(7);
    const neighbour = await seed.runningEngine({ productId: engine.productId });
    const answers = await Promise.all(
      Array.from({ length: 24 }, (_, index) =>
        admission((index % 2 === 0 ? app : replica).operator, ofUser(index % 3 === 0 ? engine : neighbour)),
      ),
    );
    expect(answers.filter(({ admitted }) => admitted)).toHaveLength(7);
    const remaining = answers.flatMap(({ admitted, rateLimit }) => (admitted ? [rateLimit?.remaining] : []));
    expect(remaining.toSorted()).toEqual([0, 1, 2, 3, 4, 5, 6]);
  });

  it('is kept over a restart', async () => {
    const engine = await limited(1);
    const first = await startTestApp({ sameDatabaseAs: app, clock });
    expect(await admission(first.operator, ofUser(engine))).toMatchObject({ admitted: true });
    await first.close();
    const second = await startTestApp({ sameDatabaseAs: app, clock });
    expect(await admission(second.operator, ofUser(engine))).toMatchObject({ reason: 'RATE_LIMITED' });
  });

  it('belongs to one product: another one is not touched by it', async () => {
    const [one, other] = [await limited(1), await limited(1)];
    await admission(operator, ofUser(one));
    expect(await admission(operator, ofUser(one))).toMatchObject({ reason: 'RATE_LIMITED' });
    expect(await admission(operator, ofUser(other))).toMatchObject({ admitted: true });
  });

  it('of 0 admits nothing, and no waiting helps', async () => {
    const engine = await limited(0);
    expect(await admission(operator, ofUser(engine))).toMatchObject({
      reason: 'RATE_LIMITED',
      rateLimit: { limit: 0, remaining: 0, resetAt: null, retryAfterMs: null },
    });
  });

  it('is in effect on every replica from the next call on, and gives nothing back when it is changed', async () => {
    const engine = await limited(3);
    const { productId } = engine;
    for (let call = 0; call < 3; call += 1) await admission(operator, ofUser(engine));
    await seed.run('updateProductPolicy', { productId, policy: { rateLimitRpm: 2 } });
    expect(await admission(replica.operator, ofUser(engine))).toMatchObject({
      reason: 'RATE_LIMITED',
      rateLimit: { limit: 2, remaining: 0 },
    });
    await seed.run('updateProductPolicy', { productId, policy: { rateLimitRpm: 4 } });
    expect(await admission(replica.operator, ofUser(engine))).toMatchObject({
      admitted: true,
      rateLimit: { remaining: 0 },
    });
    await seed.run('updateProductPolicy', { productId, policy: { rateLimitRpm: null } });
    expect(await admission(replica.operator, ofUser(engine))).toMatchObject({ admitted: true, rateLimit: null });
  });
});

describe('reading engines', () => {
  const ways: Readonly<Record<string, string>> = {
    engine: 'query ($id: ID!) { x: engine(id: $id) { id } y: viewer { kind } }',
    'engine by its user':
      'query ($id: ID!, $user: String) { x: engine(userExternalId: $user) { id } node(id: $id) { __typename } }',
    node: 'query ($id: ID!) { node(id: $id) { id } }',
    nodes: 'query ($id: ID!) { nodes(ids: [$id, $id]) { id } }',
    engines: '{ engines { edges { node { id } } } }',
    'the number of engines': '{ engines { totalCount } }',
    'the engines of the product': '{ products { edges { node { engines { edges { node { url } } } } } } }',
  };

  it.each(Object.entries(ways))('by a key of the product is a call that counts: %s', async (_way, query) => {
    const engine = await limited(2);
    const client = await platformKey(engine);
    const send = () => client.send<unknown, object>(query, { id: engine.id, user: engine.userExternalId });
    const calls = query.includes('userExternalId:') ? 2 : 1;
    const first = await send();
    expect(first.errors).toBeUndefined();
    expect((await admission(client, ofUser(engine))).rateLimit?.remaining ?? -1).toBe(Math.max(0, 2 - calls - 1));
    clock.advance(1_000);
    const { status, headers, errors } = await send();
    expect(errors?.map(({ extensions }) => extensions)).toEqual(
      Array.from({ length: calls }, () => ({ code: 'RATE_LIMITED', retryAfterMs: 59_000 })),
    );
    expect(status).toBe(429);
    expect(headers.get('retry-after')).toBe('59');
    clock.advance(59_000);
    expect((await send()).errors).toBeUndefined();
  });

  it('by a report is a call that counts, and the report is taken over all the same', async () => {
    const engine = await limited(1);
    const client = await platformKey(engine);
    const report = (message: string, selected: string) =>
      client.send<{ reportEngine: object }, object>(
        `mutation ($id: ID!, $message: String) { reportEngine(input: { engineId: $id, message: $message }) {
          __typename ... on ReportEnginePayload { ${selected} } } }`,
        { id: engine.id, message },
      );
    const payload = { __typename: 'ReportEnginePayload' };
    expect((await report('not read', '__typename')).data).toEqual({ reportEngine: payload });
    expect((await report('read', 'engine { message }')).data).toEqual({
      reportEngine: { ...payload, engine: { message: 'read' } },
    });
    const { data, errors } = await report('past the limit', 'engine { url }');
    expect([data, errors?.[0]?.extensions.code]).toEqual([null, 'RATE_LIMITED']);
    const row = await app.app.database.prisma.engine.findUniqueOrThrow({
      where: { id: decodeId('Engine', engine.id) },
    });
    expect(row.message).toBe('past the limit');
    expect((await report('not read', '__typename')).data).toEqual({ reportEngine: payload });
  });

  it('by a key of an engine counts for its product', async () => {
    const engine = await limited(1);
    const productId = decodeId('Product', engine.productId);
    const { tenantId } = await app.app.database.prisma.product.findUniqueOrThrow({ where: { id: productId } });
    const client = app.as({
      kind: 'ENGINE',
      tenantId,
      productId,
      engineId: decodeId('Engine', engine.id),
      scopes: new Set(['engines:read']),
    });
    const { data } = await client.send<{ engines: object }, object>('{ engines { edges { node { id } } } }');
    expect(data?.engines).toEqual({ edges: [{ node: { id: engine.id } }] });
    expect(await admission(operator, ofUser(engine))).toMatchObject({ reason: 'RATE_LIMITED' });
  });

  it('at the limit 0 is refused without a time to wait', async () => {
    const client = await platformKey(await limited(0));
    const { status, headers, errors } = await client.send('{ engines { totalCount } }');
    expect(errors?.[0]?.extensions).toEqual({ code: 'RATE_LIMITED', retryAfterMs: null });
    expect(status).toBe(429);
    expect(headers.get('retry-after')).toBeNull();
  });

  it('by the operator and by the tenant costs the product nothing', async () => {
    const engine = await limited(1);
    const { tenantId } = await app.app.database.prisma.product.findUniqueOrThrow({
      where: { id: decodeId('Product', engine.productId) },
    });
    for (const client of [operator, app.ofTenant(tenantId, 'engines:read')]) {
      expect((await client.send('{ engines { edges { node { id } } } }')).errors).toBeUndefined();
    }
    expect(await admission(operator, ofUser(engine))).toMatchObject({ admitted: true });
  });
});
