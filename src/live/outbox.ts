import type { Transaction } from '../database/database.ts';

/** What a committed change has to tell the rest of the system. */
export interface OutboxEvent {
  readonly topic: string;
  /** The tenant that it concerns; absent: the deployment. */
  readonly tenantId?: string;
  /** Ids and names: what fits into a notification of Postgres, which takes 8,000 bytes. */
  readonly payload: Readonly<Record<string, string | number | boolean | null>>;
}

/** The channel on which new events are announced. */
export const outboxChannel = 'fairlead_outbox';

/** Adds events to the transaction that makes them true. Every process learns of them when it commits. */
export async function announce(
  { prisma, announced }: Transaction,
  events: readonly (OutboxEvent & { readonly id: string })[],
): Promise<void> {
  const rows = JSON.stringify(
    events.map(({ id, topic, tenantId, payload }) => ({ id, topic, tenant_id: tenantId ?? null, payload })),
  );
  announced.push(...events.map((event) => ({ ...event, tenantId: event.tenantId ?? null })));
  await prisma.$executeRaw`
    WITH added AS (
      INSERT INTO outbox_event (id, topic, tenant_id, payload, occurred_at)
      SELECT id, topic, tenant_id, payload, now()
      FROM jsonb_to_recordset(${rows}::jsonb) AS event (id uuid, topic text, tenant_id uuid, payload jsonb)
      RETURNING id, topic, tenant_id, payload
    )
    SELECT pg_notify(
      ${outboxChannel},
      json_build_object('id', id, 'topic', topic, 'tenantId', tenant_id, 'payload', payload)::text
    ) FROM added
  `;
}
