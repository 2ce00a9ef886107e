import { z } from 'zod';

/** What the roles of logins are called, from the most to the least. */
export const loginRoles = ['owner', 'admin', 'member', 'viewer'] as const;
export type LoginRole = (typeof loginRoles)[number];

/** Whose a login is: of the tenant that a claim of the token names, of one tenant, or of the deployment. */
type LoginPlace =
  | { readonly kind: 'claimed tenant'; readonly claim: string }
  | { readonly kind: 'tenant'; readonly tenant: string }
  | { readonly kind: 'deployment' };

/** An OpenID provider whose access tokens are accepted, and what its claims mean. */
export interface OidcIssuer {
  /** As tokens name it, to the letter. */
  readonly issuer: string;
  readonly audiences: readonly string[];
  readonly algorithms: readonly SignatureAlgorithm[];
  /** Where its keys are; absent: where its discovery document says. */
  readonly jwksUri: string | undefined;
  readonly place: LoginPlace;
  readonly userClaim: string;
  readonly nameClaim: string;
  readonly roleClaim: string;
  /** What the values of the role claim mean; absent: they are roles themselves. */
  readonly roles: Readonly<Record<string, LoginRole>> | undefined;
  /** Of a login without a known role; absent: it is refused. */
  readonly defaultRole: LoginRole | undefined;
  readonly scopeClaim: string;
  readonly clockToleranceSeconds: number;
}

/** Signatures that only the provider can make. Those with a shared secret (HS256 …) are none, nor is `none`. */
const signatureAlgorithms = [
  'RS256',
  'RS384',
  'RS512',
  'PS256',
  'PS384',
  'PS512',
  'ES256',
  'ES384',
  'ES512',
  'EdDSA',
  'Ed25519',
] as const;
type SignatureAlgorithm = (typeof signatureAlgorithms)[number];

const loopbackHost = /^(localhost|127(\.\d{1,3}){3}|\[::1\])$/;

/** Whether keys may be read from an address: nobody between here and there can replace them. */
export function isTrustworthyUrl(text: string): boolean {
  if (!URL.canParse(text)) return false;
  const { protocol, hostname, username, password, hash } = new URL(text);
  const isSafe = protocol === 'https:' || (protocol === 'http:' && loopbackHost.test(hostname));
  return isSafe && username === '' && password === '' && hash === '';
}

const address = z
  .string()
  .refine(isTrustworthyUrl, 'must be an https:// URL; http:// is for loopback addresses only')
  .max(2_000);
const issuer = address.refine((text) => !text.includes('?'), 'must have no query');
const text = z.string().min(1).max(500);
const role = z.enum(loginRoles);

const issuerSchema = z
  .strictObject({
    issuer,
    audience: z.union([text, z.array(text).min(1)], { error: 'must be a text or a list of texts, not empty' }),
    algorithms: z
      .array(
        z.enum(signatureAlgorithms, {
          error: `must be one of ${signatureAlgorithms.join(', ')}: signatures that only the provider can make`,
        }),
      )
      .min(1)
      .default(['RS256', 'PS256', 'ES256', 'EdDSA']),
    jwksUri: address.optional(),
    tenantClaim: text.optional(),
    tenant: text.optional(),
    deployment: z.literal(true).optional(),
    userClaim: text.optional(),
    nameClaim: text.default('name'),
    roleClaim: text.default('role'),
    roles: z.record(text, role).optional(),
    defaultRole: role.optional(),
    scopeClaim: text.default('scope'),
    clockToleranceSeconds: z.number().int().min(0).max(60).default(5),
  })
  .superRefine(({ deployment, ...given }, { addIssue }) => {
    const places = [given.tenantClaim, given.tenant, deployment].filter((place) => place !== undefined);
    if (places.length !== 1) {
      addIssue({ code: 'custom', message: 'must have exactly one of tenantClaim, tenant and deployment' });
    }
    if (deployment === undefined) return;
    if (given.userClaim !== undefined) {
      addIssue({
        code: 'custom',
        path: ['userClaim'],
        message: 'users belong to tenants; leave it out with deployment',
      });
    }
    const message = 'there are no members of the deployment; use owner, admin or viewer';
    if (given.defaultRole === 'member') addIssue({ code: 'custom', path: ['defaultRole'], message });
    for (const [value, meaning] of Object.entries(given.roles ?? {})) {
      if (meaning === 'member') addIssue({ code: 'custom', path: ['roles', value], message });
    }
  })
  .transform(
    ({ audience, tenantClaim, tenant, deployment: _deployment, userClaim = 'sub', ...given }): OidcIssuer => ({
      ...given,
      audiences: typeof audience === 'string' ? [audience] : audience,
      jwksUri: given.jwksUri,
      roles: given.roles,
      defaultRole: given.defaultRole,
      userClaim,
      place: placeOf(tenantClaim, tenant),
    }),
  );

function placeOf(claim: string | undefined, tenant: string | undefined): LoginPlace {
  if (claim !== undefined) return { kind: 'claimed tenant', claim };
  return tenant === undefined ? { kind: 'deployment' } : { kind: 'tenant', tenant };
}

/** A JSON list of issuers. One issuer may be there several times, for audiences that mean different things. */
export const oidcIssuers = z
  .string()
  .transform((value, { addIssue }) => {
    try {
      const parsed: unknown = JSON.parse(value);
      return parsed;
    } catch {
      addIssue({ code: 'custom', message: 'must be JSON' });
      return z.NEVER;
    }
  })
  .pipe(
    // A transform sees what no rule was broken in.
    z.array(issuerSchema).transform((issuers, { addIssue }) => {
      const known = new Set<string>();
      for (const [index, each] of issuers.entries()) {
        for (const audience of each.audiences) {
          const pair = JSON.stringify([each.issuer, audience]);
          if (known.has(pair)) {
            const message = 'the issuer has this audience already, so what its tokens mean would not be clear';
            addIssue({ code: 'custom', path: [index, 'audience'], message });
          }
          known.add(pair);
        }
      }
      return issuers;
    }),
  );
