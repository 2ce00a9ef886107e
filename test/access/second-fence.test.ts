import { getNamedType } from 'graphql';
import { beforeEach, describe, expect, it, vi } from 'vitest';
import type { Principal } from '../../src/access/principal.ts';
import { scopesOfKind } from '../../src/access/scopes.ts';
import { encodeId, type NodeType } from '../../src/graph/ids.ts';
import { commandCases } from '../modules/commands.ts';
import { startTestApp } from '../testkit/app.ts';
import { Commands } from '../testkit/commands.ts';
import { queriesForEverything } from '../testkit/everything.ts';
import { addTenantRows, type TenantRows } from '../testkit/fenced-rows.ts';
import { storedRows } from '../testkit/rows.ts';
import { Seed } from '../testkit/seed.ts';

// Every service forgets its filter: it asks for rows without a condition on whose they are.
vi.mock('../../src/access/visibility.ts', async (original) => ({
  ...(await original<typeof import('../../src/access/visibility.ts')>()),
  visibleTo: () => [],
}));

const unlimited = {
  FAIRLEAD_COST_CAPACITY: '1000000000',
  FAIRLEAD_MAX_OPERATION_COST: '1000000000',
  FAIRLEAD_MAX_DEPTH: '30',
  FAIRLEAD_MAX_TOKENS: '100000',
};
const app = await startTestApp({ environment: unlimited });
const { schema, database } = app.app;
const seed = new Seed(app);
const commands = new Commands(schema);
beforeEach(() => app.clock.advance(60_000));

const own = await addTenantRows(database);
const foreign = await addTenantRows(database);

const tableOf: Readonly<Partial<Record<NodeType, readonly [string, string]>>> = {
  Tenant: ['tenant', 'id'],
  Team: ['team', 'tenant_id'],
  User: ['tenant_user', 'tenant_id'],
  App: ['app', 'tenant_id'],
  Product: ['product', 'tenant_id'],
  ProductPolicyVersion: ['product_policy_version', 'tenant_id'],
  Engine: ['engine', 'tenant_id'],
  ApiKey: ['api_key', 'tenant_id'],
  ApiKeySecret: ['api_key_secret', 'tenant_id'],
  Gateway: ['gateway', 'tenant_id'],
  AuditEntry: ['audit_entry', 'chain_id'],
  UsageRecord: ['usage_record', 'tenant_id'],
};

/** The ids of all rows of a tenant, as the graph has them, and the names of all that has one. */
async function tracesOf({ tenantId, groupId, modelId }: TenantRows): Promise<{ ids: string[]; names: string[] }> {
  const ids = [encodeId('FairshareGroup', groupId), encodeId('Model', modelId)];
  const names: string[] = [];
  for (const [type, [table, owner]] of Object.entries(tableOf) as [NodeType, readonly [string, string]][]) {
    const { rows } = await database.pool.query<Readonly<Record<string, unknown>> & { id: string }>(
      `SELECT * FROM "${table}" WHERE ${owner} = $1`,
      [tenantId],
    );
    ids.push(...rows.map(({ id }) => encodeId(type, id)));
    names.push(
      ...rows.flatMap(({ name, slug, external_id }) => [name, slug, external_id].filter((text) => text)).map(String),
    );
  }
  return { ids, names };
}

const ofOwn = await tracesOf(own);
const ofForeign = await tracesOf(foreign);

// What is the deployment's alone is refused before any row is read: it is not for these tests.
const scopes = scopesOfKind('TENANT');
const everything = (depth: number) => queriesForEverything(schema, depth, ['pepperStatus', 'capacity']);

const [productId = ''] = own.productIds;
const [userId = ''] = own.userIds;
const tenantId = own.tenantId;
const callers: Readonly<Record<string, Omit<Principal, 'credentialId' | 'name'>>> = {
  'a tenant': { kind: 'TENANT', tenantId, scopes },
  'a product': { kind: 'PRODUCT', tenantId, productId, scopes },
  'a user': { kind: 'USER', tenantId, userId, scopes },
};

describe('without the filters of the services', () => {
  it('an operator’s request shows everything, so these tests would notice', async () => {
    const seen = await Promise.all(
      everything(2).map(async ([, query]) => JSON.stringify((await app.operator.send(query)).data)),
    );
    expect(ofForeign.ids.filter((id) => !seen.join().includes(id))).toEqual([]);
  });

  describe.each(Object.keys(callers))('a request of %s', (caller) => {
    const principal = callers[caller];
    if (principal === undefined) throw new Error(`There is no caller ${caller}.`);
    const client = app.as(principal);

    it.each(everything(3))('shows nothing of another tenant in %s and all below it', async (_field, query) => {
      const { data, errors } = await client.send(query);
      expect(errors).toBeUndefined();
      const seen = JSON.stringify(data);
      expect([...ofForeign.ids, ...ofForeign.names].filter((trace) => seen.includes(trace))).toEqual([]);
    });

    it('counts nothing of another tenant', async () => {
      const lists = Object.values(schema.getQueryType()?.getFields() ?? {}).filter(({ args }) =>
        args.some(({ name }) => name === 'first'),
      );
      const query = `{ ${lists.map(({ name }) => `${name}(first: 100) { totalCount edges { node { id } } }`).join(' ')} }`;
      const { data } = await client.send<Record<string, { totalCount: number; edges: unknown[] }>, object>(query);
      expect(Object.keys(data ?? {})).toHaveLength(lists.length);
      for (const [list, { totalCount, edges }] of Object.entries(data ?? {})) {
        expect(totalCount, list).toBe(edges.length);
      }
      expect(ofForeign.ids.filter((id) => JSON.stringify(data).includes(id))).toEqual([]);
    });

    it('finds no row of another tenant by its id', async () => {
      const answers = await client.send<{ nodes: unknown[]; node: unknown }, object>(
        'query ($ids: [ID!]!, $id: ID!) { nodes(ids: $ids) { __typename id } node(id: $id) { __typename id } }',
        { ids: ofForeign.ids.slice(0, 100), id: ofForeign.ids[0] },
      );
      expect(answers.errors).toBeUndefined();
      expect(answers.data).toEqual({ nodes: ofForeign.ids.slice(0, 100).map(() => null), node: null });
    });

    // Leases are in memory, in front of any fence.
    it('finds none by a field that takes its id either', async () => {
      const fields = Object.values(schema.getQueryType()?.getFields() ?? {}).filter(
        ({ name, args }) => name !== 'node' && name !== 'lease' && args.some((arg) => arg.name === 'id'),
      );
      expect(fields.length).toBeGreaterThan(5);
      for (const { name, type } of fields) {
        const named = getNamedType(type).name as NodeType;
        const ids = ofForeign.ids.filter((id) => id.startsWith(encodeId(named, tenantId).replace(/_.*/, '_')));
        expect(ids, name).not.toEqual([]);
        for (const id of ids) {
          const { data } = await client.send(`query ($id: ID!) { found: ${name}(id: $id) { id } }`, { id });
          expect(data, name).toEqual({ found: null });
        }
      }
    });
  });

  it('a tenant still sees all of its own', async () => {
    const client = app.as(callers['a tenant'] ?? { kind: 'TENANT', scopes });
    const seen = await Promise.all(
      everything(2).map(async ([, query]) => JSON.stringify((await client.send(query)).data)),
    );
    expect(ofOwn.ids.filter((id) => !seen.join().includes(id))).toEqual([]);
  });

  it('whoever is bound to a product or a user finds no other row of the tenant by its id', async () => {
    const query = 'query ($ids: [ID!]!) { nodes(ids: $ids) { id } }';
    for (const [caller, hidden] of [
      ['a product', [...own.userIds.map((id) => encodeId('User', id)), encodeId('Product', own.productIds[1] ?? '')]],
      ['a user', [encodeId('User', own.userIds[1] ?? ''), ...own.productIds.map((id) => encodeId('Product', id))]],
    ] as const) {
      const principal = callers[caller];
      if (principal === undefined) throw new Error(`There is no caller ${caller}.`);
      const { data, errors } = await app.as(principal).send(query, { ids: ofOwn.ids.slice(0, 100) });
      expect(errors).toBeUndefined();
      const seen = JSON.stringify(data);
      expect(hidden.filter((id) => seen.includes(id))).toEqual([]);
    }
  });

  const reaching = Object.entries(commandCases).filter(
    ([, { targetField, scope }]) => targetField !== undefined && scopes.has(scope),
  );

  it.each(reaching)('%s of a row of another tenant finds nothing and changes nothing', async (name, { valid }) => {
    const input = await valid(seed);
    const before = await storedRows(app);
    const answer = await commands.run(app.as({ kind: 'TENANT', tenantId, scopes }), name, input);
    expect(answer).toMatchObject({ __typename: 'NotFoundError' });
    expect(await storedRows(app)).toBe(before);
  });
});
