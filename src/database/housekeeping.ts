import type { Logger } from 'pino';
import { inBackground, repeatInBackground } from './background.ts';
import type { Database } from './database.ts';

const intervalMs = 60_000;

/** For how long gateways are kept that have left. What they ran stays recorded. */
const leftGatewaysMs = 30 * 24 * 60 * 60 * 1_000;

/**
 * Removes what is of no more use: answers to idempotency keys whose time is over and the sealed secrets of younger
 * ones, gateways that left long ago, and events that every process has long heard. Any number of processes may do so.
 *
 * @param now the time by which answers expire; events have theirs from the database
 */
export async function clean({ prisma }: Database, now: Date): Promise<void> {
  await prisma.idempotencyRecord.deleteMany({ where: { expiresAt: { lte: now } } });
  await prisma.idempotencyRecord.updateMany({
    where: { sealedUntil: { lte: now } },
    data: { sealedSecrets: null, sealedUntil: null },
  });
  await prisma.gateway.deleteMany({ where: { leftAt: { lt: new Date(now.getTime() - leftGatewaysMs) } } });
  await prisma.$executeRaw`DELETE FROM outbox_event WHERE occurred_at < now() - interval '24 hours'`;
}

/**
 * Cleans now and every minute.
 *
 * @returns ends it, once what it is doing is done
 */
export function startHousekeeping(database: Database, now: () => Date, log: Logger): () => Promise<void> {
  let running = Promise.resolve();
  const turn = (): void => {
    running = clean(database, now()).catch((error: unknown) => {
      log.error({ err: error }, 'old rows could not be removed; the next turn tries again');
    });
  };
  void inBackground(turn);
  const stop = repeatInBackground(intervalMs, turn);
  return () => {
    stop();
    return running;
  };
}
