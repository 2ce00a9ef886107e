import { beforeEach, describe, expect, it } from 'vitest';
import { decodeId } from '../../../src/graph/ids.ts';
import type { AcceptedHeartbeat } from '../../../src/modules/gateways/heartbeats.ts';
import { startTestApp } from '../../testkit/app.ts';
import { expectNoFailures } from '../../testkit/bad-input.ts';
import { eventually } from '../../testkit/eventually.ts';
import { missingGateway } from '../../testkit/ids.ts';
import { withSecret } from '../../testkit/keys.ts';
import { statementsOf } from '../../testkit/statements.ts';
import { startGateways, written } from './gateways.ts';

const { app, seed, gatewayOf, idsOf, register, deregister, beat, newGateway } = await startGateways();
const { operator, clock } = app;
const other = await startTestApp({ sameDatabaseAs: app, clock });
expectNoFailures(other);
// Time stands still, so what a caller may spend does not come back by itself.
beforeEach(() => clock.advance(600_000));

const second = 1_000;

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
    await deregister(client, id);
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
