import { Prisma } from '../../database/generated/client.ts';
import type { TenantStatus } from '../../database/generated/enums.ts';
import { foldName } from '../../graph/commands/validation.ts';
import { tenants } from './entity.ts';

type Optional<Value> = Value | null | undefined;

/** Which tenants of a list are wanted: those that meet every condition given. */
export interface TenantFilter {
  readonly name?: Optional<{
    readonly equals?: Optional<string>;
    readonly startsWith?: Optional<string>;
    readonly contains?: Optional<string>;
  }>;
  readonly statuses?: Optional<readonly TenantStatus[]>;
  readonly fairshareGroupId?: Optional<string>;
  readonly weight?: Optional<{ readonly min?: Optional<number>; readonly max?: Optional<number> }>;
  readonly createdAt?: Optional<{ readonly from?: Optional<Date>; readonly until?: Optional<Date> }>;
}

const { sql } = Prisma;

/** The conditions in SQL. Names are compared as they are sorted: without regard to case. */
export function tenantConditions(filter: TenantFilter): Prisma.Sql[] {
  const { name, statuses, fairshareGroupId, weight, createdAt } = filter;
  const conditions: Prisma.Sql[] = [];
  const add = <Value>(value: Optional<Value>, condition: (value: Value) => Prisma.Sql): void => {
    if (value !== undefined && value !== null) conditions.push(condition(value));
  };
  const folded = tenants.column('nameFolded');
  add(name?.equals, (text) => sql`${folded} = ${foldName(text.trim())}`);
  // A range, and not LIKE, since the index answers it whatever the text: sorted bytewise, nothing is after U+10FFFF.
  add(name?.startsWith, (text) => sql`${folded} >= ${foldName(text)} AND ${folded} < ${`${foldName(text)}\u{10ffff}`}`);
  add(name?.contains, (text) => sql`${folded} LIKE ${`%${foldName(text).replace(/[\\%_]/g, '\\$&')}%`}`);
  add(statuses, (list) => sql`${tenants.column('status')} = ANY(${[...list]}::tenant_status[])`);
  add(fairshareGroupId, (id) => sql`${tenants.column('fairshareGroupId')} = ${id}::uuid`);
  add(weight?.min, (min) => sql`${tenants.column('weight')} >= ${min}`);
  add(weight?.max, (max) => sql`${tenants.column('weight')} <= ${max}`);
  add(createdAt?.from, (from) => sql`${tenants.column('createdAt')} >= ${from}`);
  add(createdAt?.until, (until) => sql`${tenants.column('createdAt')} < ${until}`);
  return conditions;
}
