import { isInputObjectType } from 'graphql';
import pg from 'pg';
import { beforeAll, describe, expect, it } from 'vitest';
import type { SentStatement } from '../../../src/database/statements.ts';
import { encodeId } from '../../../src/graph/ids.ts';
import { startTestApp } from '../../testkit/app.ts';
import type { Client } from '../../testkit/client.ts';
import { graphql } from '../../testkit/generated/gql.ts';
import type { UsageRecordFilter } from '../../testkit/generated/graphql.ts';
import { explain } from '../../testkit/plans.ts';

const app = await startTestApp({ environment: { FAIRLEAD_COST_CAPACITY: '1000000000' } });

const recordCount = 60_000;
/** At worst the planner reads some hundred rows in their order until fifty have met the filter. */
const rowsSeenMax = 2_000;
const uuid = (number: number): string => `00000000-0000-7000-8000-${String(number).padStart(12, '0')}`;
const uuidOf = (number: string): string => `('00000000-0000-7000-8000-' || lpad((${number})::text, 12, '0'))::uuid`;

/**
 * A record a second. Four of ten are the first tenant's, of which one in a thousand is of its second key; one in 500
 * failed, and one in a thousand was never settled.
 */
beforeAll(async () => {
  const { pool } = app.app.database;
  await pool.query(`
    INSERT INTO usage_record (
      id, tenant_id, fairshare_group_id, key_id, user_id, product_id, model_id, model_name, gateway_id, request_id,
      session_id, request_type, admission, settlement, status_code, estimated_input_tokens, estimated_output_tokens,
      input_tokens, output_tokens, queue_wait_ms, cache_status, cost_usd, completed_at
    )
    SELECT ${uuidOf('number')}, ${uuidOf('CASE WHEN number % 10 < 4 THEN 1 ELSE 2 + number % 20 END')}, ${uuidOf('1')},
      ${uuidOf('CASE WHEN number % 2500 = 0 THEN 2 WHEN number % 10 < 4 THEN 1 ELSE 3 + number % 200 END')},
      CASE WHEN number % 3 = 0 THEN ${uuidOf('1 + number % 500')} END,
      CASE WHEN number % 5 = 0 THEN ${uuidOf('1 + number % 100')} END,
      ${uuidOf('1 + number % 7')}, 'model', ${uuidOf('CASE WHEN number % 4000 = 1 THEN 2 ELSE 1 END')}, md5(number::text),
      CASE WHEN number % 4 = 0 THEN 'session ' || number % 3000 END,
      CASE WHEN number % 10 = 0 THEN 'embedding' ELSE 'chat' END, 'FAST',
      CASE WHEN number % 1000 = 0 THEN 'UNSETTLED' ELSE 'SETTLED' END::usage_settlement,
      CASE WHEN number % 1000 = 0 THEN NULL WHEN number % 500 = 1 THEN 500 ELSE 200 END, 1, 1,
      CASE WHEN number % 1000 = 0 THEN NULL ELSE 1 END, CASE WHEN number % 1000 = 0 THEN NULL ELSE 1 END,
      0, 'OFF', 0, '2026-03-01T00:00:00Z'::timestamptz + number * interval '1 second'
    FROM generate_series(1, ${recordCount}) AS series (number)
  `);
  await pool.query('ANALYZE usage_record');
});

const usagePage = graphql(`
  query UsagePlansPage($filter: UsageRecordFilter) {
    usageRecords(first: 50, filter: $filter) {
      edges {
        node {
          id
          costUsd
        }
      }
    }
  }
`);

const hour = (number: number) => new Date(Date.UTC(2026, 2, 1, number)).toISOString();

/** Every field of the filter, where many records meet it, few, and none. */
const filters: readonly UsageRecordFilter[] = [
  {},
  { tenantId: encodeId('Tenant', uuid(1)) },
  { tenantId: encodeId('Tenant', uuid(9)) },
  { tenantId: encodeId('Tenant', uuid(999)) },
  { keyId: encodeId('ApiKey', uuid(1)) },
  { keyId: encodeId('ApiKey', uuid(2)) },
  { userId: encodeId('User', uuid(1)) },
  { userId: encodeId('User', uuid(999)) },
  { productId: encodeId('Product', uuid(1)) },
  { productId: encodeId('Product', uuid(999)) },
  { modelId: encodeId('Model', uuid(3)) },
  { modelId: encodeId('Model', uuid(999)) },
  { gatewayId: encodeId('Gateway', uuid(1)) },
  { gatewayId: encodeId('Gateway', uuid(2)) },
  { gatewayId: encodeId('Gateway', uuid(999)) },
  { settlements: ['UNSETTLED'] },
  { settlements: ['UNSETTLED', 'LATE'] },
  { settlements: ['SETTLED'] },
  { outcome: 'ERROR' },
  { outcome: 'SUCCESS' },
  { requestId: 'c4ca4238a0b923820dcc509a6f75849b' },
  { requestId: 'c4ca' },
  { requestId: 'none' },
  { sessionId: 'session 40' },
  { sessionId: 'none' },
  { requestTypes: ['embedding'] },
  { completedAt: { from: hour(2), until: hour(3) } },
  { completedAt: { until: hour(-1) } },
  { keyId: encodeId('ApiKey', uuid(1)), outcome: 'ERROR' },
  { completedAt: { from: hour(2), until: hour(3) }, settlements: ['UNSETTLED'] },
];

/** The statement that a list sends. */
async function statementOf(client: Client, filter: UsageRecordFilter): Promise<SentStatement> {
  const sent: SentStatement[] = [];
  const stop = app.app.database.statements.listen((text, statement) => {
    if (text.includes('FROM "usage_record"')) sent.push(statement);
  });
  await client.run(usagePage, { filter }).finally(stop);
  const [statement] = sent;
  if (statement === undefined || sent.length > 1) throw new Error(`The list sent ${sent.length} statements.`);
  return statement;
}

/** The lists that look at many more records than they show. */
async function expensive(caller: Client, asked: readonly UsageRecordFilter[], tenantId?: string): Promise<object[]> {
  const found: object[] = [];
  const connection = new pg.Client({ connectionString: app.databaseUrl, options: '-c TimeZone=UTC' });
  await connection.connect();
  try {
    if (tenantId !== undefined) {
      await connection.query(`SELECT set_config('fairlead.tenant_id', $1, false)`, [tenantId]);
      await connection.query('SET role = fairlead_tenant');
    }
    for (const filter of asked) {
      for (const plan of await explain(connection, await statementOf(caller, filter))) {
        if (plan.sequentialScans.length > 0 || plan.rowsSeen > rowsSeenMax) found.push({ filter, ...plan });
      }
    }
  } finally {
    await connection.end();
  }
  return found;
}

describe('a page of 50 of 60,000 usage records', () => {
  it('is read without looking at most of them, by every filter', async () => {
    expect(await expensive(app.operator, filters)).toEqual([]);
  });

  it('is read so behind the fence of a tenant that has four of ten records', async () => {
    const owned = filters.filter(({ tenantId }) => !tenantId);
    expect(await expensive(app.ofTenant(uuid(1), 'usage:read'), owned, uuid(1))).toEqual([]);
  });

  it('was asked for by every field of the filter', () => {
    const type = app.app.schema.getType('UsageRecordFilter');
    const fields = isInputObjectType(type) ? Object.keys(type.getFields()) : [];
    expect(new Set(filters.flatMap((filter) => Object.keys(filter)))).toEqual(new Set(fields));
  });
});
