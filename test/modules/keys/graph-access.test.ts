import { describe, expect, it } from 'vitest';
import { startTestApp } from '../../testkit/app.ts';
import { expectNoFailures } from '../../testkit/bad-input.ts';
import { makeKey, withSecret } from '../../testkit/keys.ts';
import { Seed } from '../../testkit/seed.ts';

const app = await startTestApp({ environment: { FAIRLEAD_COST_CAPACITY: '10000000' } });
const { operator } = app;
const seed = new Seed(app);
expectNoFailures(app);

describe('the platform key of a product', () => {
  const newProduct = async () => {
    const engine = await seed.runningEngine();
    const { secret } = await makeKey(operator, {
      kind: 'PRODUCT',
      name: 'backend',
      productId: engine.productId,
      scopes: ['products:read', 'engines:read', 'engines:write', 'engines:admit'],
    });
    return { engine, platform: withSecret(app, secret) };
  };

  it('is told by admitEngine that its product is suspended', async () => {
    const { engine, platform } = await newProduct();
    await seed.run('suspendProduct', { productId: engine.productId });
    const { data } = await platform.send(
      `mutation { admitEngine(input: { userExternalId: ${JSON.stringify(engine.userExternalId)} }) {
        ... on AdmitEnginePayload { admission { admitted reason } }
      } }`,
    );
    expect(data).toEqual({ admitEngine: { admission: { admitted: false, reason: 'PRODUCT_SUSPENDED' } } });
  });

  it('destroys the engines of a product that is being deleted, and goes with the last one', async () => {
    const { engine, platform } = await newProduct();
    await seed.run('deleteProduct', { productId: engine.productId, drainEngines: true });
    const { data } = await platform.send(
      `mutation { destroyEngine(input: { engineId: "${engine.id}" }) { __typename } }`,
    );
    expect(data).toEqual({ destroyEngine: { __typename: 'DestroyEnginePayload' } });
    expect((await platform.send('{ viewer { kind } }')).status).toBe(401);
  });
});
