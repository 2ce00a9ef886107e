import { hash } from 'node:crypto';
import { decodeJwt, decodeProtectedHeader, errors, type JWTPayload, jwtVerify } from 'jose';
import type { Logger } from 'pino';
import type { CredentialSource, Finding } from '../../access/authenticator.ts';
import type { RejectionReason } from '../../access/credentials.ts';
import type { Principal } from '../../access/principal.ts';
import type { LoginRole, OidcIssuer } from '../../config/oidc-issuers.ts';
import type { Clock } from '../../graph/context.ts';
import { decodeId, IdProblem } from '../../graph/ids.ts';
import { nameOf, narrowed, roleOf, scopesOfRole, textClaim } from './claims.ts';
import type { LoginDirectory, TenantName } from './directory.ts';
import { KeysUnavailableError, ProviderKeys } from './provider-keys.ts';

/** One entry of the configuration with what is known of its provider. */
interface Provider {
  readonly issuer: OidcIssuer;
  readonly keys: ProviderKeys;
}

/** A token is not accepted. The message is for the log; the caller is told the reason and no more. */
class LoginRefusal extends Error {
  override readonly name = 'LoginRefusal';
  readonly reason: RejectionReason;

  constructor(message: string, reason: RejectionReason = 'INVALID_TOKEN') {
    super(message);
    this.reason = reason;
  }
}

/** Three parts in base64url; the last is empty when nobody signed. */
const jwtPattern = /^[\w-]+\.[\w-]+\.[\w-]*$/;

/** What access tokens say they are. Others are signed with the same keys: logout tokens, events, answers. */
const tokenTypes: ReadonlySet<unknown> = new Set([undefined, 'at+jwt', 'jwt', 'application/at+jwt', 'application/jwt']);

/** The last second that a time of the graph can name. */
const lastSecond = Date.UTC(9999, 11, 31) / 1_000;

/** Access tokens of OpenID providers as credentials. */
export class LoginSource implements CredentialSource {
  readonly accepts = ['bearer'] as const;
  readonly #providers: readonly Provider[];
  readonly #directory: LoginDirectory;
  readonly #clock: Clock;
  readonly #log: Logger;

  constructor(
    issuers: readonly OidcIssuer[],
    parts: { readonly directory: LoginDirectory; readonly clock: Clock; readonly log: Logger },
  ) {
    const { clock, log } = parts;
    const keys = new Map<string, ProviderKeys>();
    this.#providers = issuers.map((issuer) => {
      const place = JSON.stringify([issuer.issuer, issuer.jwksUri]);
      const known = keys.get(place) ?? new ProviderKeys({ issuer, clock, log });
      keys.set(place, known);
      return { issuer, keys: known };
    });
    this.#directory = parts.directory;
    this.#clock = clock;
    this.#log = log;
  }

  async find(secret: string): Promise<Finding> {
    if (this.#providers.length === 0 || !looksLikeToken(secret)) return undefined;
    try {
      const { issuer, claims } = await this.#verify(secret);
      return await this.#principalOf(issuer, claims);
    } catch (error) {
      if (!(error instanceof LoginRefusal)) throw error;
      this.#log.debug({ reason: error.reason, why: error.message }, 'an access token was refused');
      return error.reason;
    }
  }

  async #verify(token: string): Promise<{ issuer: OidcIssuer; claims: JWTPayload }> {
    const { issuer, keys } = this.#providerOf(token);
    try {
      const { payload, protectedHeader } = await jwtVerify(token, keys.find, {
        issuer: issuer.issuer,
        audience: [...issuer.audiences],
        algorithms: [...issuer.algorithms],
        clockTolerance: issuer.clockToleranceSeconds,
        currentDate: this.#clock.now(),
        requiredClaims: ['sub', 'exp'],
      });
      const type = protectedHeader.typ?.toLowerCase();
      if (!tokenTypes.has(type)) throw new LoginRefusal(`typ is ${type}, which is no access token`);
      return { issuer, claims: payload };
    } catch (error) {
      if (error instanceof LoginRefusal) throw error;
      const why = error instanceof Error ? error.message : String(error);
      if (error instanceof KeysUnavailableError) throw new LoginRefusal(why, 'ISSUER_UNAVAILABLE');
      // Whatever cannot be verified is refused, also when a provider publishes a key that is none.
      throw new LoginRefusal(why, error instanceof errors.JWTExpired ? 'EXPIRED_CREDENTIAL' : 'INVALID_TOKEN');
    }
  }

  /** The entry that a token is for, by what it says itself; nothing of that is believed before it is verified. */
  #providerOf(token: string): Provider {
    const { iss, aud } = unverifiedClaims(token);
    const ofIssuer = this.#providers.filter(({ issuer }) => issuer.issuer === iss);
    const [first, ...more] = ofIssuer.filter(({ issuer }) =>
      [aud].flat().some((each) => each !== undefined && issuer.audiences.includes(each)),
    );
    if (first === undefined) throw new LoginRefusal(`no issuer ${iss} with audience ${aud} is configured`);
    if (more.length > 0) throw new LoginRefusal(`the audiences ${aud} of ${iss} belong to several issuers of the list`);
    return first;
  }

  async #principalOf(issuer: OidcIssuer, claims: JWTPayload): Promise<Principal> {
    const { sub = '', exp = 0 } = claims;
    if (exp > lastSecond) throw new LoginRefusal(`exp is ${exp}, later than any time`);
    const role = roleOf(claims, issuer);
    if (role === undefined) throw new LoginRefusal(`${issuer.roleClaim} names no known role`);
    const scopes = scopesOfRole(role, issuer.place.kind === 'deployment');
    if (scopes === undefined) throw new LoginRefusal(`the deployment has no role ${role}`);
    const tenantId = await this.#tenantIdOf(issuer, claims);
    return {
      kind: 'LOGIN',
      credentialId: credentialIdOf(issuer.issuer, sub, tenantId),
      name: nameOf(claims, issuer),
      role,
      scopes: narrowed(scopes, claims, issuer),
      expiresAt: new Date(exp * 1_000),
      ...(tenantId === undefined ? {} : { tenantId, ...(await this.#userOf(issuer, claims, tenantId, role)) }),
    };
  }

  /** Nothing: the login is one of the deployment. */
  async #tenantIdOf({ place }: OidcIssuer, claims: JWTPayload): Promise<string | undefined> {
    if (place.kind === 'deployment') return undefined;
    const named = place.kind === 'tenant' ? place.tenant : textClaim(claims, place.claim);
    if (named === undefined) throw new LoginRefusal('the token names no tenant');
    const tenant = await this.#directory.tenant(tenantNamed(named));
    if (tenant === undefined) throw new LoginRefusal(`there is no tenant ${named}`);
    // A suspended one is not served, but its people still administer it.
    if (tenant.status === 'ARCHIVED') throw new LoginRefusal('the tenant is archived', 'OWNER_NOT_ACTIVE');
    return tenant.id;
  }

  /** Members are bound to their user; the others see the whole tenant, and only know which of its users they are. */
  async #userOf(
    { userClaim }: OidcIssuer,
    claims: JWTPayload,
    tenantId: string,
    role: LoginRole,
  ): Promise<Pick<Principal, 'userId' | 'loginUserId'>> {
    const externalId = textClaim(claims, userClaim);
    const user = externalId === undefined ? undefined : await this.#directory.user(tenantId, externalId);
    if (user?.status === 'DEACTIVATED') throw new LoginRefusal('the user is deactivated', 'OWNER_NOT_ACTIVE');
    if (user !== undefined) return { loginUserId: user.id, ...(role === 'member' ? { userId: user.id } : {}) };
    if (role === 'member') throw new LoginRefusal(`the tenant has no user ${externalId}, and members are users`);
    return {};
  }
}

function looksLikeToken(secret: string): boolean {
  if (!jwtPattern.test(secret)) return false;
  try {
    return typeof decodeProtectedHeader(secret).alg === 'string';
  } catch {
    return false;
  }
}

function unverifiedClaims(token: string): JWTPayload {
  try {
    return decodeJwt(token);
  } catch {
    throw new LoginRefusal('the token has no claims');
  }
}

function tenantNamed(named: string): TenantName {
  try {
    return { id: decodeId('Tenant', named) };
  } catch (error) {
    if (error instanceof IdProblem) return { name: named };
    throw error;
  }
}

/**
 * The same for a person at a place whatever the token: answers of commands are kept by it, so it differs where the same
 * person acts for another tenant.
 */
const credentialIdOf = (issuer: string, subject: string, tenantId: string | undefined): string =>
  `oidc:${hash('sha256', JSON.stringify([issuer, subject, tenantId ?? null]), 'hex').slice(0, 16)}`;
