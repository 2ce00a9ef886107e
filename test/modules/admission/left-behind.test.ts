import { expect, it } from 'vitest';
import type { Prisma } from '../../../src/database/generated/client.ts';
import { decodeId, newId } from '../../../src/graph/ids.ts';
import { leaseRow } from '../../testkit/admission.ts';
import { startTestApp } from '../../testkit/app.ts';
import { eventually } from '../../testkit/eventually.ts';
import { callerOf, Gate, modelWith } from '../../testkit/gate.ts';
import { Seed } from '../../testkit/seed.ts';

it('leases of processes that ended long ago, of whatever is gone since, end with the next one that decides', async () => {
  const first = await startTestApp();
  const second = await startTestApp({ sameDatabaseAs: first, clock: first.clock });
  const seed = new Seed(first);
  const { keyId, tenantId } = await callerOf(seed);
  const { id: modelId } = await modelWith(first, seed, 1);
  const { prisma } = second.app.database;
  const nobody = newId();
  const expiresAt = new Date(first.clock.now().getTime() - 86_400_000);
  const readable = [1, 30, '0', 'UTC', []];
  const left = [
    leaseRow({ expiresAt, tenantId: nobody, keyId: nobody, modelId: nobody, pool: nobody, reservation: readable }),
    leaseRow({ expiresAt, tenantId: decodeId('Tenant', tenantId), keyId: decodeId('ApiKey', keyId), userId: nobody }),
    leaseRow({ expiresAt, modelId: decodeId('Model', modelId), pool: decodeId('Model', modelId), gatewayId: null }),
  ];
  for (const { reservation, ...row } of left) {
    // As it is read, it may be null, which it never is.
    await prisma.lease.create({ data: { ...row, reservation: reservation as Prisma.InputJsonValue } });
  }
  await prisma.limitCounter.create({ data: { key: `KEY:${nobody}`, state: 'what?', updatedAt: expiresAt } });
  await first.app.close();

  const gate = new Gate(second.operator);
  await eventually(async () => expect(await gate.ask({ keyId })).toMatchObject({ admission: 'FAST' }));
  first.clock.advance(1);
  await eventually(async () => expect(await prisma.lease.count()).toBe(1));
  const records = await prisma.usageRecord.findMany({ orderBy: { id: 'asc' } });
  expect(records.map(({ id, settlement }) => [id, settlement])).toEqual(
    left.map(({ id }) => [id, 'UNSETTLED']).toSorted(),
  );
  // Two of the reservations and the counter are nothing that can be read, and nothing waits for that.
  expect(second.logged.map((line) => /"msg":"([^"]*)"/.exec(line)?.[1]).toSorted()).toEqual([
    'what a lease took of limits cannot be read',
    'what a lease took of limits cannot be read',
    'what was kept of a counter of limits cannot be read',
  ]);
});

it('a lease that could not be removed when it was given back is removed later, and never recorded', async () => {
  const app = await startTestApp();
  const seed = new Seed(app);
  const gate = new Gate(app.operator);
  const { prisma, pool } = app.app.database;
  const { keyId } = await callerOf(seed, {}, { limits: { maxInFlight: 1 } });
  const { id: leaseId } = await gate.admit({ keyId, requestId: 'mine' });
  const client = await pool.connect();
  try {
    await client.query('BEGIN');
    await client.query('SELECT FROM lease WHERE id = $1 FOR UPDATE', [decodeId('Lease', leaseId)]);
    // Nobody is told that it is gone as long as it is not: another process would take it over.
    const answers = await Promise.all([gate.cancel({ leaseId }), gate.cancel({ requestId: 'mine' })]);
    expect(answers).toMatchObject([{ code: 'NOT_READY' }, { code: 'NOT_READY' }]);
    expect(await gate.leaseIds()).toEqual([]);
  } finally {
    await client.query('ROLLBACK');
    client.release();
  }
  await eventually(async () => expect(await prisma.lease.count()).toBe(0));
  for (const wanted of [{ leaseId }, { requestId: 'mine' }]) {
    expect(await gate.cancel(wanted)).toMatchObject({ cancellation: 'RELEASED' });
  }
  expect(await gate.admit({ keyId })).toMatchObject({ admission: 'FAST' });
  expect(await prisma.usageRecord.count()).toBe(0);
});

it('counters that count for nothing any more are removed, and count again from the next request on', async () => {
  const app = await startTestApp();
  const seed = new Seed(app);
  const gate = new Gate(app.operator);
  const { prisma } = app.app.database;
  const { keyId } = await callerOf(seed, { limits: { tokensPerDay: 100 } }, { limits: { requestsPerMinute: 1 } });
  const keys = async () => (await prisma.limitCounter.findMany()).map(({ key }) => key.split(':')[0]).toSorted();
  await gate.settle((await gate.admit({ keyId })).id);
  await eventually(async () => expect(await keys()).toEqual(['KEY', 'TENANT']));
  app.clock.advance(61_000);
  await eventually(async () => expect(await keys()).toEqual(['TENANT']));
  await gate.settle((await gate.admit({ keyId })).id);
  expect(await gate.refused({ keyId })).toMatchObject({ code: 'RATE_LIMITED', limit: { used: '1' } });
  await eventually(async () => expect(await keys()).toEqual(['KEY', 'TENANT']));
});

it('counters without an end go when their owner is deleted, whichever it is, and stay as long as it is there', async () => {
  const app = await startTestApp();
  const seed = new Seed(app);
  const gate = new Gate(app.operator);
  const { admission } = app.app.services;
  const { prisma } = app.app.database;
  const limits = { budget: { tokens: 1_000_000, period: 'LIFETIME' } };
  const { tenantId } = await callerOf(seed, { limits });
  const team = await seed.team({ tenantId, limits, userSharePercent: 50 });
  const users = [
    await seed.user({ tenantId, teamId: team.id, limits }),
    await seed.user({ tenantId, teamId: team.id, limits }),
  ];
  const { id: keyId } = await seed.key({ tenantId, scopes: ['cloud:inference'], limits });
  const product = await seed.product({ tenantId, limits });
  const { id: ofProduct } = await seed.key({ kind: 'PRODUCT', productId: product.id, scopes: ['cloud:inference'] });
  for (const { externalId } of users) {
    await gate.settle((await gate.admit({ keyId, userExternalId: externalId })).id);
  }
  await gate.settle((await gate.admit({ keyId: ofProduct })).id);
  const left = async () => {
    await admission.flush();
    await admission.forgetGone();
    // A round is over, and the next one begins.
    await admission.forgetGone();
    return (await prisma.limitCounter.findMany({ orderBy: { key: 'asc' } })).map(({ key }) => key);
  };
  const [first, second] = users.map(({ id }) => decodeId('User', id));
  const ofTeam = decodeId('Team', team.id);
  const counterOf = {
    key: `KEY:${decodeId('ApiKey', keyId)}`,
    product: `PRODUCT:${decodeId('Product', product.id)}`,
    team: `TEAM:${ofTeam}`,
    shares: [`TEAM_USER_SHARE:${ofTeam}:${first}`, `TEAM_USER_SHARE:${ofTeam}:${second}`],
    tenant: `TENANT:${decodeId('Tenant', tenantId)}`,
    users: [`USER:${first}`, `USER:${second}`],
  };
  const all = Object.values(counterOf).flat();
  expect(await left()).toEqual(all.toSorted());
  const gone = new Set<string>();
  const expectGone = async (...keys: readonly (string | undefined)[]) => {
    for (const key of keys) gone.add(String(key));
    expect(await left()).toEqual(all.filter((key) => !gone.has(key)).toSorted());
  };
  await seed.run('deleteKey', { keyId });
  await expectGone(counterOf.key);
  await seed.run('deleteUser', { userId: users[0]?.id });
  await expectGone(counterOf.users[0], counterOf.shares[0]);
  await seed.run('deleteTeam', { teamId: team.id });
  await expectGone(counterOf.team, counterOf.shares[1]);
  await seed.run('deleteTenant', { tenantId, cascade: true });
  await expectGone(...all);
});
