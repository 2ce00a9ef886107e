import pg from 'pg';
import { expect } from 'vitest';
import type { TestApp } from './app.ts';
import { eventually } from './eventually.ts';

/** Has nobody write to a table until the returned function is called; it can be read. */
export async function holdTable({ app }: Pick<TestApp, 'app'>, table: string): Promise<() => Promise<void>> {
  const client = await app.database.pool.connect();
  await client.query(`BEGIN; LOCK TABLE "${table}" IN SHARE MODE`);
  return async () => {
    await client.query('ROLLBACK');
    client.release();
  };
}

/** Holds every command on tenants until it is released, also while the program ends. */
export async function holdTenants({ databaseUrl }: Pick<TestApp, 'databaseUrl'>) {
  const client = new pg.Client({ connectionString: databaseUrl });
  await client.connect();
  await client.query('BEGIN; LOCK TABLE tenant IN ACCESS EXCLUSIVE MODE');
  return {
    /** Until this many transactions are held. */
    held: (count: number) =>
      eventually(async () => {
        const { rows } = await client.query<{ waiting: number }>(
          "SELECT count(*)::int AS waiting FROM pg_locks WHERE NOT granted AND relation = 'tenant'::regclass",
        );
        expect(rows[0]?.waiting).toBe(count);
      }),
    release: () => client.end(),
  };
}

/** Until so many commands wait for what another one has locked. */
export async function whenHeldUp({ app }: Pick<TestApp, 'app'>, waiting: number): Promise<void> {
  await eventually(async () => {
    const { rows } = await app.database.pool.query<{ count: number }>(
      `SELECT count(*)::int AS count FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`,
    );
    expect(rows[0]?.count).toBe(waiting);
  });
}

/**
 * Runs work while a transaction of nobody's holds what a statement locks, until so many commands wait; then lets them go.
 * So they meet in an order that the test chooses, and not by chance.
 *
 * @param waiting how many have to wait before the lock is given up, after each of the steps
 */
export async function whileHeld<Result>(
  { app }: TestApp,
  [text, values]: readonly [text: string, values: readonly unknown[]],
  steps: readonly { readonly start: () => Promise<Result>; readonly waiting: number }[],
): Promise<Result[]> {
  const client = await app.database.pool.connect();
  const started: Promise<Result>[] = [];
  try {
    await client.query('BEGIN');
    await client.query(text, [...values]);
    for (const { start, waiting } of steps) {
      started.push(start());
      await whenHeldUp({ app }, waiting);
    }
  } finally {
    await client.query('ROLLBACK');
    client.release();
  }
  return Promise.all(started);
}
