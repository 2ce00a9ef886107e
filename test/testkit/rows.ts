import { randomUUID } from 'node:crypto';
import type { AuditEntry } from '../../src/database/generated/client.ts';
import { clean } from '../../src/database/housekeeping.ts';
import type { TestApp } from './app.ts';
import type { Client } from './client.ts';

/** What requests leave behind whether or not they change anything. */
const bookkeeping = ['audit_entry', 'audit_chain', 'outbox_event', 'rejected_attempt', 'idempotency_record'];

/** A text that differs whenever a row of any table differs, apart from bookkeeping. Equal texts: nothing was stored. */
export async function storedRows({ app, clock }: TestApp): Promise<string> {
  // Housekeeping may have a turn at any moment. While the clock stands, it finds nothing more that is over.
  await clean(app.database, clock.now());
  const { rows: tables } = await app.database.pool.query<{ name: string }>(
    `SELECT table_name AS name FROM information_schema.tables
     WHERE table_schema = 'public' AND table_type = 'BASE TABLE' AND table_name <> ALL($1) ORDER BY table_name`,
    [bookkeeping],
  );
  const sums = tables.map(
    ({ name }) => `(SELECT md5(coalesce(string_agg(t::text, ',' ORDER BY t::text), '')) FROM "${name}" t)`,
  );
  const { rows } = await app.database.pool.query<{ sum: string }>(`SELECT concat_ws(' ', ${sums.join(', ')}) AS sum`);
  return rows[0]?.sum ?? '';
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
