import { Prisma } from '../../database/generated/client.ts';
import { Conditions, type TextConditions, type TimeConditions } from '../../graph/conditions.ts';
import { teams } from './entity.ts';

type Optional<Value> = Value | null | undefined;

/** Which teams of a list are wanted: those that meet every condition given. */
export interface TeamFilter {
  readonly tenantId?: Optional<string>;
  readonly name?: Optional<TextConditions>;
  readonly createdAt?: Optional<TimeConditions>;
}

const { sql } = Prisma;

/** The conditions in SQL. Names are compared as they are sorted: without regard to case. */
export const teamConditions = ({ tenantId, name, createdAt }: TeamFilter): Prisma.Sql[] =>
  new Conditions()
    .add(tenantId, (id) => sql`${teams.column('tenantId')} = ${id}::uuid`)
    .name(teams.column('nameFolded'), name)
    .time(teams.column('createdAt'), createdAt).all;
