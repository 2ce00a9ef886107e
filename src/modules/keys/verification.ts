import type { Scope } from '../../access/scopes.ts';
import { isServed } from '../tenants/schedule.ts';
import { ipIsAllowed, originIsAllowed } from './origins.ts';
import type { KeyIdentity, KeyRecord, KeyUser } from './record.ts';

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
export function refusalOfKey({ key }: KeyIdentity, now: Date): Refusal | undefined {
  if (key.revokedAt !== null) return 'REVOKED';
  if (key.expiresAt !== null && key.expiresAt <= now) return 'EXPIRED';
  return key.disabledAt === null ? undefined : 'DISABLED';
}

/** Why it is refused because of the user that it acts for. */
export const refusalOfUser = (user: Pick<KeyUser, 'status'> | null): Refusal | undefined =>
  user?.status === 'DEACTIVATED' ? 'USER_DEACTIVATED' : undefined;

/** Why it is refused because of its application. */
export const refusalOfApp = ({ app }: KeyIdentity): Refusal | undefined =>
  app?.status === 'ARCHIVED' ? 'APP_ARCHIVED' : undefined;

/** Why it is refused because of whom it acts for, also by the graph itself. */
export const refusalOfPerson = (identity: KeyIdentity): Refusal | undefined =>
  refusalOfUser(identity.user) ?? refusalOfApp(identity);

/** Why it is not served because of its product. */
export function refusalOfProduct({ product }: KeyIdentity): Refusal | undefined {
  if (product?.status === 'SUSPENDED') return 'PRODUCT_SUSPENDED';
  return product?.status === 'DELETING' ? 'PRODUCT_DELETING' : undefined;
}

/** Why it is not served because of its engine. */
export const refusalOfEngine = ({ engine }: KeyIdentity): Refusal | undefined =>
  engine?.status === 'DESTROYING' ? 'ENGINE_DESTROYING' : undefined;

/** Why it is not served because of its tenant's status. */
export function refusalOfTenant({ tenant }: KeyIdentity): Refusal | undefined {
  if (tenant?.status === 'ARCHIVED') return 'TENANT_ARCHIVED';
  return tenant?.status === 'SUSPENDED' ? 'TENANT_SUSPENDED' : undefined;
}

/** Why it is not served at this time. */
export const refusalOfSchedule = ({ tenant }: KeyIdentity, now: Date): Refusal | undefined =>
  tenant === null || isServed(tenant, now) ? undefined : 'OUTSIDE_SCHEDULE';

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
  refusalOfTenant(identity) ??
  refusalOfSchedule(identity, now) ??
  refusalOfPerson(identity) ??
  refusalOfProduct(identity) ??
  refusalOfEngine(identity);

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
