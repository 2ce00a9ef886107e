interface ScopeRule {
  readonly description: string;
  /** Whether only principals of the deployment may hold it, never those of one tenant. */
  readonly deploymentOnly: boolean;
}

/** The one place where scopes exist. */
export const scopeRegistry = {
  'tenants:read': {
    description: 'Read tenants, their limits and their schedules.',
    deploymentOnly: false,
  },
  'tenants:write': {
    description: 'Create, change, suspend, archive and delete tenants.',
    deploymentOnly: true,
  },
  'fairshare:read': {
    description: 'Read fairshare groups and their weights.',
    deploymentOnly: false,
  },
  'fairshare:write': {
    description: 'Create, change and delete fairshare groups.',
    deploymentOnly: true,
  },
  'audit:read': {
    description: 'Read the audit log, verify its chains and follow new entries.',
    deploymentOnly: false,
  },
} as const satisfies Record<string, ScopeRule>;

export type Scope = keyof typeof scopeRegistry;

export const allScopes: ReadonlySet<Scope> = new Set(Object.keys(scopeRegistry) as Scope[]);

/** What an operation needs: any one of the lists, all of its scopes. Empty: any principal may. */
export type RequiredScopes = readonly (readonly Scope[])[];

export function hasScopes(held: ReadonlySet<Scope>, required: RequiredScopes): boolean {
  return required.length === 0 || required.some((all) => all.every((scope) => held.has(scope)));
}

/** Of these scopes, those that a principal of one tenant can hold. */
export const scopesOfTenant = (scopes: ReadonlySet<Scope>): ReadonlySet<Scope> =>
  new Set([...scopes].filter((scope) => !scopeRegistry[scope].deploymentOnly));
