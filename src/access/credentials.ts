/** Where a credential was found; each source of credentials says which places it reads. */
export type CredentialPlace = 'bearer' | 'x-admin-key' | 'x-platform-key' | 'x-engine-key' | 'x-api-key';

export interface Credential {
  readonly place: CredentialPlace;
  readonly secret: string;
}

/** Why a request has no principal. The audit log counts by these. */
export type RejectionReason =
  | 'MISSING_CREDENTIAL'
  | 'AMBIGUOUS_CREDENTIAL'
  | 'MALFORMED_CREDENTIAL'
  | 'UNKNOWN_CREDENTIAL'
  | 'EXPIRED_CREDENTIAL'
  | 'REVOKED_CREDENTIAL'
  | 'DISABLED_CREDENTIAL'
  | 'OWNER_NOT_ACTIVE'
  | 'ORIGIN_NOT_ALLOWED'
  | 'ADDRESS_NOT_ALLOWED'
  | 'INVALID_TOKEN'
  | 'ISSUER_UNAVAILABLE';

const headerPlaces = ['x-admin-key', 'x-platform-key', 'x-engine-key', 'x-api-key'] as const;

/** Longer ones are no credential of ours, and hashing megabytes is work that a stranger should not be able to ask for. */
const secretLengthMax = 8_192;

/**
 * Finds the credential in a request's headers or in the fields of `connection_init`, which have the same names.
 *
 * @param read gives a header's value by its lower-case name
 */
export function findCredential(read: (name: string) => unknown): Credential | RejectionReason {
  let found: Credential | undefined;
  let isAmbiguous = false;
  const authorization = read('authorization');
  if (isGiven(authorization)) {
    const match = typeof authorization === 'string' ? /^Bearer +(\S+)$/i.exec(authorization.trim()) : null;
    if (!match?.[1]) return 'MALFORMED_CREDENTIAL';
    found = { place: 'bearer', secret: match[1] };
  }
  for (const place of headerPlaces) {
    const value = read(place);
    if (!isGiven(value)) continue;
    if (typeof value !== 'string') return 'MALFORMED_CREDENTIAL';
    isAmbiguous ||= found !== undefined;
    found = { place, secret: value.trim() };
  }
  if (found === undefined) return 'MISSING_CREDENTIAL';
  if (isAmbiguous) return 'AMBIGUOUS_CREDENTIAL';
  return found.secret.length > secretLengthMax ? 'MALFORMED_CREDENTIAL' : found;
}

const isGiven = (value: unknown): boolean => value !== undefined && value !== null && value !== '';
