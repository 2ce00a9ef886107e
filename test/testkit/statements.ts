import { expect, it } from 'vitest';
import type { TestApp } from './app.ts';
import type { CommandCases } from './command-case.ts';
import { Commands } from './commands.ts';
import type { Seed } from './seed.ts';

/**
 * The statements that the work sends. Values never stand in them. Kept as a snapshot, they show in review when an
 * operation begins to ask more of the database.
 */
export async function statementsOf({ app }: TestApp, work: () => Promise<unknown>): Promise<readonly string[]> {
  const { statements } = await app.database.statements.during(work);
  return statements.map(shorten);
}

/** Declares a test for each command of a module: a snapshot of the statements of its transaction. */
export function recordsStatements(app: TestApp, seed: Seed, cases: CommandCases): void {
  const commands = new Commands(app.app.schema);
  it.each(Object.keys(cases))('%s sends these statements and no others', async (name) => {
    const input = await cases[name]?.valid(seed);
    const statements = await statementsOf(app, () => commands.run(app.operator, name, input ?? {}));
    // What follows reads what is selected of the answer, and in no certain order.
    expect(statements.slice(0, statements.lastIndexOf('COMMIT') + 1)).toMatchSnapshot();
  });
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
