import type { Prisma } from './generated/client.ts';

const depending = new WeakSet<Prisma.Sql>();

/**
 * Marks a condition that few rows meet or many, depending on its values: statements with it are planned for the values
 * that they are sent with. Of a prepared statement Postgres would keep one plan for all values after some calls, which
 * for a list can be to read the whole table in its order where five rows meet the condition.
 */
export function planForItsValues(condition: Prisma.Sql): Prisma.Sql {
  depending.add(condition);
  return condition;
}

export const areToBePlannedForTheirValues = (conditions: readonly Prisma.Sql[]): boolean =>
  conditions.some((condition) => depending.has(condition));
