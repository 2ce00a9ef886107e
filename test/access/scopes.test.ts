import SchemaBuilder from '@pothos/core';
import {
  buildSchema,
  type GraphQLField,
  type GraphQLInputType,
  type GraphQLObjectType,
  getDirectiveValues,
  getNamedType,
  getNullableType,
  isCompositeType,
  isEnumType,
  isInputObjectType,
  isListType,
  isNonNullType,
  isObjectType,
} from 'graphql';
import { describe, expect, it } from 'vitest';
import { allScopes, hasScopes, type Scope, scopeRegistry, scopesOfTenant } from '../../src/access/scopes.ts';
import { decodeId, encodeId, idPrefixes, isNodeType, newId } from '../../src/graph/ids.ts';
import { printGraph } from '../../src/graph/print.ts';
import requiredScopes from '../../src/graph/scopes-plugin.ts';
import { schema } from '../../src/schema.ts';
import { startTestApp } from '../testkit/app.ts';
import type { Client } from '../testkit/client.ts';
import { Seed } from '../testkit/seed.ts';
import { TestSnapshots } from '../testkit/snapshots.ts';
import { addUsage, usageRow } from '../testkit/usage.ts';

const snapshotSource = new TestSnapshots();
const test = await startTestApp({ snapshotSource });
const seed = new Seed(test);
snapshotSource.tenants = [
  {
    id: newId(),
    name: 'tenant',
    groupId: newId(),
    model: 'model',
    keyIds: [newId()],
    inFlight: 1,
  },
];

const isScope = (scope: string): scope is Scope => Object.hasOwn(scopeRegistry, scope);

/** A field that the printed schema says needs scopes. */
interface Guarded {
  readonly type: GraphQLObjectType;
  readonly field: GraphQLField<unknown, unknown>;
  readonly scopes: readonly (readonly Scope[])[];
}

// Read from the text, as a reader of schema.graphql does.
const printed = buildSchema(printGraph(schema));
const requiresScopes = printed.getDirective('requiresScopes');
if (!requiresScopes) throw new Error('The printed schema has no directive @requiresScopes.');

const guarded: readonly Guarded[] = Object.values(printed.getTypeMap())
  .filter(isObjectType)
  .flatMap((type) =>
    Object.values(type.getFields()).flatMap((field): Guarded[] => {
      const values = field.astNode && getDirectiveValues(requiresScopes, field.astNode);
      if (!values) return [];
      // The directive's argument has this type, and a test below knows each scope.
      return [{ type, field, scopes: values.scopes as Scope[][] }];
    }),
  );

const rootTypes = [printed.getQueryType(), printed.getMutationType(), printed.getSubscriptionType()];
const isRoot = (type: GraphQLObjectType): boolean => rootTypes.includes(type);

/** Some value of an input type: what it leads to does not matter here, but whether it was allowed does. */
function someValue(type: GraphQLInputType): unknown {
  const nullable = getNullableType(type);
  if (isListType(nullable)) return [];
  if (isEnumType(nullable)) return nullable.getValues()[0]?.name;
  if (isInputObjectType(nullable)) {
    const required = Object.values(nullable.getFields()).filter(
      (field) => isNonNullType(field.type) && field.defaultValue === undefined,
    );
    return Object.fromEntries(required.map((field) => [field.name, someValue(field.type)]));
  }
  const byScalar: Readonly<Record<string, unknown>> = {
    ID: encodeId('Tenant', newId()),
    Int: 1,
    SafeInt: 1,
    Boolean: false,
    Decimal: '1.00',
    DateTime: '2026-03-01T00:00:00Z',
    JSONObject: {},
  };
  return byScalar[getNamedType(nullable).name] ?? `text ${newId()}`;
}

/** The field with variables for the arguments that it must have. */
function call({ field }: Guarded) {
  const required = field.args.filter((arg) => isNonNullType(arg.type) && arg.defaultValue === undefined);
  const declared = required.map((arg) => `$${arg.name}: ${arg.type}`);
  const given = required.map((arg) => `${arg.name}: $${arg.name}`);
  const parentheses = (list: string[]) => (list.length === 0 ? '' : `(${list.join(', ')})`);
  const selection = isCompositeType(getNamedType(field.type)) ? '{ __typename }' : '';
  return {
    declared,
    text: `${field.name}${parentheses(given)} ${selection}`,
    variables: Object.fromEntries(required.map((arg) => [arg.name, someValue(arg.type)])),
  };
}

/** Asks for the field of a root type, or of an object of a type that `node` finds, as this caller. */
async function isRefused(caller: Client, field: Guarded): Promise<boolean> {
  const { declared, text, variables } = call(field);
  const isOfRoot = isRoot(field.type);
  const kind = isOfRoot ? field.type.name.toLowerCase() : 'query';
  const parent = isOfRoot ? undefined : await reach(field.type.name);
  const body = parent === undefined ? text : parent.around(`... on ${field.type.name} { ${text} }`);
  const all = parent?.nodeId === undefined ? declared : [...declared, '$nodeId: ID!'];
  const parentheses = all.length === 0 ? '' : `(${all.join(', ')})`;
  const query = `${kind} ${parentheses} { ${body} }`;
  const path = [...(parent?.path ?? []), field.field.name];
  const given = parent?.nodeId === undefined ? variables : { ...variables, nodeId: parent.nodeId };

  const answer = await send(caller, query, given);
  const refusals = (answer.errors ?? []).filter(({ extensions }) => extensions.code === 'FORBIDDEN');
  if (refusals.length === 0) return false;
  expect(refusals).toHaveLength(1);
  // The object itself may need the same scope.
  expect([path, path.slice(0, 1)]).toContainEqual(refusals[0]?.path);
  return true;
}

/** Gives the first answer: of a subscription that is let in, none is waited for. */
async function send(caller: Client, query: string, variables: Record<string, unknown>) {
  const isSubscription = query.startsWith('subscription');
  if (!isSubscription) return caller.send<Record<string, unknown>, Record<string, unknown>>(query, variables);
  const abort = new AbortController();
  const response = await fetch(`${caller.url}/graphql`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', accept: 'text/event-stream, application/json', ...caller.headers },
    body: JSON.stringify({ query, variables }),
    signal: abort.signal,
  });
  const reader = response.body?.getReader();
  let text = '';
  // A stream that was let in begins with a comment; one that was refused has its errors in the first event.
  while (reader !== undefined && !/^(:|event: complete|\{)/m.test(text)) {
    const { value, done } = await reader.read();
    if (done) break;
    text += new TextDecoder().decode(value);
    if (text.includes('"errors"')) break;
  }
  abort.abort();
  const json = /\{.*\}/.exec(text)?.[0];
  return { errors: undefined, ...(json === undefined ? {} : JSON.parse(json)) } as Awaited<ReturnType<Client['send']>>;
}

/** Types without an id, and the field of the root that gives one. */
const withoutId: Readonly<Record<string, string>> = {
  Viewer: 'viewer',
  KeyVerification: 'verifyKey(input: { key: "unheard of" })',
};

/** Rows of snapshots, and the snapshot that has them. */
const inSnapshots: Readonly<Record<string, readonly [root: string, rows: string]>> = {
  FairshareGroupRow: ['fairshare', 'groups'],
  FairshareTenantRow: ['fairshare', 'tenants'],
  FairshareKeyRow: ['fairshare', 'keys'],
  FairsharePool: ['fairshare', 'pools'],
  TenantActivity: ['stats', 'tenants'],
};

/** A way from the root to an object of a type. */
interface Reached {
  readonly path: readonly (string | number)[];
  /** The fields on the way, with these inside of the last. */
  readonly around: (inner: string) => string;
  readonly nodeId?: string;
}

// The history has its first point after two seconds.
test.clock.advance(2_000);

/** Rows of the history. */
const inHistory = async (rows: string): Promise<Reached> => ({
  path: ['fairshareHistory', 'points', 0, rows, 0],
  around: (inner) => `fairshareHistory { points { ${rows} { ${inner} } } }`,
});

/** Answers that have objects without ids further below. */
const below: Readonly<Record<string, () => Promise<Reached>>> = {
  LimitOwner: async () => ({
    path: ['effectiveLimits', 'limits', 0, 'binding', 'owner'],
    around: (inner) =>
      `effectiveLimits(for: $nodeId) { ... on EffectiveLimits { limits { binding { owner { ${inner} } } } } }`,
    nodeId: (await seed.tenant({ limits: { requestsPerMinute: 1 } })).id,
  }),
  AdmissionFairness: async () => ({
    path: ['explainAdmission', 'fairness'],
    around: (inner) =>
      `explainAdmission(input: { keyId: $nodeId, model: "any", estimatedInputTokens: 1, estimatedOutputTokens: 1 }) {
        ... on AdmissionExplanation { fairness { ${inner} } }
      }`,
    nodeId: (await seed.key()).id,
  }),
  FairshareHistoryGroup: () => inHistory('groups'),
  FairshareHistoryTenant: () => inHistory('tenants'),
};

/** The field of the root that leads to an object of a type. */
async function reach(type: string): Promise<Reached> {
  const further = await below[type]?.();
  if (further !== undefined) return further;
  const inSnapshot = inSnapshots[type];
  if (inSnapshot !== undefined) {
    const [root, rows] = inSnapshot;
    return { path: [root, rows, 0], around: (inner) => `${root} { ${rows} { ${inner} } }` };
  }
  const field = withoutId[type];
  if (field !== undefined) return { path: [field.split('(')[0] ?? ''], around: (inner) => `${field} { ${inner} }` };
  return { path: ['node'], around: (inner) => `node(id: $nodeId) { ${inner} }`, nodeId: await existing(type) };
}

const makers: Readonly<Record<string, () => Promise<string>>> = {
  Team: async () => (await seed.team()).id,
  User: async () => (await seed.user()).id,
  App: async () => (await seed.app()).id,
  Product: async () => (await seed.product()).id,
  ProductPolicyVersion: async () => seed.policyVersionIdOf((await seed.product()).id),
  Engine: async () => (await seed.engine()).id,
  ApiKey: async () => (await seed.key()).id,
  Gateway: async () => (await seed.gateway()).id,
  Lease: () => seed.leaseId(),
  Model: async () => (await seed.model()).id,
  ApiKeySecret: async () => seed.secretIdOf((await seed.key()).id),
  UsageRecord: async () => {
    const record = usageRow({ tenantId: decodeId('Tenant', (await seed.tenant()).id) });
    await addUsage(test.app.database, [record]);
    return encodeId('UsageRecord', record.id);
  },
};

/** The id of an object of a type, made for the purpose. */
async function existing(type: string): Promise<string> {
  if (!isNodeType(type)) throw new Error(`${type} has a guarded field but no id; say here how it is reached.`);
  const made = await makers[type]?.();
  if (made !== undefined) return made;
  const name = `object ${newId()}`;
  await test.operator.send('mutation ($name: String!) { createTenant(input: { name: $name }) { __typename } }', {
    name,
  });
  const queries: Readonly<Record<string, string>> = {
    Tenant: `{ tenants(last: 1) { edges { node { id } } } }`,
    FairshareGroup: `{ fairshareGroups(first: 1) { edges { node { id } } } }`,
    AuditEntry: `{ auditLog(first: 1) { edges { node { id } } } }`,
  };
  const { data } = await test.operator.send<
    Record<string, { edges: { node: { id: string } }[] }>,
    Record<string, never>
  >(queries[type] ?? '');
  const id = Object.values(data ?? {})[0]?.edges[0]?.node.id;
  if (id === undefined) throw new Error(`There is no ${type}; say here how one is made.`);
  return id;
}

const without = (scopes: readonly Scope[]): Scope[] => [...allScopes].filter((scope) => !scopes.includes(scope));

describe('the scopes of the printed schema', () => {
  it('are scopes of the registry', () => {
    const declared = guarded.flatMap(({ scopes }) => scopes.flat());
    expect(declared.filter((scope) => !isScope(scope))).toEqual([]);
  });

  it('stand on every field of the root types, apart from those that any caller may ask for', () => {
    const open = rootTypes
      .flatMap((type) => Object.values(type?.getFields() ?? {}).map((field) => `${type?.name}.${field.name}`))
      .filter((name) => !guarded.some(({ type, field }) => name === `${type.name}.${field.name}`));
    expect(open.sort()).toEqual(['Query.node', 'Query.nodes', 'Query.scopeRegistry', 'Query.viewer']);
  });

  it.each(guarded.map((field) => ({ name: `${field.type.name}.${field.field.name}`, field })))(
    'are what is enforced: $name',
    async ({ field }) => {
      for (const all of field.scopes) {
        for (const missing of all) {
          const caller = test.withScopes(
            ...without([missing, ...field.scopes.flat().filter((other) => !all.includes(other))]),
          );
          expect(await isRefused(caller, field)).toBe(true);
        }
        // Below the root, the object itself has to be in sight as well.
        const caller = isRoot(field.type) ? test.withScopes(...all) : test.withScopes(...allScopes);
        expect(await isRefused(caller, field)).toBe(false);
      }
      if (isRoot(field.type)) expect(await isRefused(test.withScopes(), field)).toBe(true);
    },
  );
});

describe('node', () => {
  const scopeOf = {
    Tenant: 'tenants:read',
    FairshareGroup: 'fairshare:read',
    AuditEntry: 'audit:read',
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
  } as const;

  it('has a scope to be tested with for every type', () => {
    expect(Object.keys(scopeOf).sort()).toEqual(Object.keys(idPrefixes).sort());
  });

  it.each(Object.entries(scopeOf))('finds a %s for those who hold %s, and refuses all others', async (type, scope) => {
    const id = await existing(type);
    const ask = (caller: Client) => caller.send('query ($id: ID!) { node(id: $id) { __typename } }', { id });
    expect((await ask(test.withScopes(scope))).data).toEqual({ node: { __typename: type } });
    const refused = await ask(test.withScopes(...without([scope])));
    expect(refused).toMatchObject({
      data: { node: null },
      errors: [{ path: ['node'], extensions: { code: 'FORBIDDEN' } }],
    });
  });
});

describe('a field of a root type', () => {
  it('without a declaration of its scopes stops the schema from being built', () => {
    const other = new SchemaBuilder({ plugins: [requiredScopes] });
    other.queryType({ fields: (t) => ({ forgotten: t.string({ resolve: () => '' }) }) });
    expect(() => other.toSchema()).toThrow('Query.forgotten declares no scopes: add ...requires(…) to its options.');
  });
});

describe('hasScopes', () => {
  it.each([
    ['nothing is required', [], [], true],
    ['all of one list are held', ['tenants:read'], [['tenants:read']], true],
    ['one of a list is missing', ['tenants:read'], [['tenants:read', 'fairshare:read']], false],
    ['another list is held', ['audit:read'], [['tenants:read'], ['audit:read']], true],
    ['nothing is held', [], [['tenants:read']], false],
  ] as const)('%s', (_name, held, required, expected) => {
    expect(hasScopes(new Set(held), required)).toBe(expected);
  });
});

describe('a principal of a tenant', () => {
  it('keeps of its scopes those that are not for the deployment alone', () => {
    const kept = [...allScopes].filter((scope) => scopeRegistry[scope].kinds.some((kind) => kind !== 'ADMIN'));
    expect([...scopesOfTenant(allScopes)]).toEqual(kept);
    expect(kept).not.toContain('tenants:write');
  });
});
