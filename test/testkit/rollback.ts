import type { Database, Transaction } from '../../src/database/database.ts';

class Rollback extends Error {}

/** Gives what the work found in a transaction that is then undone. */
export async function undone<Result>(
  database: Database,
  work: (transaction: Transaction) => Promise<Result>,
): Promise<Result> {
  let found: { readonly result: Result } | undefined;
  const end = new Rollback('undo everything');
  try {
    await database.transaction(async (transaction) => {
      found = { result: await work(transaction) };
      throw end;
    });
  } catch (error) {
    if (error !== end) throw error;
  }
  if (found === undefined) throw new Error('The transaction was ended before its work was done.');
  return found.result;
}
