import { type GraphQLEnumType, type GraphQLInputObjectType, isEnumType, isInputObjectType } from 'graphql';
import pg from 'pg';
import { beforeAll, describe, expect, it } from 'vitest';
import { Prisma } from '../../../src/database/generated/client.ts';
import type { SentStatement } from '../../../src/database/statements.ts';
import { encodeCursor } from '../../../src/graph/cursors.ts';
import { encodeId } from '../../../src/graph/ids.ts';
import { apiKeys } from '../../../src/modules/keys/entity.ts';
import { startTestApp } from '../../testkit/app.ts';
import type { Client } from '../../testkit/client.ts';
import { graphql } from '../../testkit/generated/gql.ts';
import type {
  ApiKeyFilter,
  ApiKeyOrderField,
  KeyKind,
  KeyState,
  OrderDirection,
} from '../../testkit/generated/graphql.ts';
import { ownerUuid, seedManyKeys } from '../../testkit/many-keys.ts';
import { explain, type Plan } from '../../testkit/plans.ts';

const app = await startTestApp({ environment: { FAIRLEAD_COST_CAPACITY: '1000000000' } });
beforeAll(() => seedManyKeys(app));

/**
 * How much a page of 50 of 100,000 keys may read. A page in an order of its own reads fifty rows; one whose filter and
 * order have nothing to do with each other reads, at worst, some thousands: either all that meet the filter, or the
 * order's until fifty have met it, whichever is less.
 */
const pagesReadMax = 12_000;
const rowsSeenMax = 20_000;

const keyPage = graphql(`
  query KeysPlansPage($filter: ApiKeyFilter, $orderBy: ApiKeyOrder, $after: String) {
    apiKeys(first: 50, after: $after, filter: $filter, orderBy: $orderBy) {
      edges {
        node {
          id
          name
          state
        }
      }
    }
  }
`);

const fromNow = (days: number): string => new Date(app.clock.now().getTime() + days * 86_400_000).toISOString();
const tenantId = (number: number) => encodeId('Tenant', ownerUuid('tenant', number));
const userId = (number: number) => encodeId('User', ownerUuid('user', number));
const productId = (number: number) => encodeId('Product', ownerUuid('product', number));
const engineId = (number: number) => encodeId('Engine', ownerUuid('engine', number));
const appId = (number: number) => encodeId('App', ownerUuid('app', number));

const kinds: readonly KeyKind[] = ['ADMIN', 'TENANT', 'APP', 'PUBLISHABLE', 'PRODUCT', 'USER', 'ENGINE', 'GATEWAY'];
const states: readonly KeyState[] = ['REVOKED', 'EXPIRED', 'DISABLED', 'NO_SECRET', 'ROTATING', 'EXPIRING', 'ACTIVE'];

/** Every field of the filter, where many keys meet it, few, and none. */
const filters: readonly ApiKeyFilter[] = [
  {},
  { ids: [encodeId('ApiKey', ownerUuid('user', 1))] },
  ...kinds.map((kind) => ({ kinds: [kind] })),
  { kinds: ['ADMIN', 'GATEWAY', 'PRODUCT'] },
  { kinds: [...kinds] },
  ...states.map((state) => ({ states: [state] })),
  { states: ['REVOKED', 'ROTATING'] },
  { states: ['NO_SECRET', 'REVOKED'] },
  { states: ['NO_SECRET', 'ACTIVE'] },
  { states: ['EXPIRED', 'EXPIRING', 'DISABLED'] },
  { states: ['ACTIVE', 'ROTATING', 'EXPIRING'] },
  { environment: 'LIVE' },
  { environment: 'TEST' },
  { tenantId: tenantId(1) },
  { tenantId: tenantId(7) },
  { userId: userId(1) },
  { userId: userId(77) },
  { userId: userId(6_000) },
  { appId: appId(1) },
  { appId: appId(9) },
  { productId: productId(1) },
  { productId: productId(9) },
  { engineId: engineId(1) },
  { engineId: engineId(9) },
  { name: { equals: 'chat c4ca4238a0b923820dcc509a6f75849b' } },
  { name: { startsWith: 'nightly' } },
  { name: { startsWith: 'chat abc' } },
  { startsWith: 'fl_user_' },
  { startsWith: 'fl_app_test_a' },
  { startsWith: 'sk_' },
  { scope: 'cloud:inference' },
  { scope: 'rollouts:write' },
  { scope: 'audit:read' },
  { createdById: 'creator:1' },
  { createdById: 'creator:17' },
  { createdById: 'nobody' },
  { createdAt: { from: fromNow(-1) } },
  { createdAt: { until: fromNow(-395) } },
  { createdAt: { from: fromNow(-200), until: fromNow(-190) } },
  { expiresAt: { from: fromNow(0), until: fromNow(1) } },
  { expiresAt: { until: fromNow(0) } },
  { expiresAt: { from: fromNow(600) } },
  { lastUsedAt: { from: fromNow(-1) } },
  { lastUsedAt: { until: fromNow(-90) } },
  { lastUsedAt: { from: fromNow(-300), until: fromNow(-200) } },
  { neverUsed: true },
  { neverUsed: false },
];

const combinations: readonly ApiKeyFilter[] = [
  { tenantId: tenantId(1), states: ['REVOKED'] },
  { tenantId: tenantId(7), states: ['EXPIRED'] },
  { tenantId: tenantId(1), kinds: ['PRODUCT'] },
  { kinds: ['USER'], states: ['DISABLED'] },
  { kinds: ['USER'], scope: 'rollouts:write' },
  { kinds: ['PRODUCT', 'TENANT'], scope: 'evals:write' },
  { scope: 'models:read', states: ['ACTIVE'] },
  { lastUsedAt: { until: fromNow(-90) }, states: ['ACTIVE'] },
];

const fields: readonly ApiKeyOrderField[] = ['CREATED_AT', 'NAME', 'LAST_USED_AT', 'EXPIRES_AT'];
const directions: readonly OrderDirection[] = ['ASC', 'DESC'];
const orders = fields.flatMap((field) => directions.map((direction) => ({ field, direction })));

const sortColumns = {
  CREATED_AT: 'createdAt',
  NAME: 'nameFolded',
  LAST_USED_AT: 'lastUsedOrder',
  EXPIRES_AT: 'expiresOrder',
} as const satisfies Record<ApiKeyOrderField, string>;

/** The cursor of the row in the middle of all keys of the first tenant. */
async function middleOf({ field, direction }: (typeof orders)[number]): Promise<string> {
  const by = sortColumns[field];
  const { reader } = app.app.database;
  const column = apiKeys.column(by);
  const [middle] = await reader.raw(Prisma.sql`
    SELECT id, ${column} AS value FROM api_key AS t WHERE tenant_id = ${ownerUuid('tenant', 1)}::uuid
    ORDER BY ${column}, id OFFSET 20000 LIMIT 1
  `);
  const value = middle?.value instanceof Date ? middle.value.toISOString() : String(middle?.value);
  return encodeCursor(apiKeys.name, { by, direction }, { value, id: String(middle?.id) });
}

/** The statement that a list of keys sends. */
async function statementOf(
  client: Client,
  filter: ApiKeyFilter,
  orderBy: (typeof orders)[number],
  after: string | null,
): Promise<SentStatement> {
  const sent: SentStatement[] = [];
  const stop = app.app.database.statements.listen((text, statement) => {
    if (/FROM "(own_)?api_key"/.test(text)) sent.push(statement);
  });
  try {
    await client.run(keyPage, { filter, orderBy, after });
  } finally {
    stop();
  }
  const [statement] = sent;
  if (statement === undefined || sent.length > 1) throw new Error(`The list sent ${sent.length} statements.`);
  return statement;
}

const readsTooMuch = ({ sequentialScans, pagesRead, rowsSeen }: Plan): boolean =>
  sequentialScans.includes('api_key') || pagesRead > pagesReadMax || rowsSeen > rowsSeenMax;

/** The lists that read too much, in all orders, with what they read. */
async function expensive(
  caller: Client,
  asked: readonly ApiKeyFilter[],
  role: 'fairlead_tenant' | undefined,
  places: readonly ('the first page' | 'a page in the middle')[] = ['the first page'],
): Promise<object[]> {
  const found: object[] = [];
  const connection = new pg.Client({ connectionString: app.databaseUrl, options: '-c TimeZone=UTC' });
  await connection.connect();
  try {
    if (role !== undefined) {
      await connection.query(`SELECT set_config('fairlead.tenant_id', $1, false)`, [ownerUuid('tenant', 1)]);
      await connection.query(`SET role = ${role}`);
    }
    for (const order of orders) {
      for (const place of places) {
        const after = place === 'the first page' ? null : await middleOf(order);
        for (const filter of asked) {
          const plans = await explain(connection, await statementOf(caller, filter, order, after));
          for (const plan of plans) if (readsTooMuch(plan)) found.push({ filter, order, place, ...plan });
        }
      }
    }
  } finally {
    await connection.end();
  }
  return found;
}

// Some seconds, which on a busy machine can be many.
describe('a page of 50 of 100,000 keys', { timeout: 120_000 }, () => {
  it('is read without looking at most keys, by every filter in every order', async () => {
    expect(await expensive(app.operator, [...filters, ...combinations], undefined)).toEqual([]);
  });

  it('is read so behind the fence of a tenant that has four of ten keys', async () => {
    const owned = [...filters, ...combinations].filter(({ tenantId: owner }) => !owner);
    const tenant = app.ofTenant(ownerUuid('tenant', 1), 'keys:read');
    expect(await expensive(tenant, owned, 'fairlead_tenant')).toEqual([]);
  });

  it('is read so behind the fence in the middle of the list as well', async () => {
    // What needs more than one column is what could read the most. Pages that end before a row are those after it in the
    // other direction: the same statement.
    const owned = [...filters, ...combinations].filter(({ kinds, scope, states }) => kinds || scope || states);
    const tenant = app.ofTenant(ownerUuid('tenant', 1), 'keys:read');
    expect(await expensive(tenant, owned, 'fairlead_tenant', ['a page in the middle'])).toEqual([]);
  });

  it('was asked for by every field of the filter and in every order that the schema has', () => {
    const { schema } = app.app;
    const typeOf = <Type>(name: string, is: (type: unknown) => type is Type): Type => {
      const type = schema.getType(name);
      if (is(type)) return type;
      throw new Error(`There is no ${name}.`);
    };
    const filterType = typeOf<GraphQLInputObjectType>('ApiKeyFilter', isInputObjectType);
    const valuesOf = (name: string) =>
      typeOf<GraphQLEnumType>(name, isEnumType)
        .getValues()
        .map((value) => value.name);
    const asked = new Set(filters.flatMap((filter) => Object.keys(filter)));
    expect(asked).toEqual(new Set(Object.keys(filterType.getFields())));
    expect(fields.toSorted()).toEqual(valuesOf('ApiKeyOrderField').toSorted());
    expect(kinds.toSorted()).toEqual(valuesOf('KeyKind').toSorted());
    expect(states.toSorted()).toEqual(valuesOf('KeyState').toSorted());
  });
});
