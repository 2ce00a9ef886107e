import { type Credential, type CredentialPlace, findCredential, type RejectionReason } from './credentials.ts';
import type { Principal } from './principal.ts';
import { scopesOfTenant } from './scopes.ts';

/** Where a request comes from, as far as it says so. */
export interface RequestOrigin {
  /** The page's origin, of requests from browsers. */
  readonly origin?: string;
  readonly ipAddress?: string;
}

/** What a source says of a secret: whom it stands for, why it is refused, or nothing when it is not of this source. */
export type Finding = Principal | RejectionReason | undefined;

/** Knows one kind of credential. */
export interface CredentialSource {
  readonly accepts: readonly CredentialPlace[];
  find(secret: string, place: CredentialPlace, from: RequestOrigin): Finding | Promise<Finding>;
}

export type Authentication = { readonly principal: Principal } | { readonly rejected: RejectionReason };

/** Turns a credential into a principal by asking each source that reads the place where it was found. */
export class Authenticator {
  readonly #sources: readonly CredentialSource[];

  constructor(sources: readonly CredentialSource[]) {
    this.#sources = sources;
  }

  /** @param read gives a header, or a field of `connection_init`, by its lower-case name */
  async authenticate(read: (name: string) => unknown, from: RequestOrigin = {}): Promise<Authentication> {
    const credential = findCredential(read);
    if (typeof credential === 'string') return { rejected: credential };
    const found = await this.#find(credential, from);
    if (found === undefined) return { rejected: 'UNKNOWN_CREDENTIAL' };
    return typeof found === 'string' ? { rejected: found } : { principal: found };
  }

  async #find({ place, secret }: Credential, from: RequestOrigin): Promise<Finding> {
    for (const source of this.#sources) {
      const found = source.accepts.includes(place) ? await source.find(secret, place, from) : undefined;
      if (found === undefined || typeof found === 'string') {
        if (found !== undefined) return found;
        continue;
      }
      return found.tenantId === undefined ? found : { ...found, scopes: scopesOfTenant(found.scopes) };
    }
    return undefined;
  }
}
