import { isPrefixName, type KeyPrefixes } from '../config/keys.ts';
import type { KeyEnvironment, KeyKind } from '../database/generated/enums.ts';

/** The kinds whose keys are for live or for test data, which their prefixes say. */
const kindsWithEnvironment = ['APP', 'PUBLISHABLE'] as const satisfies readonly KeyKind[];

export const hasEnvironment = (kind: KeyKind): boolean => (kindsWithEnvironment as readonly KeyKind[]).includes(kind);

/** The prefix of a key's secrets. */
export function prefixOf(prefixes: KeyPrefixes, kind: KeyKind, environment: KeyEnvironment | null): string {
  const name = environment === null ? kind : `${kind}_${environment}`;
  if (isPrefixName(name)) return prefixes[name];
  throw new Error(`Keys of kind ${kind} have no prefix for ${environment ?? 'no environment'}.`);
}
