import type { Database } from '../../database/database.ts';
import { newId } from '../../graph/ids.ts';
import { announce } from '../../live/outbox.ts';

/** For how long gateways are kept that have left, or that nothing is heard of. */
const keptMs = 30 * 24 * 60 * 60 * 1_000;

const atMost = 1_000;

interface Forgotten {
  readonly id: string;
  readonly tenantId: string | null;
}

/** Removes gateways that left long ago, or fell silent without a word. What they ran stays recorded. */
export async function forgetGateways(database: Database, now: Date): Promise<void> {
  const before = new Date(now.getTime() - keptMs);
  await database.transaction(async (transaction) => {
    const forgotten = await transaction.prisma.$queryRaw<Forgotten[]>`
      DELETE FROM gateway WHERE id IN (
        SELECT id FROM gateway WHERE left_at < ${before} OR (left_at IS NULL AND last_heartbeat_at < ${before})
        ORDER BY id LIMIT ${atMost} FOR UPDATE SKIP LOCKED
      ) RETURNING id, tenant_id AS "tenantId"
    `;
    if (forgotten.length === 0) return;
    // Every process remembers whose a gateway is.
    await announce(
      transaction,
      forgotten.map(({ id, tenantId }) => ({
        id: newId(),
        topic: 'Gateway.changed',
        ...(tenantId === null ? {} : { tenantId }),
        payload: { id, command: 'forgetGateways' },
      })),
    );
  });
}
