import { beforeAll, describe, expect, it } from 'vitest';
import { decodeId, encodeId, newId } from '../../../src/graph/ids.ts';
import { startTestApp } from '../../testkit/app.ts';
import { expectNoFailures } from '../../testkit/bad-input.ts';
import { graphql } from '../../testkit/generated/gql.ts';
import type { UsageRecordFilter, UsageRecordOrder } from '../../testkit/generated/graphql.ts';
import { Seed } from '../../testkit/seed.ts';
import { statementsOf } from '../../testkit/statements.ts';
import { addUsage, unsettled, usageRow } from '../../testkit/usage.ts';

const app = await startTestApp({ environment: { FAIRLEAD_COST_CAPACITY: '10000000' } });
const { operator } = app;
const { database } = app.app;
const seed = new Seed(app);
expectNoFailures(app);

const page = graphql(`
  query UsageListPage($filter: UsageRecordFilter, $orderBy: UsageRecordOrder, $first: Int, $after: String) {
    usageRecords(filter: $filter, orderBy: $orderBy, first: $first, after: $after) {
      totalCount
      edges {
        node {
          id
          requestId
        }
      }
      pageInfo {
        hasNextPage
        endCursor
      }
    }
  }
`);

const one = graphql(`
  query UsageListOne($id: ID!) {
    usageRecord(id: $id) {
      tenantId
      tenant {
        id
      }
      fairshareGroup {
        name
      }
      keyId
      key {
        id
      }
      userId
      user {
        id
      }
      team {
        id
      }
      app {
        id
      }
      productId
      product {
        id
      }
      engineId
      modelId
      model {
        id
      }
      gateway {
        id
      }
      modelName
      requestId
      sessionId
      requestType
      admission
      settlement
      statusCode
      estimatedInputTokens
      estimatedOutputTokens
      inputTokens
      outputTokens
      images
      audioSeconds
      characters
      queueWaitMs
      ttftMs
      totalMs
      cacheStatus
      costUsd
      completedAt
    }
  }
`);

/** The request ids of all records that a list has, page by page. */
async function requestsOf(filter: UsageRecordFilter = {}, orderBy?: UsageRecordOrder, first = 3, caller = operator) {
  const found: string[] = [];
  let after: string | null | undefined;
  do {
    const { usageRecords } = await caller.run(page, { filter, orderBy, first, after });
    found.push(...usageRecords.edges.map(({ node }) => node.requestId));
    expect(usageRecords.edges.length).toBeLessThanOrEqual(first);
    after = usageRecords.pageInfo.hasNextPage ? usageRecords.pageInfo.endCursor : undefined;
    if (after === undefined) expect(usageRecords.totalCount).toBe(found.length);
  } while (after !== undefined);
  return found;
}

const start = Date.parse('2026-03-01T12:00:00.000Z');
const at = (ms: number) => new Date(start + ms);
const text = (ms: number) => at(ms).toISOString();
let tenantId = '';
let keyId = '';
let userId = '';
let teamId = '';
let appId = '';
let productId = '';
let engineId = '';
let modelId = '';
let gatewayId = '';
const ids: Record<string, string> = {};

/** In the order in which they were completed; the last two at the same time. */
const names = ['plain', 'ofUser', 'ofProduct', 'ofEngine', 'failed', 'silent', 'late', 'elsewhere', 'twin-a', 'twin-b'];

beforeAll(async () => {
  tenantId = (await seed.tenant()).id;
  teamId = (await seed.team({ tenantId })).id;
  userId = (await seed.user({ tenantId, teamId })).id;
  appId = (await seed.app({ tenantId })).id;
  productId = (await seed.product({ tenantId })).id;
  engineId = (await seed.engine({ productId })).id;
  keyId = (await seed.key({ tenantId })).id;
  modelId = (await seed.model()).id;
  gatewayId = (await seed.gateway()).id;
  const own = { tenantId: decodeId('Tenant', tenantId) };
  const product = { productId: decodeId('Product', productId) };
  const given: Readonly<Record<string, object>> = {
    plain: { keyId: decodeId('ApiKey', keyId), sessionId: 'morning' },
    ofUser: { userId: decodeId('User', userId), teamId: decodeId('Team', teamId), requestType: 'embedding' },
    ofEngine: { ...product, engineId: decodeId('Engine', engineId) },
    ofProduct: { ...product, gatewayId: decodeId('Gateway', gatewayId) },
    failed: { modelId: decodeId('Model', modelId), statusCode: 503, appId: decodeId('App', appId) },
    silent: unsettled,
    late: {
      settlement: 'LATE',
      admission: 'QUEUED',
      queueWaitMs: 1_500,
      cacheStatus: 'HIT',
      images: 2,
      audioMs: 61_005,
      characters: 4_000,
      costUsd: '0.000000000125',
    },
    elsewhere: { tenantId: newId() },
    'twin-a': { sessionId: 'evening' },
    'twin-b': { sessionId: 'evening' },
  };
  await addUsage(
    database,
    names.map((requestId, index) => {
      const row = usageRow({ ...own, requestId, completedAt: at(Math.min(index, 8) * 1_000), ...given[requestId] });
      ids[requestId] = encodeId('UsageRecord', row.id);
      return row;
    }),
  );
});

const ofTenant = () => names.filter((name) => name !== 'elsewhere');

describe('the list of usage records', () => {
  it('has all of them, the last that was completed first, page by page', async () => {
    expect(await requestsOf()).toEqual(names.toReversed());
    expect(await requestsOf({}, { field: 'COMPLETED_AT', direction: 'ASC' }, 1)).toEqual(names);
  });

  it.each<readonly [string, () => UsageRecordFilter, () => readonly string[]]>([
    ['tenant', () => ({ tenantId }), ofTenant],
    ['key', () => ({ keyId }), () => ['plain']],
    ['user', () => ({ userId }), () => ['ofUser']],
    ['product', () => ({ productId }), () => ['ofProduct', 'ofEngine']],
    ['gateway', () => ({ gatewayId }), () => ['ofProduct']],
    ['model', () => ({ modelId }), () => ['failed']],
    ['settlement', () => ({ settlements: ['UNSETTLED', 'LATE'] }), () => ['silent', 'late']],
    ['no settlement', () => ({ settlements: [] }), () => []],
    ['failure', () => ({ outcome: 'ERROR' }), () => ['failed']],
    ['success', () => ({ outcome: 'SUCCESS' }), () => names.filter((name) => !['failed', 'silent'].includes(name))],
    ['request', () => ({ requestId: 'plain' }), () => ['plain']],
    ['beginning of the request', () => ({ requestId: 'of' }), () => ['ofUser', 'ofProduct', 'ofEngine']],
    ['request in other letters', () => ({ requestId: 'PLAIN' }), () => []],
    ['session', () => ({ sessionId: 'evening' }), () => ['twin-a', 'twin-b']],
    ['beginning of a session', () => ({ sessionId: 'even' }), () => []],
    ['type', () => ({ requestTypes: ['embedding', 'image'] }), () => ['ofUser']],
    ['time', () => ({ completedAt: { from: text(1_000), until: text(3_000) } }), () => ['ofUser', 'ofProduct']],
    ['several conditions', () => ({ tenantId, productId, completedAt: { from: text(3_000) } }), () => ['ofEngine']],
  ])('is narrowed by %s', async (_what, filter, expected) => {
    expect(await requestsOf(filter())).toEqual([...expected()].toReversed());
  });

  it('has for a tenant its own records, and for products, engines and users those of their own', async () => {
    const scopes = new Set(['usage:read'] as const);
    const uuid = decodeId('Tenant', tenantId);
    const seen = (binding: object) =>
      requestsOf({}, undefined, 100, app.as({ kind: 'TENANT', tenantId: uuid, scopes, ...binding }));
    const product = { productId: decodeId('Product', productId) };
    expect(await seen({})).toEqual(ofTenant().toReversed());
    expect(await seen(product)).toEqual(['ofEngine', 'ofProduct']);
    expect(await seen({ ...product, engineId: decodeId('Engine', engineId) })).toEqual(['ofEngine']);
    expect(await seen({ userId: decodeId('User', userId) })).toEqual(['ofUser']);
    expect(await seen({ appId: decodeId('App', appId) })).toEqual(['failed']);
    expect(await seen({ tenantId: decodeId('Tenant', (await seed.tenant()).id) })).toEqual([]);
  });

  it.each<readonly [string, UsageRecordFilter, string]>([
    ['an id of another type', { tenantId: 'key_01h455vb4pex5vsknk084sn02q' }, 'WRONG_ID_TYPE'],
    ['no id', { keyId: 'plain' }, 'MALFORMED_ID'],
    ['NUL in a request id', { requestId: 'a\u0000' }, 'BAD_USER_INPUT'],
    ['NUL in a session', { sessionId: '\u0000' }, 'BAD_USER_INPUT'],
    ['NUL in a type', { requestTypes: ['chat', '\u0000'] }, 'BAD_USER_INPUT'],
  ])('refuses %s', async (_what, filter, code) => {
    const { errors } = await operator.send(page, { filter });
    expect(errors).toMatchObject([{ extensions: { code } }]);
  });

  it('sends these statements, and as many for one row as for many', async () => {
    const statements = (first: number) => statementsOf(app, () => operator.run(page, { first, filter: { tenantId } }));
    const many = await statements(100);
    expect(many).toMatchSnapshot();
    expect((await statements(1)).length).toBe(many.length);
  });
});

describe('a usage record', () => {
  it('shows what the request used and whose it was', async () => {
    const { usageRecord } = await operator.run(one, { id: String(ids.late) });
    expect(usageRecord).toMatchObject({
      tenantId,
      tenant: { id: tenantId },
      model: null,
      userId: null,
      user: null,
      settlement: 'LATE',
      admission: 'QUEUED',
      queueWaitMs: 1_500,
      images: 2,
      audioSeconds: 61.005,
      characters: 4_000,
      cacheStatus: 'HIT',
      costUsd: '0.000000000125',
      completedAt: text(6_000),
    });
  });

  it('says that nothing is known of a request whose gateway said nothing', async () => {
    const { usageRecord } = await operator.run(one, { id: String(ids.silent) });
    expect(usageRecord).toMatchObject({
      settlement: 'UNSETTLED',
      statusCode: null,
      inputTokens: null,
      outputTokens: null,
      images: null,
      audioSeconds: null,
      characters: null,
      estimatedInputTokens: 100,
      ttftMs: null,
      totalMs: null,
    });
  });

  it('is null for whoever may not see it', async () => {
    const stranger = app.ofTenant(decodeId('Tenant', (await seed.tenant()).id), 'usage:read');
    expect(await stranger.run(one, { id: String(ids.plain) })).toEqual({ usageRecord: null });
  });

  it('stays with the ids of what it speaks of when all of that is deleted, for the deployment alone', async () => {
    const before = (await operator.run(one, { id: String(ids.plain) })).usageRecord;
    expect(before).toMatchObject({ tenant: { id: tenantId }, key: { id: keyId } });
    const count = await database.prisma.usageRecord.count();
    await seed.run('deleteTenant', { tenantId, cascade: true });
    expect(await database.prisma.usageRecord.count()).toBe(count);
    expect((await operator.run(one, { id: String(ids.plain) })).usageRecord).toEqual({
      ...before,
      tenant: null,
      key: null,
    });
  });
});
