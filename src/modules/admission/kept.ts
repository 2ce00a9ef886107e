import type { Database } from '../../database/database.ts';
import type { Lease } from '../../database/generated/client.ts';
import type { CounterRow } from './rows.ts';

/** The leases that were kept, in the order in which they were granted. */
export const keptLeases = ({ prisma }: Database): Promise<Lease[]> =>
  prisma.lease.findMany({ orderBy: [{ grantedAt: 'asc' }, { id: 'asc' }] });

/** The states of counters that were kept. Removes those that count for nothing any more. */
export async function keptCounters({ prisma }: Database, now: Date): Promise<CounterRow[]> {
  await prisma.limitCounter.deleteMany({ where: { expiresAt: { lte: now } } });
  const rows = await prisma.limitCounter.findMany();
  return rows.map(({ key, state, expiresAt }) => ({ key, state, expiresAt: expiresAt?.getTime() ?? null }));
}
