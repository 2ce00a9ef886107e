import { beforeEach, describe, expect, it } from 'vitest';
import { startTestApp } from '../../testkit/app.ts';
import { expectNoFailures } from '../../testkit/bad-input.ts';
import { type CommandInput, Commands } from '../../testkit/commands.ts';
import { graphql } from '../../testkit/generated/gql.ts';
import { storedRows } from '../../testkit/rows.ts';
import { Seed } from '../../testkit/seed.ts';

const app = await startTestApp();
const replica = await startTestApp({ sameDatabaseAs: app, clock: app.clock });
const { operator, clock } = app;
const seed = new Seed(app);
const commands = new Commands(app.app.schema);
expectNoFailures(app);
expectNoFailures(replica);
// Time stands still, so what a caller may spend does not come back by itself.
beforeEach(() => clock.advance(60_000));

const policyHistory = graphql(`
  query PolicyHistory($id: ID!, $version: Int, $first: Int, $after: String) {
    product(id: $id) {
      policy {
        ...PolicyValues
      }
      policyVersions(first: $first, after: $after) {
        totalCount
        pageInfo {
          hasNextPage
          endCursor
        }
        edges {
          node {
            version
            revertedFrom
            createdAt
            createdBy {
              credentialId
              name
            }
            policy {
              ...PolicyValues
            }
          }
        }
      }
      policyVersion(version: $version) {
        version
        policy {
          maxEngines
        }
        product {
          id
        }
      }
    }
  }

  fragment PolicyValues on ProductPolicy {
    version
    maxEngines
    rateLimitRpm
    engineVersion
    rollout {
      engineVersion
      percent
    }
  }
`);

const historyOf = async (id: string, variables: { version?: number; first?: number; after?: string } = {}) => {
  const { product } = await operator.run(policyHistory, { id, ...variables });
  if (!product) throw new Error('There is no such product.');
  return product;
};

const unlimited = { maxEngines: null, rateLimitRpm: null, engineVersion: null, rollout: null };
const full = {
  maxEngines: 3,
  rateLimitRpm: 600,
  engineVersion: 'v1',
  rollout: { engineVersion: 'v2', percent: 25 },
};

const run = (name: string, input: CommandInput) => commands.run(operator, name, input);

describe('the policy of a product', () => {
  it('is unlimited when it is registered without one, and with {}', async () => {
    for (const policy of [undefined, null, {}]) {
      const { id } = await seed.product({ policy });
      expect((await historyOf(id)).policy).toEqual({ version: 1, ...unlimited });
    }
  });

  it('takes the engine version of the registration, alone or the same twice, and not two different ones', async () => {
    for (const input of [
      { engineVersion: 'v1' },
      { policy: { engineVersion: 'v1' } },
      { engineVersion: 'v1', policy: { engineVersion: 'v1' } },
      { engineVersion: 'v1', policy: { maxEngines: null } },
    ]) {
      const { id } = await seed.product(input);
      expect((await historyOf(id)).policy).toEqual({ version: 1, ...unlimited, engineVersion: 'v1' });
    }
    const { id: tenantId } = await seed.tenant();
    expect(
      await run('registerProduct', {
        tenantId,
        slug: seed.slug(),
        displayName: 'Two versions',
        engineVersion: 'v1',
        policy: { engineVersion: 'v2' },
      }),
    ).toMatchObject({ issues: [{ rule: 'CONFLICTING_FIELDS', path: ['engineVersion'] }] });
  });

  it('is replaced as a whole by setProductPolicy: what is omitted is unlimited', async () => {
    const { id: productId } = await seed.product({ policy: full });
    const { policy } = await run('setProductPolicy', { productId, policy: { maxEngines: 0 } });
    expect(policy).toEqual({ version: 2, ...unlimited, maxEngines: 0 });
    expect((await historyOf(productId)).policy).toEqual(policy);
  });

  it('is patched by updateProductPolicy: what is omitted stays, null clears, and a rollout is replaced as a whole', async () => {
    const { id: productId } = await seed.product({ policy: full });
    const patch = async (policy: object) => (await run('updateProductPolicy', { productId, policy })).policy;
    expect(await patch({ maxEngines: 4 })).toEqual({ ...full, version: 2, maxEngines: 4 });
    expect(await patch({ rateLimitRpm: null })).toEqual({ ...full, version: 3, maxEngines: 4, rateLimitRpm: null });
    expect(await patch({ rollout: { engineVersion: 'v2', percent: 50 } })).toMatchObject({
      version: 4,
      rollout: { engineVersion: 'v2', percent: 50 },
    });
    expect(await patch({ rollout: null, engineVersion: null })).toEqual({
      version: 5,
      ...unlimited,
      maxEngines: 4,
    });
  });

  it('has no new version when its values stay what they are', async () => {
    const { id: productId } = await seed.product({ policy: full });
    const before = await storedRows(app);
    for (const [command, input] of [
      ['setProductPolicy', { policy: full }],
      ['updateProductPolicy', { policy: {} }],
      ['updateProductPolicy', { policy: { maxEngines: 3, rollout: full.rollout } }],
      ['revertProductPolicy', { version: 1 }],
    ] as const) {
      expect(await run(command, { productId, ...input })).toMatchObject({
        policy: { version: 1 },
        product: { revision: 1 },
      });
    }
    expect(await storedRows(app)).toBe(before);
  });

  it('keeps every version, with who set it and when, the newest first', async () => {
    const { id: productId } = await seed.product({ policy: { maxEngines: 1 } });
    const registeredAt = clock.now().toISOString();
    clock.advance(1_000);
    const other = app.withScopes('products:write', 'engines:read', 'tenants:read', 'fairshare:read');
    await commands.run(other, 'updateProductPolicy', { productId, policy: { maxEngines: 2 } });
    const { policyVersions } = await historyOf(productId);
    expect(policyVersions.totalCount).toBe(2);
    expect(policyVersions.edges.map(({ node }) => node)).toEqual([
      {
        version: 2,
        revertedFrom: null,
        createdAt: clock.now().toISOString(),
        createdBy: { credentialId: expect.stringMatching(/^test:/), name: 'test credential' },
        policy: { version: 2, ...unlimited, maxEngines: 2 },
      },
      {
        version: 1,
        revertedFrom: null,
        createdAt: registeredAt,
        createdBy: { credentialId: expect.any(String), name: 'root admin key' },
        policy: { version: 1, ...unlimited, maxEngines: 1 },
      },
    ]);
  });

  it('goes back to an earlier version as a new version that says so', async () => {
    const { id: productId } = await seed.product({ policy: full });
    await run('setProductPolicy', { productId, policy: { maxEngines: 0 } });
    const answer = await run('revertProductPolicy', { productId, version: 1 });
    expect(answer).toMatchObject({ policy: { ...full, version: 3 }, product: { revision: 3 } });
    const { policy, policyVersions } = await historyOf(productId);
    expect(policy).toEqual({ ...full, version: 3 });
    expect(policyVersions.edges.map(({ node }) => [node.version, node.revertedFrom])).toEqual([
      [3, 1],
      [2, null],
      [1, null],
    ]);
  });

  it('shows one version by its number, by default the newest, and null for one that it never had', async () => {
    const { id } = await seed.product({ policy: { maxEngines: 1 } });
    await run('setProductPolicy', { productId: id, policy: { maxEngines: 2 } });
    const version = async (number?: number) =>
      (await historyOf(id, number === undefined ? {} : { version: number })).policyVersion;
    expect(await version(1)).toEqual({ version: 1, policy: { maxEngines: 1 }, product: { id } });
    expect(await version()).toMatchObject({ version: 2 });
    for (const number of [0, 3, -1, 2 ** 31 - 1]) expect(await version(number)).toBeNull();
  });

  it('has its versions page by page', async () => {
    const { id } = await seed.product();
    for (let maxEngines = 2; maxEngines <= 5; maxEngines += 1) {
      await run('setProductPolicy', { productId: id, policy: { maxEngines } });
    }
    const seen: number[] = [];
    let after: string | undefined;
    do {
      const { policyVersions } = await historyOf(id, { first: 2, ...(after === undefined ? {} : { after }) });
      seen.push(...policyVersions.edges.map(({ node }) => node.version));
      after = policyVersions.pageInfo.hasNextPage ? (policyVersions.pageInfo.endCursor ?? undefined) : undefined;
    } while (after !== undefined);
    expect(seen).toEqual([5, 4, 3, 2, 1]);
  });

  it('below what there is destroys nothing, says how many engines exceed it and takes no further one', async () => {
    const { id: productId } = await seed.product();
    for (let count = 0; count < 3; count += 1) await seed.engine({ productId });
    expect(await run('setProductPolicy', { productId, policy: { maxEngines: 1 } })).toMatchObject({
      exceedingEngineCount: 2,
    });
    expect(await run('updateProductPolicy', { productId, policy: { maxEngines: 5 } })).toMatchObject({
      exceedingEngineCount: 0,
    });
    expect(await run('revertProductPolicy', { productId, version: 2 })).toMatchObject({ exceedingEngineCount: 2 });
    expect(await run('registerEngine', { productId, userExternalId: 'one more' })).toMatchObject({
      code: 'QUOTA_EXCEEDED',
      maxEngines: 1,
      engineCount: 3,
    });
  });

  it('is shown by a dry run as it would be, and stays as it is', async () => {
    const { id: productId } = await seed.product({ policy: { maxEngines: 9 } });
    await run('setProductPolicy', { productId, policy: { maxEngines: 8 } });
    await seed.engine({ productId });
    const before = await storedRows(app);
    for (const [command, input, maxEngines] of [
      ['setProductPolicy', { policy: { maxEngines: 0 } }, 0],
      ['updateProductPolicy', { policy: { maxEngines: 0 } }, 0],
      ['revertProductPolicy', { version: 1 }, 9],
    ] as const) {
      expect(await run(command, { productId, ...input, dryRun: true })).toMatchObject({
        dryRun: true,
        policy: { version: 3, maxEngines },
        product: { revision: 2, policy: { version: 2, maxEngines: 8 } },
        exceedingEngineCount: maxEngines === 0 ? 1 : 0,
      });
    }
    expect(await storedRows(app)).toBe(before);
  });

  it('is in effect on every replica from the next request on', async () => {
    const { id: productId } = await seed.product({ policy: { maxEngines: 0 } });
    const register = () => commands.run(replica.operator, 'registerEngine', { productId, userExternalId: seed.name() });
    expect((await register()).code).toBe('QUOTA_EXCEEDED');
    await run('setProductPolicy', { productId, policy: { maxEngines: 1 } });
    expect((await register()).__typename).toBe('RegisterEnginePayload');
    await run('setProductPolicy', { productId, policy: { maxEngines: 0 } });
    expect((await register()).code).toBe('QUOTA_EXCEEDED');
  });

  it('changed by many at the same time has one version for each, and one change for each expected revision', async () => {
    const { id: productId } = await seed.product({ policy: { maxEngines: 0 } });
    const change = (maxEngines: number, more: object = {}) =>
      commands.run((maxEngines % 2 === 0 ? app : replica).operator, 'setProductPolicy', {
        productId,
        policy: { maxEngines },
        ...more,
      });
    const answers = await Promise.all(Array.from({ length: 8 }, (_, index) => change(index + 1)));
    const versions = answers.map(({ policy }) => (policy as { version: number }).version);
    expect(versions.toSorted()).toEqual([2, 3, 4, 5, 6, 7, 8, 9]);
    const expecting = await Promise.all(
      Array.from({ length: 6 }, (_, index) => change(index + 20, { expectedRevision: 9 })),
    );
    expect(expecting.filter(({ code }) => code === 'STALE_REVISION')).toHaveLength(5);
    expect((await historyOf(productId)).policyVersions.totalCount).toBe(10);
  });
});
