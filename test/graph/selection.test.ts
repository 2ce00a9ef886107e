import { type GraphQLObjectType, getNamedType, isInterfaceType, isLeafType, isObjectType } from 'graphql';
import { beforeAll, describe, expect, it } from 'vitest';
import { decodeId } from '../../src/graph/ids.ts';
import { schema } from '../../src/schema.ts';
import { startTestApp } from '../testkit/app.ts';
import { defaultGroup } from '../testkit/ids.ts';
import { Seed, type Seeded } from '../testkit/seed.ts';
import { addUsage, usageRow } from '../testkit/usage.ts';

const app = await startTestApp({
  environment: { FAIRLEAD_COST_CAPACITY: '1000000000', FAIRLEAD_MAX_OPERATION_COST: '1000000' },
});
const { operator } = app;
const seed = new Seed(app);

beforeAll(async () => {
  const limits = { requestsPerMinute: 1, tokensPerMinute: 2, tokensPerDay: 3, maxInFlight: 4, budget: { tokens: 5 } };
  const { tenant } = await seed.run('createTenant', {
    name: 'Acme',
    description: 'first',
    organization: 'Acme Inc.',
    contactEmail: 'ops@acme.example',
    weight: 7,
    timeZone: 'Europe/Berlin',
    activeFrom: '2026-01-01T00:00:00.000Z',
    activeUntil: '2027-01-01T00:00:00.000Z',
    weeklyWindows: [{ day: 'MONDAY', startMinute: 1, endMinute: 2 }],
    allowedModels: ['small'],
    tracingEnabled: true,
    guardrailsPolicy: { action: 'BLOCK', scanners: ['secrets'] },
    synthetic: true,
    limits,
  });
  const { id: tenantId } = tenant as Seeded;
  const { team } = await seed.run('createTeam', {
    tenantId,
    name: 'Research',
    description: 'second',
    limits,
    userSharePercent: 40,
  });
  const { user } = await seed.run('createUser', {
    tenantId,
    teamId: (team as Seeded).id,
    externalId: 'ada',
    displayName: 'Ada',
    email: 'ada@acme.example',
    metadata: { room: 7 },
    limits,
  });
  const inference = { model: 'small', fallbackModels: ['smaller'], systemPrompt: 'Hello', temperature: 1, topP: 0.5 };
  const { app: chat } = await seed.run('createApp', { tenantId, name: 'Chat', description: 'third', inference });
  const ofKey = { limits, metadata: { room: 7 }, allowedModels: ['small'], expiresAt: '2030-01-01T00:00:00.000Z' };
  const key = await seed.key({
    kind: 'USER',
    userId: (user as Seeded).id,
    scopes: ['keys:read'],
    ...ofKey,
    allowedIpRanges: ['10.0.0.0/8'],
  });
  await seed.run('rotateKey', { keyId: key.id });
  await seed.run('revokeSecret', { secretId: await seed.secretIdOf(key.id) });
  await seed.run('disableKey', { keyId: key.id });
  const publishable = { kind: 'PUBLISHABLE', environment: 'LIVE', allowedOrigins: ['https://acme.example'] };
  const published = await seed.key({ tenantId, ...publishable, scopes: ['models:read'] });
  await seed.run('revokeKey', { keyId: published.id, reason: 'leaked' });
  await seed.run('deactivateUser', { userId: (user as Seeded).id });
  const rollout = { engineVersion: 'v3', percent: 50 };
  const { id: productId } = await seed.product({
    tenantId,
    slug: 'chat',
    limits,
    policy: { maxEngines: 9, rateLimitRpm: 8, engineVersion: 'v2', rollout },
  });
  const engine = await seed.engine({ productId, url: 'https://engine.example.com', version: 'v1' });
  await seed.key({ kind: 'ENGINE', engineId: engine.id, scopes: ['engines:read'] });
  const { gateway } = await seed.gatewayOfKey(tenantId);
  await seed.leaseId();
  const { model } = await seed.run('createModel', {
    name: 'small',
    description: 'fourth',
    type: 'IMAGE',
    prices: {
      inputTokenUsd: '0.00000015',
      outputTokenUsd: '0.1',
      imageUsd: '1',
      audioSecondUsd: '2',
      characterUsd: '3',
    },
    admissionWeightPercent: 250,
    isEnabled: false,
  });
  await seed.run('setCapacity', { model: { modelId: (model as Seeded).id, maxInFlight: 7 } });
  await seed.run('reportEngine', { engineId: engine.id, status: 'FAILED', bootDurationMs: 7, message: 'down' });
  await addUsage(app.app.database, [
    usageRow({
      tenantId: decodeId('Tenant', tenantId),
      fairshareGroupId: decodeId('FairshareGroup', defaultGroup),
      keyId: decodeId('ApiKey', key.id),
      userId: decodeId('User', (user as Seeded).id),
      teamId: decodeId('Team', (team as Seeded).id),
      appId: decodeId('App', (chat as Seeded).id),
      productId: decodeId('Product', productId),
      engineId: decodeId('Engine', engine.id),
      modelId: decodeId('Model', (model as Seeded).id),
      gatewayId: decodeId('Gateway', gateway.id),
      sessionId: 'morning',
    }),
  ]);
});

/** Every way to rows of a type, with the place of the rows' fields marked. */
const ways: readonly { readonly type: string; readonly query: string }[] = [
  { type: 'Tenant', query: '{ tenant(name: "acme") { … } }' },
  { type: 'Tenant', query: '{ tenants { edges { node { … } } } }' },
  {
    type: 'Tenant',
    query:
      '{ tenants(orderBy: { field: WEIGHT }) { ...page } } fragment page on TenantConnection { edges { ... { node { … } } } }',
  },
  { type: 'Tenant', query: '{ fairshareGroups { edges { node { tenants { edges { node { … } } } } } } }' },
  { type: 'FairshareGroup', query: '{ fairshareGroup(name: "default") { … } }' },
  { type: 'FairshareGroup', query: '{ fairshareGroups { edges { node { … } } } }' },
  { type: 'FairshareGroup', query: '{ tenant(name: "acme") { fairshareGroup { … } } }' },
  { type: 'FairshareGroup', query: '{ tenants { edges { node { fairshareGroup { … } } } } }' },
  { type: 'Team', query: '{ teams { edges { node { … } } } }' },
  { type: 'Team', query: '{ tenants { edges { node { teams { edges { node { … } } } } } } }' },
  { type: 'User', query: '{ users { edges { node { … } } } }' },
  { type: 'User', query: '{ tenants { edges { node { users { edges { node { … } } } } } } }' },
  { type: 'User', query: '{ teams { edges { node { users { edges { node { … } } } } } } }' },
  { type: 'Team', query: '{ users { edges { node { team { … } } } } }' },
  { type: 'Tenant', query: '{ users { edges { node { tenant { … } } } } }' },
  { type: 'Product', query: '{ product(slug: "chat") { … } }' },
  { type: 'Product', query: '{ products { edges { node { … } } } }' },
  { type: 'Product', query: '{ tenants { edges { node { products { edges { node { … } } } } } } }' },
  { type: 'Product', query: '{ engines { edges { node { product { … } } } } }' },
  {
    type: 'ProductPolicyVersion',
    query: '{ products { edges { node { policyVersions { edges { node { … } } } } } } }',
  },
  { type: 'ProductPolicyVersion', query: '{ products { edges { node { policyVersion(version: 1) { … } } } } }' },
  { type: 'Engine', query: '{ engines { edges { node { … } } } }' },
  { type: 'Engine', query: '{ products { edges { node { engines { edges { node { … } } } } } } }' },
  { type: 'App', query: '{ apps { edges { node { … } } } }' },
  { type: 'App', query: '{ tenants { edges { node { apps { edges { node { … } } } } } } }' },
  { type: 'Tenant', query: '{ apps { edges { node { tenant { … } } } } }' },
  { type: 'Tenant', query: '{ teams { edges { node { tenant { … } } } } }' },
  { type: 'ApiKey', query: '{ apiKeys { edges { node { … } } } }' },
  { type: 'ApiKey', query: '{ apiKeys(orderBy: { field: EXPIRES_AT }) { edges { node { … } } } }' },
  { type: 'ApiKey', query: '{ tenants { edges { node { apiKeys { edges { node { … } } } } } } }' },
  { type: 'ApiKey', query: '{ users { edges { node { apiKeys { edges { node { … } } } } } } }' },
  { type: 'ApiKey', query: '{ products { edges { node { apiKeys { edges { node { … } } } } } } }' },
  { type: 'ApiKey', query: '{ engines { edges { node { apiKeys { edges { node { … } } } } } } }' },
  { type: 'ApiKeySecret', query: '{ apiKeys { edges { node { secrets { edges { node { … } } } } } } }' },
  { type: 'Model', query: '{ model(name: "small") { … } }' },
  { type: 'Model', query: '{ models { edges { node { … } } } }' },
  { type: 'Gateway', query: '{ gateways { edges { node { … } } } }' },
  { type: 'ApiKey', query: '{ gateways { edges { node { key { … } } } } }' },
  { type: 'AuditEntry', query: '{ auditLog { edges { node { … } } } }' },
  { type: 'Lease', query: '{ leases { edges { node { … } } } }' },
  { type: 'UsageRecord', query: '{ usageRecords { edges { node { … } } } }' },
  { type: 'Tenant', query: '{ usageRecords { edges { node { tenant { … } } } } }' },
  { type: 'FairshareGroup', query: '{ usageRecords { edges { node { fairshareGroup { … } } } } }' },
  { type: 'ApiKey', query: '{ usageRecords { edges { node { key { … } } } } }' },
  { type: 'User', query: '{ usageRecords { edges { node { user { … } } } } }' },
  { type: 'Team', query: '{ usageRecords { edges { node { team { … } } } } }' },
  { type: 'App', query: '{ usageRecords { edges { node { app { … } } } } }' },
  { type: 'Product', query: '{ usageRecords { edges { node { product { … } } } } }' },
  { type: 'Gateway', query: '{ usageRecords { edges { node { gateway { … } } } } }' },
  { type: 'Model', query: '{ usageRecords { edges { node { model { … } } } } }' },
];

const objectType = (name: string): GraphQLObjectType => {
  const type = schema.getType(name);
  if (!isObjectType(type)) throw new Error(`${name} is no object type`);
  return type;
};

/** A field with everything below it, other nodes and lists aside. */
function selectionOf(type: GraphQLObjectType, field: string): string {
  const named = getNamedType(type.getFields()[field]?.type);
  if (isLeafType(named)) return field;
  if (!isObjectType(named)) throw new Error(`${type.name}.${field} is of an abstract type; say here how to select it`);
  if (named.name.endsWith('Connection')) return `${field} { totalCount }`;
  const isNode = named.getInterfaces().some(({ name }) => name === 'Node');
  const below = isNode ? ['id'] : Object.keys(named.getFields()).map((name) => selectionOf(named, name));
  return `${field} { ${below.join(' ')} }`;
}

const filled = ways.flatMap(({ type, query }) =>
  Object.keys(objectType(type).getFields()).map((field) => ({ type: objectType(type), query, field })),
);

/** The values of a field, wherever rows stand in an answer. */
const valuesOf = (answer: unknown, field: string): string[] => {
  const values: string[] = [];
  JSON.stringify(answer, (key, value) => {
    if (key === field) values.push(JSON.stringify(value));
    return value;
  });
  return values;
};

describe('an operation reads the columns that it asks for', () => {
  it.each(filled)('$query: $field alone is what it is among all fields', async ({ type, query, field }) => {
    const everything = Object.keys(type.getFields()).map((name) => selectionOf(type, name));
    const alone = await operator.send(query.replace('…', `x: ${selectionOf(type, field)}`));
    const among = await operator.send(query.replace('…', `x: ${selectionOf(type, field)} ${everything.join(' ')}`));
    expect(alone.errors).toBeUndefined();
    expect(among.errors).toBeUndefined();
    expect(valuesOf(alone.data, 'x').length).toBeGreaterThan(0);
    expect(valuesOf(alone.data, 'x')).toEqual(valuesOf(among.data, 'x'));
  });

  it('has a way to every type whose rows come from the database', () => {
    const node = schema.getType('Node');
    const nodes = isInterfaceType(node) ? schema.getPossibleTypes(node).map(({ name }) => name) : [];
    expect(new Set(ways.map(({ type }) => type))).toEqual(new Set(nodes));
  });
});
