import fc from 'fast-check';
import pg from 'pg';
import { afterEach, describe, expect, it } from 'vitest';
import { behindFence, type Fence, FencedConnections } from '../../src/database/fence.ts';
import { Prisma } from '../../src/database/generated/client.ts';
import type { Send } from '../../src/database/reader.ts';
import { StatementNames } from '../../src/database/statements.ts';
import { decodeId, newId } from '../../src/graph/ids.ts';
import { startTestApp } from '../testkit/app.ts';
import { addTenantRows } from '../testkit/fenced-rows.ts';
import { Seed } from '../testkit/seed.ts';

const { sql } = Prisma;

// The driver says so once in a process.
const warnings: string[] = [];
process.on('warning', ({ message }) => warnings.push(message));

// One connection of each pool: whatever a request leaves on it, the next one finds.
const test = await startTestApp({ environment: { DATABASE_POOL_SIZE: '1' } });
const { database } = test.app;
const seed = new Seed(test);

const opened: FencedConnections[] = [];
afterEach(() => Promise.all(opened.splice(0).map(({ pool }) => pool.end())));

function connections(max: number): FencedConnections {
  const made = new FencedConnections({ connectionString: database.url, max }, new StatementNames());
  // Those that a test ends while they are idle.
  made.pool.on('error', () => undefined);
  opened.push(made);
  return made;
}

const fenceOf = (tenantId: string, over: Fence = {}): Fence => ({ tenantId, ...over });

/** Behind which fence statements are sent. */
async function whereabouts(send: Send): Promise<unknown> {
  const [row] = await send(sql`SELECT current_user AS role, current_setting('fairlead.tenant_id') AS "tenantId",
    current_setting('fairlead.product_id') AS "productId", current_setting('fairlead.user_id') AS "userId"`);
  return row;
}

const expected = ({ tenantId = '', productId = '', userId = '' }: Fence) => ({
  role: 'fairlead_tenant',
  ...{ tenantId, productId, userId },
});

/** What may be sent behind a fence. */
const happenings = {
  'a statement': (send: Send) => send(sql`SELECT 1`),
  'a statement that takes a moment': (send: Send) => send(sql`SELECT pg_sleep(0.002)`),
  'one that fails': (send: Send) => send(sql`SELECT 1 / 0`),
  'one that is not allowed': (send: Send) => send(sql`DELETE FROM tenant`),
  'one that ends its connection': (send: Send) => send(sql`SELECT pg_terminate_backend(pg_backend_pid())`),
} as const;

describe('a connection behind a fence', () => {
  it('is ready before anybody is given it, and is sent one thing after the other', async () => {
    const fenced = connections(4);
    const fences = Array.from({ length: 12 }, () => fenceOf(newId()));
    expect(await Promise.all(fences.map((fence) => whereabouts(fenced.behind(fence))))).toEqual(fences.map(expected));
    expect(warnings.filter((message) => message.includes('client.query()'))).toEqual([]);
  });

  it('is never used behind another, whatever many tenants send at the same time and however it ends', async () => {
    const tenants = Array.from({ length: 8 }, newId);
    const [productId, userId] = [newId(), newId()];
    const request = fc.record({
      fence: fc
        .tuple(fc.constantFrom(...tenants), fc.constantFrom({}, { productId }, { userId }))
        .map(([tenantId, over]) => fenceOf(tenantId, over)),
      happening: fc.constantFrom(...(Object.keys(happenings) as (keyof typeof happenings)[])),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(request, { minLength: 10, maxLength: 40, size: 'max' }), async (requests) => {
        const fenced = connections(3);
        const found = await Promise.all(
          requests.map(async ({ fence, happening }) => {
            const send = fenced.behind(fence);
            const before = await whereabouts(send);
            await happenings[happening](send).catch(() => undefined);
            return [before, await whereabouts(send)];
          }),
        );
        expect(found).toEqual(requests.map(({ fence }) => [expected(fence), expected(fence)]));
        expect(fenced.pool.totalCount).toBeLessThanOrEqual(3);
        await fenced.pool.end();
        opened.splice(opened.indexOf(fenced), 1);
      }),
      { numRuns: 25 },
    );
  });

  it('keeps nothing of it: after the statement it is behind none, and reads nothing', async () => {
    const fenced = connections(1);
    const fence = fenceOf(newId(), { productId: newId(), userId: newId() });
    expect(await whereabouts(fenced.behind(fence))).toEqual(expected(fence));
    const { rows } = await fenced.pool.query(
      `SELECT current_user AS role, current_setting('fairlead.tenant_id') AS "tenantId",
         current_setting('fairlead.product_id') AS "productId", current_setting('fairlead.user_id') AS "userId"`,
    );
    expect(rows).toEqual([expected({})]);
    await expect(fenced.pool.query('SELECT FROM team')).rejects.toThrow(/uuid/);
  });

  it.each([
    ['a tenant', 'tenant_fence', {}],
    ['a user', 'fence', { userId: '' }],
  ])(
    'leaves the statement out when the fence of %s could not be set, and the next one finds another connection',
    async (_whose, name, more) => {
      const fenced = connections(1);
      const { tenantId } = await addTenantRows(database);
      const send = fenced.behind(fenceOf(tenantId, more));
      await send(Prisma.raw(`DEALLOCATE ${name}`));
      await expect(send(sql`SELECT id FROM tenant`)).rejects.toMatchObject({ code: '26000' });
      expect(await send(sql`SELECT id FROM tenant`)).toEqual([{ id: tenantId }]);
    },
  );

  it('gives the rows of the statement, whatever it is', async () => {
    const { tenantId } = await addTenantRows(database);
    const send = connections(1).behind(fenceOf(tenantId));
    expect(await send(sql`SELECT id FROM tenant`)).toEqual([{ id: tenantId }]);
    expect(await send(sql`SELECT id FROM tenant WHERE false`)).toEqual([]);
    expect(await send(sql`DELETE FROM team WHERE false`)).toEqual([]);
    expect(await send(sql`SELECT 1::bigint AS n, now() AS at, ${'é'}::text AS text`)).toEqual([
      { n: 1n, at: expect.any(Date), text: 'é' },
    ]);
    // Not kept prepared, because it is not one of the first so many.
    const unnamed = new FencedConnections({ connectionString: database.url, max: 1 }, { of: () => undefined });
    opened.push(unnamed);
    expect(await unnamed.behind(fenceOf(tenantId))(sql`SELECT id FROM tenant`)).toEqual([{ id: tenantId }]);
  });

  it('that is not told for whom refuses to read at all', async () => {
    const client = new pg.Client({ connectionString: database.url, options: '-c role=fairlead_tenant' });
    await client.connect();
    try {
      for (const table of ['team', 'fairshare_group']) {
        await expect(client.query(`SELECT FROM ${table}`)).rejects.toThrow(/fairlead\.tenant_id/);
      }
      // Nor does it read when it was told nothing.
      await client.query(`SELECT set_config('fairlead.tenant_id', '', false)`);
      for (const table of ['team', 'fairshare_group']) {
        await expect(client.query(`SELECT FROM ${table}`)).rejects.toThrow(/invalid input syntax for type uuid: ""/);
      }
    } finally {
      await client.end();
    }
  });

  it('has no fence that is no tenant’s: such an id is an error', async () => {
    await expect(connections(1).behind(fenceOf('everything'))(sql`SELECT FROM team`)).rejects.toThrow(/uuid/);
  });
});

/** As whom the one connection for commands and for the deployment acts. */
async function ofDeployment(): Promise<unknown> {
  const { rows } = await database.pool.query(
    `SELECT current_setting('role') AS role, current_setting('fairlead.tenant_id', true) AS "tenantId"`,
  );
  return rows[0];
}

describe('a transaction', () => {
  it('is behind the fence for a part of its work, and not before or after it', async () => {
    const { tenantId } = await addTenantRows(database);
    const other = await addTenantRows(database);
    const count = await database.transaction(async (transaction) => {
      const tenants = () => transaction.prisma.tenant.findMany({ where: { id: { in: [tenantId, other.tenantId] } } });
      const before = await tenants();
      const within = await behindFence(transaction, { tenantId }, tenants);
      const after = await tenants();
      return [before.length, within.length, after.length];
    });
    expect(count).toEqual([2, 1, 2]);
    expect(await ofDeployment()).toEqual({ role: 'none', tenantId: '' });
  });

  it('that failed behind the fence leaves its connection without one', async () => {
    const failing = database.transaction((transaction) =>
      behindFence(transaction, { tenantId: newId() }, () => transaction.prisma.$queryRaw`SELECT 1 / 0`),
    );
    await expect(failing).rejects.toThrow(/division by zero/);
    expect(await ofDeployment()).toMatchObject({ role: 'none' });
  });

  it('of the deployment is behind none', async () => {
    const role = await database.transaction((transaction) =>
      behindFence(transaction, {}, () => transaction.prisma.$queryRaw`SELECT current_setting('role') AS role`),
    );
    expect(role).toEqual([{ role: 'none' }]);
  });
});

describe('a command of a tenant', () => {
  const input = (tenantId: string) => ({ tenantId, name: seed.name() });

  it.each([
    ['that was carried out', (tenantId: string) => input(tenantId), /^CreateTeamPayload$/],
    ['that was refused', () => input('tnt_01h455vb4pex5vsknk084sn02q'), /Error$/],
  ])('%s leaves its connection to the deployment without a fence', async (_name, inputFor, answers) => {
    const tenant = await seed.tenant();
    const caller = test.ofTenant(decodeId('Tenant', tenant.id), 'teams:write');
    const { data } = await caller.send<{ createTeam: { __typename: string } }, object>(
      'mutation ($input: CreateTeamInput!) { createTeam(input: $input) { __typename } }',
      { input: inputFor(tenant.id) },
    );
    expect(data?.createTeam.__typename).toMatch(answers);
    expect(await ofDeployment()).toMatchObject({ role: 'none' });
    // The operator sees them all, over the same connection.
    const seen = await test.operator.send<{ tenants: { totalCount: number } }, object>('{ tenants { totalCount } }');
    expect(seen.data?.tenants.totalCount).toBe(await database.prisma.tenant.count());
  });

  it('sends two statements more than the same command of the operator, who sends none about the fence', async () => {
    const tenant = await seed.tenant();
    const caller = test.ofTenant(decodeId('Tenant', tenant.id), 'teams:write');
    const sentBy = async (client: typeof caller) => {
      const { statements } = await database.statements.during(() =>
        client.send('mutation ($input: CreateTeamInput!) { createTeam(input: $input) { __typename } }', {
          input: input(tenant.id),
        }),
      );
      // Keys are looked up before.
      return statements.slice(statements.indexOf('BEGIN'));
    };
    const [ofOperator, ofTenant] = [await sentBy(test.operator), await sentBy(caller)];
    expect(ofOperator.filter((statement) => statement.includes('set_config'))).toEqual([]);
    expect(ofTenant.filter((statement) => statement.includes('set_config'))).toHaveLength(2);
    expect(ofTenant).toHaveLength(ofOperator.length + 2);
  });
});
