import type { LoginRole } from '../config/oidc-issuers.ts';
import type { KeyKind } from '../database/generated/enums.ts';
import type { Scope } from './scopes.ts';

/** What each kind of key is for. */
export const keyKinds = {
  ADMIN: { description: 'Administers the deployment, as far as its scopes go.' },
  TENANT: { description: "Belongs to a tenant: its owner's own systems." },
  APP: { description: 'Belongs to an application, whose inference configuration it inherits.' },
  PUBLISHABLE: {
    description: 'May be shipped in pages and apps: only scopes that are safe there, from allowed origins.',
  },
  PRODUCT: { description: "A product's platform key." },
  USER: { description: 'Belongs to one user of a tenant.' },
  ENGINE: { description: 'Belongs to one engine of a product.' },
  GATEWAY: { description: 'Belongs to a gateway, of the deployment or of one tenant.' },
} as const satisfies Record<KeyKind, { description: string }>;

/** The kinds of principal that a credential can stand for: root admin keys, OIDC logins, and each kind of key. */
export const principalKinds = {
  ROOT: { description: 'A root admin key, from the environment.' },
  LOGIN: { description: 'A person who logged in at an OpenID provider.' },
  ...keyKinds,
} as const;

export type PrincipalKind = keyof typeof principalKinds;

/** Whoever a request acts as. Made once for each request, before any resolver; services get it and no headers. */
export interface Principal extends Binding {
  readonly kind: PrincipalKind;
  /** The credential that was used: never the secret, always the same for the same credential, whatever its secret. */
  readonly credentialId: string;
  /** What the audit log calls it. */
  readonly name: string;
  readonly scopes: ReadonlySet<Scope>;
  /** The key that was used. */
  readonly keyId?: string;
  /** From when on the credential is refused, as far as that is known already. */
  readonly expiresAt?: Date;
  /** Given when an older secret of a rotated key was used: until when it is accepted. */
  readonly retiringUntil?: Date;
  /** Of a login. */
  readonly role?: LoginRole;
  /** The user who logged in, told to that user; unlike `userId` it bounds nothing. */
  readonly loginUserId?: string;
}

/** What a principal is bound to: it sees nothing outside of all of these. Without any it is one of the deployment. */
export interface Binding {
  readonly tenantId?: string;
  readonly productId?: string;
  readonly engineId?: string;
  readonly userId?: string;
  readonly appId?: string;
}
