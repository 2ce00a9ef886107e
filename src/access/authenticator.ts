import { type Credential, type CredentialPlace, findCredential, type RejectionReason } from './credentials.ts';
import type { Principal } from './principal.ts';
import { scopesOfTenant } from './scopes.ts';

/** Knows one kind of credential. */
export interface CredentialSource {
  readonly accepts: readonly CredentialPlace[];
  /** The principal that the secret stands for, if this source knows it. */
  find(secret: string): Principal | undefined | Promise<Principal | undefined>;
}

export type Authentication = { readonly principal: Principal } | { readonly rejected: RejectionReason };

/** Turns a credential into a principal by asking each source that reads the place where it was found. */
export class Authenticator {
  readonly #sources: readonly CredentialSource[];

  constructor(sources: readonly CredentialSource[]) {
    this.#sources = sources;
  }

  /** @param read gives a header, or a field of `connection_init`, by its lower-case name */
  async authenticate(read: (name: string) => unknown): Promise<Authentication> {
    const credential = findCredential(read);
    if (typeof credential === 'string') return { rejected: credential };
    const principal = await this.#find(credential);
    return principal === undefined ? { rejected: 'UNKNOWN_CREDENTIAL' } : { principal };
  }

  async #find({ place, secret }: Credential): Promise<Principal | undefined> {
    for (const source of this.#sources) {
      const principal = source.accepts.includes(place) ? await source.find(secret) : undefined;
      if (principal?.tenantId !== undefined) return { ...principal, scopes: scopesOfTenant(principal.scopes) };
      if (principal !== undefined) return principal;
    }
    return undefined;
  }
}
