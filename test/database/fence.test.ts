import { describe, expect, it } from 'vitest';
import type { Transaction } from '../../src/database/database.ts';
import { defineEntity } from '../../src/database/entity.ts';
import { behindFence, type Fence } from '../../src/database/fence.ts';
import { newId } from '../../src/graph/ids.ts';
import { startTestApp } from '../testkit/app.ts';
import { addTenantRows, type FencedTable, tablesOfTenants } from '../testkit/fenced-rows.ts';
import { undone } from '../testkit/rollback.ts';

const { app } = await startTestApp();
const { database } = app;
const own = await addTenantRows(database);
const foreign = await addTenantRows(database);
const tables = await tablesOfTenants(database);

/** Tables with a column for the tenant that no request of a tenant has to read. */
const neverReached = ['lease', 'outbox_event'];

/** Views that show lists of tenants what the policies of a table let through. */
const views = [{ view: 'own_api_key', table: 'api_key' }] as const;

const reached = tables.filter(({ name }) => !neverReached.includes(name));
const writable = reached.filter(({ name }) => !['tenant', 'audit_chain', 'audit_entry', 'usage_record'].includes(name));

const tenant: Fence = { tenantId: own.tenantId };
const [ownProduct = '', otherProduct = ''] = own.productIds;
const [ownUser = '', otherUser = ''] = own.userIds;
const [ownTeam = ''] = own.teamIds;

type Rows = readonly Record<string, unknown>[];

/** What a statement gives behind a fence, in a transaction that is then undone. */
const behind = <Result>(fence: Fence, work: (transaction: Transaction) => Promise<Result>): Promise<Result> =>
  undone(database, (transaction) => behindFence(transaction, fence, () => work(transaction)));

/** All rows of a table that can be seen behind a fence. */
const visible = (fence: Fence, table: string): Promise<Rows> =>
  behind(fence, ({ prisma }) => prisma.$queryRawUnsafe<Record<string, unknown>[]>(`SELECT * FROM "${table}"`));

/** Those of the whole table, of which the condition holds. */
async function stored(table: string, condition: string, ...values: readonly string[]): Promise<Rows> {
  const { rows } = await database.pool.query<Record<string, unknown>>(`SELECT * FROM "${table}" WHERE ${condition}`, [
    ...values,
  ]);
  return rows;
}

const keysOf = (rows: Rows, { primaryKey }: Pick<FencedTable, 'primaryKey'>): string[] =>
  rows.map((row) => String(row[primaryKey])).sort();

describe('the fence', () => {
  it('stands before every table with a column for the tenant, or no tenant reaches the table at all', async () => {
    const { rows } = await database.pool.query<{ name: string; fenced: boolean; reachable: boolean }>(
      `SELECT relname AS name,
         relrowsecurity AND EXISTS (
           SELECT FROM pg_policy WHERE polrelid = c.oid AND polpermissive AND 'fairlead_tenant'::regrole = ANY(polroles)
         ) AS fenced,
         has_any_column_privilege('fairlead_tenant', oid, 'SELECT, INSERT, UPDATE')
           OR has_table_privilege('fairlead_tenant', oid, 'DELETE, TRUNCATE, TRIGGER, REFERENCES') AS reachable
       FROM pg_class AS c WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p', 'v', 'm', 'f')`,
    );
    // Nothing can be reached that is not fenced, apart from the views that are tested below.
    const unfenced = rows.filter(({ reachable, fenced: isFenced }) => reachable && !isFenced);
    expect(unfenced.map(({ name }) => name)).toEqual(views.map(({ view }) => view));
    // What has a tenant's rows is fenced, and not just out of reach, unless that is said here.
    const fenced = rows.filter((row) => row.fenced).map(({ name }) => name);
    expect(reached.map(({ name }) => name).filter((name) => !fenced.includes(name))).toEqual([]);
    expect(fenced.filter((name) => !reached.some((table) => table.name === name))).toEqual([
      'fairshare_group',
      'model',
    ]);
  });

  it('has rows of two tenants before it in every table, for these tests', async () => {
    for (const { name, tenantColumn } of reached) {
      for (const { tenantId } of [own, foreign]) {
        expect(await stored(name, `${tenantColumn} = $1`, tenantId), name).not.toEqual([]);
      }
    }
  });

  it.each(reached)('lets a tenant see all its own rows of $name and no others', async (table) => {
    const expected = await stored(table.name, `${table.tenantColumn} = $1`, own.tenantId);
    expect(keysOf(await visible(tenant, table.name), table)).toEqual(keysOf(expected, table));
  });

  it('lets a tenant see the one group that it is in', async () => {
    expect(await visible(tenant, 'fairshare_group')).toMatchObject([{ id: own.groupId }]);
  });

  it('lets a tenant see the models of its allow-list, and every one when it has none', async () => {
    expect(await visible(tenant, 'model')).toMatchObject([{ id: own.modelId }]);
    const all = await stored('model', 'true');
    const free = await database.prisma.tenant.create({
      data: { id: newId(), name: 'free', nameFolded: 'free', fairshareGroupId: own.groupId },
    });
    expect(await visible({ tenantId: free.id }, 'model')).toHaveLength(all.length);
    await database.prisma.tenant.delete({ where: { id: free.id } });
  });

  it('does the same for what is read outside of commands', async () => {
    const reader = database.readerFor(tenant);
    for (const { name, tenantColumn } of reached) {
      const expected = await stored(name, `${tenantColumn} = $1`, own.tenantId);
      expect(await reader.count(entityOf(name)), name).toBe(expected.length);
      expect(await database.reader.count(entityOf(name)), name).toBeGreaterThan(expected.length);
    }
  });
});

/** A table as a reader counts it, without conditions. */
const entityOf = (name: string) =>
  defineEntity<{ id: string }>()({ name, table: name, columns: ['id'], sorts: {}, owners: {} });

/** What is seen within the tenant by whoever is bound to a product or a user; a table without an entry: nothing. */
const bound: readonly (readonly [string, Fence, Readonly<Record<string, readonly [string, ...string[]]>>])[] = [
  [
    'a product',
    { ...tenant, productId: ownProduct },
    {
      tenant: ['id = $1', own.tenantId],
      product: ['id = $1', ownProduct],
      product_policy_version: ['product_id = $1', ownProduct],
      product_meter: ['product_id = $1', ownProduct],
      engine: ['product_id = $1', ownProduct],
      api_key: ['product_id = $1', ownProduct],
      api_key_secret: ['key_id IN (SELECT id FROM api_key WHERE product_id = $1)', ownProduct],
      usage_record: ['product_id = $1', ownProduct],
    },
  ],
  [
    'a user',
    { ...tenant, userId: ownUser },
    {
      tenant: ['id = $1', own.tenantId],
      tenant_user: ['id = $1', ownUser],
      team: ['id = $1', ownTeam],
      api_key: ['user_id = $1', ownUser],
      api_key_secret: ['key_id IN (SELECT id FROM api_key WHERE user_id = $1)', ownUser],
      usage_record: ['user_id = $1', ownUser],
    },
  ],
];

describe.each(bound)('whoever is bound to %s', (_name, fence, conditions) => {
  it.each(reached)('sees what belongs to it of $name, and nothing else of its tenant', async (table) => {
    const [condition, ...values] = conditions[table.name] ?? ['false'];
    const expected = await stored(table.name, condition, ...values);
    expect(keysOf(await visible(fence, table.name), table)).toEqual(keysOf(expected, table));
    if (table.name in conditions) expect(expected).not.toEqual([]);
  });

  it('sees nothing at all of another tenant under its own id there', async () => {
    const elsewhere = { ...fence, tenantId: foreign.tenantId };
    const seen = await Promise.all(reached.map(async ({ name }) => [name, (await visible(elsewhere, name)).length]));
    expect(seen.filter(([, count]) => count !== 0)).toEqual([['tenant', 1]]);
  });
});

describe.each(views)('the view $view', ({ view, table }) => {
  const fences: Readonly<Record<string, Fence>> = {
    'a tenant': tenant,
    ...Object.fromEntries(bound.map(([name, fence]) => [name, fence])),
    'a product and a user': { ...tenant, productId: ownProduct, userId: ownUser },
    'a product of another tenant': { tenantId: foreign.tenantId, productId: ownProduct },
  };

  it.each(Object.entries(fences))('shows %s what the policies of the table let through', async (name, fence) => {
    const inOrder = async (relation: string) =>
      (await visible(fence, relation)).toSorted((a, b) => (String(a.id) < String(b.id) ? -1 : 1));
    const rows = await inOrder(view);
    // Every column as well, in the same order: a new column of the table has to be added to the view.
    expect(rows).toEqual(await inOrder(table));
    expect(rows.length > 0).toBe(!name.includes(' and ') && !name.includes('another'));
    expect(await database.readerFor(fence).count(entityOf(view))).toBe(rows.length);
  });

  it('shows nobody anything', async () => {
    await expect(visible({ tenantId: '' }, view)).rejects.toThrow(/uuid/);
  });

  it.each([
    `UPDATE "${view}" SET id = id`,
    `DELETE FROM "${view}"`,
    `INSERT INTO "${view}" SELECT * FROM "${table}"`,
    `SELECT FROM "${view}" FOR UPDATE`,
  ])('is for reading only: %s', async (statement) => {
    await expect(behind(tenant, ({ prisma }) => prisma.$executeRawUnsafe(statement))).rejects.toThrow(
      /permission denied|cannot insert/,
    );
  });
});

describe('the planner', () => {
  /** How many rows of the tenant it expects to find in a table of 100,000. */
  async function expectedRows({ name, tenantColumn }: FencedTable, fence: Fence): Promise<number> {
    return undone(database, async (transaction) => {
      const { prisma } = transaction;
      await prisma.$executeRaw`UPDATE pg_class SET reltuples = 100000, relpages = 1 WHERE relname = ${name}`;
      const [explained] = await behindFence(transaction, fence, () =>
        prisma.$queryRawUnsafe<{ 'QUERY PLAN': [{ Plan: { 'Plan Rows': number } }] }[]>(
          `EXPLAIN (FORMAT JSON) SELECT FROM "${name}" WHERE ${tenantColumn} = '${own.tenantId}'`,
        ),
      );
      return explained?.['QUERY PLAN'][0].Plan['Plan Rows'] ?? 0;
    });
  }

  // Else it reads and sorts all rows of a tenant for one page of them.
  it.each(reached.filter(({ primaryKey, tenantColumn }) => primaryKey !== tenantColumn))(
    'expects as many rows of $name behind the fence as without it',
    async (table) => {
      const unfenced = await expectedRows(table, {});
      expect(unfenced).toBeGreaterThan(100);
      expect(await expectedRows(table, tenant)).toBeGreaterThan(0.9 * unfenced);
    },
  );
});

describe('whoever is bound within the tenant', () => {
  it.each([
    ['a product, an engine to another product', bound[0]?.[1], `UPDATE engine SET product_id = '${otherProduct}'`],
    ['a product, a key to another product', bound[0]?.[1], `UPDATE api_key SET product_id = '${otherProduct}'`],
    ['a product, a key to the tenant', bound[0]?.[1], `UPDATE api_key SET product_id = NULL, kind = 'TENANT'`],
    ['a user, a key to another user', bound[1]?.[1], `UPDATE api_key SET user_id = '${otherUser}'`],
    ['a user, a key to the tenant', bound[1]?.[1], `UPDATE api_key SET user_id = NULL, kind = 'TENANT'`],
    [
      'a product, a secret to a key of the tenant',
      bound[0]?.[1],
      `UPDATE api_key_secret SET key_id = '${own.keyIds[0]}' WHERE key_id <> '${own.keyIds[0]}'`,
    ],
  ])('cannot give what it sees away: %s', async (_name, fence = tenant, statement) => {
    await expect(behind(fence, ({ prisma }) => prisma.$executeRawUnsafe(statement))).rejects.toThrow(forbidden);
  });
});

const forbidden = /row-level security|permission denied/;

describe('behind the fence', () => {
  it.each(writable)('changes and deletions of $name do not reach a row of another tenant', async (table) => {
    const { name, tenantColumn, primaryKey } = table;
    const count = (await stored(name, `${tenantColumn} = $1`, own.tenantId)).length;
    const set = `UPDATE "${name}" SET ${tenantColumn} = ${tenantColumn}`;
    expect(await behind(tenant, ({ prisma }) => prisma.$executeRawUnsafe(set))).toBe(count);
    const [row] = await stored(name, `${tenantColumn} = $1`, foreign.tenantId);
    const one = `WHERE "${primaryKey}" = '${row?.[primaryKey]}'`;
    expect(await behind(tenant, ({ prisma }) => prisma.$executeRawUnsafe(`${set} ${one}`))).toBe(0);
    expect(await behind(tenant, ({ prisma }) => prisma.$executeRawUnsafe(`DELETE FROM "${name}" ${one}`))).toBe(0);
    const locked = await behind(tenant, ({ prisma }) =>
      prisma.$queryRawUnsafe(`SELECT FROM "${name}" ${one} FOR UPDATE`),
    );
    expect(locked).toEqual([]);
  });

  it.each(writable)('a row of $name cannot be made for another tenant, nor given to one', async (table) => {
    const { name, tenantColumn, columns, primaryKey } = table;
    const [row] = await stored(name, `${tenantColumn} = $1`, foreign.tenantId);
    const others = columns.filter((column) => column !== primaryKey);
    const list = others.map((column) => `"${column}"`).join(', ');
    const insert = `INSERT INTO "${name}" ("${primaryKey}", ${list})
      SELECT '${newId()}', ${list} FROM json_populate_record(NULL::"${name}", $1::json)`;
    await expect(behind(tenant, ({ prisma }) => prisma.$executeRawUnsafe(insert, JSON.stringify(row)))).rejects.toThrow(
      forbidden,
    );
    const give = `UPDATE "${name}" SET ${tenantColumn} = '${foreign.tenantId}'`;
    await expect(behind(tenant, ({ prisma }) => prisma.$executeRawUnsafe(give))).rejects.toThrow(forbidden);
  });

  it('Prisma finds, changes and makes no row of another tenant', async () => {
    const [id = ''] = foreign.teamIds;
    const found = await behind(tenant, async ({ prisma }) => [
      await prisma.team.findUnique({ where: { id } }),
      await prisma.team.updateMany({ where: { id }, data: { description: 'mine' } }),
      await prisma.team.deleteMany({ where: { id } }),
    ]);
    expect(found).toEqual([null, { count: 0 }, { count: 0 }]);
    await expect(behind(tenant, ({ prisma }) => prisma.team.delete({ where: { id } }))).rejects.toMatchObject({
      code: 'P2025',
    });
    const data = { id: newId(), tenantId: foreign.tenantId, name: 'mine', nameFolded: 'mine' };
    await expect(behind(tenant, ({ prisma }) => prisma.team.create({ data }))).rejects.toThrow(forbidden);
  });

  it.each([
    ['tenant', `UPDATE tenant SET weight = 1000000`],
    ['fairshare_group', `UPDATE fairshare_group SET weight = 1000000`],
    ['fairshare_group', `DELETE FROM fairshare_group`],
    ['tenant', `DELETE FROM tenant`],
    ['audit_entry', `UPDATE audit_entry SET action = 'nothing'`],
    ['audit_entry', `DELETE FROM audit_entry`],
    ['audit_chain', `DELETE FROM audit_chain`],
    ['usage_record', `UPDATE usage_record SET cost_usd = 0`],
    ['usage_record', `DELETE FROM usage_record`],
    ['outbox_event', `SELECT FROM outbox_event`],
    ['idempotency_record', `SELECT FROM idempotency_record`],
    ['rejected_attempt', `SELECT FROM rejected_attempt`],
    ['secret_hashing', `SELECT FROM secret_hashing`],
    ['lease', `SELECT FROM lease`],
    ['limit_counter', `SELECT FROM limit_counter`],
    ['model', `UPDATE model SET input_token_usd = 0`],
    ['model', `DELETE FROM model`],
    ['capacity_settings', `SELECT FROM capacity_settings`],
    ['model_capacity', `SELECT FROM model_capacity`],
    ['gateway_capacity', `SELECT FROM gateway_capacity`],
    ['team', `TRUNCATE team CASCADE`],
  ])('nobody may touch what is the deployment’s to change: %s, %s', async (_table, statement) => {
    await expect(behind(tenant, ({ prisma }) => prisma.$executeRawUnsafe(statement))).rejects.toThrow(forbidden);
  });
});
