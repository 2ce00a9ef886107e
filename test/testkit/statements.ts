import type { TestApp } from './app.ts';

/**
 * The statements that the work sends. Values never stand in them. Kept as a snapshot, they show in review when an
 * operation begins to ask more of the database.
 */
export async function statementsOf({ app }: TestApp, work: () => Promise<unknown>): Promise<readonly string[]> {
  // Ends its flush of every second, whose statements would stand among those of the work.
  await app.rejections.close();
  const { statements } = await app.database.statements.during(work);
  return statements.map(shorten);
}

/** In one line, and without the columns that are read of each table: other tests are about those. */
function shorten(statement: string): string {
  return statement
    .replaceAll(/\s+/g, ' ')
    .trim()
    .replaceAll(/(?<=SELECT )(?:\w+\."\w+" AS "[\w.]+"|"[\w.]+"\."\w+" AS "[\w.]+"|, )+/g, '…')
    .replaceAll(/(?<=RETURNING ).*$/g, '…')
    .replaceAll('"public".', '');
}
