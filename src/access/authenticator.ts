import { type Credential, type CredentialPlace, findCredential, type RejectionReason } from './credentials.ts';
import type { Principal } from './principal.ts';
import { scopesOfTenant } from './scopes.ts';

/** Where a request comes from, as far as it says so. */
export interface RequestOrigin {
  /** The page's origin, of requests from browsers. */
  readonly origin?: string | undefined;
  readonly ipAddress?: string | undefined;
}

/** What a source says of a secret: whom it stands for, why it is refused, or nothing when it is not of this source. */
export type Finding = Principal | RejectionReason | undefined;

/** Knows one kind of credential. */
export interface CredentialSource {
  readonly accepts: readonly CredentialPlace[];
  find(secret: string, place: CredentialPlace, from: RequestOrigin): Finding | Promise<Finding>;
}

export type Authentication = { readonly principal: Principal } | { readonly rejected: RejectionReason };

/** A credential as it was sent. Whom it stands for can change as long as its subscriptions run. */
export interface PresentedCredential {
  /** The same for the same credential from the same place. It holds the secret: to compare with, never to show. */
  readonly identity: string;
  authenticate(): Authentication | Promise<Authentication>;
}

/** Turns a credential into a principal by asking each source that reads the place where it was found. */
export class Authenticator {
  readonly #sources: readonly CredentialSource[];

  constructor(sources: readonly CredentialSource[]) {
    this.#sources = sources;
  }

  /**
   * The credential that is found, which can be looked at again.
   *
   * @param read gives a header, or a field of `connection_init`, by its lower-case name
   */
  present(read: (name: string) => unknown, from: RequestOrigin = {}): PresentedCredential {
    const credential = findCredential(read);
    if (typeof credential === 'string') {
      return { identity: credential, authenticate: () => ({ rejected: credential }) };
    }
    return {
      identity: JSON.stringify([credential.place, credential.secret, from.origin, from.ipAddress]),
      authenticate: () => this.#authenticate(credential, from),
    };
  }

  /** Whom the credential that is found stands for now. */
  authenticate(read: (name: string) => unknown, from: RequestOrigin): Authentication | Promise<Authentication> {
    const credential = findCredential(read);
    return typeof credential === 'string' ? { rejected: credential } : this.#authenticate(credential, from);
  }

  #authenticate(credential: Credential, from: RequestOrigin): Authentication | Promise<Authentication> {
    const found = this.#find(credential, from, 0);
    return found instanceof Promise ? found.then(authenticationBy) : authenticationBy(found);
  }

  /** Asks one source after the other, from one of them on; in the same turn where none has to wait. */
  #find(credential: Credential, from: RequestOrigin, start: number): Finding | Promise<Finding> {
    const { place, secret } = credential;
    for (let at = start; at < this.#sources.length; at += 1) {
      const source = this.#sources[at];
      const found = source?.accepts.includes(place) ? source.find(secret, place, from) : undefined;
      if (found instanceof Promise) return found.then((later) => later ?? this.#find(credential, from, at + 1));
      if (found !== undefined) return found;
    }
    return undefined;
  }
}

function authenticationBy(found: Finding): Authentication {
  if (found === undefined) return { rejected: 'UNKNOWN_CREDENTIAL' };
  if (typeof found === 'string') return { rejected: found };
  const { tenantId, scopes } = found;
  return { principal: tenantId === undefined ? found : { ...found, scopes: scopesOfTenant(scopes) } };
}
