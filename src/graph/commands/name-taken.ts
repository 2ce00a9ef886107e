import { isUniqueViolation } from '../../database/database.ts';
import { NameTakenError, type UserError } from '../errors.ts';

/** Carries a write out that breaks at most one rule of uniqueness. @throws {UserError} the given one when it does */
export async function orTaken<Result>(taken: () => UserError, write: Promise<Result>): Promise<Result> {
  try {
    return await write;
  } catch (error) {
    throw isUniqueViolation(error) ? taken() : error;
  }
}

/**
 * Carries a write out whose only unique column, besides the id, is the name.
 *
 * @throws {NameTakenError} when another row has the name
 */
export const orNameTaken = <Result>(type: string, write: Promise<Result>): Promise<Result> =>
  orTaken(() => new NameTakenError(type), write);
