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
