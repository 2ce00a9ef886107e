import { beforeEach, describe, expect, it } from 'vitest';
import { startTestApp } from '../../testkit/app.ts';
import { expectNoFailures } from '../../testkit/bad-input.ts';
import { type CommandInput, Commands } from '../../testkit/commands.ts';
import { Seed } from '../../testkit/seed.ts';

const app = await startTestApp();
const replica = await startTestApp({ sameDatabaseAs: app, clock: app.clock });
const seed = new Seed(app);
const commands = new Commands(app.app.schema);
expectNoFailures(app);
expectNoFailures(replica);
// Time stands still, so what a caller may spend does not come back by itself.
beforeEach(() => app.clock.advance(60_000));

const run = (name: string, input: CommandInput, at = app) => commands.run(at.operator, name, input);

describe('registerProduct', () => {
  it('makes one product of one slug, of many calls at the same time in different cases, tenants and replicas', async () => {
    const tenants = [await seed.tenant(), await seed.tenant()];
    for (let round = 0; round < 3; round += 1) {
      const slugs = [`chat-${round}`, `Chat-${round}`, `CHAT-${round}`, `cHAT-${round}`];
      const answers = await Promise.all(
        Array.from({ length: 12 }, (_, index) =>
          run(
            'registerProduct',
            { tenantId: tenants[index % 2]?.id, slug: slugs[index % slugs.length], displayName: 'Chat' },
            index % 2 === 0 ? app : replica,
          ),
        ),
      );
      expect(answers.filter(({ __typename }) => __typename === 'RegisterProductPayload')).toHaveLength(1);
      for (const { code, path } of answers.filter(({ __typename }) => __typename !== 'RegisterProductPayload')) {
        expect([code, path]).toEqual(['PRODUCT_SLUG_EXISTS', ['slug']]);
      }
    }
  });

  it('takes a slug again once the product that had it is deleted', async () => {
    const { id: productId, slug, tenantId } = await seed.product();
    const again = () => run('registerProduct', { tenantId, slug, displayName: 'Again' });
    expect((await again()).code).toBe('PRODUCT_SLUG_EXISTS');
    await seed.run('deleteProduct', { productId });
    expect((await again()).__typename).toBe('RegisterProductPayload');
  });

  it('asks callers of the deployment to say which tenant', async () => {
    expect(await run('registerProduct', { slug: seed.slug(), displayName: 'Of nobody' })).toMatchObject({
      issues: [{ rule: 'TENANT_REQUIRED', path: ['tenantId'] }],
    });
  });

  it('takes limits, and a budget that counts from now on', async () => {
    const limits = { tokensPerDay: 5_000_000_000, maxInFlight: 0, budget: { costUsd: '12.5', period: 'TERM' } };
    const answer = await seed.run('registerProduct', {
      tenantId: (await seed.tenant()).id,
      slug: seed.slug(),
      displayName: 'Limited',
      limits,
    });
    const startedAt = app.clock.now().toISOString();
    expect(answer).toMatchObject({
      product: { limits: { ...limits, requestsPerMinute: null, budget: { costUsd: '12.5', tokens: null, startedAt } } },
    });
  });

  it('lets products of the same display name be', async () => {
    const { id: tenantId } = await seed.tenant();
    for (const slug of [seed.slug(), seed.slug()]) {
      expect((await run('registerProduct', { tenantId, slug, displayName: 'Chat' })).__typename).toBe(
        'RegisterProductPayload',
      );
    }
  });
});

describe('updateProduct', () => {
  it('leaves limits that are omitted, sets and clears them one by one, and replaces a budget as a whole', async () => {
    const { id: productId } = await seed.product({
      limits: { requestsPerMinute: 5, maxInFlight: 6, budget: { tokens: 7, period: 'LIFETIME' } },
    });
    const startedAt = app.clock.now().toISOString();
    app.clock.advance(1_000);
    expect(
      await run('updateProduct', { productId, limits: { requestsPerMinute: 0, maxInFlight: null, tokensPerDay: 9 } }),
    ).toMatchObject({
      product: {
        limits: { requestsPerMinute: 0, maxInFlight: null, tokensPerDay: 9, budget: { tokens: 7 } },
        revision: 2,
      },
    });
    expect(await run('updateProduct', { productId, displayName: 'Renamed' })).toMatchObject({
      product: { limits: { requestsPerMinute: 0, tokensPerDay: 9, budget: { tokens: 7 } } },
    });
    // The count of a budget of the same period goes on.
    expect(await run('updateProduct', { productId, limits: { budget: { costUsd: '1' } } })).toMatchObject({
      product: { limits: { budget: { tokens: null, costUsd: '1', startedAt } } },
    });
    expect(await run('updateProduct', { productId, limits: { budget: null } })).toMatchObject({
      product: { limits: { requestsPerMinute: 0, budget: null } },
    });
  });

  it('keeps both of two changes of different limits that are made at the same time', async () => {
    const { id: productId } = await seed.product();
    await Promise.all([
      seed.run('updateProduct', { productId, limits: { requestsPerMinute: 1 } }),
      seed.run('updateProduct', { productId, limits: { tokensPerMinute: 2 } }),
    ]);
    expect(await run('updateProduct', { productId, limits: {} })).toMatchObject({
      product: { limits: { requestsPerMinute: 1, tokensPerMinute: 2 }, revision: 3 },
    });
  });
});
