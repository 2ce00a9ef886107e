import { randomUUID } from 'node:crypto';
import type { AuditEntry } from '../../src/database/generated/client.ts';
import { clean } from '../../src/database/housekeeping.ts';
import type { TestApp } from './app.ts';
import type { Client } from './client.ts';

/** What requests leave behind whether or not they change anything. */
const bookkeeping = ['audit_entry', 'audit_chain', 'outbox_event', 'rejected_attempt', 'idempotency_record'];

/** What a table had, and which write it had last. */
interface Seen {
  readonly written: string;
  readonly sum: string;
}

const seen = new WeakMap<TestApp, Map<string, Seen>>();

/**
 * A text that differs whenever a row of any table differs, apart from bookkeeping. Equal texts: nothing was stored.
 *
 * Of tables to which nothing was written since the last time, no row is read again: what is written has a later
 * transaction than all that is there, and what is deleted is not counted any more.
 */
export async function storedRows(test: TestApp): Promise<string> {
  const { database } = test.app;
  // Housekeeping may have a turn at any moment. While the clock stands, it finds nothing more that is over.
  await clean(database, test.clock.now());
  const { rows: names } = await database.pool.query<{ name: string }>(
    `SELECT relname AS name FROM pg_class
     WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' AND relname <> ALL($1) ORDER BY relname`,
    [bookkeeping],
  );
  const valuesOf = async (tables: readonly string[], value: string): Promise<readonly string[]> => {
    const all = tables.map((table) => `(SELECT ${value} FROM "${table}" t)`);
    const { rows } = await database.pool.query<{ all: string[] }>(`SELECT ARRAY[${all.join(', ')}]::text[] AS all`);
    return rows[0]?.all ?? [];
  };
  const tables = names.map(({ name }) => name);
  const known = seen.get(test) ?? new Map<string, Seen>();
  seen.set(test, known);
  const writes = await valuesOf(tables, `concat(count(*), ' ', max(xmin::text::bigint))`);
  const changed = [...tables.entries()].filter(([index, table]) => known.get(table)?.written !== writes[index]);
  const sums = await valuesOf(
    changed.map(([, table]) => table),
    `md5(coalesce(string_agg(t::text, ',' ORDER BY t::text), ''))`,
  );
  for (const [at, [index, table]] of changed.entries()) {
    known.set(table, { written: writes[index] ?? '', sum: sums[at] ?? '' });
  }
  return tables.map((table) => `${table} ${known.get(table)?.sum}`).join('\n');
}

/** The same caller under a request id of its own, and the audit rows of what it sends with it. */
export function traced({ app }: TestApp, client: Client): { client: Client; auditRows: () => Promise<AuditEntry[]> } {
  const requestId = randomUUID();
  return {
    client: client.with({ 'x-request-id': requestId }),
    auditRows: () =>
      app.database.prisma.auditEntry.findMany({
        where: { requestId },
        orderBy: [{ occurredAt: 'asc' }, { id: 'asc' }],
      }),
  };
}
