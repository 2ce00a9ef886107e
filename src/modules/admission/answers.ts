import type { Lease } from '../../database/generated/client.ts';
import { NotWrittenError } from '../../database/group-commit.ts';
import type { Caller, LeaseClaim, NotFound, Unavailable } from './owner.ts';

/** A request as the one who asked names it. */
export const requestKey = ({ credentialId }: Pick<Caller, 'credentialId'>, requestId: string): string =>
  `${credentialId}\n${requestId}`;

/** Whether a lease, or what is recorded of it, is the one's who asks. */
export const isClaimedBy = (
  { credentialId, gatewayId }: Pick<Lease, 'credentialId' | 'gatewayId'>,
  claim: LeaseClaim,
): boolean => credentialId === claim.caller.credentialId && (claim.gatewayId === null || claim.gatewayId === gatewayId);

export const leaseNotFound: NotFound = { outcome: 'NOT_FOUND', type: 'lease', path: ['leaseId'] };

export const requestNotFound: NotFound = { outcome: 'NOT_FOUND', type: 'request', path: ['requestId'] };

export const unavailable = (message: string): Unavailable => ({ outcome: 'UNAVAILABLE', message, retryAfterMs: 1_000 });

export const isStopping = unavailable('This server is stopping. Try again: another one takes over.');

/** What is said when the database does not keep up. */
export function notWritten(error: unknown): Unavailable {
  if (error instanceof NotWrittenError) {
    return { outcome: 'UNAVAILABLE', message: error.message, retryAfterMs: error.retryAfterMs };
  }
  throw error;
}
