import { beforeEach, describe, expect, it } from 'vitest';
import { hashSecret } from '../../../src/access/secrets.ts';
import { decodeId } from '../../../src/graph/ids.ts';
import { startTestApp } from '../../testkit/app.ts';
import { expectNoFailures } from '../../testkit/bad-input.ts';
import { Client } from '../../testkit/client.ts';
import { type CommandInput, Commands } from '../../testkit/commands.ts';
import { missingEngine, missingProduct } from '../../testkit/ids.ts';
import { Seed } from '../../testkit/seed.ts';
import { tablesWith } from '../../testkit/stored-text.ts';

const app = await startTestApp();
const { operator, clock } = app;
const seed = new Seed(app);
const commands = new Commands(app.app.schema);
expectNoFailures(app);
// Time stands still, so what a caller may spend does not come back by itself.
beforeEach(() => clock.advance(60_000));

const withKey = (header: string, secret: string): Client => new Client(app.app.url, { [header]: secret });

interface Issued {
  readonly product: { readonly id: string };
  readonly engine: { readonly id: string };
  readonly key: { readonly id: string };
  readonly secret: { readonly value: string } | null;
}

/** The answer of a command that makes a key. */
const issue = async (command: string, input: CommandInput): Promise<Issued> =>
  (await seed.run(command, input)) as unknown as Issued;

async function registerProduct(input: CommandInput = {}) {
  const { id: tenantId } = await seed.tenant();
  const { product, key, secret } = await issue('registerProduct', {
    tenantId,
    slug: seed.slug(),
    displayName: 'With a key',
    ...input,
  });
  if (secret === null) throw new Error('A platform key has a secret.');
  return {
    tenantId,
    productId: product.id,
    key,
    secret: secret.value,
    platform: withKey('x-platform-key', secret.value),
  };
}

const viewerQuery = '{ viewer { kind scopes } }';

const viewerOf = async (client: Client) => {
  const { data, status } = await client.send<{ viewer: object }, object>(viewerQuery);
  return status === 401 ? 'UNAUTHENTICATED' : data?.viewer;
};

describe('the platform key of a new product', () => {
  it('is shown once, is stored nowhere as it is, and lets the backend of the product do its work', async () => {
    const { productId, key, secret, platform } = await registerProduct();
    expect(await tablesWith(app.app.database, secret)).toEqual([]);
    expect(await viewerOf(platform)).toMatchObject({ kind: 'PRODUCT' });
    const { data } = await operator.send<object, object>(
      'query ($id: ID!) { product(id: $id) { apiKeys { edges { node { id name kind } } } } }',
      { id: productId },
    );
    expect(data).toEqual({
      product: { apiKeys: { edges: [{ node: { id: key.id, name: 'Platform key', kind: 'PRODUCT' } }] } },
    });
    const register = `mutation ($input: RegisterEngineInput!) { registerEngine(input: $input) {
      ... on RegisterEnginePayload { engine { userExternalId } secret { value } } ... on UserError { message } } }`;
    const registered = await platform.send<{ registerEngine: object }, object>(register, {
      input: { userExternalId: 'ada' },
    });
    expect(registered.errors).toBeUndefined();
    expect(registered.data?.registerEngine).toEqual({
      engine: { userExternalId: 'ada' },
      secret: { value: expect.any(String) },
    });
    const admit = `mutation { admitEngine(input: { userExternalId: "ada" }) {
      ... on AdmitEnginePayload { admission { reason } } } }`;
    expect((await platform.send(admit)).data).toEqual({
      admitEngine: { admission: { reason: 'ENGINE_PROVISIONING' } },
    });
  });

  it('belongs to the product: it is one of several that it may have, and goes with it', async () => {
    const { productId, platform } = await registerProduct();
    const second = await issue('createKey', { kind: 'PRODUCT', name: 'Second', productId });
    const other = withKey('x-platform-key', second.secret?.value ?? '');
    expect(await viewerOf(other)).toMatchObject({ kind: 'PRODUCT' });
    await seed.run('deleteProduct', { productId });
    for (const client of [platform, other]) expect(await viewerOf(client)).toBe('UNAUTHENTICATED');
  });

  it('is not made by who could do less than it', async () => {
    const { id: tenantId } = await seed.tenant();
    const client = app.withScopes('products:register');
    const { data } = await client.send<{ registerProduct: object }, object>(
      `mutation ($input: RegisterProductInput!) { registerProduct(input: $input) { __typename ... on UserError { code } } }`,
      { input: { tenantId, slug: seed.slug(), displayName: 'Too much' } },
    );
    expect(data?.registerProduct).toMatchObject({ code: 'PRIVILEGE_ESCALATION' });
    expect(await app.app.database.prisma.product.count({ where: { tenantId: decodeId('Tenant', tenantId) } })).toBe(0);
  });
});

describe('a platform key', () => {
  it('sees its own product and engines alone, and a foreign one as one that does not exist', async () => {
    const own = await registerProduct();
    const neighbour = await registerProduct({ tenantId: own.tenantId });
    const stranger = await registerProduct();
    const ofOwn = await seed.engine({ productId: own.productId });
    const ofNeighbour = await seed.engine({ productId: neighbour.productId });
    const ofStranger = await seed.engine({ productId: stranger.productId });

    const lists = await own.platform.send<object, object>(`{
      products { totalCount edges { node { id engineSummary { total } policyVersions { totalCount } } } }
      engines { totalCount edges { node { id } } }
    }`);
    expect(lists.errors).toBeUndefined();
    expect(lists.data).toEqual({
      products: {
        totalCount: 1,
        edges: [{ node: { id: own.productId, engineSummary: { total: 1 }, policyVersions: { totalCount: 1 } } }],
      },
      engines: { totalCount: 1, edges: [{ node: { id: ofOwn.id } }] },
    });

    const text = async (query: string, variables: object): Promise<string> => {
      const response = await fetch(`${own.platform.url}/graphql`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', ...own.platform.headers },
        body: JSON.stringify({ query, variables }),
      });
      return (await response.text()).replace(/"remaining":\d+/, '"remaining":0');
    };
    const productIds = [neighbour.productId, stranger.productId];
    const engineIds = [ofNeighbour.id, ofStranger.id];
    for (const [query, foreign, missing] of [
      ['query ($id: ID!) { product(id: $id) { id } }', productIds, missingProduct],
      ['query ($id: ID!) { node(id: $id) { id } }', productIds, missingProduct],
      ['query ($id: ID!) { nodes(ids: [$id]) { id } }', [...productIds, ...engineIds], missingProduct],
      ['query ($id: ID!) { engine(id: $id) { id } }', engineIds, missingEngine],
      ['query ($id: ID!) { node(id: $id) { id } }', engineIds, missingEngine],
      ['query ($id: ID!) { engines(filter: { productId: $id }) { totalCount } }', productIds, missingProduct],
      ['query ($id: ID!) { engine(productId: $id, userExternalId: "x") { id } }', productIds, missingProduct],
      ...[
        'registerEngine(input: { productId: $id, userExternalId: "x" })',
        'admitEngine(input: { productId: $id, userExternalId: "x" })',
      ].map(
        (call) =>
          [
            `mutation ($id: ID!) { ${call} { ... on UserError { code message path } } }`,
            productIds,
            missingProduct,
          ] as const,
      ),
      ...['reportEngine(input: { engineId: $id, health: HEALTHY })', 'destroyEngine(input: { engineId: $id })'].map(
        (call) =>
          [
            `mutation ($id: ID!) { ${call} { ... on UserError { code message path } } }`,
            engineIds,
            missingEngine,
          ] as const,
      ),
    ] as const) {
      const expected = await text(query, { id: missing });
      expect(expected).toMatch(/^\{"data":/);
      for (const id of foreign) expect(await text(query, { id })).toBe(expected);
    }
    expect(await app.app.database.prisma.engine.count({ where: { health: 'HEALTHY' } })).toBe(0);
  });
});

describe('the key of a new engine', () => {
  it('is made and shown once, and speaks for that engine', async () => {
    const { productId } = await registerProduct();
    const { engine, secret } = await issue('registerEngine', { productId, userExternalId: 'ada' });
    if (secret === null) throw new Error('A new key has a secret.');
    expect(await tablesWith(app.app.database, secret.value)).toEqual([]);
    const client = withKey('x-engine-key', secret.value);
    expect(await viewerOf(client)).toMatchObject({ kind: 'ENGINE' });
    const { data } = await client.send<object, object>('{ engines { edges { node { id } } } }');
    expect(data).toEqual({ engines: { edges: [{ node: { id: engine.id } }] } });
  });

  it.each([
    ['a text of its own', (text: string) => ({ text })],
    ['a hash alone', (text: string) => ({ sha256: hashSecret(text).toString('hex') })],
  ])('can be %s, which is not shown again', async (_kind, existingSecret) => {
    const { productId } = await registerProduct();
    const own = `static-${crypto.randomUUID()}-${crypto.randomUUID()}`;
    const { key, secret } = await issue('registerEngine', {
      productId,
      userExternalId: 'ada',
      existingSecret: existingSecret(own),
    });
    expect(key.id).toMatch(/^key_/);
    expect(secret).toBeNull();
    expect(await tablesWith(app.app.database, own)).toEqual([]);
    expect(await viewerOf(withKey('x-engine-key', own))).toMatchObject({ kind: 'ENGINE' });
  });

  it('is refused as soon as the engine is destroyed, and its place is free', async () => {
    const { productId } = await registerProduct({ policy: { maxEngines: 1 } });
    const { engine, secret } = await issue('registerEngine', { productId, userExternalId: 'ada' });
    const client = withKey('x-engine-key', secret?.value ?? '');
    expect(await viewerOf(client)).toMatchObject({ kind: 'ENGINE' });
    await seed.run('destroyEngine', { engineId: engine.id });
    expect(await viewerOf(client)).toBe('UNAUTHENTICATED');
    await issue('registerEngine', { productId, userExternalId: 'ada' });
  });

  it('can be rotated whatever the engine does', async () => {
    const { productId } = await registerProduct();
    const { engine, key } = await issue('registerEngine', { productId, userExternalId: 'ada' });
    for (const status of ['RUNNING', 'SLEEPING', 'STOPPED', 'FAILED']) {
      await seed.run('reportEngine', { engineId: engine.id, status });
      const rotated = await issue('rotateKey', { keyId: key.id, overlapSeconds: 0 });
      expect(await viewerOf(withKey('x-engine-key', rotated.secret?.value ?? ''))).toMatchObject({ kind: 'ENGINE' });
    }
  });

  it('is not made with a secret that another key has', async () => {
    const { productId } = await registerProduct();
    const existingSecret = { text: `shared-${crypto.randomUUID()}` };
    await issue('registerEngine', { productId, userExternalId: 'ada', existingSecret });
    const answer = await commands.run(operator, 'registerEngine', { productId, userExternalId: 'eve', existingSecret });
    expect(answer).toMatchObject({ issues: [{ rule: 'SECRET_IN_USE', path: ['existingSecret'] }] });
    expect(await app.app.database.prisma.engine.count({ where: { productId: decodeId('Product', productId) } })).toBe(
      1,
    );
  });
});
