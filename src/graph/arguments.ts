import { RequestError } from './errors.ts';

/**
 * The one argument that was given, of several that exclude each other.
 *
 * @throws {RequestError} when none or more than one was given
 */
export function exactlyOne<Name extends string>(
  values: Readonly<Record<Name, string | null | undefined>>,
): readonly [Name, string] {
  const names = Object.keys(values) as Name[];
  const given = names.flatMap((name) => {
    const value = values[name];
    return value === null || value === undefined ? [] : [[name, value] as const];
  });
  const [only, second] = given;
  if (only === undefined || second !== undefined) {
    throw new RequestError('CONFLICTING_ARGUMENTS', `${names.join(', ')}: give exactly one of them.`, {
      argument: names.join(', '),
    });
  }
  return only;
}

/**
 * A text that is compared with what is stored.
 *
 * @throws {RequestError} when it has a NUL character, which no text in the database can have and no statement may carry
 */
export function comparableText(argument: string, text: string): string {
  if (!text.includes('\0')) return text;
  throw new RequestError('BAD_USER_INPUT', `${argument}: the text has a NUL character, which no stored text has.`, {
    argument,
  });
}
