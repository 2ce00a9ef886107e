import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The folder of the operations that the playground shows, one file a tab. */
const exampleOperationsFolder = fileURLToPath(new URL('../../../examples/operations/', import.meta.url));

/** An operation that a user can run as it stands. */
export interface ExampleOperation {
  /** The file's name; its number gives the order of the tabs. */
  readonly file: string;
  /** The whole document, its comments too. */
  readonly text: string;
  /** What its variables may be, as JSON: of the file beside it whose name ends with `.json`. */
  readonly variables?: string;
}

/** Reads the example operations in the order of their file names. */
export function readExampleOperations(folder: string = exampleOperationsFolder): readonly ExampleOperation[] {
  return readdirSync(folder)
    .filter((file) => file.endsWith('.graphql'))
    .sort()
    .map((file) => {
      const text = readFileSync(join(folder, file), 'utf8');
      const variablesFile = join(folder, file.replace(/\.graphql$/, '.json'));
      return existsSync(variablesFile)
        ? { file, text, variables: readFileSync(variablesFile, 'utf8') }
        : { file, text };
    });
}
