import { Prisma } from '../../database/generated/client.ts';
import type { UserStatus } from '../../database/generated/enums.ts';
import { Conditions, type TextConditions, type TimeConditions } from '../../graph/conditions.ts';
import { users } from './entity.ts';

type Optional<Value> = Value | null | undefined;

/** Which users of a list are wanted: those that meet every condition given. */
export interface UserFilter {
  readonly tenantId?: Optional<string>;
  readonly externalId?: Optional<TextConditions>;
  readonly teamId?: Optional<string>;
  readonly withoutTeam?: Optional<boolean>;
  readonly statuses?: Optional<readonly UserStatus[]>;
  readonly createdAt?: Optional<TimeConditions>;
}

const { sql } = Prisma;

/** The conditions in SQL. */
export function userConditions(filter: UserFilter): Prisma.Sql[] {
  const team = users.column('teamId');
  return new Conditions()
    .add(filter.tenantId, (id) => sql`${users.column('tenantId')} = ${id}::uuid`)
    .text(users.column('externalId'), filter.externalId)
    .add(filter.teamId, (id) => sql`${team} = ${id}::uuid`)
    .add(filter.withoutTeam, (without) => (without ? sql`${team} IS NULL` : sql`${team} IS NOT NULL`))
    .add(filter.statuses, (list) => sql`${users.column('status')} = ANY(${[...list]}::user_status[])`)
    .time(users.column('createdAt'), filter.createdAt).all;
}
