import { describe, expect, it } from 'vitest';
import { startTestApp } from '../../testkit/app.ts';
import { expectNoFailures } from '../../testkit/bad-input.ts';
import { Commands } from '../../testkit/commands.ts';
import { graphql } from '../../testkit/generated/gql.ts';
import { defaultGroup } from '../../testkit/ids.ts';
import { storedRows, traced } from '../../testkit/rows.ts';
import { Seed } from '../../testkit/seed.ts';

const app = await startTestApp();
const { operator } = app;
const seed = new Seed(app);
expectNoFailures(app);

const deleteGroup = graphql(`
  mutation DeleteFairshareGroup($input: DeleteFairshareGroupInput!) {
    deleteFairshareGroup(input: $input) {
      __typename
      ... on DeleteFairshareGroupPayload {
        deletedFairshareGroupId
        movedTenantCount
        fairshareGroup {
          id
          revision
          tenants {
            totalCount
          }
        }
      }
      ... on UserError {
        code
        path
      }
    }
  }
`);

const membersOf = graphql(`
  query FairshareGroupMembers($id: ID!) {
    fairshareGroup(id: $id) {
      tenants {
        edges {
          node {
            id
            revision
            updatedAt
            status
          }
        }
      }
    }
  }
`);

/** A group with an active, a suspended and an archived tenant. */
async function groupOfThree() {
  const group = await seed.group();
  const tenants = [];
  for (const command of [undefined, 'suspendTenant', 'archiveTenant']) {
    const { id } = await seed.tenant({ fairshareGroupId: group.id });
    if (command !== undefined) await seed.run(command, { tenantId: id });
    tenants.push(id);
  }
  return { id: group.id, tenants };
}

const members = async (id: string) =>
  (await operator.run(membersOf, { id })).fairshareGroup?.tenants.edges.map(({ node }) => node);

describe('deleteFairshareGroup', () => {
  it('moves its tenants to the named group, whatever their status, and counts a revision of each', async () => {
    const group = await groupOfThree();
    const heir = await seed.group();
    const resident = await seed.tenant({ fairshareGroupId: heir.id });
    app.clock.advance(1_000);
    const { deleteFairshareGroup } = await operator.run(deleteGroup, {
      input: { fairshareGroupId: group.id, moveTenantsToId: heir.id },
    });
    expect(deleteFairshareGroup).toEqual({
      __typename: 'DeleteFairshareGroupPayload',
      deletedFairshareGroupId: group.id,
      movedTenantCount: 3,
      fairshareGroup: { id: heir.id, revision: 1, tenants: { totalCount: 4 } },
    });
    expect(await operator.run(membersOf, { id: group.id })).toEqual({ fairshareGroup: null });
    const found = new Map((await members(heir.id))?.map((tenant) => [tenant.id, tenant]));
    const updatedAt = app.clock.now().toISOString();
    const [active, suspended, archived] = group.tenants.map((id) => found.get(id));
    expect(active).toMatchObject({ status: 'ACTIVE', revision: 2, updatedAt });
    expect(suspended).toMatchObject({ status: 'SUSPENDED', revision: 3, updatedAt });
    expect(archived).toMatchObject({ status: 'ARCHIVED', revision: 3, updatedAt });
    expect(found.get(resident.id)).toMatchObject({ revision: 1 });
  });

  it.each([
    ['names no group', {}],
    ['names null', { moveTenantsToId: null }],
    ['names the group default', { moveTenantsToId: defaultGroup }],
  ])('moves them to the group default when it %s', async (_case, option) => {
    const group = await groupOfThree();
    const { deleteFairshareGroup } = await operator.run(deleteGroup, {
      input: { fairshareGroupId: group.id, ...option },
    });
    expect(deleteFairshareGroup).toMatchObject({ movedTenantCount: 3, fairshareGroup: { id: defaultGroup } });
    expect((await members(defaultGroup))?.map(({ id }) => id)).toEqual(expect.arrayContaining(group.tenants));
  });

  it('deletes an empty group and moves nobody', async () => {
    const { id } = await seed.group();
    const { deleteFairshareGroup } = await operator.run(deleteGroup, { input: { fairshareGroupId: id } });
    expect(deleteFairshareGroup).toMatchObject({ deletedFairshareGroupId: id, movedTenantCount: 0 });
  });

  it('leaves its tenants where they are when it is refused', async () => {
    const group = await groupOfThree();
    for (const [option, code] of [
      [{ moveTenantsToId: group.id }, 'VALIDATION_FAILED'],
      [{ moveTenantsToId: 'fsg_01h455vb4pex5vsknk084sn02q' }, 'NOT_FOUND'],
      [{ expectedRevision: 7 }, 'STALE_REVISION'],
    ] as const) {
      const before = await storedRows(app);
      const { deleteFairshareGroup } = await operator.run(deleteGroup, {
        input: { fairshareGroupId: group.id, ...option },
      });
      expect(deleteFairshareGroup).toMatchObject({ code });
      expect(await storedRows(app)).toBe(before);
    }
  });

  it('never deletes the group default, and never renames it; its weight may change', async () => {
    const commands = new Commands(app.app.schema);
    const heir = await seed.group();
    const before = await storedRows(app);
    const protectedBy = { code: 'DEFAULT_GROUP_PROTECTED', path: ['fairshareGroupId'] };
    const fairshareGroupId = defaultGroup;
    expect(await commands.run(operator, 'deleteFairshareGroup', { fairshareGroupId })).toMatchObject(protectedBy);
    expect(
      await commands.run(operator, 'deleteFairshareGroup', { fairshareGroupId, moveTenantsToId: heir.id }),
    ).toMatchObject(protectedBy);
    expect(await commands.run(operator, 'renameFairshareGroup', { fairshareGroupId, name: 'Other' })).toMatchObject(
      protectedBy,
    );
    expect(await commands.run(operator, 'renameFairshareGroup', { fairshareGroupId, name: 'Default' })).toMatchObject(
      protectedBy,
    );
    expect(await storedRows(app)).toBe(before);
    const answer = await commands.run(operator, 'setFairshareGroupWeight', { fairshareGroupId, weight: 1_000_000 });
    expect(answer).toMatchObject({ fairshareGroup: { weight: 1_000_000, isDefault: true } });
  });

  it('has one audit row, with the group as it was and where its tenants went', async () => {
    const group = await seed.group({ weight: 31 });
    await seed.tenant({ fairshareGroupId: group.id });
    const { client, auditRows } = traced(app, operator);
    await client.run(deleteGroup, { input: { fairshareGroupId: group.id } });
    expect(await auditRows()).toEqual([
      expect.objectContaining({
        action: 'deleteFairshareGroup',
        targetId: group.id,
        before: { name: group.name, weight: 31, revision: 1 },
        after: { tenantsMovedToId: defaultGroup, movedTenantCount: 1 },
      }),
    ]);
  });
});
