import { expect, it } from 'vitest';
import { startTestApp } from '../../testkit/app.ts';
import { eventually } from '../../testkit/eventually.ts';
import { callerOf, Gate, modelWith } from '../../testkit/gate.ts';
import { Seed } from '../../testkit/seed.ts';

const app = await startTestApp();
const seed = new Seed(app);
const gate = new Gate(app.operator);
const { prisma } = app.app.database;

it('a request is admitted by its key, holds its slot, and is settled with its cost by the prices of the model', async () => {
  const model = await modelWith(app, seed, 2, {
    prices: { inputTokenUsd: '0.00000015', outputTokenUsd: '0.0000006' },
  });
  const { key, keyId, tenantId } = await callerOf(seed);
  const lease = await gate.admit({ key, model: model.name, requestId: 'one' });
  expect(lease).toMatchObject({ keyId, tenantId, modelId: model.id, requestId: 'one', admission: 'FAST' });
  expect(await gate.leaseIds()).toEqual([lease.id]);
  const settled = await gate.settle(lease.id, { inputTokens: 100, outputTokens: 50, ttftMs: 12, totalMs: 80 });
  expect(settled).toMatchObject({
    isRepeated: false,
    usageRecord: { settlement: 'SETTLED', inputTokens: 100, outputTokens: 50, costUsd: '0.000045', ttftMs: 12 },
  });
  expect(await gate.leaseIds()).toEqual([]);
  expect(await gate.settle(lease.id, { inputTokens: 1 })).toEqual({ ...settled, isRepeated: true });
  expect(await prisma.usageRecord.count()).toBe(1);
  expect(await prisma.lease.count()).toBe(0);
});

it('of more requests than slots, the others wait, and each settlement lets one in', async () => {
  const model = await modelWith(app, seed, 2);
  const { keyId } = await callerOf(seed);
  const ask = (requestId: string) => gate.admit({ keyId, model: model.name, requestId });
  const first = await Promise.all([ask('a'), ask('b')]);
  const waiting = ask('c');
  await eventually(async () => expect(await gate.queued('c')).toMatchObject({ position: 1 }));
  await gate.settle(first[0].id);
  expect(await waiting).toMatchObject({ requestId: 'c', admission: 'QUEUED' });
  await Promise.all([first[1].id, (await waiting).id].map((id) => gate.settle(id)));
});
