import { describe, expect, it } from 'vitest';
import { startTestApp } from '../../testkit/app.ts';
import { expectNoFailures } from '../../testkit/bad-input.ts';
import { Commands } from '../../testkit/commands.ts';
import { graphql } from '../../testkit/generated/gql.ts';
import { storedRows, traced } from '../../testkit/rows.ts';
import { Seed } from '../../testkit/seed.ts';

const app = await startTestApp();
const { operator } = app;
const seed = new Seed(app);
const commands = new Commands(app.app.schema);
expectNoFailures(app);

const auditOfTenant = graphql(`
  query DeletedTenantAuditLog($tenantId: ID!) {
    auditLog(filter: { tenantId: $tenantId }, orderBy: { field: OCCURRED_AT }) {
      edges {
        node {
          action
          outcome
          target {
            id
          }
          before
        }
      }
    }
    verifyAuditChain(tenantId: $tenantId) {
      intact
      entriesChecked
    }
  }
`);

const remove = (tenantId: string, options: { dryRun?: boolean; cascade?: boolean } = {}) =>
  commands.run(operator, 'deleteTenant', { tenantId, ...options });

const isThere = async (id: string) => {
  const { data } = await operator.send<{ tenant: object | null }, object>(
    'query ($id: ID!) { tenant(id: $id) { id } }',
    { id },
  );
  return data?.tenant !== null;
};

describe('deleteTenant', () => {
  it('deletes the tenant for good', async () => {
    const { id } = await seed.tenant();
    expect(await remove(id)).toEqual({
      __typename: 'DeleteTenantPayload',
      deletedTenantId: id,
      dryRun: false,
      removed: [{ type: 'Tenant', count: 1 }],
    });
    expect(await isThere(id)).toBe(false);
    expect(await remove(id)).toMatchObject({ code: 'NOT_FOUND', path: ['tenantId'] });
  });

  it('says in a dry run what it would delete, with cascade or without, and deletes and records nothing', async () => {
    const { id } = await seed.tenant();
    await seed.addChild(id);
    await seed.addChild(id);
    await seed.addChild(id, { live: false });
    const before = await storedRows(app);
    for (const cascade of [false, true]) {
      const { client, auditRows } = traced(app, operator);
      const answer = await commands.run(client, 'deleteTenant', { tenantId: id, dryRun: true, cascade });
      expect(answer).toEqual({
        __typename: 'DeleteTenantPayload',
        deletedTenantId: id,
        dryRun: true,
        removed: [
          { type: 'Scratch', count: 2 },
          { type: 'Tenant', count: 1 },
        ],
      });
      expect(await auditRows()).toEqual([]);
    }
    expect(await storedRows(app)).toBe(before);
  });

  it('refuses a tenant with live children, and counts them', async () => {
    const { id } = await seed.tenant();
    await seed.addChild(id);
    await seed.addChild(id, { live: false });
    const before = await storedRows(app);
    expect(await remove(id)).toMatchObject({
      __typename: 'TenantHasChildrenError',
      code: 'HAS_CHILDREN',
      message: expect.stringContaining('1 Scratch'),
      path: ['cascade'],
      children: [{ type: 'Scratch', count: 1 }],
    });
    expect(await storedRows(app)).toBe(before);
  });

  it('takes children with it that are not in use', async () => {
    const { id } = await seed.tenant();
    await seed.addChild(id, { live: false });
    expect(await remove(id)).toMatchObject({ removed: [{ type: 'Tenant', count: 1 }] });
    expect(await seed.childCount(id)).toBe(0);
  });

  it('takes all children with it when cascade is given, and none of another tenant', async () => {
    const [one, other] = [await seed.tenant(), await seed.tenant()];
    for (const { id } of [one, other]) {
      await seed.addChild(id);
      await seed.addChild(id, { live: false });
    }
    expect(await remove(one.id, { cascade: true })).toMatchObject({
      dryRun: false,
      removed: [
        { type: 'Scratch', count: 1 },
        { type: 'Tenant', count: 1 },
      ],
    });
    expect(await isThere(one.id)).toBe(false);
    expect(await seed.childCount(one.id)).toBe(0);
    expect(await seed.childCount(other.id)).toBe(2);
  });

  it('leaves its audit log, whose last entry has the whole tenant', async () => {
    const tenant = await seed.tenant({ description: 'Remembered' });
    await seed.run('suspendTenant', { tenantId: tenant.id });
    await remove(tenant.id);
    const { auditLog, verifyAuditChain } = await operator.run(auditOfTenant, { tenantId: tenant.id });
    expect(auditLog.edges.map(({ node }) => [node.action, node.outcome, node.target?.id])).toEqual([
      ['createTenant', 'SUCCEEDED', tenant.id],
      ['suspendTenant', 'SUCCEEDED', tenant.id],
      ['deleteTenant', 'SUCCEEDED', tenant.id],
    ]);
    expect(auditLog.edges.at(-1)?.node.before).toMatchObject({
      name: tenant.name,
      description: 'Remembered',
      status: 'SUSPENDED',
      revision: 2,
    });
    expect(verifyAuditChain).toEqual({ intact: true, entriesChecked: 3 });
  });
});
