import type { UserErrorCode } from '../generated/graphql.ts';

/** What the operations here select of every error: exactly this, so that TypeScript tells it from a payload. */
type UserError = { code: UserErrorCode; message: string };

/** A command was refused for a reason that the caller has to see to. */
class Refusal extends Error {
  override readonly name = 'Refusal';
  readonly code: UserErrorCode;

  constructor({ code, message }: UserError) {
    super(message);
    this.code = code;
  }
}

/** The payload of a command. @throws {Refusal} when the result is an error */
export function payloadOf<Payload extends object>(result: Payload | UserError): Payload {
  if ('code' in result) throw new Refusal(result);
  return result;
}

/** Somebody else changed or made the same thing meanwhile. */
const isConflict = (error: unknown): boolean =>
  error instanceof Refusal && (error.code === 'STALE_REVISION' || error.code === 'NAME_TAKEN');

const attemptsMax = 3;

/** Does the work anew, from reading on, when somebody else was quicker. */
export async function repeatAfterConflict<Result>(work: () => Promise<Result>): Promise<Result> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await work();
    } catch (error) {
      if (!isConflict(error) || attempt === attemptsMax) throw error;
    }
  }
}
