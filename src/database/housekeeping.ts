import type { Logger } from 'pino';
import { inBackground, repeatInBackground } from './background.ts';
import type { Database } from './database.ts';

const intervalMs = 60_000;

/** What a module has to clean up. */
type Task = (database: Database, now: Date) => Promise<void>;

/**
 * Removes what is of no more use: answers to idempotency keys whose time is over and the sealed secrets of younger
 * ones, and events that every process has long heard. Any number of processes may do so.
 *
 * @param now the time by which answers expire; events have theirs from the database
 */
export async function clean({ prisma }: Database, now: Date): Promise<void> {
  await prisma.idempotencyRecord.deleteMany({ where: { expiresAt: { lte: now } } });
  await prisma.idempotencyRecord.updateMany({
    where: { sealedUntil: { lte: now } },
    data: { sealedSecrets: null, sealedUntil: null },
  });
  await prisma.$executeRaw`DELETE FROM outbox_event WHERE occurred_at < now() - interval '24 hours'`;
}

/**
 * Cleans now and every minute.
 *
 * @param tasks what modules do after that, each whatever becomes of the others
 * @returns ends it, once what it is doing is done
 */
export function startHousekeeping(
  database: Database,
  now: () => Date,
  log: Logger,
  tasks: readonly Task[] = [],
): () => Promise<void> {
  let running = Promise.resolve();
  const run = async (): Promise<void> => {
    for (const task of [clean, ...tasks]) {
      try {
        await task(database, now());
      } catch (error) {
        log.error({ err: error }, 'old rows could not be removed; the next turn tries again');
      }
    }
  };
  const turn = (): void => {
    running = run();
  };
  void inBackground(turn);
  const stop = repeatInBackground(intervalMs, turn);
  return () => {
    stop();
    return running;
  };
}
