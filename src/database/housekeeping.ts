import type { Logger } from 'pino';
import type { Database } from './database.ts';

const intervalMs = 10 * 60_000;
const outboxKeptForMs = 24 * 60 * 60_000;

/**
 * Removes what is of no more use, now and every ten minutes: answers to idempotency keys whose time is over, and events
 * that every process has long heard. Any number of processes may do so.
 *
 * @returns ends it
 */
export function startHousekeeping({ prisma }: Database, log: Logger): () => void {
  const clean = async (): Promise<void> => {
    try {
      const now = Date.now();
      await prisma.idempotencyRecord.deleteMany({ where: { expiresAt: { lt: new Date(now) } } });
      await prisma.outboxEvent.deleteMany({ where: { occurredAt: { lt: new Date(now - outboxKeptForMs) } } });
    } catch (error) {
      log.error({ err: error }, 'old rows could not be removed; the next turn tries again');
    }
  };
  const timer = setInterval(clean, intervalMs);
  timer.unref();
  return () => clearInterval(timer);
}
