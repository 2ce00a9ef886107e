import { beforeAll, describe, expect, it } from 'vitest';
import { decodeId } from '../../../src/graph/ids.ts';
import { startTestApp } from '../../testkit/app.ts';
import { expectNoFailures } from '../../testkit/bad-input.ts';
import { graphql } from '../../testkit/generated/gql.ts';
import type { ApiKeyFilter, ApiKeyOrder } from '../../testkit/generated/graphql.ts';
import { verify } from '../../testkit/keys.ts';
import { Seed } from '../../testkit/seed.ts';

const app = await startTestApp({ environment: { FAIRLEAD_COST_CAPACITY: '10000000' } });
const { clock, operator } = app;
const seed = new Seed(app);
expectNoFailures(app);

const page = graphql(`
  query KeyListPage($filter: ApiKeyFilter, $orderBy: ApiKeyOrder, $first: Int, $after: String) {
    apiKeys(filter: $filter, orderBy: $orderBy, first: $first, after: $after) {
      totalCount
      edges {
        node {
          name
          state
        }
      }
      pageInfo {
        hasNextPage
        endCursor
      }
    }
  }
`);

/** The names of all keys that a list has, page by page. */
async function namesOf(filter: ApiKeyFilter = {}, orderBy?: ApiKeyOrder, first = 3, caller = operator) {
  const names: string[] = [];
  let after: string | null | undefined;
  do {
    const { apiKeys } = await caller.run(page, { filter, orderBy, first, after });
    names.push(...apiKeys.edges.map(({ node }) => node.name));
    expect(apiKeys.edges.length).toBeLessThanOrEqual(first);
    after = apiKeys.pageInfo.hasNextPage ? apiKeys.pageInfo.endCursor : undefined;
    if (after === undefined) expect(apiKeys.totalCount).toBe(names.length);
  } while (after !== undefined);
  return names;
}

const dayMs = 24 * 60 * 60 * 1000;
const start = clock.now().getTime();
const at = (ms: number) => new Date(start + ms).toISOString();
const ids: Record<string, string> = {};
let tenantId = '';
let productId = '';
let engineId = '';
let userId = '';
let appId = '';

beforeAll(async () => {
  tenantId = (await seed.tenant()).id;
  productId = (await seed.product({ tenantId })).id;
  engineId = (await seed.engine({ productId })).id;
  userId = (await seed.user({ tenantId })).id;
  appId = (await seed.app({ tenantId })).id;
  // Products and engines have keys from the beginning; these lists are about those that are made here.
  await app.app.database.prisma.apiKey.deleteMany();
  const make = async (name: string, input: object) => {
    clock.advance(1_000);
    const key = await seed.key({ name, ...input });
    ids[name] = key.id;
    return key;
  };
  await make('Admin', { kind: 'ADMIN', scopes: ['keys:read'] });
  const used = await make('tenant', { tenantId, scopes: ['keys:read', 'tenants:read'] });
  await make('Expiring', { tenantId, expiresAt: at(3 * dayMs) });
  await make('expired', { tenantId, expiresAt: at(60_000) });
  const { id: disabled } = await make('Disabled', { tenantId, expiresAt: at(30 * dayMs) });
  const { id: revoked } = await make('Revoked', { tenantId });
  const { id: rotating } = await make('Rotating', { tenantId });
  await make('App', { kind: 'APP', appId, environment: 'LIVE', scopes: ['models:read'] });
  await make('Page', {
    kind: 'PUBLISHABLE',
    tenantId,
    environment: 'TEST',
    allowedOrigins: ['*'],
    scopes: ['models:read'],
  });
  await make('Product', { kind: 'PRODUCT', productId, scopes: ['engines:read'] });
  await make('Engine', { kind: 'ENGINE', engineId, scopes: ['engines:read'] });
  await make('User', { kind: 'USER', userId, scopes: ['keys:read'] });
  await make('Gateway', { kind: 'GATEWAY', scopes: ['keys:verify'] });
  clock.advance(60_000);
  await verify(operator, used.secret);
  await app.app.keyUsage.flush();
  await seed.run('disableKey', { keyId: disabled });
  await seed.run('revokeKey', { keyId: revoked });
  await seed.run('rotateKey', { keyId: rotating, overlapSeconds: 300 });
});

const everyName = () => Object.keys(ids);
const ofTenant = () => everyName().filter((name) => !['Admin', 'Gateway'].includes(name));

describe('the list of keys', () => {
  it('has all kinds in all states, newest first', async () => {
    expect(await namesOf()).toEqual(everyName().toReversed());
  });

  it.each<readonly [string, () => ApiKeyFilter, () => readonly string[]]>([
    ['ids', () => ({ ids: [String(ids.App), String(ids.User)] }), () => ['App', 'User']],
    ['no ids', () => ({ ids: [] }), () => []],
    ['kinds', () => ({ kinds: ['ADMIN', 'GATEWAY'] }), () => ['Admin', 'Gateway']],
    ['environment', () => ({ environment: 'TEST' }), () => ['Page']],
    ['tenant', () => ({ tenantId }), ofTenant],
    ['user', () => ({ userId }), () => ['User']],
    ['application', () => ({ appId }), () => ['App']],
    ['product', () => ({ productId }), () => ['Product', 'Engine']],
    ['engine', () => ({ engineId }), () => ['Engine']],
    ['name', () => ({ name: { equals: 'TENANT' } }), () => ['tenant']],
    ['beginning of the name', () => ({ name: { startsWith: 'exp' } }), () => ['Expiring', 'expired']],
    ['prefix', () => ({ startsWith: 'fl_pub_' }), () => ['Page']],
    ['scope', () => ({ scope: 'models:read' }), () => ['App', 'Page']],
    ['time of making', () => ({ createdAt: { from: at(1_000), until: at(3_000) } }), () => ['Admin', 'tenant']],
    ['end', () => ({ expiresAt: { until: at(4 * dayMs) } }), () => ['Expiring', 'expired']],
    ['use', () => ({ neverUsed: false }), () => ['tenant']],
    [
      'no use since a time',
      () => ({ kinds: ['TENANT'], lastUsedAt: { until: at(0) } }),
      () => ['Expiring', 'expired', 'Disabled', 'Revoked', 'Rotating'],
    ],
    ['several conditions', () => ({ tenantId, scope: 'keys:read', kinds: ['USER', 'ADMIN'] }), () => ['User']],
  ])('is narrowed by %s', async (_what, filter, expected) => {
    expect((await namesOf(filter())).toSorted()).toEqual([...expected()].toSorted());
  });

  it('is narrowed by who made a key', async () => {
    const maker = await seed.key({ kind: 'ADMIN', scopes: ['keys:read', 'keys:write', 'tenants:read'] });
    expect(await namesOf({ createdById: maker.id })).toEqual([]);
    await seed.run('deleteKey', { keyId: maker.id });
  });

  it('is sorted by any order, each the reverse of its opposite', async () => {
    const sorted = (field: ApiKeyOrder['field']) => namesOf({}, { field, direction: 'ASC' }, 4);
    expect(await sorted('NAME')).toEqual(
      everyName().toSorted((one, two) => (one.toLowerCase() < two.toLowerCase() ? -1 : 1)),
    );
    expect(await sorted('CREATED_AT')).toEqual(everyName());
    expect((await sorted('EXPIRES_AT')).slice(0, 3)).toEqual(['expired', 'Expiring', 'Disabled']);
    expect((await sorted('LAST_USED_AT')).at(-1)).toBe('tenant');
    for (const field of ['NAME', 'CREATED_AT', 'EXPIRES_AT', 'LAST_USED_AT'] as const) {
      expect(await namesOf({}, { field, direction: 'DESC' }, 5)).toEqual((await sorted(field)).toReversed());
    }
  });

  it('has for a tenant its own keys, and for a product and a user those of their own', async () => {
    const scopes = new Set(['keys:read'] as const);
    const uuid = decodeId('Tenant', tenantId);
    const seen = (binding: object) =>
      namesOf({}, undefined, 100, app.as({ kind: 'TENANT', tenantId: uuid, scopes, ...binding }));
    expect(await seen({})).toEqual(ofTenant().toReversed());
    expect(await seen({ productId: decodeId('Product', productId) })).toEqual(['Engine', 'Product']);
    expect(await seen({ userId: decodeId('User', userId) })).toEqual(['User']);
    expect(await seen({ tenantId: decodeId('Tenant', (await seed.tenant()).id) })).toEqual([]);
  });
});

describe('the states of keys', () => {
  const states = ['ACTIVE', 'EXPIRING', 'ROTATING', 'NO_SECRET', 'DISABLED', 'EXPIRED', 'REVOKED'] as const;

  it('are shown and filtered alike, also as time goes by', async () => {
    const now = async () => {
      const found: Record<string, string[]> = {};
      for (const state of states) {
        const { apiKeys } = await operator.run(page, { filter: { states: [state], kinds: ['TENANT'] }, first: 100 });
        expect(apiKeys.edges.map(({ node }) => node.state)).toEqual(apiKeys.edges.map(() => state));
        found[state] = apiKeys.edges.map(({ node }) => node.name).toSorted();
      }
      return found;
    };
    const before = {
      ACTIVE: ['tenant'],
      EXPIRING: ['Expiring'],
      ROTATING: ['Rotating'],
      NO_SECRET: [],
      DISABLED: ['Disabled'],
      EXPIRED: ['expired'],
      REVOKED: ['Revoked'],
    };
    expect(await now()).toEqual(before);
    clock.advance(299_999);
    expect(await now()).toEqual(before);
    clock.advance(1);
    const rotated = { ...before, ACTIVE: ['Rotating', 'tenant'], ROTATING: [] };
    expect(await now()).toEqual(rotated);
    clock.advance(start + 3 * dayMs - clock.now().getTime() - 1);
    expect(await now()).toEqual(rotated);
    clock.advance(1);
    expect(await now()).toEqual({ ...rotated, EXPIRING: [], EXPIRED: ['Expiring', 'expired'] });
    expect((await namesOf({ states: ['EXPIRED', 'REVOKED'] })).toSorted()).toEqual(['Expiring', 'Revoked', 'expired']);
    expect(await namesOf({ states: [] })).toEqual([]);
  });
});
