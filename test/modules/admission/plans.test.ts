import pg from 'pg';
import { pino } from 'pino';
import { beforeAll, describe, expect, it } from 'vitest';
import type { SentStatement } from '../../../src/database/statements.ts';
import { newId } from '../../../src/graph/ids.ts';
import { Counters } from '../../../src/modules/admission/counters.ts';
import { type LimitedBy, layersOf } from '../../../src/modules/limits/ledger/layers.ts';
import { Ledger } from '../../../src/modules/limits/ledger/ledger.ts';
import { startTestApp } from '../../testkit/app.ts';
import { explain, type Plan } from '../../testkit/plans.ts';

const app = await startTestApp();
const { database } = app.app;

const recordCount = 30_000;
/** The day of the tenant, and all that the others have: some hundred records, with room. */
const rowsSeenMax = 1_500;

const ids = { tenant: newId(), key: newId(), user: newId(), team: newId(), product: newId() };

/**
 * A record in 100 seconds, all of one tenant, up to now. One in a hundred is of the key, user, team and product that are
 * asked for; the others are of one other of each, as it is where most comes from one application.
 */
beforeAll(async () => {
  const other = newId();
  const one = (id: string) => `CASE WHEN number % 100 = 0 THEN '${id}' ELSE '${other}' END::uuid`;
  await database.pool.query(`
    INSERT INTO usage_record (
      id, tenant_id, fairshare_group_id, key_id, user_id, team_id, product_id, model_name, request_id, request_type,
      admission, settlement, status_code, estimated_input_tokens, estimated_output_tokens, input_tokens, output_tokens,
      queue_wait_ms, cache_status, cost_usd, completed_at
    )
    SELECT gen_random_uuid(), '${ids.tenant}', '${other}', ${one(ids.key)}, ${one(ids.user)}, ${one(ids.team)},
      ${one(ids.product)}, 'model', md5(number::text), 'chat', 'FAST', 'SETTLED', 200, 1, 1, 1, 1, 0, 'OFF', 0,
      '${app.clock.now().toISOString()}'::timestamptz - number * interval '100 seconds'
    FROM generate_series(1, ${recordCount}) AS series (number)
  `);
  await database.pool.query('ANALYZE usage_record');
});

/** The statements that ask what was used before there was a counter. */
async function seedsOf(limitedBy: Omit<LimitedBy, 'timeZone'>): Promise<SentStatement[]> {
  const store = { count: () => Promise.reject(new Error('Nothing is written.')) };
  const counters = new Counters({ ledger: new Ledger(), store, database, log: pino({ level: 'silent' }) });
  const sent: SentStatement[] = [];
  const stop = database.statements.listen((_text, statement) => sent.push(statement));
  await counters.seeds(layersOf({ timeZone: 'UTC', ...limitedBy }), app.clock.now().getTime())?.finally(stop);
  return sent;
}

async function plansOf(statements: readonly SentStatement[]): Promise<Plan[]> {
  const connection = new pg.Client({ connectionString: app.databaseUrl, options: '-c TimeZone=UTC' });
  await connection.connect();
  try {
    const plans: Plan[] = [];
    for (const statement of statements) plans.push(...(await explain(connection, statement)));
    return plans;
  } finally {
    await connection.end();
  }
}

const budget = { tokens: 1_000, costNanoUsd: 1_000n, period: { startedAt: 0 } };
const limits = { requestsPerMinute: null, tokensPerMinute: null, tokensPerDay: 1_000, budget };
const none = { requestsPerMinute: null, tokensPerMinute: null, tokensPerDay: null, budget: null };

describe('what was used before there was a limit', () => {
  it.each<[string, Omit<LimitedBy, 'timeZone'>, number]>([
    ['a key', { key: { id: ids.key, limits } }, 2],
    ['a user', { user: { id: ids.user, limits } }, 2],
    ['a team', { team: { id: ids.team, limits, userSharePercent: null } }, 2],
    [
      "the part of a team that is the user's",
      { user: { id: ids.user, limits: none }, team: { id: ids.team, limits, userSharePercent: 50 } },
      4,
    ],
    ['a product', { product: { id: ids.product, limits } }, 2],
    ['a tenant in its day', { tenant: { id: ids.tenant, limits: { ...limits, budget: null } } }, 1],
  ])('by %s is found without looking at most of 30,000 records of its tenant', async (_name, limitedBy, count) => {
    const statements = await seedsOf(limitedBy);
    expect(statements).toHaveLength(count);
    const plans = await plansOf(statements);
    expect(plans.filter((plan) => plan.sequentialScans.length > 0 || plan.rowsSeen > rowsSeenMax)).toEqual([]);
  });
});
