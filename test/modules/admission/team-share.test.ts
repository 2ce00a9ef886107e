import { afterAll, beforeEach, describe, expect, it } from 'vitest';
import { startTestApp } from '../../testkit/app.ts';
import { callerOf, Gate, modelWith } from '../../testkit/gate.ts';
import { Seed } from '../../testkit/seed.ts';

const app = await startTestApp();
const seed = new Seed(app);
const gate = new Gate(app.operator);

// Time stands still, so what a caller may spend does not come back by itself.
beforeEach(() => app.clock.advance(60_000));

afterAll(() => expect(app.logged).toEqual([]));

/** A team of which each user can take half, with a key that is for whoever is named, and two keys of the first user. */
async function teamWith(limits: Record<string, unknown>, userSharePercent: number | null = 50) {
  const { tenantId, keyId } = await callerOf(seed);
  const { id: teamId } = await seed.team({ tenantId, limits, userSharePercent });
  const users = [await seed.user({ tenantId, teamId }), await seed.user({ tenantId, teamId })] as const;
  const [{ id: userId, externalId: one }, { externalId: other }] = users;
  const ofUser = { kind: 'USER', userId, scopes: ['cloud:inference'] };
  const own = [(await seed.key(ofUser)).id, (await seed.key(ofUser)).id] as const;
  return {
    teamId,
    userId,
    tenantId,
    keyId,
    own,
    one: { keyId, userExternalId: one },
    other: { keyId, userExternalId: other },
  };
}

describe('one user cannot drain the team, whose limit is', () => {
  // 30 tokens a request, for a dollar each: a user gets two requests of the team's four.
  it.each([
    [{ requestsPerMinute: 4 }, 'RATE_LIMITED', { name: 'REQUESTS_PER_MINUTE', limit: '2', used: '2' }],
    [{ tokensPerMinute: 120 }, 'TOKENS_PER_MINUTE', { name: 'TOKENS_PER_MINUTE', limit: '60', used: '60' }],
    [{ tokensPerDay: 120 }, 'DAILY_TOKENS', { name: 'TOKENS_PER_DAY', limit: '60', used: '60' }],
    [{ budget: { tokens: 120 } }, 'BUDGET_EXHAUSTED', { name: 'BUDGET_TOKENS', limit: '60', used: '60' }],
    [{ budget: { costUsd: '120' } }, 'BUDGET_EXHAUSTED', { name: 'BUDGET_COST_USD', limit: '60', used: '60' }],
  ])('%j: by whatever key, half is left for the others', async (limits, code, limit) => {
    const model = await modelWith(app, seed, 9, { prices: { inputTokenUsd: '1', outputTokenUsd: '1' } });
    const { teamId, userId, own, one, other } = await teamWith(limits);
    const wanted = { model: model.name, estimatedInputTokens: 10, estimatedOutputTokens: 20 };
    const leases = [await gate.admit({ ...wanted, ...one }), await gate.admit({ ...wanted, keyId: own[0] })];
    for (const as of [one, { keyId: own[0] }, { keyId: own[1] }]) {
      expect(await gate.refused({ ...wanted, ...as })).toMatchObject({
        code,
        limit: { owner: { type: 'TEAM_USER_SHARE', id: teamId, userId }, ...limit },
      });
    }
    leases.push(await gate.admit({ ...wanted, ...other }), await gate.admit({ ...wanted, ...other }));
    // What the user gives back, and nothing else, can be taken again.
    await gate.cancel({ leaseId: leases[0]?.id ?? '' });
    leases[0] = await gate.admit({ ...wanted, keyId: own[1] });
    await gate.refused({ ...wanted, ...one });
    for (const { id } of leases) await gate.settle(id);
  });

  it('requests in flight: the next ones of the user wait, and those of the others do not', async () => {
    const model = await modelWith(app, seed, 9);
    const { own, one, other } = await teamWith({ maxInFlight: 2 });
    const running = await gate.admit({ ...one, model: model.name });
    const waiting = gate.admit({ keyId: own[0], model: model.name, requestId: 'second' });
    await gate.whenQueued('second');
    const ofOther = await gate.admit({ ...other, model: model.name });
    expect(ofOther).toMatchObject({ admission: 'FAST' });
    await gate.settle(running.id);
    const second = await waiting;
    expect(second).toMatchObject({ admission: 'QUEUED' });
    for (const { id } of [ofOther, second]) await gate.settle(id);
  });
});

describe('what one user can take of the requests in flight', () => {
  it('is named when a team may have none, and the team itself where there is no such part', async () => {
    for (const [userSharePercent, type] of [
      [50, 'TEAM_USER_SHARE'],
      [null, 'TEAM'],
    ] as const) {
      const { teamId, one } = await teamWith({ maxInFlight: 0 }, userSharePercent);
      expect(await gate.refused(one)).toMatchObject({
        code: 'IN_FLIGHT_BLOCKED',
        limit: { owner: { type, id: teamId } },
      });
    }
  });

  it('acts on what waits when it becomes more, or all of the team', async () => {
    const model = await modelWith(app, seed, 9);
    const { teamId, one } = await teamWith({ maxInFlight: 4 }, 25);
    const leases = [await gate.admit({ ...one, model: model.name })];
    for (const userSharePercent of [50, null]) {
      const waiting = gate.admit({ ...one, model: model.name, requestId: `with ${userSharePercent}` });
      await gate.whenQueued(`with ${userSharePercent}`);
      await seed.run('updateTeam', { teamId, userSharePercent });
      leases.push(await waiting);
    }
    for (const { id } of leases) await gate.settle(id);
  });

  it('counts what ran already when there was no such part', async () => {
    const model = await modelWith(app, seed, 9);
    const { teamId, one, other } = await teamWith({ maxInFlight: 4 }, null);
    const leases = [await gate.admit({ ...one, model: model.name }), await gate.admit({ ...one, model: model.name })];
    await seed.run('updateTeam', { teamId, userSharePercent: 50 });
    const waiting = gate.admit({ ...one, model: model.name, requestId: 'third' });
    await gate.whenQueued('third');
    leases.push(await gate.admit({ ...other, model: model.name }));
    await gate.settle(leases.shift()?.id ?? '');
    leases.push(await waiting);
    for (const { id } of leases) await gate.settle(id);
  });
});

it('a user who used more than was estimated has nothing left, while the others keep what is left of the team', async () => {
  const { one, other } = await teamWith({ tokensPerDay: 120 }, 25);
  const wanted = { estimatedInputTokens: 10, estimatedOutputTokens: 20 };
  await gate.settle((await gate.admit({ ...wanted, ...one })).id, { inputTokens: 10, outputTokens: 35 });
  expect(await gate.refused({ ...wanted, ...one })).toMatchObject({
    code: 'DAILY_TOKENS',
    limit: { owner: { type: 'TEAM_USER_SHARE' }, limit: '30', used: '45', remaining: '0' },
  });
  await gate.settle((await gate.admit({ ...wanted, ...other })).id);
});
