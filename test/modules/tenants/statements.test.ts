import { beforeEach, expect, it } from 'vitest';
import { startTestApp } from '../../testkit/app.ts';
import { expectNoFailures } from '../../testkit/bad-input.ts';
import { Commands } from '../../testkit/commands.ts';
import { Seed } from '../../testkit/seed.ts';
import { recordsStatements, statementsOf } from '../../testkit/statements.ts';
import { fairshareGroupCases } from '../fairshare-groups/cases.ts';
import { tenantCases } from './cases.ts';

const app = await startTestApp({ environment: { FAIRLEAD_MAX_OPERATION_COST: '1000000' } });
const seed = new Seed(app);
const commands = new Commands(app.app.schema);
expectNoFailures(app);
// Time stands still, so what a caller may spend does not come back by itself.
beforeEach(() => app.clock.advance(60_000));

recordsStatements(app, seed, { ...tenantCases, ...fairshareGroupCases });

it('an idempotency key costs two statements, and a repetition two in all', async () => {
  const input = { name: seed.name(), idempotencyKey: 'statements' };
  expect(await statementsOf(app, () => commands.run(app.operator, 'createTenant', input))).toMatchSnapshot();
  expect(await statementsOf(app, () => commands.run(app.operator, 'createTenant', input))).toMatchSnapshot();
});

const tenantFields = `id name description organization contactEmail status weight timeZone activeFrom activeUntil
  weeklyWindows { day } allowedModels limits { tokensPerDay budget { tokens costUsd } } tracingEnabled
  guardrailsPolicy { action } synthetic revision createdAt updatedAt fairshareGroup { id name weight }`;

/** Queries whose number of statements must not depend on how many rows there are. */
const queries: Readonly<Record<string, string>> = {
  'one tenant by name with its group': `{ tenant(name: "Seed 1") { ${tenantFields} } }`,
  'a page of tenants with their groups': `{ tenants(first: 100) { edges { cursor node { ${tenantFields} } } pageInfo { endCursor hasNextPage } } }`,
  'a page of tenants and how many there are': '{ tenants(first: 100) { totalCount edges { node { id } } } }',
  'only how many tenants there are': '{ tenants { totalCount } }',
  'a filtered and sorted page of tenants': `{ tenants(
      filter: { name: { startsWith: "s", contains: "e" }, statuses: [ACTIVE], weight: { min: 1, max: 500 } }
      orderBy: { field: CREATED_AT, direction: DESC }, last: 50
    ) { edges { node { id name } } } }`,
  'groups with their tenants': `{ fairshareGroups(first: 50) { edges { node { id name tenants(first: 100) { edges { node { ${tenantFields} } } } } } } }`,
  'groups with their tenants and all counts': `{ fairshareGroups(first: 50) { totalCount edges { node {
      id tenants(first: 100, orderBy: { field: WEIGHT, direction: DESC }) { totalCount edges { node { id } } }
    } } } }`,
  'groups with the tenants of the groups of their tenants': `{ fairshareGroups(first: 20) { edges { node { tenants(first: 20) {
      edges { node { fairshareGroup { tenants(first: 2) { totalCount edges { node { id } } } } } }
    } } } } }`,
};

it('the statements of each query do not depend on the number of rows', async () => {
  const sent = async () => {
    const statements: Record<string, readonly string[]> = {};
    for (const [name, query] of Object.entries(queries)) {
      app.clock.advance(60_000);
      statements[name] = await statementsOf(app, async () => {
        const { errors } = await app.operator.send(query);
        expect(errors).toBeUndefined();
      });
    }
    return statements;
  };
  const few = await sent();
  expect(few).toMatchSnapshot();
  for (let index = 0; index < 20; index += 1) {
    const group = await seed.group();
    await Promise.all(Array.from({ length: 5 }, () => seed.tenant({ fairshareGroupId: group.id })));
    app.clock.advance(60_000);
  }
  expect(await sent()).toEqual(few);
});

it('counting adds its statement only when it is selected', async () => {
  const send = (query: string) => statementsOf(app, () => app.operator.send(query));
  const page = await send('{ tenants { edges { node { id } } } }');
  const counted = await send('{ tenants { totalCount edges { node { id } } } }');
  expect(page.join(' ')).not.toContain('count(');
  expect(counted.length - page.length).toBeLessThanOrEqual(1);
  expect(counted.join(' ')).toContain('count(');
});

it('nodes of one type cost one statement, however many there are', async () => {
  const made = await Promise.all(Array.from({ length: 30 }, () => seed.tenant()));
  const send = (ids: readonly string[]) =>
    statementsOf(app, async () => {
      const { errors } = await app.operator.send('query ($ids: [ID!]!) { nodes(ids: $ids) { id } }', { ids });
      expect(errors).toBeUndefined();
    });
  const ids = made.map(({ id }) => id);
  const one = await send(ids.slice(0, 1));
  expect(one).toHaveLength(1);
  expect(await send(ids)).toEqual(one);
});
