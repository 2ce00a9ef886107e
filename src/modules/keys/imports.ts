import type { HashedSecret, SecretHasher } from '../../access/secret-hasher.ts';
import { Prisma } from '../../database/generated/client.ts';
import type { CommandScope } from '../../graph/commands/definition.ts';
import { invalid } from '../../graph/errors.ts';

const { sql } = Prisma;

/** @returns {ValidationError} for a secret that was given to a key before */
export const secretInUse = () =>
  invalid(['existingSecret'], 'SECRET_IN_USE', 'This secret was given to a key before; use another one.');

/**
 * Makes a secret that a caller brings the caller's own until the transaction ends, and gives what it is stored as. Under
 * another pepper the same secret has another hash, so the unique hash alone does not tell that it is in use.
 *
 * The pepper is read under the lock, not remembered: what is stored after a change of the pepper is stored under the new
 * one, and whoever does not know that one refuses instead of overlooking secrets under it.
 *
 * @param sha256 of the secret, which also those have who bring no more than a hash
 * @throws {ValidationError} when any key was ever given the secret
 */
export async function claimSecret(
  { transaction }: CommandScope,
  hasher: SecretHasher,
  sha256: Buffer,
): Promise<HashedSecret> {
  const candidates = [...hasher.candidates(sha256).values()];
  const [claim] = await transaction.reader.raw(sql`
    SELECT in_use AS "inUse", current_pepper AS "currentPepper"
    FROM claim_secret(${sha256.readBigInt64BE()}, ${candidates}::bytea[])
  `);
  if (claim?.inUse !== false) throw secretInUse();
  return hasher.hash(sha256, Number(claim.currentPepper));
}
