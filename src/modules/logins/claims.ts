import type { JWTPayload } from 'jose';
import { isScope, type Scope, scopesOfKind, scopeTemplates } from '../../access/scopes.ts';
import { type LoginRole, loginRoles, type OidcIssuer } from '../../config/oidc-issuers.ts';

const nameLengthMax = 200;

/**
 * The value of a claim: of the one that is called like the path (`https://example.com/tenant`), or else of what the
 * path leads to (`org.id`).
 */
function claimAt(claims: JWTPayload, path: string): unknown {
  if (Object.hasOwn(claims, path)) return claims[path];
  let value: unknown = claims;
  for (const step of path.split('.')) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, step)) return undefined;
    value = Reflect.get(value, step);
  }
  return value;
}

/** A claim that names something; nothing when it is absent or no text that a row could have. */
export function textClaim(claims: JWTPayload, path: string): string | undefined {
  const value = claimAt(claims, path);
  return typeof value === 'string' && value.trim() !== '' && !value.includes('\0') ? value : undefined;
}

/** A claim that is a text or a list of texts. */
function listClaim(claims: JWTPayload, path: string): string[] {
  const value = claimAt(claims, path);
  return (Array.isArray(value) ? value : [value]).filter((item) => typeof item === 'string');
}

/** What a login is called in the audit log. */
export function nameOf(claims: JWTPayload, { nameClaim }: OidcIssuer): string {
  const name = [nameClaim, 'email', 'sub'].map((claim) => textClaim(claims, claim)).find((text) => text !== undefined);
  // Control characters would let a name look like something else in a terminal.
  return (name ?? 'login')
    .replace(/\p{C}+/gu, ' ')
    .trim()
    .slice(0, nameLengthMax);
}

/** The role that a token gives: of several the one that may do most. */
export function roleOf(claims: JWTPayload, { roleClaim, roles, defaultRole }: OidcIssuer): LoginRole | undefined {
  const values = new Set(listClaim(claims, roleClaim));
  const meanings: ReadonlySet<string> =
    roles === undefined
      ? values
      : new Set([...values].flatMap((value) => (Object.hasOwn(roles, value) ? (roles[value] ?? []) : [])));
  return loginRoles.find((role) => meanings.has(role)) ?? defaultRole;
}

const ofDeployment = scopesOfKind('ADMIN');
const deploymentScopes: Readonly<Record<LoginRole, ReadonlySet<Scope> | undefined>> = {
  owner: ofDeployment,
  admin: ofDeployment,
  member: undefined,
  viewer: new Set(scopeTemplates.read_only.scopes.filter((scope) => ofDeployment.has(scope))),
};
const tenantScopes: Readonly<Record<LoginRole, ReadonlySet<Scope>>> = {
  owner: new Set(scopeTemplates.owner.scopes),
  admin: new Set(scopeTemplates.admin.scopes),
  member: new Set(scopeTemplates.member.scopes),
  viewer: new Set(scopeTemplates.viewer.scopes),
};

/** What a role may do; nothing for a role that does not exist there. */
export const scopesOfRole = (role: LoginRole, isOfDeployment: boolean): ReadonlySet<Scope> | undefined =>
  isOfDeployment ? deploymentScopes[role] : tenantScopes[role];

/** Of these scopes, those that the token names, if it names any scope of ours; providers have others of their own. */
export function narrowed(scopes: ReadonlySet<Scope>, claims: JWTPayload, { scopeClaim }: OidcIssuer) {
  const named = new Set(
    listClaim(claims, scopeClaim)
      .flatMap((text) => text.split(' '))
      .filter(isScope),
  );
  return named.size === 0 ? scopes : scopes.intersection(named);
}
