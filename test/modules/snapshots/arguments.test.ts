import { describe, expect, it } from 'vitest';
import { decodeId, encodeId, newId } from '../../../src/graph/ids.ts';
import { follow } from '../../testkit/follow.ts';
import { graphql } from '../../testkit/generated/gql.ts';
import { Socket } from '../../testkit/socket.ts';
import { startLive } from './live.ts';

const { app, tenants, keys, settle } = await startLive();

const SnapshotFiltered = graphql(`
  query SnapshotFiltered($pool: String, $tenant: ID) {
    fairshare(pool: $pool, tenant: $tenant) {
      ...SnapshotRows
    }
  }
`);

const SnapshotFilteredLive = graphql(`
  subscription SnapshotFilteredLive($pool: String, $tenant: ID) {
    fairshareLive(pool: $pool, tenant: $tenant) {
      ...SnapshotRows
    }
  }

  fragment SnapshotRows on FairshareSnapshot {
    totals {
      inFlight
    }
    groups {
      groupId
    }
    tenants {
      name
    }
    keys {
      tenantId
      tenant {
        name
      }
    }
    pools {
      model
      tenants {
        name
      }
    }
  }
`);

describe('the arguments', () => {
  const [first, second] = tenants;
  const names = (rows: readonly { readonly name: string }[]) => rows.map(({ name }) => name);
  const shown = async (client: typeof app.operator, pool?: string, tenant?: string) => {
    settle();
    const variables = { ...(pool !== undefined && { pool }), ...(tenant !== undefined && { tenant }) };
    const { fairshare } = await client.run(SnapshotFiltered, variables);
    const following = await follow(app.app, client, SnapshotFilteredLive, variables);
    const { fairshareLive } = await following.next();
    await following.stop();
    expect(fairshareLive).toEqual(fairshare);
    return fairshare;
  };

  it('pool gives the rows of that pool, whatever the case of its name; totals stay those of all', async () => {
    const all = await shown(app.operator);
    expect(names(all.tenants)).toEqual(names(tenants));
    const small = await shown(app.operator, ' SMALL ');
    expect(small).toMatchObject({ totals: all.totals, pools: [{ model: 'small' }], groups: [{}], keys: [{}] });
    expect(names(small.tenants)).toEqual([first.name]);
    expect(names(small.pools[0]?.tenants ?? [])).toEqual([first.name]);
  });

  it('tenant gives the rows of that tenant, its group, and the pools where it has any', async () => {
    const own = await shown(app.operator, undefined, second.id);
    expect(names(own.tenants)).toEqual([second.name]);
    expect(own.groups).toHaveLength(1);
    expect(own.keys.map(({ tenantId }) => tenantId)).toEqual([second.id]);
    expect(own.pools.map(({ model }) => model)).toEqual(['large']);
    expect(await shown(app.operator, 'small', second.id)).toMatchObject({
      tenants: [],
      keys: [],
      groups: [],
      pools: [],
    });
  });

  it('that name what does not exist, or what belongs to somebody else, both give no rows', async () => {
    const missing = encodeId('Tenant', newId());
    const nothing = { tenants: [], keys: [], pools: [] };
    expect(await shown(app.operator, undefined, missing)).toMatchObject(nothing);
    expect(await shown(app.operator, 'missing')).toMatchObject(nothing);
    const tenant = app.ofTenant(decodeId('Tenant', first.id), 'fairshare:read');
    const foreign = await shown(tenant, undefined, second.id);
    expect(foreign).toMatchObject(nothing);
    expect(await shown(tenant, undefined, missing)).toEqual(foreign);
    expect(await shown(tenant, 'large')).toEqual(await shown(tenant, 'missing'));
    expect(await shown(tenant, 'large')).toMatchObject(nothing);
  });

  it.each(['fairshareLive', 'fairshare'])('of %s that cannot be right are refused', async (field) => {
    const operation = field === 'fairshare' ? 'query' : 'subscription';
    for (const [argument, value, code] of [
      ['pool', '"a\\u0000b"', 'BAD_USER_INPUT'],
      ['tenant', '"nobody"', 'MALFORMED_ID'],
      ['tenant', `"${keys[0]?.id}"`, 'WRONG_ID_TYPE'],
    ]) {
      const socket = await Socket.accepted(app.app.url, app.operator.headers);
      const { errors } = await socket.run('1', `${operation} { ${field}(${argument}: ${value}) { seq } }`);
      expect(errors).toMatchObject([{ extensions: { code, argument } }]);
      await socket.close();
    }
  });
});
