import type { Scope } from '../../src/access/scopes.ts';
import type { CommandInput } from './commands.ts';
import type { Seed } from './seed.ts';

type MakeInput = (seed: Seed) => Promise<CommandInput> | CommandInput;

/** What the tests of every command need to know of one. */
export interface CommandCase {
  readonly scope: Scope;
  /** Scopes of which any one is enough as well. */
  readonly otherScopes?: readonly Scope[];
  /** An input that changes something. It makes the rows that it needs, and is another one at every call. */
  readonly valid: MakeInput;
  /** The field of the input that names the row; absent: the command makes a row. */
  readonly targetField?: string;
  /** Where in the payload the id of the row is that the log is about; absent: the log is about no single row. */
  readonly targetOf?: (payload: CommandInput) => unknown;
  /**
   * What the audit row of `valid` says: the row that was made, the row that was deleted, or the values that changed
   * besides the revision; of rows that were made or changed together, what it says of them; of settings, which have no revision, those that changed. Nothing: the command changes no row that the log is about, and writes none.
   */
  readonly audited:
    | 'made'
    | 'deleted'
    | 'nothing'
    | readonly string[]
    | { readonly together: readonly string[] }
    | { readonly settings: readonly string[] };
  /** Types of rows that the audit log tells of by themselves, after that one; absent: none. */
  readonly alsoAudited?: readonly string[];
  /** What the row is called by: a field of the input and of what the audit row says of it. Default: `name`. */
  readonly called?: string;
  /** What the audit row of a deletion says of what became of the rest; absent: nothing. */
  readonly leaves?: readonly string[];
  /** Whether it takes `expectedRevision`. */
  readonly revisioned: boolean;
  /** An input that is carried out and changes nothing; absent: every one that is carried out changes something. */
  readonly changesNothing?: MakeInput;
  /** An input for each error that it can answer with, besides those of all commands and StaleRevisionError. */
  readonly refused: Readonly<Record<string, MakeInput>>;
  /** Errors that it cannot answer the operator of these tests with, or that pass by themselves: its module tests them. */
  readonly refusedElsewhere?: readonly string[];
}

/** The commands of a module, by name. */
export type CommandCases = Readonly<Record<string, CommandCase>>;

type Payload = { readonly [field: string]: { readonly id: string } };

/** Finds the id of the row in this field of a payload. */
export const idOf = (field: string) => (payload: CommandInput) => (payload as Payload)[field]?.id;
