import { Prisma } from '../../database/generated/client.ts';
import type { ModelType } from '../../database/generated/enums.ts';
import { Conditions, type TextConditions, type TimeConditions } from '../../graph/conditions.ts';
import { models } from './entity.ts';

type Optional<Value> = Value | null | undefined;

/** Which models of a list are wanted: those that meet every condition given. */
export interface ModelFilter {
  readonly name?: Optional<TextConditions>;
  readonly types?: Optional<readonly ModelType[]>;
  readonly isEnabled?: Optional<boolean>;
  readonly createdAt?: Optional<TimeConditions>;
}

const { sql } = Prisma;

/** The conditions in SQL. Names are compared as they are sorted: without regard to case. */
export const modelConditions = ({ name, types, isEnabled, createdAt }: ModelFilter): Prisma.Sql[] =>
  new Conditions()
    .name(models.column('nameFolded'), name)
    .add(types, (list) => sql`${models.column('type')} = ANY(${[...list]}::model_type[])`)
    .add(isEnabled, (flag) => sql`${models.column('isEnabled')} = ${flag}`)
    .time(models.column('createdAt'), createdAt).all;
