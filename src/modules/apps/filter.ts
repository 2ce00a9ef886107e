import { Prisma } from '../../database/generated/client.ts';
import type { AppStatus } from '../../database/generated/enums.ts';
import { Conditions, type TextConditions, type TimeConditions } from '../../graph/conditions.ts';
import { apps } from './entity.ts';

type Optional<Value> = Value | null | undefined;

/** Which applications of a list are wanted: those that meet every condition given. */
export interface AppFilter {
  readonly tenantId?: Optional<string>;
  readonly name?: Optional<TextConditions>;
  readonly statuses?: Optional<readonly AppStatus[]>;
  readonly createdAt?: Optional<TimeConditions>;
}

const { sql } = Prisma;

/** The conditions in SQL. Names are compared as they are sorted: without regard to case. */
export const appConditions = ({ tenantId, name, statuses, createdAt }: AppFilter): Prisma.Sql[] =>
  new Conditions()
    .add(tenantId, (id) => sql`${apps.column('tenantId')} = ${id}::uuid`)
    .name(apps.column('nameFolded'), name)
    .add(statuses, (list) => sql`${apps.column('status')} = ANY(${[...list]}::app_status[])`)
    .time(apps.column('createdAt'), createdAt).all;
