import { Prisma } from '../../database/generated/client.ts';
import { gateways } from './entity.ts';

/** Whether a gateway is there. */
export const gatewayStatuses = {
  ALIVE: 'It was heard of recently.',
  SILENT: 'It was not heard of for longer than gateways may be silent: it has stopped, or cannot reach this server.',
  LEFT: 'It was deregistered.',
} as const;

export type GatewayStatus = keyof typeof gatewayStatuses;

interface Presence {
  readonly lastHeartbeatAt: Date;
  readonly leftAt: Date | null;
}

const { sql, join } = Prisma;

/** The time since when a gateway must have been heard of. */
const aliveSince = (now: Date, silenceSeconds: number): Date => new Date(now.getTime() - silenceSeconds * 1_000);

export function statusOf({ lastHeartbeatAt, leftAt }: Presence, now: Date, silenceSeconds: number): GatewayStatus {
  if (leftAt !== null) return 'LEFT';
  return lastHeartbeatAt >= aliveSince(now, silenceSeconds) ? 'ALIVE' : 'SILENT';
}

/** The same in SQL: the condition that a gateway has any of the statuses. */
export function hasStatus(statuses: readonly GatewayStatus[], now: Date, silenceSeconds: number): Prisma.Sql {
  if (statuses.length === 0) return sql`false`;
  const since = aliveSince(now, silenceSeconds);
  const leftAt = gateways.column('leftAt');
  const lastHeartbeatAt = gateways.column('lastHeartbeatAt');
  const conditions: Readonly<Record<GatewayStatus, Prisma.Sql>> = {
    ALIVE: sql`${leftAt} IS NULL AND ${lastHeartbeatAt} >= ${since}`,
    SILENT: sql`${leftAt} IS NULL AND ${lastHeartbeatAt} < ${since}`,
    LEFT: sql`${leftAt} IS NOT NULL`,
  };
  return sql`(${join(
    statuses.map((status) => conditions[status]),
    ' OR ',
  )})`;
}
