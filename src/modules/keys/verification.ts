import type { Scope } from '../../access/scopes.ts';
import { isServed } from '../tenants/schedule.ts';
import { ipIsAllowed, originIsAllowed } from './origins.ts';
import type { KeyIdentity, KeyRecord } from './record.ts';

/** Why a key is not accepted, in the order in which the reasons are looked for. */
export const refusals = {
  MALFORMED: 'The key has a wrong checksum: it was mistyped or cut.',
  NOT_FOUND: 'There is no such key.',
  REVOKED: 'The key, or this secret of it, was revoked.',
  EXPIRED: 'The key has expired.',
  SUPERSEDED: 'A rotation replaced this secret, and its overlap is over; use the newer one.',
  DISABLED: 'The key is disabled.',
  TENANT_ARCHIVED: 'The tenant is archived.',
  TENANT_SUSPENDED: 'The tenant is suspended.',
  OUTSIDE_SCHEDULE: 'The tenant is not served at this time.',
  USER_DEACTIVATED: 'The user is deactivated.',
  APP_ARCHIVED: 'The application is archived.',
  PRODUCT_SUSPENDED: 'The product is suspended.',
  PRODUCT_DELETING: 'The product is being deleted.',
  ENGINE_DESTROYING: 'The engine is being destroyed.',
  ENVIRONMENT_MISMATCH: 'The key is for the other environment.',
  IP_NOT_ALLOWED: 'The key is not accepted from this address.',
  ORIGIN_NOT_ALLOWED: 'The key is not accepted from pages of this origin.',
  INSUFFICIENT_SCOPE: 'The key has not all of the scopes that are needed.',
  MODEL_NOT_ALLOWED: 'The key may not use this model.',
} as const;

export type Refusal = keyof typeof refusals;

type Optional<Value> = Value | null | undefined;

/** What a caller wants to do with a key. What is not said is not checked, but for the origin of publishable keys. */
export interface Use {
  readonly requiredScopes?: Optional<readonly Scope[]>;
  readonly model?: Optional<string>;
  readonly origin?: Optional<string>;
  readonly ipAddress?: Optional<string>;
  readonly environment?: Optional<'LIVE' | 'TEST'>;
}

/** Compared as numbers: of Dates, JavaScript asks in a roundabout way for them. */
const isOver = (deadline: Date | null, now: Date): boolean => deadline !== null && deadline.getTime() <= now.getTime();

/** Why the credential itself is refused now, whatever it is used for. */
export function refusalOfCredential({ secret, key }: KeyRecord, now: Date): Refusal | undefined {
  if (key.revokedAt !== null || secret.revokedAt !== null) return 'REVOKED';
  if (isOver(key.expiresAt, now)) return 'EXPIRED';
  if (isOver(secret.validUntil, now)) return 'SUPERSEDED';
  return key.disabledAt === null ? undefined : 'DISABLED';
}

/** Why a key is refused now, whatever its secrets are. */
function refusalOfKey({ key }: KeyIdentity, now: Date): Refusal | undefined {
  if (key.revokedAt !== null) return 'REVOKED';
  if (key.expiresAt !== null && key.expiresAt <= now) return 'EXPIRED';
  return key.disabledAt === null ? undefined : 'DISABLED';
}

/** Why it is refused because of whom it acts for, also by the graph itself. */
export function refusalOfPerson({ user, app }: KeyIdentity): Refusal | undefined {
  if (user?.status === 'DEACTIVATED') return 'USER_DEACTIVATED';
  return app?.status === 'ARCHIVED' ? 'APP_ARCHIVED' : undefined;
}

/** Why it is not served because of its product or its engine. */
function refusalOfProduct({ product, engine }: KeyIdentity): Refusal | undefined {
  if (product?.status === 'SUSPENDED') return 'PRODUCT_SUSPENDED';
  if (product?.status === 'DELETING') return 'PRODUCT_DELETING';
  return engine?.status === 'DESTROYING' ? 'ENGINE_DESTROYING' : undefined;
}

/** Why it is not served because of its tenant. */
function refusalOfTenant({ tenant }: KeyIdentity, now: Date): Refusal | undefined {
  if (tenant === null) return undefined;
  if (tenant.status === 'ARCHIVED') return 'TENANT_ARCHIVED';
  if (tenant.status === 'SUSPENDED') return 'TENANT_SUSPENDED';
  return isServed(tenant, now) ? undefined : 'OUTSIDE_SCHEDULE';
}

/** Why it is refused from where it is used. */
export function refusalOfPlace({ key }: KeyIdentity, { origin, ipAddress }: Use): Refusal | undefined {
  if (key.allowedIpRanges.length > 0 && !ipIsAllowed(key.allowedIpRanges, ipAddress)) return 'IP_NOT_ALLOWED';
  if (key.kind === 'PUBLISHABLE' && !originIsAllowed(key.allowedOrigins, origin)) return 'ORIGIN_NOT_ALLOWED';
  return undefined;
}

function refusalOfPurpose({ key, tenant }: KeyIdentity, { requiredScopes, model }: Use): Refusal | undefined {
  if (requiredScopes?.some((scope) => !key.scopes.has(scope))) return 'INSUFFICIENT_SCOPE';
  if (model === null || model === undefined) return undefined;
  const allows = (models: readonly string[] | undefined) =>
    models === undefined || models.length === 0 || models.includes(model);
  return allows(key.allowedModels) && allows(tenant?.allowedModels) ? undefined : 'MODEL_NOT_ALLOWED';
}

const refusalOfOwners = (identity: KeyIdentity, now: Date): Refusal | undefined =>
  refusalOfTenant(identity, now) ?? refusalOfPerson(identity) ?? refusalOfProduct(identity);

/** Whether a key whose secret was looked at already is accepted now, by what it is and whom it belongs to. */
export const refusalOfIdentity = (identity: KeyIdentity, now: Date): Refusal | undefined =>
  refusalOfKey(identity, now) ?? refusalOfOwners(identity, now);

/** Whether a key is accepted for a use: the exact reason when it is not. */
export function refusalOf(record: KeyRecord, use: Use, now: Date): Refusal | undefined {
  const { environment } = record.key;
  return (
    refusalOfCredential(record, now) ??
    refusalOfOwners(record, now) ??
    (use.environment && environment !== null && use.environment !== environment ? 'ENVIRONMENT_MISMATCH' : undefined) ??
    refusalOfPlace(record, use) ??
    refusalOfPurpose(record, use)
  );
}

/** How long the answer that a key is accepted may be relied on: no longer than until any deadline that is known. */
export function cacheUntil({ key, secret, tenant }: KeyRecord, now: Date, cacheMs: number): Date {
  let until = now.getTime() + cacheMs;
  for (const deadline of [key.expiresAt, secret.validUntil, tenant?.activeUntil]) {
    if (deadline) until = Math.min(until, deadline.getTime());
  }
  if (tenant?.weeklyWindows) {
    // Windows begin and end with whole minutes, in every time zone.
    for (let minute = nextMinute(now.getTime()); minute < until; minute = nextMinute(minute)) {
      if (!isServed(tenant, new Date(minute))) until = minute;
    }
  }
  return new Date(until);
}

const minuteMs = 60_000;
const nextMinute = (ms: number): number => ms - (ms % minuteMs) + minuteMs;
