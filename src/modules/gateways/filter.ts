import { Prisma } from '../../database/generated/client.ts';
import { Conditions, type TextConditions } from '../../graph/conditions.ts';
import { gateways } from './entity.ts';
import { type GatewayStatus, hasStatus } from './status.ts';

type Optional<Value> = Value | null | undefined;

/** Which gateways of a list are wanted: those that meet every condition given. */
export interface GatewayFilter {
  readonly tenantId?: Optional<string>;
  readonly name?: Optional<TextConditions>;
  readonly statuses?: Optional<readonly GatewayStatus[]>;
}

const { sql } = Prisma;

/** The conditions in SQL. Names are compared as they are sorted: without regard to case. */
export const gatewayConditions = (
  { tenantId, name, statuses }: GatewayFilter,
  now: Date,
  silenceSeconds: number,
): Prisma.Sql[] =>
  new Conditions()
    .add(tenantId, (id) => sql`${gateways.column('tenantId')} = ${id}::uuid`)
    .name(gateways.column('nameFolded'), name)
    .add(statuses, (list) => hasStatus(list, now, silenceSeconds)).all;
