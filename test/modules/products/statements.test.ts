import { beforeEach, expect, it } from 'vitest';
import { decodeId } from '../../../src/graph/ids.ts';
import { startTestApp } from '../../testkit/app.ts';
import { expectNoFailures } from '../../testkit/bad-input.ts';
import { Seed } from '../../testkit/seed.ts';
import { recordsStatements, statementsOf } from '../../testkit/statements.ts';
import { engineCases } from '../engines/cases.ts';
import { productCases } from './cases.ts';

const app = await startTestApp({ environment: { FAIRLEAD_MAX_OPERATION_COST: '1000000' } });
const seed = new Seed(app);
expectNoFailures(app);
// Time stands still, so what a caller may spend does not come back by itself.
beforeEach(() => app.clock.advance(60_000));

recordsStatements(app, seed, { ...productCases, ...engineCases });

/** Queries whose number of statements must not depend on how many rows there are. */
const queries: Readonly<Record<string, string>> = {
  'a page of products with their tenants and policies': `{ products(first: 100) { totalCount edges { node {
      slug status tenant { name } policy { version rollout { percent } } } } } }`,
  'products with their engines, summaries and policy versions': `{ products(first: 50) { edges { node {
      engines(first: 10) { totalCount edges { node { id url targetVersion } } }
      engineSummary { total byStatus { count } }
      policyVersions(first: 5) { totalCount edges { node { version createdBy { name } } } }
      policyVersion(version: 1) { policy { maxEngines } }
    } } } }`,
  'tenants with their products': `{ tenants(first: 50) { edges { node { products(first: 5) { edges { node { slug } } } } } } }`,
  'a page of engines with their products and tenants': `{ engines(first: 100, filter: { statuses: [PROVISIONING] }) {
      edges { node { userExternalId isOutdated product { slug tenant { name } } } } } }`,
};

it('the statements of each query do not depend on the number of rows', async () => {
  const sent = async () => {
    const statements: Record<string, readonly string[]> = {};
    for (const [name, query] of Object.entries(queries)) {
      app.clock.advance(60_000);
      const ofQuery = await statementsOf(app, async () => {
        expect((await app.operator.send(query)).errors).toBeUndefined();
      });
      // Lists that stand beside each other are read at the same time.
      statements[name] = ofQuery.toSorted();
    }
    return statements;
  };
  const few = await sent();
  expect(few).toMatchSnapshot();
  for (let index = 0; index < 10; index += 1) {
    const { id: productId } = await seed.product();
    for (let count = 0; count < 3; count += 1) await seed.engine({ productId });
    app.clock.advance(60_000);
  }
  expect(await sent()).toEqual(few);
});

it('a metered reading sends these statements, and without a limit one more than an unmetered one', async () => {
  const read = async (rateLimitRpm: number | null) => {
    const { id, tenantId } = await seed.product({ policy: { rateLimitRpm } });
    const client = app.as({
      kind: 'PRODUCT',
      tenantId: decodeId('Tenant', tenantId),
      productId: decodeId('Product', id),
      scopes: new Set(['engines:read']),
    });
    await client.send('{ engines { edges { node { id } } } }');
    const statements = await statementsOf(app, () => client.send('{ engines { edges { node { id } } } }'));
    // The others find the caller's key, and put a connection behind another fence than it was.
    return statements.filter((statement) => !/api_key_secret|set_config/.test(statement));
  };
  expect(await read(null)).toHaveLength(2);
  expect(await read(1_000)).toMatchSnapshot();
});
