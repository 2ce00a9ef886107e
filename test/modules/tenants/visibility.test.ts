import { describe, expect, it } from 'vitest';
import { decodeId } from '../../../src/graph/ids.ts';
import { startTestApp } from '../../testkit/app.ts';
import { expectNoFailures } from '../../testkit/bad-input.ts';
import { Commands } from '../../testkit/commands.ts';
import { graphql } from '../../testkit/generated/gql.ts';
import { missingGroup, missingTenant } from '../../testkit/ids.ts';
import { storedRows } from '../../testkit/rows.ts';
import { Seed } from '../../testkit/seed.ts';
import { commandCases } from '../commands.ts';

const app = await startTestApp();
const seed = new Seed(app);
expectNoFailures(app);

const ownGroup = await seed.group();
const otherGroup = await seed.group();
const own = await seed.tenant({ fairshareGroupId: ownGroup.id });
const neighbour = await seed.tenant({ fairshareGroupId: ownGroup.id });
const stranger = await seed.tenant({ fairshareGroupId: otherGroup.id });

const asTenant = app.ofTenant(
  decodeId('Tenant', own.id),
  'tenants:read',
  'tenants:write',
  'fairshare:read',
  'fairshare:write',
);

const everything = graphql(`
  query VisibleRows {
    tenants(first: 100) {
      totalCount
      pageInfo {
        hasNextPage
      }
      edges {
        node {
          id
          fairshareGroup {
            id
          }
        }
      }
    }
    fairshareGroups(first: 10) {
      totalCount
      edges {
        node {
          id
          tenants {
            totalCount
            edges {
              node {
                id
              }
            }
          }
        }
      }
    }
  }
`);

const tenantById = graphql(`
  query VisibleTenantById($id: ID!) {
    tenant(id: $id) {
      id
    }
  }
`);

const tenantByName = graphql(`
  query VisibleTenantByName($name: String!) {
    tenant(name: $name) {
      id
    }
  }
`);

const groupById = graphql(`
  query VisibleGroupById($id: ID!) {
    fairshareGroup(id: $id) {
      id
      tenants {
        totalCount
      }
    }
  }
`);

const groupByName = graphql(`
  query VisibleGroupByName($name: String!) {
    fairshareGroup(name: $name) {
      id
    }
  }
`);

const byNode = graphql(`
  query VisibleNode($id: ID!) {
    node(id: $id) {
      id
    }
  }
`);

const byNodes = graphql(`
  query VisibleNodes($id: ID!) {
    nodes(ids: [$id, $id]) {
      id
    }
  }
`);

const filtered = graphql(`
  query VisibleFiltered($filter: TenantFilter!) {
    tenants(filter: $filter) {
      totalCount
      edges {
        node {
          id
        }
      }
    }
  }
`);

/** The body of an answer as it was sent. */
async function bytes(operation: { toString(): string }, variables: object): Promise<string> {
  const response = await fetch(`${asTenant.url}/graphql`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...asTenant.headers },
    body: JSON.stringify({ query: operation.toString(), variables }),
  });
  // What is left to spend goes down from request to request.
  return (await response.text()).replace(/"remaining":\d+/, '"remaining":0');
}

describe('a principal of a tenant', () => {
  it('sees its own tenant and its group in every list, and counts no others', async () => {
    expect(await asTenant.run(everything)).toEqual({
      tenants: {
        totalCount: 1,
        pageInfo: { hasNextPage: false },
        edges: [{ node: { id: own.id, fairshareGroup: { id: ownGroup.id } } }],
      },
      fairshareGroups: {
        totalCount: 1,
        edges: [{ node: { id: ownGroup.id, tenants: { totalCount: 1, edges: [{ node: { id: own.id } }] } } }],
      },
    });
  });

  it('sees them by id and name, through node and through nodes', async () => {
    expect(await asTenant.run(tenantById, { id: own.id })).toEqual({ tenant: { id: own.id } });
    expect(await asTenant.run(tenantByName, { name: own.name })).toEqual({ tenant: { id: own.id } });
    expect(await asTenant.run(groupById, { id: ownGroup.id })).toEqual({
      fairshareGroup: { id: ownGroup.id, tenants: { totalCount: 1 } },
    });
    expect(await asTenant.run(groupByName, { name: ownGroup.name })).toEqual({ fairshareGroup: { id: ownGroup.id } });
    for (const { id } of [own, ownGroup]) {
      expect(await asTenant.run(byNode, { id })).toEqual({ node: { id } });
      expect(await asTenant.run(byNodes, { id })).toEqual({ nodes: [{ id }, { id }] });
    }
  });

  it.each([
    ['a tenant by id', tenantById, [{ id: neighbour.id }, { id: stranger.id }], { id: missingTenant }],
    ['a tenant by name', tenantByName, [{ name: neighbour.name }, { name: stranger.name }], { name: 'Nobody' }],
    ['a group by id', groupById, [{ id: otherGroup.id }], { id: missingGroup }],
    ['a group by name', groupByName, [{ name: otherGroup.name }, { name: 'default' }], { name: 'Nobody' }],
    ['a tenant as a node', byNode, [{ id: neighbour.id }, { id: stranger.id }], { id: missingTenant }],
    ['a group as a node', byNode, [{ id: otherGroup.id }], { id: missingGroup }],
    ['tenants as nodes', byNodes, [{ id: neighbour.id }, { id: stranger.id }], { id: missingTenant }],
    ['groups as nodes', byNodes, [{ id: otherGroup.id }], { id: missingGroup }],
    [
      'a list filtered by name',
      filtered,
      [{ filter: { name: { equals: neighbour.name } } }, { filter: { name: { equals: stranger.name } } }],
      { filter: { name: { equals: 'Nobody' } } },
    ],
    [
      'a list filtered by group',
      filtered,
      [{ filter: { fairshareGroupId: otherGroup.id } }],
      { filter: { fairshareGroupId: missingGroup } },
    ],
  ])(
    'gets the same bytes for %s that is not its own and for one that does not exist',
    async (_path, operation, foreign, missing) => {
      const expected = await bytes(operation, missing);
      expect(expected).toMatch(/^\{"data":/);
      for (const variables of foreign) expect(await bytes(operation, variables)).toBe(expected);
    },
  );

  it('holds no scope that changes tenants or groups, whatever its credential was given', async () => {
    const commands = new Commands(app.app.schema);
    for (const name of commands.names) {
      const input = await commandCases[name]?.valid(seed);
      const before = await storedRows(app);
      const { errors } = await commands.send(asTenant, name, { ...input });
      expect(errors?.map(({ extensions }) => extensions.code)).toEqual(['FORBIDDEN']);
      expect(await storedRows(app)).toBe(before);
    }
  });

  it('has its refused attempts in the audit log of its own tenant', async () => {
    const entries = await app.app.database.prisma.auditEntry.findMany({ where: { actorKind: 'TENANT' } });
    expect(entries.length).toBeGreaterThan(0);
    for (const { chainId, outcome } of entries) {
      expect(chainId).toBe(decodeId('Tenant', own.id));
      expect(outcome).toBe('DENIED');
    }
  });

  it('sees the new group, and no longer the old one, after it was moved', async () => {
    const tenant = await seed.tenant({ fairshareGroupId: ownGroup.id });
    const client = app.ofTenant(decodeId('Tenant', tenant.id), 'fairshare:read', 'tenants:read');
    await seed.run('setTenantGroup', { tenantId: tenant.id, fairshareGroupId: otherGroup.id });
    expect(await client.run(groupById, { id: ownGroup.id })).toEqual({ fairshareGroup: null });
    expect(await client.run(groupById, { id: otherGroup.id })).toMatchObject({ fairshareGroup: { id: otherGroup.id } });
  });

  it('sees nothing at all once its tenant is deleted', async () => {
    const tenant = await seed.tenant();
    const client = app.ofTenant(decodeId('Tenant', tenant.id), 'fairshare:read', 'tenants:read');
    await seed.run('deleteTenant', { tenantId: tenant.id });
    expect(await client.run(everything)).toMatchObject({
      tenants: { totalCount: 0 },
      fairshareGroups: { totalCount: 0 },
    });
  });
});

describe('a caller without the scope of a type', () => {
  it.each([
    ['tenants:read', everything, {}],
    ['fairshare:read', everything, {}],
    ['fairshare:read', tenantById, { id: own.id }],
    ['tenants:read', groupById, { id: ownGroup.id }],
    ['fairshare:read', byNode, { id: own.id }],
    ['tenants:read', byNodes, { id: ownGroup.id }],
  ] as const)('with %s alone is FORBIDDEN and gets no data (%#)', async (scope, operation, variables) => {
    const { data, errors } = await app.withScopes(scope).send<unknown, object>(operation.toString(), variables);
    expect(errors?.map(({ extensions }) => extensions.code)).toContain('FORBIDDEN');
    expect(JSON.stringify(data)).not.toMatch(/tnt_|fsg_/);
  });
});
