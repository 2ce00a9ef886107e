import type { Principal } from '../../access/principal.ts';
import { isWithin } from '../../access/visibility.ts';
import type { Clock } from '../../graph/context.ts';
import { NotFoundError } from '../../graph/errors.ts';
import type { KeyDirectory } from '../keys/directory.ts';
import type { KeyRecord } from '../keys/record.ts';
import { refusalOfCredential } from '../keys/verification.ts';
import { ownersOf, reasonOf } from './decision.ts';
import { AdmissionUnavailableError } from './errors.ts';
import type { Caller, NotFound, Unavailable } from './owner.ts';
import type { AdmissionReason } from './refusals.ts';

/** Who asks, of a principal. */
export const callerOf = ({ kind, credentialId, tenantId, productId, engineId, userId, appId }: Principal): Caller => ({
  kind,
  credentialId,
  ...(tenantId === undefined ? {} : { tenantId }),
  ...(productId === undefined ? {} : { productId }),
  ...(engineId === undefined ? {} : { engineId }),
  ...(userId === undefined ? {} : { userId }),
  ...(appId === undefined ? {} : { appId }),
});

/** What was answered instead, as an error. */
export function raise(answer: NotFound | Unavailable): never {
  if (answer.outcome === 'UNAVAILABLE') throw new AdmissionUnavailableError(answer.message, answer.retryAfterMs);
  throw new NotFoundError(answer.type, answer.path);
}

/** A secret that was presented, and what is known of it. */
export interface PresentedKey {
  readonly record: KeyRecord;
  readonly refusal: AdmissionReason | undefined;
  readonly at: Date;
}

/**
 * The key that a secret opens, and why it does not now.
 *
 * @throws {NotFoundError} when the asker may not know of such a key
 */
export async function presentedKey(
  { directory, clock }: { readonly directory: KeyDirectory; readonly clock: Clock },
  principal: Principal,
  secret: string,
): Promise<PresentedKey | 'MALFORMED'> {
  const record = await directory.find(secret);
  if (record === 'MALFORMED') return record;
  if (record === 'NOT_FOUND' || !isWithin(principal, ownersOf(record))) throw new NotFoundError('key', ['key']);
  const at = clock.now();
  const refusal = refusalOfCredential(record, at);
  return { record, refusal: refusal && reasonOf(refusal), at };
}
