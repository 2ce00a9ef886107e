import { makeSecret } from '../../../src/access/secrets.ts';
import type { NodeType } from '../../../src/graph/ids.ts';
import type { Arguments } from './calls.ts';
import { foreignMarker, type Home, missingId, type Row, sharedText, supersededSecret, takenSecret } from './world.ts';

/** How a call names a row. */
export interface Naming {
  readonly type: NodeType;
  /** What of the row is given. Default: its id. */
  readonly by?: 'text' | 'secret';
  /** The other arguments, where they differ from those of the rule. */
  readonly with?: (home: Home) => Arguments;
  /** What is found by it, where that is another row than the one named: rows of this type that belong to it. */
  readonly finds?: { readonly type: NodeType; readonly text?: string };
  /**
   * With which of the rows that are found the call changes nothing that matters here, for commands that are carried out.
   * The others are not named.
   */
  readonly harmless?: (row: Row, home: Home) => boolean;
}

/** How a field is called, and how its answers are read. */
export interface FieldRule {
  /** Each place of the arguments that names a row. Every place that takes an id has to be here. */
  readonly rows?: Readonly<Record<string, Naming | readonly Naming[]>>;
  /** What a call needs besides. It changes nothing, whatever rows it names: it is a dry run, expects another revision, or asks for what is there already. */
  readonly with?: (home: Home) => Arguments;
  /** Whether an answer is about the row. Default: it is no null, no NotFoundError and no empty list. */
  readonly found?: (answer: unknown) => boolean;
}

const row = (type: NodeType, rest: Omit<Naming, 'type'> = {}): Naming => ({ type, ...rest });

/** Of a command whose target is refused in the end, because it is not at this revision. */
const target = (field: string, type: NodeType, rest: Arguments = {}): FieldRule => ({
  rows: { [`input.${field}`]: row(type) },
  with: () => ({ input: { expectedRevision: 1_000_000, ...rest } }),
});

const input = (values: Arguments) => (): Arguments => ({ input: values });

/** The conditions of a list that take ids: each finds the rows of the list that belong to the one it names. */
const conditions = (finds: NodeType, prefix: string, names: Readonly<Record<string, NodeType>>) =>
  Object.fromEntries(
    Object.entries(names).map(([name, type]) => [`${prefix}.${name}`, row(type, { finds: { type: finds } })]),
  );

const ofKeys = {
  'ids.0': 'ApiKey',
  tenantId: 'Tenant',
  userId: 'User',
  appId: 'App',
  productId: 'Product',
  engineId: 'Engine',
} as const;

const keyFilter = (prefix: string) => conditions('ApiKey', prefix, ofKeys);
const tenantFilter = (finds: NodeType) => conditions(finds, 'filter', { tenantId: 'Tenant' });

const auditFilter: FieldRule['rows'] = {
  'filter.tenantId': row('Tenant'),
  // No command is about one, so that its id stands in no log: whoever names a row in vain has that in their own.
  'filter.targetId': row('ProductPolicyVersion', { finds: { type: 'ProductPolicyVersion', text: 'none' } }),
};

/** A key of an owner, with a secret that another key has already: refused once the owner was found. */
const newKey =
  (kind: string, rest: Arguments = {}) =>
  (): Arguments => ({
    input: { kind, name: 'never made', scopes: ['models:read'], existingSecret: { sha256: takenSecret }, ...rest },
  });

type Fields = Readonly<Record<string, unknown>>;
const number = (name: string) => (answer: unknown) => Number((answer as Fields | null)?.[name]) > 0;
const isKnownKey = (answer: unknown): boolean => (answer as Fields).reason !== 'NOT_FOUND';

const noTokens = { inputTokens: 0, outputTokens: 0 } as const;

const noLease = { leaseId: missingId('Lease') } as const;
/** The gateway that a lease is to be held by: it is compared with that of the lease, and looked up by nobody. */
const ofGateway = (input: Arguments): Naming => row('Gateway', { with: () => ({ input }), harmless: () => false });

const isWithoutErrors = (answer: unknown): boolean =>
  ((answer as { results?: { error: unknown }[] }).results ?? []).every(({ error }) => error === null);

/** Of a request for a user whom nobody knows, which is looked for after the key. */
const findsKey = (answer: unknown): boolean => {
  const { code, path } = (answer ?? {}) as { code?: string; path?: readonly string[] };
  return code === 'NOT_FOUND' ? path?.[0] === 'userExternalId' : code !== 'VALIDATION_FAILED';
};

/** The places of a request that name rows. Gateways are spoken for by those alone who registered them. */
const admitted = (prefix: string, inputOf: (values: Arguments) => Arguments) => {
  const values = { model: 'none', estimatedInputTokens: 1, estimatedOutputTokens: 1, userExternalId: 'nobody' };
  const with_ = () => inputOf(values);
  return {
    [`${prefix}.keyId`]: row('ApiKey', { with: with_ }),
    [`${prefix}.key`]: row('ApiKey', { by: 'secret', with: with_ }),
    [`${prefix}.gatewayId`]: row('Gateway', { with: with_, harmless: () => false }),
  };
};

const nodeTypes = [
  'Tenant',
  'FairshareGroup',
  'Team',
  'User',
  'App',
  'Product',
  'ProductPolicyVersion',
  'Engine',
  'ApiKey',
  'ApiKeySecret',
  'Model',
  'UsageRecord',
  'Gateway',
] as const satisfies readonly NodeType[];
const anyNode = nodeTypes.map((type) => row(type));

/** The scopes that `node` and `nodes` ask for, by the type of the object: their declarations cannot say it. */
export const scopesOfNodes = {
  Tenant: 'tenants:read',
  FairshareGroup: 'fairshare:read',
  Team: 'teams:read',
  User: 'users:read',
  App: 'apps:read',
  Product: 'products:read',
  ProductPolicyVersion: 'products:read',
  Engine: 'engines:read',
  ApiKey: 'keys:read',
  ApiKeySecret: 'keys:read',
  Model: 'registry:read',
  UsageRecord: 'usage:read',
  Gateway: 'gateways:read',
  Lease: 'requests:admit',
  AuditEntry: 'audit:read',
} as const satisfies Record<NodeType, string>;

/**
 * Every field of the root types, and every field below that takes ids. One that is missing fails the test: say here how
 * it names rows, and how it is called without changing anything.
 */
export const rules: Readonly<Record<string, FieldRule>> = {
  'Query.node': { rows: { id: anyNode } },
  'Query.nodes': { rows: { 'ids.0': anyNode }, found: (answer) => (answer as unknown[] | null)?.[0] !== null },
  'Query.viewer': {},
  'Query.scopeRegistry': {},
  'Query.pepperStatus': {},
  'Query.tenant': { rows: { id: row('Tenant'), name: row('Tenant', { by: 'text' }) } },
  'Query.tenants': { rows: conditions('Tenant', 'filter', { fairshareGroupId: 'FairshareGroup' }) },
  'Query.fairshareGroup': { rows: { id: row('FairshareGroup'), name: row('FairshareGroup', { by: 'text' }) } },
  'Query.fairshareGroups': {},
  'Query.fairshare': {
    rows: { tenant: row('Tenant') },
    found: (answer) => ((answer as { tenants?: unknown[] } | null)?.tenants ?? []).length > 0,
  },
  'Query.fairshareHistory': {},
  // Compared with what the history shows anyway, which its own test looks at.
  'FairshareHistoryPoint.tenants': { rows: { 'ids.0': row('Tenant') } },
  'Query.stats': {},
  'Query.team': { rows: { id: row('Team') } },
  'Query.teams': { rows: tenantFilter('Team') },
  'Query.user': {
    rows: {
      id: row('User'),
      tenantId: row('Tenant', {
        with: () => ({ externalId: sharedText }),
        finds: { type: 'User', text: sharedText },
      }),
    },
  },
  'Query.users': { rows: conditions('User', 'filter', { tenantId: 'Tenant', teamId: 'Team' }) },
  'Query.app': { rows: { id: row('App') } },
  'Query.apps': { rows: tenantFilter('App') },
  'Query.product': { rows: { id: row('Product'), slug: row('Product', { by: 'text' }) } },
  'Query.products': { rows: tenantFilter('Product') },
  'Query.engine': {
    rows: {
      id: row('Engine'),
      productId: row('Product', {
        with: () => ({ userExternalId: sharedText }),
        finds: { type: 'Engine', text: sharedText },
      }),
    },
  },
  'Query.engines': { rows: conditions('Engine', 'filter', { tenantId: 'Tenant', productId: 'Product' }) },
  'Query.apiKey': { rows: { id: row('ApiKey') } },
  'Query.apiKeys': { rows: keyFilter('filter') },
  'Query.model': { rows: { id: row('Model'), name: row('Model', { by: 'text' }) } },
  'Query.models': {},
  'Query.gateway': { rows: { id: row('Gateway') } },
  'Query.gateways': { rows: tenantFilter('Gateway') },
  'Query.capacity': {},
  'Query.lease': { rows: { id: row('Lease') } },
  'Query.leases': {
    rows: conditions('Lease', 'filter', {
      tenantId: 'Tenant',
      keyId: 'ApiKey',
      userId: 'User',
      productId: 'Product',
      modelId: 'Model',
      gatewayId: 'Gateway',
    }),
  },
  'Query.explainAdmission': {
    rows: admitted('input', (values) => ({ input: values })),
    found: findsKey,
  },
  'Query.effectiveLimits': {
    rows: { for: (['Tenant', 'Team', 'User', 'Product', 'ApiKey'] as const).map((type) => row(type)) },
  },
  'Query.queuedRequest': { with: () => ({ requestId: 'none' }) },
  'Query.verifyKey': { rows: { 'input.key': row('ApiKey', { by: 'secret' }) }, found: isKnownKey },
  'Query.verifyKeys': {
    rows: { 'inputs.0.key': row('ApiKey', { by: 'secret' }) },
    found: (answer) => isKnownKey((answer as unknown[])[0]),
  },
  'Query.usageRecord': { rows: { id: row('UsageRecord') } },
  'Query.usageRecords': {
    rows: conditions('UsageRecord', 'filter', {
      tenantId: 'Tenant',
      keyId: 'ApiKey',
      userId: 'User',
      productId: 'Product',
      modelId: 'Model',
      gatewayId: 'Gateway',
    }),
  },
  'Query.auditLog': { rows: auditFilter },
  'Query.verifyAuditChain': { rows: { tenantId: row('Tenant') }, found: number('entriesChecked') },

  'Tenant.teams': { rows: tenantFilter('Team') },
  'Tenant.users': { rows: conditions('User', 'filter', { tenantId: 'Tenant', teamId: 'Team' }) },
  'Tenant.apps': { rows: tenantFilter('App') },
  'Tenant.products': { rows: tenantFilter('Product') },
  'Tenant.apiKeys': { rows: keyFilter('filter') },
  'FairshareGroup.tenants': { rows: conditions('Tenant', 'filter', { fairshareGroupId: 'FairshareGroup' }) },
  'Team.users': { rows: conditions('User', 'filter', { tenantId: 'Tenant', teamId: 'Team' }) },
  'User.apiKeys': { rows: keyFilter('filter') },
  'App.apiKeys': { rows: keyFilter('filter') },
  'Product.apiKeys': { rows: keyFilter('filter') },
  'Product.engines': { rows: conditions('Engine', 'filter', { tenantId: 'Tenant', productId: 'Product' }) },
  'Engine.apiKeys': { rows: keyFilter('filter') },

  'Subscription.auditTail': { rows: auditFilter },
  'Subscription.fairshareLive': { rows: { tenant: row('Tenant') } },
  'Subscription.statsLive': {},

  'Mutation.createTenant': {
    rows: { 'input.fairshareGroupId': row('FairshareGroup') },
    with: ({ tenant }) => ({ input: { name: tenant.text } }),
  },
  'Mutation.updateTenant': target('tenantId', 'Tenant', { description: foreignMarker }),
  'Mutation.setTenantWeight': target('tenantId', 'Tenant', { weight: 3 }),
  'Mutation.setTenantLimits': target('tenantId', 'Tenant', { limits: { maxInFlight: 1 } }),
  'Mutation.setTenantGroup': {
    rows: {
      'input.tenantId': row('Tenant', {
        with: ({ group }) => ({ input: { expectedRevision: 1_000_000, fairshareGroupId: group.id } }),
      }),
      'input.fairshareGroupId': row('FairshareGroup', { harmless: (named, { group }) => named === group }),
    },
    with: ({ tenant }) => ({ input: { tenantId: tenant.id } }),
  },
  'Mutation.suspendTenant': target('tenantId', 'Tenant'),
  'Mutation.resumeTenant': target('tenantId', 'Tenant'),
  'Mutation.archiveTenant': target('tenantId', 'Tenant'),
  'Mutation.deleteTenant': target('tenantId', 'Tenant', { dryRun: true }),

  'Mutation.createFairshareGroup': { with: ({ group }) => ({ input: { name: group.text } }) },
  'Mutation.renameFairshareGroup': target('fairshareGroupId', 'FairshareGroup', { name: foreignMarker }),
  'Mutation.setFairshareGroupWeight': target('fairshareGroupId', 'FairshareGroup', { weight: 3 }),
  'Mutation.deleteFairshareGroup': {
    rows: {
      'input.fairshareGroupId': row('FairshareGroup', { with: input({ expectedRevision: 1_000_000 }) }),
      'input.moveTenantsToId': row('FairshareGroup', { harmless: () => false }),
    },
    with: ({ group }) => ({ input: { fairshareGroupId: group.id } }),
  },

  'Mutation.createTeam': { rows: { 'input.tenantId': row('Tenant') }, with: input({ name: sharedText }) },
  'Mutation.updateTeam': target('teamId', 'Team', { description: 'changed' }),
  'Mutation.deleteTeam': {
    rows: {
      'input.teamId': row('Team'),
      'input.moveUsersToTeamId': row('Team', {
        with: ({ teams }) => ({ input: { dryRun: true, teamId: teams[0].id } }),
        harmless: (named, { teams }) => named === teams[1],
      }),
    },
    with: input({ dryRun: true, expectedRevision: 1_000_000 }),
  },

  'Mutation.createUser': {
    rows: {
      'input.tenantId': row('Tenant'),
      'input.teamId': row('Team', {
        with: ({ tenant }) => ({ input: { externalId: sharedText, tenantId: tenant.id } }),
        harmless: (named, { teams }) => named === teams[0],
      }),
    },
    with: input({ externalId: sharedText }),
  },
  'Mutation.bulkCreateUsers': {
    rows: {
      'input.tenantId': row('Tenant'),
      'input.users.0.teamId': row('Team', {
        with: ({ tenant }) => ({ input: { tenantId: tenant.id, users: [{ externalId: sharedText }] } }),
        harmless: (named, { teams }) => named === teams[0],
      }),
    },
    with: input({ users: [{ externalId: sharedText }] }),
    found: (answer) => !JSON.stringify(answer).includes('"NOT_FOUND"'),
  },
  'Mutation.updateUser': target('userId', 'User', { displayName: 'changed' }),
  'Mutation.moveUser': {
    rows: {
      'input.userId': row('User', { with: input({ expectedRevision: 1_000_000, teamId: null }) }),
      'input.teamId': row('Team', { harmless: (named, { teams }) => named === teams[0] }),
    },
    with: ({ users }) => ({ input: { userId: users[0].id } }),
  },
  'Mutation.deactivateUser': target('userId', 'User'),
  'Mutation.reactivateUser': target('userId', 'User'),
  'Mutation.deleteUser': target('userId', 'User', { dryRun: true }),

  'Mutation.createApp': { rows: { 'input.tenantId': row('Tenant') }, with: input({ name: sharedText }) },
  'Mutation.updateApp': target('appId', 'App', { description: 'changed' }),
  'Mutation.archiveApp': target('appId', 'App'),
  'Mutation.restoreApp': target('appId', 'App'),
  'Mutation.deleteApp': target('appId', 'App', { dryRun: true }),

  'Mutation.registerProduct': {
    rows: { 'input.tenantId': row('Tenant') },
    with: ({ products }) => ({ input: { slug: products[0].text, displayName: 'never registered' } }),
  },
  'Mutation.updateProduct': target('productId', 'Product', { displayName: 'changed' }),
  'Mutation.suspendProduct': target('productId', 'Product'),
  'Mutation.resumeProduct': target('productId', 'Product'),
  'Mutation.deleteProduct': target('productId', 'Product', { dryRun: true }),
  'Mutation.setProductPolicy': target('productId', 'Product', { policy: {}, dryRun: true }),
  'Mutation.updateProductPolicy': target('productId', 'Product', { policy: {}, dryRun: true }),
  'Mutation.revertProductPolicy': target('productId', 'Product', { version: 1, dryRun: true }),

  'Mutation.registerEngine': {
    rows: { 'input.productId': row('Product') },
    with: input({ userExternalId: sharedText }),
  },
  'Mutation.reportEngine': target('engineId', 'Engine', { health: 'HEALTHY' }),
  'Mutation.destroyEngine': target('engineId', 'Engine'),
  'Mutation.admitEngine': { rows: { 'input.productId': row('Product') }, with: input({ userExternalId: 'nobody' }) },

  'Mutation.createKey': {
    rows: {
      'input.tenantId': row('Tenant', { with: newKey('TENANT') }),
      'input.userId': row('User', { with: newKey('USER') }),
      'input.appId': row('App', { with: newKey('APP', { environment: 'LIVE' }) }),
      'input.productId': row('Product', { with: newKey('PRODUCT') }),
      'input.engineId': row('Engine', { with: newKey('ENGINE') }),
    },
  },
  'Mutation.updateKey': target('keyId', 'ApiKey', { name: 'changed' }),
  'Mutation.rotateKey': target('keyId', 'ApiKey', { overlapSeconds: 0 }),
  'Mutation.cancelRotation': target('keyId', 'ApiKey'),
  'Mutation.revokeKey': target('keyId', 'ApiKey'),
  'Mutation.disableKey': target('keyId', 'ApiKey'),
  'Mutation.enableKey': target('keyId', 'ApiKey'),
  'Mutation.deleteKey': target('keyId', 'ApiKey'),
  'Mutation.revokeSecret': {
    rows: { 'input.secretId': row('ApiKeySecret', { harmless: ({ text }) => text === supersededSecret }) },
  },
  'Mutation.rotateKeysBulk': {
    rows: keyFilter('input.filter'),
    with: input({ dryRun: true }),
    found: number('matchedCount'),
  },
  'Mutation.revokeKeysBulk': {
    rows: keyFilter('input.filter'),
    with: input({ dryRun: true }),
    found: number('revokedCount'),
  },
  'Mutation.createModel': { with: ({ model }) => ({ input: { name: model.text } }) },
  'Mutation.updateModel': target('modelId', 'Model', { description: 'changed' }),
  'Mutation.deleteModel': target('modelId', 'Model'),
  'Mutation.registerGateway': { with: input({ name: 'never registered' }) },
  // Those who see one do not all speak for it: its module's tests have who does.
  'Mutation.gatewayHeartbeat': {
    rows: { 'input.gatewayId': row('Gateway', { harmless: () => false }) },
    with: input({ inFlight: 0 }),
  },
  'Mutation.admitRequest': {
    rows: admitted('input', (values) => ({ input: values })),
    found: (answer) => findsKey(answer),
  },
  'Mutation.admitRequests': {
    rows: admitted('input.requests.0', (values) => ({ input: { requests: [values] } })),
    found: (answer) => findsKey((answer as { results?: { error: unknown }[] }).results?.[0]?.error),
  },
  // Leases are held by credentials and not stored: their module's tests have whose they are.
  'Mutation.renewLease': { rows: { 'input.leaseId': row('Lease'), 'input.gatewayId': ofGateway(noLease) } },
  'Mutation.renewLeases': {
    rows: { 'input.leases.0.leaseId': row('Lease'), 'input.leases.0.gatewayId': ofGateway({ leases: [noLease] }) },
    found: isWithoutErrors,
  },
  'Mutation.settleRequest': {
    rows: { 'input.leaseId': row('Lease'), 'input.gatewayId': ofGateway({ ...noTokens, ...noLease }) },
    with: input(noTokens),
  },
  'Mutation.settleRequests': {
    rows: {
      'input.requests.0.leaseId': row('Lease', { with: input({ requests: [noTokens] }) }),
      'input.requests.0.gatewayId': ofGateway({ requests: [{ ...noTokens, ...noLease }] }),
    },
    found: isWithoutErrors,
  },
  'Mutation.cancelRequest': { rows: { 'input.leaseId': row('Lease'), 'input.gatewayId': ofGateway(noLease) } },
  'Mutation.cancelRequests': {
    rows: {
      'input.requests.0.leaseId': row('Lease'),
      'input.requests.0.gatewayId': ofGateway({ requests: [noLease] }),
    },
    found: isWithoutErrors,
  },
  'Mutation.deregisterGateway': { rows: { 'input.gatewayId': row('Gateway', { harmless: () => false }) } },
  'Mutation.setCapacity': {
    rows: {
      'input.model.modelId': row('Model', { with: input({ expectedRevision: 1_000_000, model: { maxInFlight: 1 } }) }),
      'input.gateway.gatewayId': row('Gateway', {
        with: input({ expectedRevision: 1_000_000, gateway: { maxInFlight: 1 } }),
      }),
    },
    with: input({}),
  },
  'Mutation.setFairshareAlgorithm': { with: input({ algorithm: 'HIERARCHICAL' }) },
  // It answers the same of every key: a test of its own looks at what became of them.
  'Mutation.reportLeakedKeys': { with: input({ sha256s: ['0'.repeat(64)] }) },
  'Mutation.changePepper': { with: input({ version: 1_000_000 }) },
};

/** What stands for a row that does not exist. */
export function missing({ type, by }: Naming): string {
  if (by === 'secret') return makeSecret('fl_tenant_');
  return by === 'text' ? `nobody-${missingId('User')}` : missingId(type);
}

/**
 * Fields that show a row to whoever sees the object that has them, without the scope for its type. All others name that
 * scope. Payloads of commands and edges of lists are of this kind as well.
 */
export const shownWithTheirParent: ReadonlySet<string> = new Set([
  'ApiKey.secrets',
  // Parts of payloads, and of what an engine's caller asked for.
  'BulkCreatedUser.user',
  'EngineAdmission.engine',
  'RotatedKey.key',
  'AdmitRequestItemResult.lease',
  'RenewLeaseItemResult.lease',
  'SettleRequestItemResult.usageRecord',
  // Whoever came this far holds the scope.
  'AuditChainBreak.entry',
  'ProductPolicyVersion.product',
]);
