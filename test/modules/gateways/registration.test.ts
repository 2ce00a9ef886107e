import { beforeEach, describe, expect, it } from 'vitest';
import { decodeId } from '../../../src/graph/ids.ts';
import { forgetGateways } from '../../../src/modules/gateways/forgetting.ts';
import { leaseRow, recordOf } from '../../testkit/admission.ts';
import { expectNoFailures } from '../../testkit/bad-input.ts';
import { eventually } from '../../testkit/eventually.ts';
import { withSecret } from '../../testkit/keys.ts';
import { traced } from '../../testkit/rows.ts';
import { recordsStatements } from '../../testkit/statements.ts';
import { gatewayCases } from './cases.ts';
import { startGateways, written } from './gateways.ts';

const { app, seed, findGateway, gatewayOf, idsOf, register, deregister, beat, newGateway } = await startGateways();
const { clock } = app;
expectNoFailures(app);
// Time stands still, so what a caller may spend does not come back by itself.
beforeEach(() => clock.advance(600_000));

const second = 1_000;

describe('registering', () => {
  it('makes a gateway of the key that does it, and tells it how often to be heard of', async () => {
    const key = await seed.key({ kind: 'GATEWAY', scopes: ['gateways:report'] });
    const values = { name: 'Paris-1', version: '1.2.3', address: 'https://10.0.0.7:8080', maxInFlight: 64 };
    const answer = await register(withSecret(app, key.secret), values);
    expect(answer).toMatchObject({ heartbeatSeconds: 5, silenceSeconds: 15 });
    const { id } = answer.gateway as { id: string };
    const now = clock.now().toISOString();
    expect(await gatewayOf(id)).toEqual({
      id,
      name: 'Paris-1',
      version: '1.2.3',
      address: 'https://10.0.0.7:8080',
      status: 'ALIVE',
      inFlight: 0,
      registeredBy: { credentialId: expect.any(String), name: key.name },
      key: { id: key.id },
      tenant: null,
      registeredAt: now,
      lastHeartbeatAt: now,
      leftAt: null,
      revision: 1,
    });
  });

  it('again by the same key is the same gateway: recorded when what it says has changed, and else not', async () => {
    const { id, name, client } = await newGateway();
    await beat(client, id, { inFlight: 7 });
    await written(app);
    clock.advance(60 * second);
    const again = traced(app, client);
    const same = await register(again.client, { name: name.toUpperCase() });
    expect(same.gateway).toMatchObject({ id, revision: 2 });
    expect(await again.auditRows()).toMatchObject([{ before: { name }, after: { name: name.toUpperCase() } }]);
    const silent = traced(app, client);
    expect((await register(silent.client, { name: name.toUpperCase() })).gateway).toMatchObject({ id, revision: 2 });
    expect(await silent.auditRows()).toEqual([]);
    const found = await gatewayOf(id);
    expect(found).toMatchObject({ inFlight: 0, registeredAt: clock.now().toISOString(), status: 'ALIVE' });
    const newer = await register(client, { name, version: '2.0.0' });
    expect(newer.gateway).toMatchObject({ id, version: '2.0.0', revision: 3 });
  });

  it('goes on after its key was rotated: the secret is another, the key is the same', async () => {
    const { id, name, key } = await newGateway();
    const { secret } = await seed.run('rotateKey', { keyId: key.id, overlapSeconds: 0 });
    const client = withSecret(app, (secret as { value: string }).value);
    expect((await register(client, { name })).gateway).toMatchObject({ id });
    expect(await beat(client, id)).toMatchObject({ receivedAt: clock.now().toISOString() });
  });

  it('under the name of a gateway of another key is refused until that one has left; then the name is taken over', async () => {
    const { id, name, client } = await newGateway();
    const successor = await newGateway();
    expect(await register(successor.client, { name })).toMatchObject({ code: 'NAME_TAKEN', path: ['name'] });
    clock.advance(3_600 * second);
    expect(await register(successor.client, { name })).toMatchObject({ code: 'NAME_TAKEN' });
    await deregister(client, id);
    expect((await register(successor.client, { name })).gateway).toMatchObject({ id, leftAt: null });
    expect(await beat(successor.client, id)).toMatchObject({ __typename: 'GatewayHeartbeatPayload' });
    expect(await beat(client, id)).toMatchObject({ code: 'NOT_FOUND' });
  });

  it('is of a tenant by a key of that tenant, and tells nothing of names that others have', async () => {
    const tenant = await seed.tenant();
    const gateway = await newGateway(tenant.id);
    expect(await gatewayOf(gateway.id)).toMatchObject({ tenant: { id: tenant.id } });
    const elsewhere = await newGateway((await seed.tenant()).id);
    const ofDeployment = await newGateway();
    const answer = await register(gateway.client, { name: ofDeployment.name });
    const same = await register(elsewhere.client, { name: ofDeployment.name });
    const ids = [answer, same].map((each) => (each.gateway as { id: string }).id);
    expect(new Set([...ids, ofDeployment.id]).size).toBe(3);
    const reader = app.ofTenant(decodeId('Tenant', tenant.id), 'gateways:read');
    expect(new Set(await idsOf({}, reader))).toEqual(new Set([gateway.id, ids[0]]));
    expect(new Set(await idsOf({ filter: { tenantId: tenant.id } }))).toEqual(new Set([gateway.id, ids[0]]));
  });

  it('twice at the same time makes one gateway', async () => {
    const { client } = await newGateway();
    const name = seed.name();
    const answers = await Promise.all([1, 2, 3].map(() => register(client, { name })));
    expect(new Set(answers.map(({ gateway }) => (gateway as { id: string }).id)).size).toBe(1);
  });
});

describe('deregistering', () => {
  it('is for the key that registered, and for whoever manages the gateways that it sees', async () => {
    const tenant = await seed.tenant();
    const tenantId = decodeId('Tenant', tenant.id);
    const sibling = await newGateway(tenant.id);
    const mine = await newGateway(tenant.id);
    expect(await deregister(sibling.client, mine.id)).toMatchObject({ code: 'NOT_FOUND' });
    expect(await deregister(app.ofTenant(tenantId, 'gateways:write'), (await newGateway()).id)).toMatchObject({
      code: 'NOT_FOUND',
    });
    expect((await deregister(mine.client, mine.id)).gateway).toMatchObject({ id: mine.id });
    const managed = await newGateway(tenant.id);
    expect((await deregister(app.ofTenant(tenantId, 'gateways:write'), managed.id)).code).toBeUndefined();
    const ofDeployment = await newGateway();
    expect((await deregister(app.withScopes('gateways:write', 'gateways:read'), ofDeployment.id)).code).toBeUndefined();
    expect((await gatewayOf(ofDeployment.id)).status).toBe('LEFT');
  });
});

describe('a gateway that is not there', () => {
  const days = (count: number) => count * 24 * 60 * 60 * 1_000;
  /** As the next turn would, so much later. */
  const forget = (afterMs: number) => forgetGateways(app.app.database, new Date(clock.now().getTime() + afterMs));
  const exists = async (id: string) => (await findGateway(id)) !== undefined;

  it('is forgotten thirty days after it has left, and nothing of what it ran', async () => {
    const { id } = await newGateway();
    const { prisma } = app.app.database;
    await prisma.usageRecord.create({ data: recordOf(leaseRow({ gatewayId: decodeId('Gateway', id) })) });
    await seed.run('deregisterGateway', { gatewayId: id });
    await forget(days(30));
    expect(await exists(id)).toBe(true);
    await forget(days(30) + 1);
    expect(await exists(id)).toBe(false);
    expect(await prisma.usageRecord.count({ where: { gatewayId: decodeId('Gateway', id) } })).toBe(1);
  });

  it('and never said that it leaves is forgotten thirty days after it was heard of last; then its heartbeat finds none, and it registers again', async () => {
    const { id, name, client } = await newGateway();
    clock.advance(5_000);
    expect(await beat(client, id)).toHaveProperty('receivedAt');
    await written(app);
    await forget(days(30));
    expect(await exists(id)).toBe(true);
    expect(await beat(client, id)).toHaveProperty('receivedAt');
    await forget(days(30) + 1);
    expect(await exists(id)).toBe(false);
    // Also where it was remembered whose it is.
    await eventually(async () =>
      expect(await beat(client, id)).toMatchObject({ code: 'NOT_FOUND', path: ['gatewayId'] }),
    );
    const again = await register(client, { name });
    expect(again.gateway).toMatchObject({ name, status: 'ALIVE' });
    expect(again.gateway).not.toMatchObject({ id });
  });
});

describe('gateways', () => {
  it('stay when the key is deleted that registered them, and go with their tenant', async () => {
    const { id, key } = await newGateway();
    await seed.run('deleteKey', { keyId: key.id });
    expect(await gatewayOf(id)).toMatchObject({ key: null, registeredBy: { name: key.name } });
    const tenant = await seed.tenant();
    const gateway = await newGateway(tenant.id);
    await seed.run('deleteTenant', { tenantId: tenant.id, cascade: true });
    expect(await findGateway(gateway.id)).toBeUndefined();
  });
});

recordsStatements(app, seed, gatewayCases);
