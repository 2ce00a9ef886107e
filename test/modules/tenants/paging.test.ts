import fc from 'fast-check';
import { beforeEach, describe, expect, it } from 'vitest';
import { startTestApp } from '../../testkit/app.ts';
import { expectNoFailures } from '../../testkit/bad-input.ts';
import { graphql } from '../../testkit/generated/gql.ts';
import type { OrderDirection, TenantOrderField } from '../../testkit/generated/graphql.ts';
import { Seed } from '../../testkit/seed.ts';
import { type ReadPage, walk } from '../../testkit/walk.ts';

const app = await startTestApp();
const { operator, clock } = app;
const seed = new Seed(app);
expectNoFailures(app);
// Time stands still, so what a caller may spend does not come back by itself.
beforeEach(() => clock.advance(60_000));

const fields = ['NAME', 'WEIGHT', 'CREATED_AT'] as const satisfies readonly TenantOrderField[];
const directions = ['ASC', 'DESC'] as const satisfies readonly OrderDirection[];

const tenantPage = graphql(`
  query TenantPage(
    $group: ID!
    $first: Int
    $last: Int
    $after: String
    $before: String
    $field: TenantOrderField!
    $direction: OrderDirection!
  ) {
    tenants(
      filter: { fairshareGroupId: $group }
      first: $first
      last: $last
      after: $after
      before: $before
      orderBy: { field: $field, direction: $direction }
    ) {
      edges {
        cursor
        node {
          id
        }
      }
      pageInfo {
        startCursor
        endCursor
        hasNextPage
        hasPreviousPage
      }
    }
  }
`);

const nestedPage = graphql(`
  query NestedTenantPage($group: ID!, $first: Int, $last: Int, $after: String, $before: String) {
    fairshareGroup(id: $group) {
      tenants(first: $first, last: $last, after: $after, before: $before, orderBy: { field: WEIGHT }) {
        edges {
          node {
            id
          }
        }
        pageInfo {
          startCursor
          endCursor
          hasNextPage
          hasPreviousPage
        }
      }
    }
  }
`);

const groupPage = graphql(`
  query GroupPage($first: Int, $last: Int, $after: String, $before: String, $orderBy: FairshareGroupOrder) {
    fairshareGroups(first: $first, last: $last, after: $after, before: $before, orderBy: $orderBy) {
      edges {
        cursor
        node {
          id
        }
      }
      pageInfo {
        startCursor
        endCursor
        hasNextPage
        hasPreviousPage
      }
    }
  }
`);

const tenantsOf =
  (group: string, field: TenantOrderField, direction: OrderDirection): ReadPage =>
  async (page) =>
    (await operator.run(tenantPage, { group, field, direction, ...page })).tenants;

/** A group with tenants whose weights and times tie. */
async function crowd(weights: readonly number[]): Promise<{ group: string; ids: string[] }> {
  const { id: group } = await seed.group();
  const ids: string[] = [];
  for (const weight of weights) {
    if (weight % 2 === 0) clock.advance(1);
    ids.push((await seed.tenant({ weight, fairshareGroupId: group })).id);
  }
  return { group, ids };
}

const weights = [5, 1, 4, 1, 5, 2, 2, 5, 1, 3, 3];
const still = await crowd(weights);

describe('walking a list', () => {
  const anySize = fc.integer({ min: 1, max: 13 });

  it('gives every row once and in order, for every order, direction, page size and end', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(...fields),
        fc.constantFrom(...directions),
        anySize,
        fc.boolean(),
        async (field, direction, size, backward) => {
          const read = tenantsOf(still.group, field, direction);
          const whole = (await read({ first: 100 })).edges.map(({ node }) => node.id);
          expect(whole.toSorted()).toEqual(still.ids.toSorted());
          const pages = await walk(read, size, backward);
          expect(pages.flat()).toEqual(whole);
          for (const page of backward ? pages.slice(1) : pages.slice(0, -1)) expect(page).toHaveLength(size);
        },
      ),
      { numRuns: 25 },
    );
  });

  it('gives every row once below a parent too', async () => {
    await fc.assert(
      fc.asyncProperty(anySize, fc.boolean(), async (size, backward) => {
        const read: ReadPage = async (page) => {
          const { fairshareGroup } = await operator.run(nestedPage, { group: still.group, ...page });
          if (!fairshareGroup) throw new Error('The group is there.');
          return fairshareGroup.tenants;
        };
        const whole = await tenantsOf(still.group, 'WEIGHT', 'ASC')({ first: 100 });
        expect((await walk(read, size, backward)).flat()).toEqual(whole.edges.map(({ node }) => node.id));
      }),
      { numRuns: 8 },
    );
  });

  it('gives every fairshare group once', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(...fields),
        fc.constantFrom(...directions),
        anySize,
        fc.boolean(),
        async (field, direction, size, backward) => {
          const read: ReadPage = async (page) =>
            (await operator.run(groupPage, { ...page, orderBy: { field, direction } })).fairshareGroups;
          const whole = (await read({ first: 100 })).edges.map(({ node }) => node.id);
          expect((await walk(read, size, backward)).flat()).toEqual(whole);
        },
      ),
      { numRuns: 12 },
    );
  });

  it('never gives an empty page, skips or repeats a row while others are deleted and made', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(...fields),
        fc.constantFrom(...directions),
        fc.integer({ min: 1, max: 4 }),
        fc.boolean(),
        fc.array(fc.nat({ max: 10 }), { minLength: 1, maxLength: 4 }),
        async (field, direction, size, backward, victims) => {
          const { group, ids } = await crowd(weights);
          const deleted = new Set<string>();
          const read = tenantsOf(group, field, direction);
          let turn = 0;
          const pages = await walk(read, size, backward, async (seen) => {
            // The row of the cursor itself, and any other.
            const last = backward ? seen.at(-1)?.at(0) : seen.at(-1)?.at(-1);
            const other = ids[victims[turn++ % victims.length] ?? 0];
            for (const tenantId of [last, other]) {
              if (tenantId === undefined || !ids.includes(tenantId) || deleted.has(tenantId)) continue;
              deleted.add(tenantId);
              await seed.run('deleteTenant', { tenantId });
            }
            // A few: a list that grows at its end as fast as it is read has none.
            if (turn <= 5) await seed.tenant({ weight: 3, fairshareGroupId: group });
          });
          const found = pages.flat();
          expect(new Set(found).size).toBe(found.length);
          for (const id of ids) if (!deleted.has(id)) expect(found).toContain(id);
          // The last that was read is empty when all that was left was deleted; that nothing else was is said above.
          for (const page of backward ? pages.slice(1) : pages.slice(0, -1)) expect(page).not.toEqual([]);
        },
      ),
      { numRuns: 6 },
    );
  });
});

const pageAt = tenantsOf(still.group, 'WEIGHT', 'ASC');
const endCursor = (await pageAt({ first: 4 })).pageInfo.endCursor ?? '';
const startCursor = (await pageAt({ last: 4 })).pageInfo.startCursor ?? '';

describe('cursors', () => {
  it('mark both ends of a part of a list', async () => {
    const whole = (await pageAt({ first: 100 })).edges.map(({ node }) => node.id);
    const between = await pageAt({ first: 100, after: endCursor, before: startCursor });
    expect(between.edges.map(({ node }) => node.id)).toEqual(whole.slice(4, -4));
    const nothing = await pageAt({ first: 100, after: startCursor, before: endCursor });
    expect(nothing).toMatchObject({ edges: [], pageInfo: { startCursor: null, endCursor: null } });
  });

  it('of an edge are those of the page', async () => {
    const { tenants } = await operator.run(tenantPage, {
      group: still.group,
      field: 'NAME',
      direction: 'DESC',
      first: 3,
    });
    const cursors = tenants.edges.map(({ cursor }) => cursor);
    expect(tenants.pageInfo).toMatchObject({ startCursor: cursors.at(0), endCursor: cursors.at(-1) });
    expect(new Set(cursors).size).toBe(3);
  });

  it('are refused by another order, direction or list', async () => {
    const { tenants } = await operator.run(tenantPage, {
      group: still.group,
      field: 'WEIGHT',
      direction: 'ASC',
      first: 1,
    });
    const after = tenants.edges[0]?.cursor ?? '';
    const { fairshareGroups } = await operator.run(groupPage, {
      first: 1,
      orderBy: { field: 'WEIGHT', direction: 'ASC' },
    });
    const otherList = fairshareGroups.edges[0]?.cursor ?? '';
    const attempts = [
      { field: 'WEIGHT', direction: 'DESC', after },
      { field: 'NAME', direction: 'ASC', after },
      { field: 'CREATED_AT', direction: 'ASC', before: after },
      { field: 'WEIGHT', direction: 'ASC', after: otherList },
      { field: 'WEIGHT', direction: 'ASC', before: otherList },
    ] as const;
    for (const attempt of attempts) {
      const [error, ...more] = await operator.fail(tenantPage, { group: still.group, ...attempt });
      expect(more).toEqual([]);
      expect(error?.extensions).toMatchObject({
        code: 'INVALID_CURSOR',
        argument: 'before' in attempt ? 'before' : 'after',
      });
      expect(error?.message).toContain('another list or another order');
    }
  });

  it('are refused when anything in them was altered', async () => {
    const anyChange = fc.tuple(fc.nat({ max: endCursor.length - 1 }), fc.constantFrom(...'ABCxyz0189_-'));
    await fc.assert(
      fc.asyncProperty(anyChange, async ([index, letter]) => {
        fc.pre(endCursor[index] !== letter);
        const after = endCursor.slice(0, index) + letter + endCursor.slice(index + 1);
        // Base64 has bits to spare at its end; what decodes to the same bytes is the same cursor.
        fc.pre(!Buffer.from(after, 'base64url').equals(Buffer.from(endCursor, 'base64url')));
        const [error] = await operator.fail(tenantPage, {
          group: still.group,
          field: 'WEIGHT',
          direction: 'ASC',
          after,
        });
        expect(error?.extensions).toMatchObject({ code: 'INVALID_CURSOR', argument: 'after' });
      }),
      { numRuns: 25 },
    );
  });

  it.each(['', 'x', '0', '💥', 'null', Buffer.from('{}').toString('base64url'), 'A'.repeat(10_000)])(
    'cannot be made up: %j',
    async (after) => {
      const [error] = await operator.fail(groupPage, { after });
      expect(error?.extensions).toMatchObject({ code: 'INVALID_CURSOR', argument: 'after' });
    },
  );
});

describe('page sizes', () => {
  it.each([
    [{ first: 0 }, 'INVALID_PAGE_SIZE', 'first'],
    [{ first: -1 }, 'INVALID_PAGE_SIZE', 'first'],
    [{ first: 101 }, 'INVALID_PAGE_SIZE', 'first'],
    [{ last: 0 }, 'INVALID_PAGE_SIZE', 'last'],
    [{ last: -1 }, 'INVALID_PAGE_SIZE', 'last'],
    [{ last: 101 }, 'INVALID_PAGE_SIZE', 'last'],
    [{ first: 5, last: 5 }, 'CONFLICTING_ARGUMENTS', 'last'],
    [{ first: 0, last: 0 }, 'CONFLICTING_ARGUMENTS', 'last'],
  ])('%j is refused with %s', async (page, code, argument) => {
    for (const errors of [
      await operator.fail(groupPage, page),
      await operator.fail(nestedPage, { group: still.group, ...page }),
      await operator.fail(tenantPage, { group: still.group, field: 'NAME', direction: 'ASC', ...page }),
    ]) {
      expect(errors).toHaveLength(1);
      expect(errors[0]?.extensions).toMatchObject({ code, argument });
    }
  });

  it('are 20 unless a caller says otherwise, and null says nothing', async () => {
    const { group } = await crowd(Array.from({ length: 22 }, () => 1));
    const read = { group, field: 'NAME', direction: 'ASC' } as const;
    expect((await operator.run(tenantPage, read)).tenants.edges).toHaveLength(20);
    expect((await operator.run(tenantPage, { ...read, first: null, last: null })).tenants.edges).toHaveLength(20);
  });
});
