import type { KeyEnvironment, KeyKind } from '../database/generated/enums.ts';

/** The kinds whose keys are for live or for test data, which their prefixes say. */
const kindsWithEnvironment = ['APP', 'PUBLISHABLE'] as const satisfies readonly KeyKind[];

export const hasEnvironment = (kind: KeyKind): boolean => (kindsWithEnvironment as readonly KeyKind[]).includes(kind);

/** What secrets begin with, by kind, and by environment where the kind has one. */
export const defaultKeyPrefixes = {
  ADMIN: 'fl_admin_',
  TENANT: 'fl_tenant_',
  APP_LIVE: 'fl_app_live_',
  APP_TEST: 'fl_app_test_',
  PUBLISHABLE_LIVE: 'fl_pub_live_',
  PUBLISHABLE_TEST: 'fl_pub_test_',
  PRODUCT: 'fl_product_',
  USER: 'fl_user_',
  ENGINE: 'fl_engine_',
  GATEWAY: 'fl_gateway_',
} as const;

export type PrefixName = keyof typeof defaultKeyPrefixes;
export type KeyPrefixes = Readonly<Record<PrefixName, string>>;

export const isPrefixName = (name: string): name is PrefixName => Object.hasOwn(defaultKeyPrefixes, name);

/** The prefix of a key's secrets. */
export function prefixOf(prefixes: KeyPrefixes, kind: KeyKind, environment: KeyEnvironment | null): string {
  const name = environment === null ? kind : `${kind}_${environment}`;
  if (isPrefixName(name)) return prefixes[name];
  throw new Error(`Keys of kind ${kind} have no prefix for ${environment ?? 'no environment'}.`);
}
