import { beforeAll, describe, expect, it } from 'vitest';
import { startTestApp } from '../testkit/app.ts';
import type { Client } from '../testkit/client.ts';

// More than a query has to be executed to be compiled; src/server/compiled-queries.ts says how often that is.
const executions = 30;

const app = await startTestApp();
const { operator } = app;

beforeAll(async () => {
  for (const name of ['Acme', 'Beta', 'Gamma']) {
    await operator.send(`mutation { createTenant(input: { name: "${name}" }) { __typename } }`);
  }
});

interface Case {
  readonly name: string;
  readonly query: string;
  readonly variables?: Record<string, unknown>;
  readonly caller?: () => Client;
}

const list = 'query ($first: Int, $after: String, $filter: TenantFilter, $order: TenantOrder)';

const cases: readonly Case[] = [
  {
    name: 'a row with its group',
    query: '{ tenant(name: "acme") { id name weight status createdAt fairshareGroup { name } } }',
  },
  { name: 'a missing row', query: '{ tenant(name: "nobody") { id } }' },
  {
    name: 'a page with variables',
    query: `${list} { tenants(first: $first, after: $after, filter: $filter, orderBy: $order) { totalCount edges { cursor node { ...row } } pageInfo { hasNextPage endCursor } } } fragment row on Tenant { id name limits { tokensPerMinute budget { costUsd } } }`,
    variables: {
      first: 2,
      filter: { name: { contains: 'a' }, weight: { min: null } },
      order: { field: 'NAME', direction: 'DESC' },
    },
  },
  {
    name: 'omitted variables',
    query: `${list} { tenants(first: $first, after: $after, filter: $filter, orderBy: $order) { totalCount } }`,
  },
  {
    name: 'an omitted variable in an object whose field has a default',
    query:
      'query ($d: OrderDirection) { fairshareGroups(orderBy: { field: NAME, direction: $d }) { edges { node { name } } } }',
  },
  {
    name: 'null for a variable in an object whose field is never null',
    query:
      'query ($d: OrderDirection) { fairshareGroups(orderBy: { field: NAME, direction: $d }) { edges { node { id } } } }',
    variables: { d: null },
  },
  {
    name: 'an omitted field of a variable that has a default',
    query: 'query ($order: TenantOrder) { tenants(orderBy: $order) { edges { node { name } } } }',
    variables: { order: { field: 'NAME' } },
  },
  {
    name: 'null for a variable in a list whose items are never null',
    query: 'query ($s: TenantStatus = ACTIVE) { tenants(filter: { statuses: [$s] }) { totalCount } }',
    variables: { s: null },
  },
  {
    name: 'a variable in an object that is always given',
    query: 'query ($name: String!) { tenants(filter: { name: { equals: $name } }) { edges { node { name } } } }',
    variables: { name: 'acme' },
  },
  {
    name: 'fields that are left out',
    query:
      'query ($yes: Boolean!) { tenants { edges { node { id @skip(if: $yes) ...more @include(if: $yes) } } totalCount @skip(if: $yes) } } fragment more on Tenant { name @include(if: $yes) weight @skip(if: $yes) }',
    variables: { yes: true },
  },
  {
    name: 'the same fragment with and without a condition',
    query:
      'query ($no: Boolean!) { a: tenants { edges { node { ...f @include(if: $no) } } } b: tenants { edges { node { ...f } } } } fragment f on Tenant { name }',
    variables: { no: false },
  },
  {
    name: 'aliases and nested lists',
    query:
      '{ g: fairshareGroups { e: edges { n: node { w: weight t: tenants(first: 1) { totalCount edges { node { name } } } } } } }',
  },
  {
    name: 'an interface',
    query:
      '{ node(id: "fsg_01j0000000e008000000000001") { __typename id ... on FairshareGroup { name isDefault } ... on Tenant { weight } } }',
  },
  {
    name: 'JSON and big numbers',
    query:
      '{ auditLog(filter: { actions: ["createTenant"] }) { edges { node { sequence after before actor { kind name } target { type } } } } }',
  },
  { name: 'introspection', query: '{ __type(name: "Tenant") { name fields { name } } }' },
  { name: 'an error of an argument', query: '{ tenants(first: 0) { totalCount } tenant(name: "acme") { id } }' },
  {
    name: 'an error in a field that can be null, in a text of many lines',
    query: '{\n  # one\r\n\n  tenant(id: "fsg_01j0000000e008000000000001") { id } fairshareGroups { totalCount } }',
  },
  {
    name: 'an error in a list of nodes',
    query: '{ nodes(ids: ["fsg_01j0000000e008000000000001", "tnt_00000000000000000000000000"]) { id } }',
  },
  { name: 'a missing scope', query: '{ tenants { totalCount } }', caller: () => app.withScopes('audit:read') },
  {
    name: 'a missing scope below a list',
    query: '{ tenants { edges { node { name fairshareGroup { name } } } } }',
    caller: () => app.withScopes('tenants:read'),
  },
  {
    name: 'a variable of another type',
    query: 'query ($first: Int) { tenants(first: $first) { totalCount } }',
    variables: { first: 'many' },
  },
];

const update =
  'mutation ($input: UpdateTenantInput!) { updateTenant(input: $input) { __typename ... on UpdateTenantPayload { tenant { name organization activeUntil } } ... on UserError { code message path } } }';

/** Those that change nothing, so that each execution answers the same. */
const commandCases: readonly Case[] = [
  {
    name: 'a row that is missing',
    query: update,
    variables: { input: { tenantId: 'tnt_00000000000000000000000000' } },
  },
  { name: 'an input against the rules', query: update, variables: { input: { tenantId: 'no id', name: ' ' } } },
  {
    name: 'a missing scope',
    query: update,
    variables: { input: { tenantId: 'no id' } },
    caller: () => app.withScopes(),
  },
  { name: 'a field that is missing', query: update, variables: { input: { name: 'Acme' } } },
  { name: 'a field that there is not', query: update, variables: { input: { tenantId: 'no id', nothing: 1 } } },
  { name: 'a variable of another type', query: update, variables: { input: 'many' } },
  { name: 'no variable', query: update },
  {
    name: 'a name that is taken, beside a fragment and a condition',
    query:
      'mutation ($name: String!, $yes: Boolean!) { made: createTenant(input: { name: $name }) { ...why @include(if: $yes) } } fragment why on UserError { __typename code path }',
    variables: { name: 'Beta', yes: true },
  },
];

async function answersAlike({ name, query, variables, caller = () => operator }: Case): Promise<void> {
  const client = caller();
  const answers: unknown[] = [];
  for (let execution = 0; execution < executions; execution += 1) {
    // One document for each case, so that each starts without executions.
    const { status, data, errors } = await client.send(`# ${name}\n${query}`, variables);
    answers.push({
      status,
      data,
      errors: errors?.map(({ message, locations, path, extensions }) => ({
        ...{ message, locations, path },
        code: extensions.code,
      })),
    });
  }
  expect(answers[0]).toMatchObject({ status: expect.any(Number) });
  expect(new Set(answers.map((answer) => JSON.stringify(answer)))).toEqual(new Set([JSON.stringify(answers[0])]));
}

describe('a query that is executed often enough to be compiled', () => {
  it.each(cases)('answers as before: $name', answersAlike);

  it('hides failures of the server as before', async () => {
    const broken = await startTestApp();
    await broken.app.database.pool.query('ALTER TABLE tenant RENAME TO tenant_away');
    for (let execution = 0; execution < executions; execution += 1) {
      const [error] = await broken.operator.fail('{ tenants { edges { node { id } } } }');
      expect(error).toMatchObject({
        message: expect.not.stringContaining('tenant_away'),
        path: ['tenants'],
        extensions: { code: 'INTERNAL_SERVER_ERROR', requestId: expect.any(String) },
      });
    }
    expect(broken.logged).toHaveLength(executions);
  });
});

describe('a command that is executed often enough to be compiled', () => {
  it.each(commandCases)('answers as before: $name', answersAlike);

  const until = '2030-01-01T00:00:00.000Z';

  /** A tenant with an end, of a name that no other has. */
  const make = async (name: string): Promise<string> => {
    const { data } = await operator.send<{ createTenant: { tenant: { id: string } } }, object>(
      'mutation ($input: CreateTenantInput!) { createTenant(input: $input) { ... on CreateTenantPayload { tenant { id } } } }',
      { input: { name, activeUntil: until } },
    );
    return data?.createTenant.tenant.id ?? '';
  };

  it('leaves alone what a patch omits, and clears what it says is null', async () => {
    const tenantId = await make('Patched');
    for (let execution = 0; execution < executions; execution += 1) {
      const patch = async (fields: object) => (await operator.send(update, { input: { tenantId, ...fields } })).data;
      const kept = { updateTenant: { tenant: { organization: `org ${execution}`, activeUntil: until } } };
      expect(await patch({ organization: `org ${execution}`, activeUntil: until })).toMatchObject(kept);
      expect(await patch({ name: 'Patched' })).toMatchObject(kept);
      expect(await patch({ activeUntil: null })).toMatchObject({ updateTenant: { tenant: { activeUntil: null } } });
    }
  });

  it('leaves alone what a patch omits whose fields are variables', async () => {
    const tenantId = await make('Patched by variables');
    for (let execution = 0; execution < executions; execution += 1) {
      const { data } = await operator.send(
        'mutation ($id: ID!, $org: String, $until: DateTime) { updateTenant(input: { tenantId: $id, organization: $org, activeUntil: $until }) { ... on UpdateTenantPayload { tenant { organization activeUntil } } } }',
        { id: tenantId, org: `org ${execution}` },
      );
      const tenant = { organization: `org ${execution}`, activeUntil: until };
      expect(data).toEqual({ updateTenant: { tenant } });
    }
  });

  it('is carried out once each time, and those of one operation one after the other', async () => {
    const tenantId = await make('Counted');
    for (let execution = 0; execution < executions; execution += 1) {
      const input = (step: number) => ({ tenantId, organization: `${execution} ${step}` });
      const { data } = await operator.send<Record<'first' | 'second', { tenant: { revision: number } }>, object>(
        `mutation ($one: UpdateTenantInput!, $two: UpdateTenantInput!) {
           first: updateTenant(input: $one) { ... on UpdateTenantPayload { tenant { revision } } }
           second: updateTenant(input: $two) { ... on UpdateTenantPayload { tenant { revision } } } }`,
        { one: input(1), two: input(2) },
      );
      const single = await operator.send<{ updateTenant: { tenant: { revision: number } } }, object>(
        'mutation ($input: UpdateTenantInput!) { updateTenant(input: $input) { ... on UpdateTenantPayload { tenant { revision } } } }',
        { input: input(3) },
      );
      expect([
        data?.first.tenant.revision,
        data?.second.tenant.revision,
        single.data?.updateTenant.tenant.revision,
      ]).toEqual([3 * execution + 2, 3 * execution + 3, 3 * execution + 4]);
    }
  });
});
