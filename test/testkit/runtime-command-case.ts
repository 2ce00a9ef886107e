import type { Scope } from '../../src/access/scopes.ts';
import type { CommandInput } from './commands.ts';
import type { Seed } from './seed.ts';

type MakeInput = (seed: Seed) => Promise<CommandInput> | CommandInput;

/** What the tests of every command that is part of running need to know of one. */
export interface RuntimeCommandCase {
  readonly scope: Scope;
  /** Scopes of which any one is enough as well. */
  readonly otherScopes?: readonly Scope[];
  /** An input that is carried out for the operator. It makes the rows that it needs. */
  readonly valid: MakeInput;
  /** An input for each error that it can answer the operator with, besides those of all commands. */
  readonly refused: Readonly<Record<string, MakeInput>>;
  /** Errors that it cannot answer the operator of these tests with, or that pass by themselves: its module tests them. */
  readonly refusedElsewhere?: readonly string[];
}

/** The runtime commands of a module, by name. */
export type RuntimeCommandCases = Readonly<Record<string, RuntimeCommandCase>>;
