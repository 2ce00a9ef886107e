import { beforeEach, describe, expect, it } from 'vitest';
import { decodeId } from '../../../src/graph/ids.ts';
import type { Event } from '../../../src/live/event-bus.ts';
import { startTestApp } from '../../testkit/app.ts';
import { expectNoFailures } from '../../testkit/bad-input.ts';
import { type CommandInput, Commands } from '../../testkit/commands.ts';
import { eventually } from '../../testkit/eventually.ts';
import { storedRows } from '../../testkit/rows.ts';
import { Seed } from '../../testkit/seed.ts';

const app = await startTestApp();
const replica = await startTestApp({ sameDatabaseAs: app, clock: app.clock });
const { operator, clock } = app;
const { prisma } = app.app.database;
const seed = new Seed(app);
const commands = new Commands(app.app.schema);
expectNoFailures(app);
expectNoFailures(replica);
// Time stands still, so what a caller may spend does not come back by itself.
beforeEach(() => clock.advance(60_000));

const run = (name: string, input: CommandInput) => commands.run(operator, name, input);

async function productWith(engineCount: number) {
  const product = await seed.product();
  const engines = [];
  for (let count = 0; count < engineCount; count += 1)
    engines.push(await seed.runningEngine({ productId: product.id }));
  return { ...product, productId: product.id, engines };
}

const summaryOf = async (id: string) => {
  const { data } = await operator.send<{ product: object | null }, object>(
    'query ($id: ID!) { product(id: $id) { status engineSummary { total byStatus { status count } } } }',
    { id },
  );
  return data?.product;
};

describe('deleteProduct', () => {
  it('deletes a product without engines at once, with its policies', async () => {
    const { productId } = await productWith(0);
    expect(await run('deleteProduct', { productId })).toMatchObject({
      deletedProductId: productId,
      product: null,
      remainingEngineCount: 0,
      dryRun: false,
    });
    expect(await summaryOf(productId)).toBeNull();
    expect(await prisma.productPolicyVersion.count({ where: { productId: decodeId('Product', productId) } })).toBe(0);
    expect(await run('deleteProduct', { productId })).toMatchObject({ code: 'NOT_FOUND' });
  });

  it('is refused while there are engines, whatever their status, and says how many', async () => {
    const { productId, engines } = await productWith(2);
    for (const { id } of engines) await run('reportEngine', { engineId: id, status: 'STOPPED' });
    expect(await run('deleteProduct', { productId })).toMatchObject({
      code: 'PRODUCT_HAS_ENGINES',
      engineCount: 2,
      path: ['drainEngines'],
    });
  });

  it('says in a dry run how many engines there are, and changes nothing', async () => {
    const { productId } = await productWith(2);
    const before = await storedRows(app);
    for (const drainEngines of [false, true]) {
      expect(await run('deleteProduct', { productId, drainEngines, dryRun: true })).toMatchObject({
        dryRun: true,
        remainingEngineCount: 2,
        product: { status: 'ACTIVE' },
      });
    }
    expect(await storedRows(app)).toBe(before);
  });

  it('drains the engines, takes nothing new, and goes with the last of them', async () => {
    const { productId, slug, tenantId, engines } = await productWith(3);
    const heard: Event[] = [];
    app.app.events.on('Product.changed', (event) => heard.push(event));
    expect(await run('deleteProduct', { productId, drainEngines: true })).toMatchObject({
      product: { status: 'DELETING' },
      remainingEngineCount: 3,
    });
    expect(await summaryOf(productId)).toMatchObject({
      status: 'DELETING',
      engineSummary: { total: 3, byStatus: expect.arrayContaining([{ status: 'DESTROYING', count: 3 }]) },
    });
    expect(await run('registerEngine', { productId, userExternalId: 'new' })).toMatchObject({ code: 'INVALID_STATE' });
    expect(await run('registerProduct', { tenantId, slug, displayName: 'Again' })).toMatchObject({
      code: 'PRODUCT_SLUG_EXISTS',
    });
    // Asking again changes nothing, and without draining it is refused as before.
    const before = await storedRows(app);
    expect(await run('deleteProduct', { productId, drainEngines: true })).toMatchObject({ remainingEngineCount: 3 });
    expect(await run('deleteProduct', { productId })).toMatchObject({ code: 'PRODUCT_HAS_ENGINES' });
    expect(await storedRows(app)).toBe(before);

    const [first, second, third] = engines.map(({ id }) => id);
    for (const engineId of [first, second]) {
      expect(await run('destroyEngine', { engineId })).toMatchObject({ deletedProductId: null });
    }
    expect(await summaryOf(productId)).toMatchObject({ engineSummary: { total: 1 } });
    expect(await run('destroyEngine', { engineId: third })).toMatchObject({
      destroyedEngineId: third,
      deletedProductId: productId,
    });
    expect(await summaryOf(productId)).toBeNull();

    const entries = await prisma.auditEntry.findMany({
      where: { targetId: productId, outcome: 'SUCCEEDED' },
      orderBy: { sequence: 'asc' },
    });
    expect(entries.map(({ action }) => action)).toEqual(['registerProduct', 'deleteProduct', 'destroyEngine']);
    expect(entries.at(-1)?.before).toMatchObject({ slug, status: 'DELETING' });
    const id = decodeId('Product', productId);
    await eventually(() =>
      expect(heard.map(({ payload }) => payload).filter((payload) => payload.id === id)).toEqual([
        { id, command: 'deleteProduct' },
        { id, command: 'destroyEngine' },
      ]),
    );
    expect((await run('registerProduct', { tenantId, slug, displayName: 'Again' })).__typename).toBe(
      'RegisterProductPayload',
    );
  });

  it('lets the last engines be destroyed at the same time on two replicas, and goes once', async () => {
    for (let round = 0; round < 5; round += 1) {
      const { productId, engines } = await productWith(4);
      await run('deleteProduct', { productId, drainEngines: true });
      const answers = await Promise.all(
        engines.map(({ id: engineId }, index) =>
          commands.run((index % 2 === 0 ? app : replica).operator, 'destroyEngine', { engineId }),
        ),
      );
      expect(answers.map(({ __typename }) => __typename)).toEqual(engines.map(() => 'DestroyEnginePayload'));
      expect(answers.filter(({ deletedProductId }) => deletedProductId === productId)).toHaveLength(1);
      expect(await summaryOf(productId)).toBeNull();
      clock.advance(60_000);
    }
  });

  it('and registrations, reports and destructions at the same time never wait for each other for ever', async () => {
    for (let round = 0; round < 5; round += 1) {
      const { productId, engines } = await productWith(3);
      const [first, second] = engines.map(({ id }) => id);
      const attempts: readonly (readonly [string, CommandInput])[] = [
        ['deleteProduct', { productId, drainEngines: true }],
        ['destroyEngine', { engineId: first }],
        ['reportEngine', { engineId: second, status: 'SLEEPING' }],
        ['registerEngine', { productId, userExternalId: 'late' }],
        ['updateProductPolicy', { productId, policy: { maxEngines: 7 } }],
      ];
      const answers = await Promise.all(
        attempts.map(([name, input], index) => commands.run((index % 2 === 0 ? app : replica).operator, name, input)),
      );
      for (const { code } of answers) expect([undefined, 'INVALID_STATE']).toContain(code);
      const left = await prisma.engine.findMany({ where: { productId: decodeId('Product', productId) } });
      expect(left.map(({ status }) => status)).toEqual(left.map(() => 'DESTROYING'));
      clock.advance(60_000);
    }
  });
});

describe('deleteTenant', () => {
  it('counts products and engines, and removes them when told to', async () => {
    const { tenantId, productId } = await productWith(2);
    expect(await run('deleteTenant', { tenantId })).toMatchObject({
      code: 'HAS_CHILDREN',
      children: [
        { type: 'ApiKey', count: 3 },
        { type: 'Product', count: 1 },
        { type: 'Engine', count: 2 },
      ],
    });
    expect((await run('deleteTenant', { tenantId, cascade: true })).__typename).toBe('DeleteTenantPayload');
    expect(await summaryOf(productId)).toBeNull();
    expect(await prisma.engine.count({ where: { productId: decodeId('Product', productId) } })).toBe(0);
  });

  it('and the destruction of an engine of the tenant at the same time never wait for each other for ever', async () => {
    for (let round = 0; round < 5; round += 1) {
      const { tenantId, engines } = await productWith(2);
      const answers = await Promise.all([
        run('deleteTenant', { tenantId, cascade: true }),
        ...engines.map(({ id: engineId }) => commands.run(replica.operator, 'destroyEngine', { engineId })),
      ]);
      for (const { code } of answers) expect([undefined, 'NOT_FOUND']).toContain(code);
      clock.advance(60_000);
    }
  });
});
