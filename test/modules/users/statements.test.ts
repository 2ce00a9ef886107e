import { beforeEach, expect, it } from 'vitest';
import { startTestApp } from '../../testkit/app.ts';
import { expectNoFailures } from '../../testkit/bad-input.ts';
import { Seed } from '../../testkit/seed.ts';
import { recordsStatements, statementsOf } from '../../testkit/statements.ts';
import { appCases } from '../apps/cases.ts';
import { teamCases } from '../teams/cases.ts';
import { userCases } from './cases.ts';

const app = await startTestApp({
  environment: { FAIRLEAD_MAX_OPERATION_COST: '1000000', FAIRLEAD_COST_CAPACITY: '1000000' },
});
const seed = new Seed(app);
expectNoFailures(app);
// Time stands still, so what a caller may spend does not come back by itself.
beforeEach(() => app.clock.advance(600_000));

recordsStatements(app, seed, { ...teamCases, ...userCases, ...appCases });

const limits = 'limits { tokensPerDay budget { tokens } }';

/** Queries whose number of statements must not depend on how many rows there are. */
const queries: Readonly<Record<string, string>> = {
  'users with their teams and tenants': `{ users(first: 100) { edges { node { id externalId metadata ${limits} team { id name } tenant { id name } } } } }`,
  'a filtered and sorted page of users': `{ users(
      filter: { externalId: { startsWith: "S", contains: "e" }, statuses: [ACTIVE], withoutTeam: true }
      orderBy: { field: CREATED_AT, direction: DESC }, last: 50
    ) { totalCount edges { node { id } } } }`,
  'teams with their users': `{ teams(first: 100) { edges { node { id name ${limits} users(first: 10) { totalCount edges { node { id } } } } } } }`,
  'applications with their tenants':
    '{ apps(first: 100) { edges { node { id inference { model } tenant { name } } } } }',
  'tenants with all that they have': `{ tenants(first: 50) { edges { node {
      teams { totalCount edges { node { id } } } users { totalCount edges { node { id team { name } } } } apps { totalCount edges { node { id } } }
    } } } }`,
};

it('the statements of each query do not depend on the number of rows', async () => {
  const sent = async () => {
    const statements: Record<string, readonly string[]> = {};
    for (const [name, query] of Object.entries(queries)) {
      app.clock.advance(600_000);
      const unsorted = await statementsOf(app, async () => {
        const { errors } = await app.operator.send(query);
        expect(errors).toBeUndefined();
      });
      // What does not need the other's answer is sent at the same time.
      statements[name] = unsorted.toSorted();
    }
    return statements;
  };
  const { id: teamId, tenantId } = await seed.team();
  await seed.user({ tenantId, teamId });
  await seed.app({ tenantId });
  const few = await sent();
  expect(few).toMatchSnapshot();
  for (let index = 0; index < 8; index += 1) {
    const team = await seed.team();
    const of = { tenantId: team.tenantId };
    await Promise.all([seed.app(of), seed.app(of), seed.team(of)]);
    await Promise.all(Array.from({ length: 4 }, () => seed.user({ ...of, teamId: team.id })));
    app.clock.advance(600_000);
  }
  expect(await sent()).toEqual(few);
});
