import { beforeEach, describe, expect, it } from 'vitest';
import { decodeId } from '../../../src/graph/ids.ts';
import { forgetGateways } from '../../../src/modules/gateways/forgetting.ts';
import type { AcceptedHeartbeat } from '../../../src/modules/gateways/heartbeats.ts';
import { leaseRow, recordOf } from '../../testkit/admission.ts';
import { startTestApp, type TestApp } from '../../testkit/app.ts';
import { expectNoFailures } from '../../testkit/bad-input.ts';
import type { Client } from '../../testkit/client.ts';
import { type CommandInput, Commands } from '../../testkit/commands.ts';
import { eventually } from '../../testkit/eventually.ts';
import { graphql } from '../../testkit/generated/gql.ts';
import type { GatewayFilter, GatewayOrder } from '../../testkit/generated/graphql.ts';
import { missingGateway } from '../../testkit/ids.ts';
import { withSecret } from '../../testkit/keys.ts';
import { traced } from '../../testkit/rows.ts';
import { Seed } from '../../testkit/seed.ts';
import { recordsStatements, statementsOf } from '../../testkit/statements.ts';
import { gatewayCases } from './cases.ts';

const app = await startTestApp();
const other = await startTestApp({ sameDatabaseAs: app, clock: app.clock });
const { operator, clock } = app;
const seed = new Seed(app);
const commands = new Commands(app.app.schema);
expectNoFailures(other);
// Time stands still, so what a caller may spend does not come back by itself.
beforeEach(() => clock.advance(600_000));

const second = 1_000;

const oneGateway = graphql(`
  query GatewayQuery($id: ID!) {
    gateway(id: $id) {
      id
      name
      version
      address
      status
      inFlight
      registeredBy {
        credentialId
        name
      }
      key {
        id
      }
      tenant {
        id
      }
      registeredAt
      lastHeartbeatAt
      leftAt
      revision
    }
  }
`);

const listGateways = graphql(`
  query GatewaysQuery($filter: GatewayFilter, $orderBy: GatewayOrder) {
    gateways(first: 100, filter: $filter, orderBy: $orderBy) {
      totalCount
      edges {
        node {
          id
          status
        }
      }
    }
  }
`);

async function gatewayOf(id: string, client: Client = operator) {
  const { gateway } = await client.run(oneGateway, { id });
  if (!gateway) throw new Error('There is no such gateway.');
  return gateway;
}

async function idsOf(
  variables: { filter?: GatewayFilter; orderBy?: GatewayOrder } = {},
  client: Client = operator,
): Promise<string[]> {
  const { gateways } = await client.run(listGateways, variables);
  expect(gateways.totalCount).toBe(gateways.edges.length);
  return gateways.edges.map(({ node }) => node.id);
}

const register = (client: Client, input: CommandInput) => commands.runPartly(client, 'registerGateway', input);
const beat = (client: Client, gatewayId: string, rest: CommandInput = {}) =>
  commands.runPartly(client, 'gatewayHeartbeat', { gatewayId, inFlight: 0, ...rest });

/** Writes what the programs heard, as they do every second. */
const written = (...programs: TestApp[]) =>
  Promise.all(programs.map(({ app: program }) => program.services.gatewayHeartbeats.flush()));

/** A gateway with the key that registered it, as the key's holder. */
async function newGateway(tenantId?: string) {
  const { gateway, key } = await seed.gatewayOfKey(tenantId);
  return { ...gateway, key, client: withSecret(app, key.secret) };
}

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
    await commands.runPartly(client, 'deregisterGateway', { gatewayId: id });
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

describe('a heartbeat', () => {
  it('keeps a gateway alive: without one it is silent after 15 seconds, to the millisecond, and alive with the next', async () => {
    const { id, client } = await newGateway();
    clock.advance(15 * second);
    expect((await gatewayOf(id)).status).toBe('ALIVE');
    clock.advance(1);
    expect((await gatewayOf(id)).status).toBe('SILENT');
    expect(await idsOf({ filter: { statuses: ['SILENT'] } })).toContain(id);
    expect(await idsOf({ filter: { statuses: ['ALIVE', 'LEFT'] } })).not.toContain(id);
    await beat(client, id, { inFlight: 5 });
    await written(app);
    expect(await gatewayOf(id)).toMatchObject({ status: 'ALIVE', inFlight: 5 });
    expect(await idsOf({ filter: { statuses: ['ALIVE'] } })).toContain(id);
  });

  it('is seen on every replica soon, whichever of them heard it, and the latest one wins', async () => {
    const { id, key, client } = await newGateway();
    clock.advance(second);
    await beat(client, id, { inFlight: 1 });
    clock.advance(second);
    await beat(withSecret(other, key.secret), id, { inFlight: 2 });
    // The later one is written first.
    await written(other);
    await written(app);
    const expected = { inFlight: 2, lastHeartbeatAt: clock.now().toISOString(), revision: 1 };
    for (const each of [app, other]) expect(await gatewayOf(id, each.operator)).toMatchObject(expected);
    clock.advance(second);
    await beat(withSecret(other, key.secret), id, { inFlight: 3 });
    await eventually(async () => expect((await gatewayOf(id)).inFlight).toBe(3));
  });

  it('sends no statement when it is not the first', async () => {
    const { id, client } = await newGateway();
    await beat(client, id);
    await written(app);
    const statements = await statementsOf(app, () => beat(client, id));
    // What is written together, every second, may come in between.
    expect(statements.filter((statement) => /gateway/.test(statement) && !/UPDATE gateway/.test(statement))).toEqual(
      [],
    );
  });

  it('of all gateways is written in one statement', async () => {
    const several = [await newGateway(), await newGateway(), await newGateway()];
    clock.advance(second);
    await written(app);
    const statements = await statementsOf(app, async () => {
      for (const { id, client } of several) await beat(client, id, { inFlight: 4 });
      await written(app);
    });
    expect(statements.filter((statement) => /UPDATE gateway/.test(statement)).length).toBeLessThanOrEqual(2);
    for (const { id } of several) expect((await gatewayOf(id)).inFlight).toBe(4);
  });

  it('is handed, with the leases that it names, to whoever keeps them', async () => {
    const heard: AcceptedHeartbeat[] = [];
    const stop = app.app.services.gatewayHeartbeats.onHeartbeat((heartbeat) => heard.push(heartbeat));
    const { id, client } = await newGateway();
    await beat(client, id, { inFlight: 2, leaseIds: ['lease_1', 'lease_2'] });
    await beat(client, id);
    stop();
    await beat(client, id);
    const gatewayId = decodeId('Gateway', id);
    expect(heard).toEqual([
      { gatewayId, at: clock.now(), inFlight: 2, leaseIds: ['lease_1', 'lease_2'] },
      { gatewayId, at: clock.now(), inFlight: 0, leaseIds: [] },
    ]);
  });

  it('is accepted of nobody but the key that registered the gateway: all others find none', async () => {
    const tenant = await seed.tenant();
    const { id } = await newGateway(tenant.id);
    const sibling = await newGateway(tenant.id);
    const missing = await beat(sibling.client, missingGateway);
    expect(missing).toMatchObject({ code: 'NOT_FOUND' });
    for (const client of [sibling.client, operator, (await newGateway()).client]) {
      expect(await beat(client, id)).toEqual(missing);
    }
  });

  it('is refused once the gateway was deregistered, on every replica, until it registers again', async () => {
    const { id, name, key, client } = await newGateway();
    const elsewhere = withSecret(other, key.secret);
    for (const each of [client, elsewhere]) expect((await beat(each, id)).code).toBeUndefined();
    await commands.runPartly(client, 'deregisterGateway', { gatewayId: id });
    expect(await beat(client, id)).toMatchObject({ code: 'INVALID_STATE', currentState: 'LEFT', path: ['gatewayId'] });
    await eventually(async () => expect((await beat(elsewhere, id)).code).toBe('INVALID_STATE'));
    await written(app, other);
    expect(await gatewayOf(id)).toMatchObject({ status: 'LEFT', leftAt: clock.now().toISOString() });
    expect(await idsOf({ filter: { statuses: ['LEFT'] } })).toContain(id);
    await register(client, { name });
    await eventually(async () => expect((await beat(elsewhere, id)).code).toBeUndefined());
    expect(await gatewayOf(id)).toMatchObject({ status: 'ALIVE', leftAt: null });
  });

  it('that could not be written is written later', async () => {
    const { id, client } = await newGateway();
    clock.advance(second);
    await beat(client, id, { inFlight: 9 });
    const { pool } = app.app.database;
    await pool.query('ALTER TABLE gateway RENAME TO gateway_away');
    try {
      await expect(written(app)).rejects.toThrow();
    } finally {
      await pool.query('ALTER TABLE gateway_away RENAME TO gateway');
    }
    await written(app);
    expect((await gatewayOf(id)).inFlight).toBe(9);
    // The turn of every second may have come in between.
    expect(app.logged.filter((line) => !line.includes('heartbeats of gateways could not be written'))).toEqual([]);
  });
});

describe('deregistering', () => {
  it('is for the key that registered, and for whoever manages the gateways that it sees', async () => {
    const tenant = await seed.tenant();
    const tenantId = decodeId('Tenant', tenant.id);
    const sibling = await newGateway(tenant.id);
    const run = (client: Client, gatewayId: string) => commands.runPartly(client, 'deregisterGateway', { gatewayId });
    const mine = await newGateway(tenant.id);
    expect(await run(sibling.client, mine.id)).toMatchObject({ code: 'NOT_FOUND' });
    expect(await run(app.ofTenant(tenantId, 'gateways:write'), (await newGateway()).id)).toMatchObject({
      code: 'NOT_FOUND',
    });
    expect((await run(mine.client, mine.id)).gateway).toMatchObject({ id: mine.id });
    const managed = await newGateway(tenant.id);
    expect((await run(app.ofTenant(tenantId, 'gateways:write'), managed.id)).code).toBeUndefined();
    const ofDeployment = await newGateway();
    expect((await run(app.withScopes('gateways:write', 'gateways:read'), ofDeployment.id)).code).toBeUndefined();
    expect((await gatewayOf(ofDeployment.id)).status).toBe('LEFT');
  });
});

describe('a gateway that is not there', () => {
  const days = (count: number) => count * 24 * 60 * 60 * 1_000;
  /** As the next turn would, so much later. */
  const forget = (afterMs: number) => forgetGateways(app.app.database, new Date(clock.now().getTime() + afterMs));
  const exists = async (id: string) => (await operator.run(oneGateway, { id })).gateway !== null;

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
  it.each(['NAME', 'REGISTERED_AT'] as const)(
    'are sorted by %s in both directions, and found by name',
    async (field) => {
      const made: { id: string; key: string }[] = [];
      for (const prefix of ['c', 'A', 'b']) {
        clock.advance(5);
        const { id, name } = await seed.gateway({ name: `${prefix} sorted by ${field}` });
        made.push({ id, key: field === 'NAME' ? name.toLowerCase() : clock.now().toISOString() });
      }
      const ascending = made.toSorted((one, another) => (one.key < another.key ? -1 : 1)).map(({ id }) => id);
      const filter = { name: { contains: `SORTED by ${field}` } };
      expect(await idsOf({ filter, orderBy: { field, direction: 'ASC' } })).toEqual(ascending);
      expect(await idsOf({ filter, orderBy: { field, direction: 'DESC' } })).toEqual(ascending.toReversed());
    },
  );

  it('stay when the key is deleted that registered them, and go with their tenant', async () => {
    const { id, key } = await newGateway();
    await seed.run('deleteKey', { keyId: key.id });
    expect(await gatewayOf(id)).toMatchObject({ key: null, registeredBy: { name: key.name } });
    const tenant = await seed.tenant();
    const gateway = await newGateway(tenant.id);
    await seed.run('deleteTenant', { tenantId: tenant.id, cascade: true });
    expect(await operator.run(oneGateway, { id: gateway.id })).toEqual({ gateway: null });
  });
});

recordsStatements(app, seed, gatewayCases);

it('a page of gateways sends these statements, however many there are', async () => {
  const query = `{ gateways(first: 100) { totalCount edges { node {
    name status key { name } tenant { name } capacity { maxInFlight source }
  } } } }`;
  const sent = async () => {
    clock.advance(600_000);
    await Promise.all([app.app.keyUsage.flush(), written(app)]);
    return (await statementsOf(app, () => operator.send(query))).toSorted();
  };
  await seed.gatewayOfKey((await seed.tenant()).id);
  const few = await sent();
  expect(few).toMatchSnapshot();
  for (let index = 0; index < 5; index += 1) await seed.gatewayOfKey();
  expect(await sent()).toEqual(few);
});
