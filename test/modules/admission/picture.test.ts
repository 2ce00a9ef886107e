import { beforeEach, describe, expect, it } from 'vitest';
import type { Scope } from '../../../src/access/scopes.ts';
import { decodeId } from '../../../src/graph/ids.ts';
import { startTestApp } from '../../testkit/app.ts';
import { expectNoFailures } from '../../testkit/bad-input.ts';
import { eventually } from '../../testkit/eventually.ts';
import { follow } from '../../testkit/follow.ts';
import { callerOf, Gate, modelWith } from '../../testkit/gate.ts';
import { graphql } from '../../testkit/generated/gql.ts';
import { Seed } from '../../testkit/seed.ts';
import { statsOf } from './stats.ts';

const app = await startTestApp();
const seed = new Seed(app);
const gate = new Gate(app.operator);
const operator = {
  kind: 'ROOT',
  scopes: new Set<Scope>(['fairshare:totals']),
  credentialId: 'test',
  name: 'test',
} as const;

// Rates are over the last seconds: those of the test before are over.
beforeEach(() => app.clock.advance(10_000));
expectNoFailures(app);

const PictureFollow = graphql(`
  subscription PictureFollow {
    fairshareLive(minIntervalMs: 100) {
      instanceId
      algorithm
      mode
      replicas
      isReplicaAware
      totals {
        capacity
        inFlight
        queued
        borrowed
        clusterInFlight
        oldestWaitMs
      }
      groups {
        groupId
        name
        inFlight
        queued
        slotCap
        borrowed
      }
      tenants {
        tenantId
        name
        groupName
        weight
        inFlight
        queued
        weightShare
        expectedSlots
        slotCap
        borrowed
        oldestWaitMs
      }
      keys {
        keyId
        name
        tenantId
        inFlight
        queued
      }
      pools {
        model
        modelId
        totals {
          capacity
          inFlight
          queued
          borrowed
        }
        tenants {
          name
          inFlight
        }
      }
    }
  }
`);

const PictureNames = graphql(`
  query PictureNames {
    fairshare {
      tenants {
        tenantId
        name
      }
    }
  }
`);

describe('fairshareLive', () => {
  it('shows who has which slots and waits for more, with what the weights give, by the names that they have', async () => {
    const model = await modelWith(app, seed, 4);
    const [heavyGroup, lightGroup] = [await seed.group({ weight: 300 }), await seed.group({ weight: 100 })];
    const [heavyName, lightName] = [seed.name(), seed.name()];
    const heavy = await callerOf(seed, { name: heavyName, fairshareGroupId: heavyGroup.id });
    const light = await callerOf(seed, { name: lightName, fairshareGroupId: lightGroup.id, weight: 50 });
    const following = await follow(app.app, app.operator, PictureFollow, {});
    expect((await following.next()).fairshareLive).toMatchObject({ totals: { inFlight: 0, queued: 0 }, tenants: [] });

    // The light one borrows what the heavy one leaves.
    const held = await gate.admitSeveral(4, { keyId: light.keyId, model: model.name });
    const waiting = ['first', 'second'].map((requestId) =>
      gate.admit({ keyId: heavy.keyId, model: model.name, requestId }),
    );
    await gate.whenQueued('second');
    app.clock.advance(1_000);
    const { fairshareLive: full } = await following.next();

    expect(full).toMatchObject({
      algorithm: 'HIERARCHICAL',
      mode: 'LOCAL',
      totals: { inFlight: 4, queued: 2, borrowed: 3, clusterInFlight: 4, oldestWaitMs: expect.any(Number) },
    });
    expect(full.groups).toHaveLength(2);
    expect(full.groups).toEqual(
      expect.arrayContaining([
        { groupId: heavyGroup.id, name: heavyGroup.name, inFlight: 0, queued: 2, slotCap: 3, borrowed: 0 },
        { groupId: lightGroup.id, name: lightGroup.name, inFlight: 4, queued: 0, slotCap: 1, borrowed: 3 },
      ]),
    );
    expect(full.tenants).toHaveLength(2);
    expect(full.tenants).toEqual(
      expect.arrayContaining([
        expect.objectContaining({
          tenantId: heavy.tenantId,
          name: heavyName,
          groupName: heavyGroup.name,
          inFlight: 0,
          queued: 2,
          expectedSlots: 3,
          slotCap: 3,
          borrowed: 0,
        }),
        expect.objectContaining({
          tenantId: light.tenantId,
          name: lightName,
          groupName: lightGroup.name,
          weight: 50,
          inFlight: 4,
          queued: 0,
          expectedSlots: 1,
          slotCap: 1,
          borrowed: 3,
          oldestWaitMs: null,
        }),
      ]),
    );
    expect(full.keys.map(({ keyId, inFlight, queued }) => ({ keyId, inFlight, queued }))).toEqual(
      expect.arrayContaining([
        { keyId: heavy.keyId, inFlight: 0, queued: 2 },
        { keyId: light.keyId, inFlight: 4, queued: 0 },
      ]),
    );
    expect(full.pools.find(({ modelId }) => modelId === model.id)).toMatchObject({
      model: model.name,
      totals: { capacity: 4, inFlight: 4, queued: 2, borrowed: 3 },
    });

    // What is freed goes to the one to whom it belongs.
    for (const id of held) await gate.settle(id);
    const leases = await Promise.all(waiting);
    app.clock.advance(1_000);
    const { fairshareLive: after } = await following.next();
    expect(after.tenants.filter(({ inFlight }) => inFlight > 0)).toMatchObject([
      { name: heavyName, inFlight: 2, queued: 0, borrowed: 0 },
    ]);
    await Promise.all(leases.map(({ id }) => gate.settle(id)));
    await following.stop();
  });

  it('shows a credential of a tenant its own rows alone, without the totals', async () => {
    const model = await modelWith(app, seed, 4);
    const [own, other] = [await callerOf(seed), await callerOf(seed)];
    const ids = [
      ...(await gate.admitSeveral(1, { keyId: own.keyId, model: model.name })),
      ...(await gate.admitSeveral(2, { keyId: other.keyId, model: model.name })),
    ];
    app.clock.advance(100);
    const tenant = app.ofTenant(decodeId('Tenant', own.tenantId), 'fairshare:read', 'stats:read');
    const following = await follow(app.app, tenant, PictureFollow, {});
    const { fairshareLive: seen } = await following.next();
    expect(seen).toMatchObject({
      totals: null,
      groups: null,
      tenants: [{ tenantId: own.tenantId, inFlight: 1 }],
      keys: [{ keyId: own.keyId, tenantId: own.tenantId, inFlight: 1 }],
      pools: [{ model: model.name, totals: null, tenants: [{ inFlight: 1 }] }],
    });
    expect(await statsOf(tenant)).toMatchObject({ totals: null, tenants: [{ inFlight: 1, admittedPerSecond: 0.2 }] });
    await following.stop();
    await Promise.all(ids.map((id) => gate.settle(id)));
  });

  it('shows a key of a product the rows of the keys of that product alone', async () => {
    const own = await callerOf(seed);
    const product = await seed.product({ tenantId: own.tenantId });
    const key = await seed.key({ kind: 'PRODUCT', productId: product.id, scopes: ['cloud:inference'] });
    const ids = [
      ...(await gate.admitSeveral(1, { keyId: own.keyId })),
      ...(await gate.admitSeveral(2, { keyId: key.id })),
    ];
    app.clock.advance(100);
    const bound = { tenantId: decodeId('Tenant', own.tenantId), productId: decodeId('Product', product.id) };
    const caller = app.as({ kind: 'PRODUCT', ...bound, scopes: new Set(['fairshare:read'] as const) });
    const following = await follow(app.app, caller, PictureFollow, {});
    expect((await following.next()).fairshareLive.keys).toMatchObject([{ keyId: key.id, name: key.name, inFlight: 2 }]);
    await following.stop();
    await Promise.all(ids.map((id) => gate.settle(id)));
  });

  it('goes on with the name that somebody has now', async () => {
    const { keyId, tenantId } = await callerOf(seed);
    const { id: lease } = await gate.admit({ keyId });
    const name = seed.name();
    await seed.run('updateTenant', { tenantId, name });
    await eventually(async () => {
      app.clock.advance(1_000);
      const { fairshare } = await app.operator.run(PictureNames);
      expect(fairshare.tenants).toEqual([{ tenantId, name }]);
    });
    await gate.settle(lease);
  });
});

it('a process that does not decide shows what the one shows that does, live and in its history, and how many there are', async () => {
  const second = await startTestApp({ sameDatabaseAs: app, clock: app.clock });
  const { keyId } = await callerOf(seed);
  // Test time passes while the other process gets to know of it.
  const { id: lease } = await gate.admit({ keyId, leaseSeconds: 3_600 });
  const newestPoint = () => second.app.services.snapshots.history(operator, { resolution: 'SECONDS' }).points.at(-1);
  await eventually(() => {
    app.clock.advance(2_000);
    expect(newestPoint()).toMatchObject({ inFlight: 1 });
    expect(newestPoint()?.tenants(undefined)).toMatchObject([{ inFlight: 1 }]);
  });
  // Nobody has looked, so that it was sent what the history keeps and no whole snapshot.
  expect(second.app.services.admission.elsewhere.newest('fairshare')).toBeUndefined();
  const following = await follow(second.app, second.operator, PictureFollow, {});
  const { fairshareLive: shown } = await following.next();
  const decider = await follow(app.app, app.operator, PictureFollow, {});
  const { fairshareLive: decided } = await decider.next();
  expect(decided).toMatchObject({ mode: 'LOCAL', replicas: 2, isReplicaAware: true, totals: { inFlight: 1 } });
  expect(shown).toEqual({ ...decided, mode: 'DELEGATED', instanceId: shown.instanceId });
  expect(shown.instanceId).not.toBe(decided.instanceId);

  // What changes is told without being asked for.
  await gate.settle(lease);
  const nextInFlight = async () => {
    let inFlight: number | undefined;
    const next = following.next().then(({ fairshareLive: { totals } }) => {
      inFlight = totals?.inFlight;
    });
    await eventually(() => {
      app.clock.advance(100);
      expect(inFlight).toBeDefined();
    });
    await next;
    return inFlight;
  };
  await eventually(async () => expect(await nextInFlight()).toBe(0));
  const more = await gate.admitSeveral(2, { keyId, leaseSeconds: 3_600 });
  await eventually(() => {
    app.clock.advance(2_000);
    expect(newestPoint()).toMatchObject({ inFlight: 2 });
  });
  await following.stop();
  await decider.stop();

  await app.app.services.snapshots.stats();
  expect(await second.app.services.snapshots.stats()).toMatchObject({ totals: { inFlight: 2 } });
  await Promise.all(more.map((id) => gate.settle(id)));
  await second.close();
  await eventually(async () => {
    app.clock.advance(1_000);
    expect(await app.app.services.snapshots.fairshare()).toMatchObject({ replicas: 1 });
  });
});
