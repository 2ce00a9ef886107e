import { afterAll, beforeEach, describe, expect, it } from 'vitest';
import { decodeId } from '../../../src/graph/ids.ts';
import { startTestApp } from '../../testkit/app.ts';
import type { Client } from '../../testkit/client.ts';
import { callerOf, Gate, modelWith } from '../../testkit/gate.ts';
import { graphql } from '../../testkit/generated/gql.ts';
import type { LeaseFilter, LeaseListQueryVariables } from '../../testkit/generated/graphql.ts';
import { missingKey } from '../../testkit/ids.ts';
import { Seed } from '../../testkit/seed.ts';

const app = await startTestApp();
const seed = new Seed(app);
const gate = new Gate(app.operator);
await seed.run('setCapacity', { deployment: 100_000, modelDefault: 100_000 });
await app.app.services.admission.refreshed();

// Time stands still, so what a caller may spend does not come back by itself.
beforeEach(() => app.clock.advance(60_000));

afterAll(() => expect(app.logged).toEqual([]));

const leaseListDocument = graphql(`
  query LeaseList(
    $filter: LeaseFilter
    $orderBy: LeaseOrder
    $first: Int
    $last: Int
    $after: String
    $before: String
  ) {
    leases(filter: $filter, orderBy: $orderBy, first: $first, last: $last, after: $after, before: $before) {
      totalCount
      edges {
        cursor
        node {
          id
          grantedAt
        }
      }
      pageInfo {
        hasNextPage
        hasPreviousPage
        startCursor
        endCursor
      }
    }
  }
`);

const list = async (variables: LeaseListQueryVariables, client: Client = app.operator) => {
  const { leases } = await client.run(leaseListDocument, variables);
  return { ...leases, ids: leases.edges.map(({ node }) => node.id) };
};

const idsOf = async (filter: LeaseFilter, client?: Client) => (await list({ filter, first: 100 }, client)).ids;

/** Leases of a key, of which some are granted in the same millisecond, in the order of the list. */
async function leasesOf(keyId: string, count: number): Promise<string[]> {
  const leases: { readonly id: string; readonly grantedAt: string }[] = [];
  for (let index = 0; index < count; index += 1) {
    if (index % 2 === 0) app.clock.advance(1);
    leases.push(await gate.admit({ keyId, leaseSeconds: 600 }));
  }
  const key = ({ grantedAt, id }: (typeof leases)[number]) => `${grantedAt} ${decodeId('Lease', id)}`;
  return leases.toSorted((a, b) => (key(a) < key(b) ? -1 : 1)).map(({ id }) => id);
}

describe('the list of leases', () => {
  it('has them by the time of their grants, in pages from either end, in either direction', async () => {
    const { keyId } = await callerOf(seed);
    const filter = { keyId };
    const ids = await leasesOf(keyId, 5);
    const first = await list({ filter, first: 2 });
    expect(first).toMatchObject({ totalCount: 5, pageInfo: { hasNextPage: true, hasPreviousPage: false } });
    const second = await list({ filter, first: 2, after: first.pageInfo.endCursor });
    expect(second).toMatchObject({ totalCount: 5, pageInfo: { hasNextPage: true, hasPreviousPage: true } });
    const third = await list({ filter, first: 2, after: second.pageInfo.endCursor });
    expect(third).toMatchObject({ pageInfo: { hasNextPage: false, hasPreviousPage: true } });
    expect([...first.ids, ...second.ids, ...third.ids]).toEqual(ids);

    const last = await list({ filter, last: 2 });
    expect([last.ids, last.pageInfo]).toMatchObject([ids.slice(3), { hasNextPage: false, hasPreviousPage: true }]);
    const before = await list({ filter, last: 10, before: last.pageInfo.startCursor });
    expect([before.ids, before.pageInfo]).toMatchObject([
      ids.slice(0, 3),
      { hasNextPage: true, hasPreviousPage: false },
    ]);
    const between = { after: first.edges[0]?.cursor ?? null, before: last.pageInfo.startCursor ?? null };
    expect((await list({ filter, first: 10, ...between })).ids).toEqual(ids.slice(1, 3));

    const orderBy = { field: 'GRANTED_AT', direction: 'DESC' } as const;
    const newest = await list({ filter, orderBy, first: 3 });
    const oldest = await list({ filter, orderBy, first: 3, after: newest.pageInfo.endCursor });
    expect([...newest.ids, ...oldest.ids]).toEqual(ids.toReversed());
    for (const id of ids) await gate.settle(id);
  });

  it('goes on behind a cursor when that lease has ended, was renewed, and others were granted', async () => {
    const { keyId } = await callerOf(seed);
    const filter = { keyId };
    const ids = await leasesOf(keyId, 4);
    const [one = '', two = '', three = ''] = ids;
    const { pageInfo } = await list({ filter, first: 2 });
    await gate.settle(two);
    await gate.renew({ leaseId: one, leaseSeconds: 900 });
    await gate.renew({ leaseId: three, leaseSeconds: 900 });
    const more = await leasesOf(keyId, 1);
    const rest = await list({ filter, first: 10, after: pageInfo.endCursor });
    expect(rest.ids).toEqual([...ids.slice(2), ...more]);
    expect((await list({ filter, last: 10, before: pageInfo.endCursor })).ids).toEqual([one]);
    for (const id of [one, ...rest.ids]) await gate.settle(id);
    expect(await list({ filter })).toMatchObject({ totalCount: 0, ids: [], pageInfo: { startCursor: null } });
  });

  it('has all of them, however many there are', async () => {
    const { keyId } = await callerOf(seed);
    const count = 1_050;
    const input = { keyId, model: 'unknown', estimatedInputTokens: 1, estimatedOutputTokens: 1 };
    for (let admitted = 0; admitted < count; admitted += 50) {
      app.clock.advance(60_000);
      const requests = Array.from({ length: 50 }, () => ({ ...input, leaseSeconds: 3_600 }));
      await seed.run('admitRequests', { requests });
    }
    const ids = new Set<string>();
    let after: string | null | undefined;
    do {
      app.clock.advance(10_000);
      const page = await list({ filter: { keyId }, first: 100, after: after ?? null });
      expect(page.totalCount).toBe(count);
      for (const id of page.ids) ids.add(id);
      after = page.pageInfo.hasNextPage ? page.pageInfo.endCursor : undefined;
    } while (after);
    expect(ids.size).toBe(count);
    app.clock.advance(3_600_000);
    expect(await idsOf({ keyId })).toEqual([]);
  });

  it('has those of a tenant, a key, a user, a product, a model and a gateway, and of all that are named', async () => {
    const { tenantId, keyId } = await callerOf(seed);
    const user = await seed.user({ tenantId });
    const model = await modelWith(app, seed, 9);
    const { id: productId } = await seed.product({ tenantId });
    const product = await seed.key({ kind: 'PRODUCT', productId, scopes: ['cloud:inference'] });
    const { key, gateway } = await seed.gatewayOfKey();
    const ofGateway = new Gate(app.anonymous.with({ authorization: `Bearer ${key.secret}` }));
    await seed.run('updateKey', { keyId: key.id, scopes: ['gateways:report', 'requests:admit'] });
    const plain = (await gate.admit({ keyId })).id;
    const forUser = (await gate.admit({ keyId, userExternalId: user.externalId })).id;
    const forModel = (await gate.admit({ keyId, model: model.name })).id;
    const forProduct = (await gate.admit({ keyId: product.id, model: model.name })).id;
    const byGateway = (await ofGateway.admit({ keyId, gatewayId: gateway.id })).id;
    const all = [plain, forUser, forModel, forProduct, byGateway];
    const cases: readonly (readonly [LeaseFilter, readonly string[]])[] = [
      [{ tenantId }, all],
      [{ keyId }, all.filter((id) => id !== forProduct)],
      [{ userId: user.id }, [forUser]],
      [{ productId }, [forProduct]],
      [{ modelId: model.id }, [forModel, forProduct]],
      [{ gatewayId: gateway.id }, [byGateway]],
      [{ tenantId, modelId: model.id, keyId }, [forModel]],
      [{ gatewayId: gateway.id, userId: user.id }, []],
      [{ keyId: missingKey }, []],
    ];
    for (const [filter, expected] of cases) {
      const { ids, totalCount } = await list({ filter, first: 100 });
      expect([ids.toSorted(), totalCount]).toEqual([[...expected].toSorted(), expected.length]);
    }
    // A gateway sees its own, also among what others hold for the same tenant, and counts no others.
    expect(await list({ filter: { tenantId } }, ofGateway.client)).toMatchObject({ ids: [byGateway], totalCount: 1 });
    for (const id of all) await (id === byGateway ? ofGateway : gate).settle(id);
  });

  it('has for a tenant and for a product only their own, in its count as well', async () => {
    const scopes = ['cloud:inference'];
    const { tenantId, keyId } = await callerOf(seed);
    const { keyId: foreign } = await callerOf(seed);
    const { id: productId } = await seed.product({ tenantId });
    const product = await seed.key({ kind: 'PRODUCT', productId, scopes });
    const own = [(await gate.admit({ keyId })).id, (await gate.admit({ keyId: product.id })).id];
    const other = (await gate.admit({ keyId: foreign })).id;
    const tenantUuid = decodeId('Tenant', tenantId);
    const tenant = app.ofTenant(tenantUuid, 'requests:admit');
    const ofProduct = app.as({
      kind: 'PRODUCT',
      tenantId: tenantUuid,
      productId: decodeId('Product', productId),
      scopes: new Set(['requests:admit']),
    });
    expect(await list({}, tenant)).toMatchObject({ totalCount: 2, pageInfo: { hasNextPage: false } });
    expect((await idsOf({}, tenant)).toSorted()).toEqual(own.toSorted());
    expect(await list({}, ofProduct)).toMatchObject({ ids: own.slice(1), totalCount: 1 });
    expect(await idsOf({ keyId: foreign }, tenant)).toEqual([]);
    for (const id of [...own, other]) await gate.settle(id);
  });

  it('says which argument is wrong', async () => {
    const { keyId } = await callerOf(seed);
    const [id = ''] = await leasesOf(keyId, 1);
    const { pageInfo } = await list({ filter: { keyId } });
    const after = pageInfo.endCursor ?? null;
    for (const [variables, code, argument] of [
      [{ first: 101 }, 'INVALID_PAGE_SIZE', 'first'],
      [{ first: 1, last: 1 }, 'CONFLICTING_ARGUMENTS', 'last'],
      [{ after: 'x' }, 'INVALID_CURSOR', 'after'],
      [{ after, orderBy: { field: 'GRANTED_AT', direction: 'DESC' } }, 'INVALID_CURSOR', 'after'],
      [{ filter: { keyId: id } }, 'WRONG_ID_TYPE', 'filter.keyId'],
    ] as const) {
      const { errors } = await app.operator.send(leaseListDocument, variables);
      expect(errors?.map(({ extensions }) => extensions)).toMatchObject([{ code, argument }]);
    }
    await gate.settle(id);
  });
});
