import { describe, expect, it } from 'vitest';
import { startTestApp } from '../testkit/app.ts';

const { app } = await startTestApp();
const { pool } = app.database;

describe('the rules that the database keeps itself', () => {
  const insertTenant = (column: string, value: string): string =>
    `INSERT INTO tenant (id, name, name_folded, fairshare_group_id, updated_at, ${column})
     SELECT gen_random_uuid(), 'a', 'a', id, now(), ${value} FROM fairshare_group WHERE is_default`;

  it.each([
    ['weight', '0', 'tenant_weight_check'],
    ['weight', '1000001', 'tenant_weight_check'],
    ['revision', '0', 'tenant_revision_check'],
    ['requests_per_minute', '-1', 'tenant_requests_per_minute_check'],
    ['tokens_per_minute', '-1', 'tenant_tokens_per_minute_check'],
    ['tokens_per_day', '-1', 'tenant_tokens_per_day_check'],
    ['max_in_flight', '-1', 'tenant_max_in_flight_check'],
    ['budget_tokens', '-1', 'tenant_budget_tokens_check'],
    ['budget_cost_usd', '-0.000001', 'tenant_budget_cost_usd_check'],
    ['budget_cost_usd', `'NaN'`, 'tenant_budget_cost_usd_check'],
    ['active_from, active_until', `'2026-01-02', '2026-01-01'`, 'tenant_active_window_check'],
  ])('a tenant cannot have %s %s', async (column, value, constraint) => {
    await expect(pool.query(insertTenant(column, value))).rejects.toMatchObject({ constraint });
  });

  it.each([
    ['requests_per_minute', '-1', 'product_requests_per_minute_check'],
    ['tokens_per_minute', '-1', 'product_tokens_per_minute_check'],
    ['tokens_per_day', '-1', 'product_tokens_per_day_check'],
    ['max_in_flight', '-1', 'product_max_in_flight_check'],
    ['budget_tokens', '-1', 'product_budget_tokens_check'],
    ['budget_cost_usd', '-0.000001', 'product_budget_cost_usd_check'],
    ['budget_cost_usd', `'NaN'`, 'product_budget_cost_usd_check'],
  ])('a product cannot have %s %s', async (column, value, constraint) => {
    const insert = `INSERT INTO product (id, tenant_id, slug, display_name, display_name_folded, updated_at, ${column})
      VALUES (gen_random_uuid(), gen_random_uuid(), 'abc', 'a', 'a', now(), ${value})`;
    await expect(pool.query(insert)).rejects.toMatchObject({ constraint });
  });

  it.each([
    ['revision', '0', 'model_revision_check'],
    ['admission_weight_percent', '0', 'model_admission_weight_percent_check'],
    ['admission_weight_percent', '10001', 'model_admission_weight_percent_check'],
    ['input_token_usd', '-0.000000000001', 'model_input_token_usd_check'],
    ['output_token_usd', `'NaN'`, 'model_output_token_usd_check'],
    ['image_usd', '100000.000000000001', 'model_image_usd_check'],
    ['audio_second_usd', '-1', 'model_audio_second_usd_check'],
    ['character_usd', '-1', 'model_character_usd_check'],
  ])('a model cannot have %s %s', async (column, value, constraint) => {
    const insert = `INSERT INTO model (id, name, name_folded, updated_at, ${column})
      VALUES (gen_random_uuid(), 'a', 'a', now(), ${value})`;
    await expect(pool.query(insert)).rejects.toMatchObject({ constraint });
  });

  it.each([
    ['a negative figure', 200, '-1, 0, 0'],
    ['one figure and not the others', 200, '0, NULL, 0'],
    ['figures of a request of which nobody has said anything', null, '0, 0, 0'],
  ])('a usage record cannot have %s of images, audio or characters', async (_what, statusCode, figures) => {
    const settled = statusCode === null ? `'UNSETTLED', NULL, NULL, NULL` : `'SETTLED', ${statusCode}, 1, 1`;
    const insert = `INSERT INTO usage_record (
        id, tenant_id, fairshare_group_id, key_id, model_name, request_id, request_type, admission,
        estimated_input_tokens, estimated_output_tokens, queue_wait_ms, cache_status, cost_usd, completed_at,
        settlement, status_code, input_tokens, output_tokens, images, audio_ms, characters
      ) VALUES (
        gen_random_uuid(), gen_random_uuid(), gen_random_uuid(), gen_random_uuid(), 'a', 'a', 'a', 'FAST',
        1, 1, 0, 'OFF', 0, now(), ${settled}, ${figures}
      )`;
    await expect(pool.query(insert)).rejects.toMatchObject({ constraint: 'usage_record_units_check' });
  });

  it.each([
    ['deployment_max_in_flight', '-1'],
    ['model_default_max_in_flight', '1000001'],
    ['pool_queue_max', '-1'],
    ['tenant_queue_max', '1000001'],
    ['queue_timeout_seconds', '0'],
    ['queue_timeout_seconds', '3601'],
    ['revision', '0'],
  ])('capacity cannot have %s %s', async (column, value) => {
    const constraint = `capacity_settings_${column}_check`;
    await expect(pool.query(`UPDATE capacity_settings SET ${column} = ${value}`)).rejects.toMatchObject({ constraint });
  });

  it('there is one row of capacity, and never a second', async () => {
    await expect(pool.query('INSERT INTO capacity_settings (id) VALUES (2)')).rejects.toMatchObject({
      constraint: 'capacity_settings_one_row_check',
    });
  });

  it.each([
    ['api_key', '0'],
    ['api_key', '1000001'],
    ['fairshare_group', '0'],
    ['fairshare_group', '1000001'],
  ])('a row of %s cannot have the weight %s', async (table, weight) => {
    const insert =
      table === 'api_key'
        ? `INSERT INTO api_key (id, kind, name, name_folded, start, created_by_id, created_by_name, updated_at, weight)
           VALUES (gen_random_uuid(), 'ADMIN', 'a', 'a', 'a', 'a', 'a', now(), ${weight})`
        : `INSERT INTO fairshare_group (id, name, name_folded, updated_at, weight)
           VALUES (gen_random_uuid(), 'a', 'a', now(), ${weight})`;
    await expect(pool.query(insert)).rejects.toMatchObject({ constraint: `${table}_weight_check` });
  });

  it('there is one default group, and never a second', async () => {
    const { rows } = await pool.query('SELECT id, name, weight FROM fairshare_group WHERE is_default');
    expect(rows).toEqual([{ id: '01900000-0000-7000-8000-000000000001', name: 'default', weight: 100 }]);
    const second = `INSERT INTO fairshare_group (id, name, name_folded, is_default, updated_at)
      VALUES (gen_random_uuid(), 'b', 'b', true, now())`;
    await expect(pool.query(second)).rejects.toMatchObject({ constraint: 'fairshare_group_is_default_key' });
  });
});
