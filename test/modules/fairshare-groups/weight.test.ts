import { beforeEach, describe, expect, it } from 'vitest';
import { decodeId } from '../../../src/graph/ids.ts';
import { startTestApp } from '../../testkit/app.ts';
import { expectNoFailures } from '../../testkit/bad-input.ts';
import { Seed } from '../../testkit/seed.ts';
import { statementsOf } from '../../testkit/statements.ts';

const app = await startTestApp();
const { pool } = app.app.database;
const seed = new Seed(app);
expectNoFailures(app);
// Time stands still, so what a caller may spend does not come back by itself.
beforeEach(() => app.clock.advance(60_000));

/** A group with many tenants, made in one statement. */
async function groupOf(tenantCount: number): Promise<string> {
  const { id } = await seed.group();
  await pool.query(
    `INSERT INTO tenant (id, name, name_folded, fairshare_group_id, updated_at)
     SELECT gen_random_uuid(), name, name, $1, now()
     FROM generate_series(1, $2::int) AS n, LATERAL (SELECT 'crowd ' || $2::text || ' ' || n) AS made(name)`,
    [decodeId('FairshareGroup', id), tenantCount],
  );
  return id;
}

/** Which version of each row is the current one: another one after every write. */
async function rowVersions(): Promise<Map<string, string>> {
  const { rows } = await pool.query<{ id: string; version: string }>(
    'SELECT id, xmin || $1 || ctid AS version FROM tenant UNION ALL SELECT id, xmin || $1 || ctid FROM fairshare_group',
    [' '],
  );
  return new Map(rows.map(({ id, version }) => [id, version]));
}

describe('setFairshareGroupWeight', () => {
  it('sends the same statements and writes one row, however many tenants the group has', async () => {
    const measured = [];
    for (const tenantCount of [1, 1_000]) {
      const fairshareGroupId = await groupOf(tenantCount);
      const before = await rowVersions();
      const statements = await statementsOf(app, () =>
        seed.run('setFairshareGroupWeight', { fairshareGroupId, weight: 7 }),
      );
      const after = await rowVersions();
      const written = [...after].filter(([id, version]) => before.get(id) !== version).map(([id]) => id);
      expect(written).toEqual([decodeId('FairshareGroup', fairshareGroupId)]);
      measured.push(statements);
    }
    expect(measured[1]).toEqual(measured[0]);
  });
});

describe('deleteFairshareGroup', () => {
  it('sends the same statements however many tenants it moves', async () => {
    const measured = [];
    for (const tenantCount of [2, 999]) {
      const fairshareGroupId = await groupOf(tenantCount);
      measured.push(
        await statementsOf(app, async () => {
          const { movedTenantCount } = await seed.run('deleteFairshareGroup', { fairshareGroupId });
          expect(movedTenantCount).toBe(tenantCount);
        }),
      );
    }
    expect(measured[1]).toEqual(measured[0]);
  });
});
