import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Scope, scopesOfKind, scopeTemplates } from '../../../src/access/scopes.ts';
import { decodeId } from '../../../src/graph/ids.ts';
import { startTestApp } from '../../testkit/app.ts';
import { expectNoFailures } from '../../testkit/bad-input.ts';
import type { Client } from '../../testkit/client.ts';
import { type CommandAnswer, type CommandInput, Commands } from '../../testkit/commands.ts';
import { makeKey, withSecret } from '../../testkit/keys.ts';
import { Seed } from '../../testkit/seed.ts';

const app = await startTestApp({ environment: { FAIRLEAD_COST_CAPACITY: '100000000' } });
const { clock } = app;
const seed = new Seed(app);
const commands = new Commands(app.app.schema);
expectNoFailures(app);

const { id: tenantId } = await seed.tenant();
const dayMs = 24 * 60 * 60 * 1000;
const inMs = (ms: number) => new Date(clock.now().getTime() + ms).toISOString();

/** Everything that a key can be bound by. */
const bounds = {
  scopes: ['keys:read', 'keys:write', 'tenants:read', 'cloud:inference'],
  limits: {
    requestsPerMinute: 100,
    tokensPerMinute: 1_000,
    tokensPerDay: 10_000,
    maxInFlight: 5,
    budget: { tokens: 1_000_000, costUsd: '100', period: 'TERM', startedAt: inMs(-dayMs) },
  },
  allowedModels: ['small', 'large'],
  allowedIpRanges: ['127.0.0.0/8', '10.0.0.0/8'],
  expiresAt: inMs(dayMs),
};
const bound = await seed.key({ tenantId, ...bounds });
const caller = withSecret(app, bound.secret);

const limits = (change: object) => ({ limits: { ...bounds.limits, ...change } });
const budget = (change: object) => limits({ budget: { ...bounds.limits.budget, ...change } });

/** The answer, whatever of the new key the caller has no scope to read. */
async function run(client: Client, command: string, input: CommandInput): Promise<CommandAnswer> {
  const { data } = await commands.send(client, command, input);
  if (!data) throw new Error(`${command} was not carried out.`);
  return data.answer;
}

/** Everything in which a key can go further than the caller's. */
const excesses: readonly (readonly [what: string, path: string, change: CommandInput])[] = [
  ['a scope more', 'scopes', { scopes: [...bounds.scopes, 'users:read'] }],
  ['another scope', 'scopes', { scopes: ['audit:read'] }],
  ...(['requestsPerMinute', 'tokensPerMinute', 'tokensPerDay', 'maxInFlight'] as const).flatMap(
    (name) =>
      [
        [`a higher ${name}`, `limits.${name}`, limits({ [name]: bounds.limits[name] + 1 })],
        [`no ${name}`, `limits.${name}`, limits({ [name]: null })],
      ] as const,
  ),
  ['a larger budget of tokens', 'limits.budget.tokens', budget({ tokens: 1_000_001 })],
  ['a larger budget of money', 'limits.budget.costUsd', budget({ costUsd: '100.000001' })],
  ['no budget of money', 'limits.budget.costUsd', budget({ costUsd: null })],
  ['no budget', 'limits.budget.tokens', limits({ budget: null })],
  ['a budget that comes back', 'limits.budget.period', budget({ period: 'MONTHLY', startedAt: null })],
  ['a later end', 'expiresAt', { expiresAt: inMs(dayMs + 1) }],
  ['no end', 'expiresAt', { expiresAt: null }],
  ['another model', 'allowedModels', { allowedModels: ['small', 'huge'] }],
  ['every model', 'allowedModels', { allowedModels: null }],
  ['another address', 'allowedIpRanges', { allowedIpRanges: ['192.0.2.1'] }],
  ['a wider range', 'allowedIpRanges', { allowedIpRanges: ['10.0.0.0/7'] }],
  ['every address', 'allowedIpRanges', { allowedIpRanges: null }],
];

/** A text that differs whenever a key is made, changed, rotated or deleted; being used, as the caller's is, is no change. */
async function keysNow(): Promise<string> {
  const { rows } = await app.app.database.pool.query(
    `SELECT (SELECT md5(string_agg(id::text || revision, ',' ORDER BY id)) FROM api_key) AS keys,
            (SELECT md5(string_agg(id::text || coalesce(revoked_at::text, ''), ',' ORDER BY id)) FROM api_key_secret) AS secrets`,
  );
  return JSON.stringify(rows);
}

/** Nothing changes, and the answer names where the key would go too far. */
async function expectEscalation(client: Client, command: string, input: CommandInput, path?: string) {
  const before = await keysNow();
  const answer = await run(client, command, input);
  expect(answer).toMatchObject({ __typename: 'PrivilegeEscalationError', code: 'PRIVILEGE_ESCALATION' });
  if (path !== undefined) expect(answer.path?.join('.')).toBe(path);
  expect(await keysNow()).toBe(before);
}

const own = () => ({ kind: 'TENANT', name: seed.name(), ...bounds });

describe('a key makes keys', () => {
  it('that can do as much as itself, or less', async () => {
    for (const change of [
      {},
      { scopes: ['keys:read'] },
      limits({ requestsPerMinute: 0 }),
      { allowedModels: ['small'] },
    ]) {
      const answer = await run(caller, 'createKey', { ...own(), ...change });
      expect(answer.__typename).toBe('CreateKeyPayload');
    }
  });

  it.each(excesses)('but none with %s', async (_what, path, change) => {
    await expectEscalation(caller, 'createKey', { ...own(), ...change }, path);
  });

  it('but none of a kind that reaches further than its own', async () => {
    const free = withSecret(app, (await seed.key({ tenantId, scopes: [...scopesOfKind('TENANT')] })).secret);
    await expectEscalation(free, 'createKey', { kind: 'ADMIN', name: 'x', scopes: ['keys:read'] }, 'kind');
    const gateway = await run(free, 'createKey', { kind: 'GATEWAY', name: 'x' });
    expect(gateway).toMatchObject({ key: { tenantId } });
  });

  it('with the template of their kind as far as it goes itself, and with a whole template only when it holds all of it', async () => {
    const { id: productId } = await seed.product({ tenantId });
    const some = withSecret(
      app,
      (await seed.key({ tenantId, scopes: ['keys:write', 'engines:read', 'keys:read'] })).secret,
    );
    const { key } = await makeKey(some, { kind: 'PRODUCT', name: 'x', productId });
    expect(key.scopes).toEqual(
      scopeTemplates.platform.scopes.filter((scope) => ['keys:write', 'engines:read', 'keys:read'].includes(scope)),
    );
    await expectEscalation(
      some,
      'createKey',
      { kind: 'PRODUCT', name: 'x', productId, template: 'PLATFORM' },
      'scopes',
    );
    await expectEscalation(
      some,
      'createKey',
      { kind: 'PUBLISHABLE', name: 'x', environment: 'LIVE', allowedOrigins: ['*'] },
      'scopes',
    );
  });
});

describe('a key changes keys', () => {
  const weak = () => seed.key({ tenantId, ...bounds, scopes: ['keys:read'] });

  it.each(excesses)('but gives none %s', async (_what, path, change) => {
    const { id } = await weak();
    await expectEscalation(caller, 'updateKey', { keyId: id, ...change }, path);
  });

  it.each(excesses)('and not itself: %s', async (_what, path, change) => {
    await expectEscalation(caller, 'updateKey', { keyId: bound.id, ...change }, path);
  });

  it.each([
    ['later', inMs(0)],
    ['earlier', inMs(-2 * dayMs)],
  ])('and does not begin its own budget anew, %s', async (_when, startedAt) => {
    await expectEscalation(
      caller,
      'updateKey',
      { keyId: bound.id, ...budget({ startedAt }) },
      'limits.budget.startedAt',
    );
  });

  it('within its own bounds, also such that can do more in what is not touched by name', async () => {
    const { id } = await weak();
    const answer = await run(caller, 'updateKey', { keyId: id, scopes: ['tenants:read'], name: 'Renamed' });
    expect(answer.__typename).toBe('UpdateKeyPayload');
    const strong = await seed.key({ tenantId, scopes: ['users:read'] });
    expect((await run(caller, 'updateKey', { keyId: strong.id, name: 'Renamed' })).__typename).toBe('UpdateKeyPayload');
  });
});

describe('a more powerful key', () => {
  const strongKey = (change: CommandInput) => seed.key({ tenantId, ...bounds, ...change });

  it.each(excesses)('with %s is not rotated, revived or enabled by a weaker one', async (_what, path, change) => {
    const { id: keyId } = await strongKey(change);
    await expectEscalation(caller, 'rotateKey', { keyId }, path);
    await seed.run('rotateKey', { keyId });
    await expectEscalation(caller, 'cancelRotation', { keyId }, path);
    await seed.run('disableKey', { keyId });
    await expectEscalation(caller, 'enableKey', { keyId }, path);
  });

  it('is left out when many are rotated, and the others are rotated', async () => {
    const strong = await strongKey({ scopes: ['users:read'] });
    const equal = await strongKey({});
    for (const dryRun of [true, false]) {
      const { results } = await run(caller, 'rotateKeysBulk', {
        filter: { ids: [strong.id, equal.id] },
        dryRun,
      });
      expect(results).toEqual([
        expect.objectContaining({
          key: expect.objectContaining({ id: strong.id }),
          secret: null,
          error: expect.objectContaining({ code: 'PRIVILEGE_ESCALATION' }),
        }),
        expect.objectContaining({ key: expect.objectContaining({ id: equal.id }), error: null }),
      ]);
    }
  });

  it('can be stopped by a weaker one', async () => {
    for (const command of ['disableKey', 'revokeKey', 'deleteKey']) {
      const { id: keyId } = await strongKey({ scopes: ['users:read'] });
      expect((await run(caller, command, { keyId })).code).toBeUndefined();
    }
  });
});

describe('the owner of a key', async () => {
  const product = await seed.product({ tenantId });
  const other = await seed.product({ tenantId });
  const engine = await seed.engine({ productId: product.id });
  const otherEngine = await seed.engine({ productId: other.id });
  const user = await seed.user({ tenantId });
  const otherUser = await seed.user({ tenantId });
  const uuid = decodeId('Tenant', tenantId);
  const scopes = new Set<Scope>(['keys:read', 'keys:write', 'engines:read']);

  it('takes no more of what the tenant gets from the other keys than it was given: a weight of 100, or of its own key', async () => {
    const light = await seed.key({ kind: 'USER', userId: user.id, scopes: ['keys:read', 'keys:write'], weight: 50 });
    const login = app.as({ kind: 'LOGIN', tenantId: uuid, userId: decodeId('User', user.id), scopes });
    const heavy = await seed.key({ kind: 'USER', userId: user.id, scopes: ['keys:read'], weight: 500 });
    const input = { kind: 'USER', name: 'Weighed', userId: user.id, scopes: ['keys:read'] };
    for (const [client, most] of [
      [withSecret(app, light.secret), 50],
      [login, 100],
    ] as const) {
      await expectEscalation(client, 'createKey', { ...input, weight: most + 1 }, 'weight');
      await expectEscalation(client, 'updateKey', { keyId: light.id, weight: most + 1 }, 'weight');
      await expectEscalation(client, 'updateKey', { keyId: heavy.id, weight: 501 }, 'weight');
      expect((await run(client, 'createKey', { ...input, weight: most })).key).toMatchObject({ weight: most });
      // What somebody else gave stays, and may be made less.
      expect((await run(client, 'rotateKey', { keyId: heavy.id, overlapSeconds: 0 })).code).toBeUndefined();
      const less = await run(client, 'updateKey', { keyId: heavy.id, weight: 499, scopes: ['keys:read'] });
      expect(less.key).toMatchObject({ weight: 499 });
      await seed.run('updateKey', { keyId: heavy.id, weight: 500 });
    }
  });

  it('that is the tenant weighs its keys as it likes', async () => {
    expect(await run(caller, 'createKey', { ...own(), weight: 1_000_000 })).toMatchObject({
      key: { weight: 1_000_000 },
    });
    const { key } = await run(caller, 'createKey', own());
    expect(key).toMatchObject({ weight: 100 });
  });

  it('that is a product makes keys of itself and of its own engines, and no others', async () => {
    const caller = app.as({ kind: 'PRODUCT', tenantId: uuid, productId: decodeId('Product', product.id), scopes });
    const make = (input: CommandInput) => run(caller, 'createKey', { name: 'x', scopes: ['engines:read'], ...input });
    expect(await make({ kind: 'ENGINE', engineId: engine.id })).toMatchObject({ key: { tenantId } });
    expect(await make({ kind: 'PRODUCT' })).toMatchObject({ key: { tenantId } });
    expect(await make({ kind: 'ENGINE', engineId: otherEngine.id })).toMatchObject({ code: 'NOT_FOUND' });
    expect(await make({ kind: 'PRODUCT', productId: other.id })).toMatchObject({ code: 'NOT_FOUND' });
    expect(await make({ kind: 'USER', userId: user.id, scopes: ['keys:read'] })).toMatchObject({ code: 'NOT_FOUND' });
    expect((await make({ kind: 'TENANT' })).code).toMatch(/NOT_FOUND|PRIVILEGE_ESCALATION/);
    expect((await make({ kind: 'GATEWAY' })).code).toMatch(/NOT_FOUND|PRIVILEGE_ESCALATION/);
  });

  it('that is a user makes USER keys of itself, and no others', async () => {
    const caller = app.as({ kind: 'USER', tenantId: uuid, userId: decodeId('User', user.id), scopes });
    const make = (input: CommandInput) => run(caller, 'createKey', { name: 'x', scopes: ['keys:read'], ...input });
    expect(await make({ kind: 'USER' })).toMatchObject({ key: { tenantId } });
    expect(await make({ kind: 'USER', userId: user.id })).toMatchObject({ key: { tenantId } });
    expect(await make({ kind: 'USER', userId: otherUser.id })).toMatchObject({ code: 'NOT_FOUND' });
    expect((await make({ kind: 'TENANT' })).code).toMatch(/NOT_FOUND|PRIVILEGE_ESCALATION/);
    expect((await make({ kind: 'PRODUCT', productId: product.id, scopes: ['engines:read'] })).code).toMatch(
      /NOT_FOUND|PRIVILEGE_ESCALATION/,
    );
    const foreign = await seed.key({ kind: 'USER', userId: otherUser.id, scopes: ['keys:read'] });
    for (const command of ['updateKey', 'rotateKey', 'revokeKey', 'deleteKey', 'disableKey', 'enableKey']) {
      expect(await run(caller, command, { keyId: foreign.id })).toMatchObject({ code: 'NOT_FOUND' });
    }
  });
});

describe('whatever a key asks for', () => {
  /** Mostly what the caller has itself or less, so that some of what is asked for is carried out. */
  const mostly = <Value>(within: readonly Value[], beyond: readonly Value[]) =>
    fc.oneof(
      { weight: 9, arbitrary: fc.constantFrom(...within) },
      { weight: 1, arbitrary: fc.constantFrom(...beyond) },
    );
  const some = (within: string[], beyond: string[]) =>
    fc.oneof(
      { weight: 9, arbitrary: fc.subarray(within, { minLength: 1 }) },
      { weight: 1, arbitrary: fc.subarray([...within, ...beyond], { minLength: 1 }) },
    );
  const budgets = fc.record({
    tokens: mostly<number | null>([0, 999_999, 1_000_000], [1_000_001, null]),
    costUsd: mostly<string | null>(['0', '99.999999', '100'], ['100.000001', null]),
    period: mostly(['TERM', 'LIFETIME'], ['MONTHLY']),
  });
  const input = fc.record(
    {
      scopes: some(bounds.scopes, ['users:read', 'audit:read']),
      limits: fc.record(
        {
          requestsPerMinute: mostly<number | null>([0, 99, 100], [101, null]),
          tokensPerDay: mostly<number | null>([0, 9_999, 10_000], [10_001, null]),
          maxInFlight: mostly<number | null>([0, 4, 5], [6, null]),
          budget: budgets.filter(({ tokens, costUsd }) => tokens !== null || costUsd !== null),
        },
        { requiredKeys: [] },
      ),
      allowedModels: some(bounds.allowedModels, ['huge']),
      allowedIpRanges: some(bounds.allowedIpRanges, ['192.0.2.1']),
      expiresAt: mostly<string | null>([inMs(dayMs / 2), inMs(dayMs)], [inMs(dayMs + 1), null]),
    },
    { requiredKeys: [] },
  );

  it('what it gets is never more powerful than itself', async () => {
    let carriedOut = 0;
    await fc.assert(
      fc.asyncProperty(input, fc.boolean(), async (asked, isNew) => {
        const weakened = isNew ? undefined : await seed.key({ tenantId, ...bounds, scopes: ['keys:read'] });
        const answer = await (weakened === undefined
          ? run(caller, 'createKey', { ...own(), ...asked, limits: { ...bounds.limits, ...asked.limits } })
          : run(caller, 'updateKey', { keyId: weakened.id, ...asked }));
        if (answer.code !== undefined) {
          expect(answer.code).toBe('PRIVILEGE_ESCALATION');
          return;
        }
        carriedOut += 1;
        const uuid = decodeId('ApiKey', (answer.key as { id: string }).id);
        const made = await app.app.database.prisma.apiKey.findUniqueOrThrow({ where: { id: uuid } });
        const mine = await app.app.database.prisma.apiKey.findUniqueOrThrow({
          where: { id: decodeId('ApiKey', bound.id) },
        });
        for (const name of [
          'requestsPerMinute',
          'tokensPerMinute',
          'tokensPerDay',
          'maxInFlight',
          'budgetTokens',
          'budgetCostUsd',
        ] as const) {
          expect(made[name]).not.toBeNull();
          expect(Number(made[name])).toBeLessThanOrEqual(Number(mine[name]));
        }
        expect(['TERM', 'LIFETIME']).toContain(made.budgetPeriod);
        for (const name of ['scopes', 'allowedModels', 'allowedIpRanges'] as const) {
          expect(made[name].length).toBeGreaterThan(0);
          expect(mine[name]).toEqual(expect.arrayContaining(made[name]));
        }
        expect(made.expiresAt?.getTime()).toBeLessThanOrEqual(mine.expiresAt?.getTime() ?? 0);
      }),
      { numRuns: 60 },
    );
    expect(carriedOut).toBeGreaterThan(0);
  });
});
