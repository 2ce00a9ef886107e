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

  it('lets products of the same display name be', async () => {
    const { id: tenantId } = await seed.tenant();
    for (const slug of [seed.slug(), seed.slug()]) {
      expect((await run('registerProduct', { tenantId, slug, displayName: 'Chat' })).__typename).toBe(
        'RegisterProductPayload',
      );
    }
  });
});
