import { Prisma } from '../../database/generated/client.ts';
import type { EngineHealth, EngineStatus } from '../../database/generated/enums.ts';
import { Conditions, type TextConditions, type TimeConditions } from '../../graph/conditions.ts';
import { engines } from './entity.ts';

type Optional<Value> = Value | null | undefined;

/** Which engines of a list are wanted: those that meet every condition given. */
export interface EngineFilter {
  readonly productId?: Optional<string>;
  readonly tenantId?: Optional<string>;
  readonly statuses?: Optional<readonly EngineStatus[]>;
  readonly healths?: Optional<readonly EngineHealth[]>;
  readonly versions?: Optional<readonly string[]>;
  readonly userExternalId?: Optional<TextConditions>;
  readonly createdAt?: Optional<TimeConditions>;
}

const { sql } = Prisma;

export const engineConditions = (filter: EngineFilter): Prisma.Sql[] =>
  new Conditions()
    .add(filter.productId, (id) => sql`${engines.column('productId')} = ${id}::uuid`)
    .add(filter.tenantId, (id) => sql`${engines.column('tenantId')} = ${id}::uuid`)
    .add(filter.statuses, (list) => sql`${engines.column('status')} = ANY(${[...list]}::engine_status[])`)
    .add(filter.healths, (list) => sql`${engines.column('health')} = ANY(${[...list]}::engine_health[])`)
    .add(filter.versions, (list) => sql`${engines.column('version')} = ANY(${[...list]}::text[])`)
    .text(engines.column('userExternalId'), filter.userExternalId)
    .time(engines.column('createdAt'), filter.createdAt).all;
