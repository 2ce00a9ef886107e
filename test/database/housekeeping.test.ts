import { pino } from 'pino';
import { describe, expect, it, vi } from 'vitest';
import { clean, startHousekeeping } from '../../src/database/housekeeping.ts';
import { newId } from '../../src/graph/ids.ts';
import { startTestApp } from '../testkit/app.ts';

const { app, clock } = await startTestApp();
const { database } = app;
const { pool } = database;

/** Stores an answer that expires so many milliseconds after the program's time. */
async function storeAnswer(key: string, expiresInMs: number): Promise<void> {
  await pool.query(
    `INSERT INTO idempotency_record (credential_id, key, command, input_hash, answer, expires_at)
     VALUES ('test', $1, 'createTenant', '', '{}', $2)`,
    [key, new Date(clock.now().getTime() + expiresInMs)],
  );
}

/** Stores an event that is so many seconds old by the database's time. */
async function storeEvent(topic: string, ageSeconds: number): Promise<void> {
  await pool.query(
    `INSERT INTO outbox_event (id, topic, payload, occurred_at) VALUES ($1, $2, '{}', now() - $3 * interval '1 second')`,
    [newId(), topic, ageSeconds],
  );
}

const keysLeft = async () =>
  (await pool.query<{ key: string }>('SELECT key FROM idempotency_record ORDER BY key')).rows.map(({ key }) => key);

const topicsLeft = async () =>
  (await pool.query<{ topic: string }>('SELECT topic FROM outbox_event ORDER BY topic')).rows.map(({ topic }) => topic);

const countOf = async (table: string) =>
  (await pool.query<{ count: number }>(`SELECT count(*)::int AS count FROM ${table}`)).rows[0]?.count;

const daySeconds = 24 * 60 * 60;
const quiet = pino({ level: 'silent' });

async function store(): Promise<void> {
  await pool.query('DELETE FROM idempotency_record; DELETE FROM outbox_event');
  await storeAnswer('long over', -1_000_000);
  await storeAnswer('just over', 0);
  await storeAnswer('not yet over', 1);
  await storeEvent('a day and a second old', daySeconds + 1);
  await storeEvent('a minute less than a day old', daySeconds - 60);
  await storeEvent('new', 0);
}

describe('housekeeping', () => {
  it('removes answers and events whose time is over, and nothing else', async () => {
    await pool.query(
      `INSERT INTO rejected_attempt (minute, ip_address, reason, attempts) VALUES ('2020-01-01', '192.0.2.1', 'x', 1)`,
    );
    await pool.query(
      `INSERT INTO audit_entry (id, chain_id, sequence, previous_hash, hash, occurred_at, actor_kind, actor_name, action, outcome)
       VALUES ($1, $2, 1, '', '', '2020-01-01', 'ROOT', 'x', 'x', 'SUCCEEDED')`,
      [newId(), newId()],
    );
    await store();
    await clean(database, clock.now());
    expect(await keysLeft()).toEqual(['not yet over']);
    expect(await topicsLeft()).toEqual(['a minute less than a day old', 'new']);
    expect([await countOf('rejected_attempt'), await countOf('audit_entry'), await countOf('fairshare_group')]).toEqual(
      [1, 1, 1],
    );
  });

  it('is done at the start, and has ended when it is told to end', async () => {
    await store();
    await startHousekeeping(database, () => clock.now(), quiet)();
    expect(await keysLeft()).toEqual(['not yet over']);
  });

  it('is done again every ten minutes', async () => {
    await store();
    vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] });
    try {
      const end = startHousekeeping(database, () => clock.now(), quiet);
      clock.advance(1);
      vi.advanceTimersByTime(10 * 60_000);
      await end();
    } finally {
      vi.useRealTimers();
    }
    expect(await keysLeft()).toEqual([]);
  });

  it('says what kept it from its work, and tries again at its next turn', async () => {
    const lines: string[] = [];
    const log = pino({ level: 'error' }, { write: (line: string) => void lines.push(line) });
    await pool.query('ALTER TABLE outbox_event RENAME TO renamed');
    await startHousekeeping(database, () => clock.now(), log)();
    await pool.query('ALTER TABLE renamed RENAME TO outbox_event');
    expect(lines.join()).toContain('the next turn tries again');
  });
});
