import type { Scope } from './scopes.ts';

/** The kinds of principal that a credential can stand for. */
export type PrincipalKind = 'ROOT' | 'TENANT';

/** Whoever a request acts as. Made once for each request, before any resolver; services get it and no headers. */
export interface Principal {
  readonly kind: PrincipalKind;
  /** The credential that was used: never the secret, always the same for the same credential. */
  readonly credentialId: string;
  /** What the audit log calls it. */
  readonly name: string;
  /** The only tenant that this principal can see; absent for those of the deployment. */
  readonly tenantId?: string;
  readonly scopes: ReadonlySet<Scope>;
}
