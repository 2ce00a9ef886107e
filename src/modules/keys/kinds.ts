import type { ScopeTemplate } from '../../access/scopes.ts';
import type { KeyKind } from '../../database/generated/enums.ts';

/** What a key can belong to besides its tenant. */
export type OwnerField = 'userId' | 'appId' | 'productId' | 'engineId';
export const ownerFields = ['userId', 'appId', 'productId', 'engineId'] as const satisfies readonly OwnerField[];

interface KindRule {
  /** Whether a key of this kind belongs to a tenant. */
  readonly tenant: 'required' | 'optional' | 'none';
  /** The owner that has to be named; an engine's product follows from the engine. */
  readonly owner?: OwnerField;
  /** One that may be named. */
  readonly optionalOwner?: OwnerField;
  /** The scopes of a key for which the caller names none. */
  readonly defaultTemplate?: ScopeTemplate;
}

/** Whose keys of each kind are; the table in the database keeps to the same rules. */
export const kindRules: Readonly<Record<KeyKind, KindRule>> = {
  ADMIN: { tenant: 'none' },
  TENANT: { tenant: 'required' },
  APP: { tenant: 'required', owner: 'appId' },
  PUBLISHABLE: { tenant: 'required', optionalOwner: 'appId', defaultTemplate: 'publishable_client' },
  PRODUCT: { tenant: 'required', owner: 'productId', defaultTemplate: 'platform' },
  USER: { tenant: 'required', owner: 'userId' },
  ENGINE: { tenant: 'required', owner: 'engineId', defaultTemplate: 'engine_runtime' },
  GATEWAY: { tenant: 'optional', defaultTemplate: 'gateway' },
};

/** Whether pages may use keys of this kind, from the origins that each key names. */
export const hasOrigins = (kind: KeyKind): boolean => kind === 'PUBLISHABLE';
