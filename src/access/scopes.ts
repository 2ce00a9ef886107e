import type { KeyKind } from '../database/generated/enums.ts';

interface ScopeRule {
  readonly description: string;
  /** The kinds of key that may hold it. Logins of a tenant may hold what tenant keys may. */
  readonly kinds: readonly KeyKind[];
}

const deployment = ['ADMIN'] as const;
const tenant = ['ADMIN', 'TENANT'] as const;
/** Inference by servers and by people, but not from pages and apps that anyone can take apart. */
const callers = ['ADMIN', 'TENANT', 'APP', 'PRODUCT', 'USER', 'ENGINE'] as const;
/** Safe in a client that anyone can take apart. */
const everywhere = [...callers, 'PUBLISHABLE'] as const;

/** The one place where scopes exist: those of this graph, then those of inference, which gateways enforce. */
export const scopeRegistry = {
  'tenants:read': { description: 'Read tenants, their limits and their schedules.', kinds: [...tenant, 'GATEWAY'] },
  'tenants:write': { description: 'Create, change, suspend, archive and delete tenants.', kinds: deployment },
  'fairshare:read': {
    description: 'Read fairshare groups and their weights, and follow who has which share of the slots.',
    kinds: tenant,
  },
  'fairshare:totals': {
    description:
      "See the totals of the deployment and of one's own group in live fairshare, its history and statistics; without it, credentials of a tenant see their own rows alone.",
    kinds: tenant,
  },
  'fairshare:write': { description: 'Create, change and delete fairshare groups.', kinds: deployment },
  'stats:read': { description: 'Read and follow what is admitted, refused and settled.', kinds: tenant },
  'audit:read': { description: 'Read the audit log, verify its chains and follow new entries.', kinds: tenant },
  'teams:read': { description: 'Read teams and their limits.', kinds: [...tenant, 'USER'] },
  'teams:write': { description: 'Create, change and delete teams.', kinds: tenant },
  'users:read': {
    description: 'Read users and their limits; user keys read their own user.',
    kinds: [...tenant, 'USER'],
  },
  'users:write': { description: 'Create, change, move, deactivate and delete users.', kinds: tenant },
  'apps:read': { description: 'Read applications and their inference configuration.', kinds: [...tenant, 'APP'] },
  'apps:write': { description: 'Create, change, archive and delete applications.', kinds: tenant },
  'products:read': { description: 'Read products and their policies.', kinds: [...tenant, 'PRODUCT'] },
  'products:write': { description: 'Change, suspend and delete products, and set their policies.', kinds: tenant },
  'products:register': {
    description: 'Register products: their slugs are unique in the whole deployment.',
    kinds: deployment,
  },
  'engines:read': { description: 'Read engines.', kinds: [...tenant, 'PRODUCT', 'ENGINE', 'GATEWAY'] },
  'engines:write': { description: 'Register and destroy engines.', kinds: [...tenant, 'PRODUCT'] },
  'engines:report': {
    description: 'Report the status, the health and the version of engines; engine keys report their own.',
    kinds: [...tenant, 'PRODUCT', 'ENGINE', 'GATEWAY'],
  },
  'engines:admit': {
    description: "Ask for a user's engine, within the product's rate limit.",
    kinds: [...tenant, 'PRODUCT'],
  },
  'keys:read': {
    description: 'Read keys, never their secrets; product and user keys read those of their own.',
    kinds: [...tenant, 'PRODUCT', 'USER'],
  },
  'keys:write': {
    description: 'Create, change, rotate and revoke keys that can do no more than your own credential.',
    kinds: [...tenant, 'PRODUCT', 'USER'],
  },
  'keys:verify': {
    description: "Have callers' keys verified; who belongs to a tenant verifies the keys of that tenant.",
    kinds: [...tenant, 'PRODUCT', 'ENGINE', 'GATEWAY'],
  },
  'keys:report': { description: 'Report leaked keys, which revokes them.', kinds: [...tenant, 'GATEWAY'] },
  // Apart from `catalog:read` and `models:*`, which say what callers may do with models once a gateway runs them: keys that
  // hold those were not given this registry, nor its prices.
  'registry:read': {
    description: 'Read the models that gateways route by, and what they cost: those that the tenant may use.',
    kinds: [...callers, 'GATEWAY'],
  },
  'registry:write': { description: 'Create, change and delete the models that gateways route by.', kinds: deployment },
  'usage:read': {
    description: 'Read what requests used and cost; product, engine and user keys read those of their own.',
    kinds: [...tenant, 'PRODUCT', 'USER', 'ENGINE'],
  },
  'requests:admit': {
    description:
      'Have requests admitted, and say what they used; who belongs to a tenant, product or engine admits for the keys of that.',
    kinds: [...tenant, 'PRODUCT', 'ENGINE', 'GATEWAY'],
  },
  'limits:read': {
    description:
      'See where limits stand, and what would become of a request; product, engine and user keys see those of their own.',
    kinds: [...tenant, 'PRODUCT', 'USER', 'ENGINE'],
  },
  'gateways:read': { description: 'Read gateways: which are there, and what they run.', kinds: tenant },
  'gateways:write': { description: 'Deregister gateways that somebody else registered.', kinds: tenant },
  'gateways:report': {
    description: 'Register gateways and send their heartbeats.',
    kinds: [...tenant, 'GATEWAY'],
  },
  'capacity:read': { description: 'Read how much may run and wait at once.', kinds: deployment },
  'capacity:write': { description: 'Set how much may run and wait at once, and who comes next.', kinds: deployment },
  'peppers:read': { description: 'Read how far hashing under another pepper has come.', kinds: deployment },
  'peppers:write': { description: 'Have all secrets hashed under another pepper.', kinds: deployment },

  'catalog:read': { description: 'Inference: read the catalogue of models.', kinds: callers },
  'models:read': { description: 'Inference: read and download models.', kinds: everywhere },
  'models:write': { description: 'Inference: publish and change models.', kinds: [...tenant, 'APP', 'PRODUCT'] },
  'devices:register': { description: 'Inference: register a device.', kinds: everywhere },
  'devices:heartbeat': { description: 'Inference: send heartbeats of a device.', kinds: everywhere },
  'control:refresh': { description: "Inference: refresh a device's configuration.", kinds: callers },
  'telemetry:write': { description: 'Inference: send telemetry.', kinds: everywhere },
  'rollouts:read': { description: 'Inference: read rollouts.', kinds: callers },
  'rollouts:write': { description: 'Inference: create and change rollouts.', kinds: [...tenant, 'APP', 'PRODUCT'] },
  'benchmarks:write': { description: 'Inference: submit benchmarks.', kinds: callers },
  'evals:write': { description: 'Inference: submit evaluations.', kinds: callers },
  'cloud:inference': { description: 'Inference: run requests through the gateway.', kinds: callers },
  'cloud:credentials': {
    description: "Inference: manage credentials of cloud providers; of logins, for a tenant's owners and admins.",
    kinds: tenant,
  },
} as const satisfies Record<string, ScopeRule>;

export type Scope = keyof typeof scopeRegistry;

const registry: Readonly<Record<Scope, ScopeRule>> = scopeRegistry;

export const scopeNames = Object.keys(scopeRegistry) as readonly Scope[];

export const allScopes: ReadonlySet<Scope> = new Set(scopeNames);

export const isScope = (text: string): text is Scope => Object.hasOwn(scopeRegistry, text);

const kindsOfScopes = new Set(scopeNames.flatMap((scope) => registry[scope].kinds));

const byKind: ReadonlyMap<KeyKind, ReadonlySet<Scope>> = new Map(
  [...kindsOfScopes].map((kind) => [kind, new Set(scopeNames.filter((scope) => registry[scope].kinds.includes(kind)))]),
);

/** The scopes that keys of this kind may hold. */
export const scopesOfKind = (kind: KeyKind): ReadonlySet<Scope> => byKind.get(kind) ?? new Set();

const readOnly = scopeNames.filter((scope) => scope.endsWith(':read'));
/** What a tenant's own people get without being asked: not what the other tenants do together. */
const ofTenant = [...scopesOfKind('TENANT')].filter((scope) => scope !== 'fairshare:totals');

/** Named sets of scopes, for what keys and logins are commonly made for. */
export const scopeTemplates = {
  read_only: { description: 'Read everything, change nothing.', scopes: readOnly },
  ci_deploy: {
    description: 'Publish models and roll them out from a pipeline.',
    scopes: ['models:read', 'models:write', 'rollouts:read', 'rollouts:write'],
  },
  device_runtime: {
    description: 'What a device needs at run time.',
    scopes: ['models:read', 'devices:register', 'devices:heartbeat', 'telemetry:write', 'control:refresh'],
  },
  publishable_client: {
    description: 'What a page or an app may do whose key anyone can read.',
    scopes: ['models:read', 'devices:register', 'devices:heartbeat', 'telemetry:write'],
  },
  server_inference: {
    description: 'Run inference from a server.',
    scopes: ['cloud:inference', 'catalog:read', 'models:read'],
  },
  platform: {
    description: "What a product's backend does with its platform key.",
    scopes: [
      'products:read',
      'engines:read',
      'engines:write',
      'engines:report',
      'engines:admit',
      'keys:read',
      'keys:write',
      'keys:verify',
      'usage:read',
      'limits:read',
      'requests:admit',
    ],
  },
  engine_runtime: {
    description: 'What an engine does with its own key.',
    scopes: ['engines:read', 'engines:report', 'keys:verify', 'usage:read', 'limits:read', 'requests:admit'],
  },
  gateway: {
    description: 'What a gateway does.',
    scopes: [
      'keys:verify',
      'keys:report',
      'tenants:read',
      'engines:read',
      'engines:report',
      'registry:read',
      'gateways:report',
      'requests:admit',
    ],
  },
  self_service: {
    description: "See oneself and manage the keys of one's own, to call models with.",
    scopes: [
      'users:read',
      'teams:read',
      'keys:read',
      'keys:write',
      'registry:read',
      'usage:read',
      'limits:read',
      'cloud:inference',
      'catalog:read',
      'models:read',
    ],
  },
  deployment_admin: {
    description: 'Everything in the deployment: an admin key with it can do what a root admin key can.',
    scopes: scopeNames,
  },
  owner: { description: 'Role of logins: everything within the tenant.', scopes: ofTenant },
  admin: { description: 'Role of logins: everything within the tenant that is not kept for owners.', scopes: ofTenant },
  member: {
    description: "Role of logins: see oneself and manage the keys of one's own.",
    scopes: [
      'users:read',
      'teams:read',
      'tenants:read',
      'keys:read',
      'keys:write',
      'registry:read',
      'usage:read',
      'limits:read',
      'cloud:inference',
      'catalog:read',
      'models:read',
    ],
  },
  viewer: {
    description: 'Role of logins: read everything within the tenant.',
    scopes: readOnly.filter((scope) => registry[scope].kinds.includes('TENANT')),
  },
} as const satisfies Record<string, { description: string; scopes: readonly Scope[] }>;

export type ScopeTemplate = keyof typeof scopeTemplates;

/** What an operation needs: any one of the lists, all of its scopes. Empty: any principal may. */
export type RequiredScopes = readonly (readonly Scope[])[];

export function hasScopes(held: ReadonlySet<Scope>, required: RequiredScopes): boolean {
  return required.length === 0 || required.some((all) => all.every((scope) => held.has(scope)));
}

const deploymentOnly = new Set(scopeNames.filter((scope) => registry[scope].kinds.every((kind) => kind === 'ADMIN')));

/** Of these scopes, those that principals of one tenant can hold. */
export const scopesOfTenant = (scopes: ReadonlySet<Scope>): ReadonlySet<Scope> =>
  scopes.isDisjointFrom(deploymentOnly) ? scopes : scopes.difference(deploymentOnly);
