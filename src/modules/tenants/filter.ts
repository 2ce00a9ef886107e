import { Prisma } from '../../database/generated/client.ts';
import type { TenantStatus } from '../../database/generated/enums.ts';
import { Conditions, type TextConditions, type TimeConditions } from '../../graph/conditions.ts';
import { tenants } from './entity.ts';

type Optional<Value> = Value | null | undefined;

/** Which tenants of a list are wanted: those that meet every condition given. */
export interface TenantFilter {
  readonly name?: Optional<TextConditions>;
  readonly statuses?: Optional<readonly TenantStatus[]>;
  readonly fairshareGroupId?: Optional<string>;
  readonly weight?: Optional<{ readonly min?: Optional<number>; readonly max?: Optional<number> }>;
  readonly createdAt?: Optional<TimeConditions>;
}

const { sql } = Prisma;

/** The conditions in SQL. Names are compared as they are sorted: without regard to case. */
export function tenantConditions(filter: TenantFilter): Prisma.Sql[] {
  const { name, statuses, fairshareGroupId, weight, createdAt } = filter;
  return new Conditions()
    .name(tenants.column('nameFolded'), name)
    .add(statuses, (list) => sql`${tenants.column('status')} = ANY(${[...list]}::tenant_status[])`)
    .add(fairshareGroupId, (id) => sql`${tenants.column('fairshareGroupId')} = ${id}::uuid`)
    .add(weight?.min, (min) => sql`${tenants.column('weight')} >= ${min}`)
    .add(weight?.max, (max) => sql`${tenants.column('weight')} <= ${max}`)
    .time(tenants.column('createdAt'), createdAt).all;
}
