import { isUniqueViolation } from '../../database/database.ts';
import { NameTakenError } from '../errors.ts';

/**
 * Carries a write out whose only unique column, besides the id, is the name.
 *
 * @throws {NameTakenError} when another row has the name
 */
export async function orNameTaken<Result>(type: string, write: Promise<Result>): Promise<Result> {
  try {
    return await write;
  } catch (error) {
    throw isUniqueViolation(error) ? new NameTakenError(type) : error;
  }
}
