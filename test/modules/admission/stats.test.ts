import { beforeEach, describe, expect, it } from 'vitest';
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
const { admission } = app.app.services;

// Rates are over the last seconds: those of the test before are over.
beforeEach(() => app.clock.advance(10_000));
expectNoFailures(app);

const AdmissionStatsFollow = graphql(`
  subscription AdmissionStatsFollow {
    statsLive(minIntervalMs: 100) {
      totals {
        admittedPerSecond
      }
    }
  }
`);

const AdmissionStatsSlots = graphql(`
  query AdmissionStatsSlots {
    fairshare {
      totals {
        capacity
        configuredCapacity
      }
    }
    stats {
      totals {
        maxInFlight
      }
    }
  }
`);

describe('stats', () => {
  it('count what was admitted, refused and settled in the last seconds, and how long it waited', async () => {
    const model = await modelWith(app, seed, 2);
    const caller = await callerOf(seed);
    const limited = await callerOf(seed, { limits: { requestsPerMinute: 1 } });
    const wanted = { keyId: caller.keyId, model: model.name };
    const held = await gate.admitSeveral(2, wanted);
    const waiting = gate.admit({ ...wanted, requestId: 'third' });
    await gate.whenQueued('third');
    app.clock.advance(1_000);
    const { id: other } = await gate.admit({ keyId: limited.keyId });
    await gate.refused({ keyId: limited.keyId });
    await gate.refused({ keyId: limited.keyId });

    const before = await statsOf(app.operator);
    expect(before.totals).toMatchObject({
      inFlight: 3,
      queued: 1,
      admittedPerSecond: 0.6,
      refusedPerSecond: 0.4,
      settledPerSecond: 0,
      tokensPerSecond: 0,
      refusals: [{ reason: 'RATE_LIMITED', perSecond: 0.4 }],
      queueWaitP50Ms: 0,
      queueWaitP99Ms: 0,
      oldestWaitMs: 1_000,
    });

    await gate.settle(held[0] ?? '', { inputTokens: 30, outputTokens: 70 });
    const third = await waiting;
    app.clock.advance(100);
    const stats = await statsOf(app.operator);
    expect(stats.totals).toMatchObject({
      inFlight: 3,
      queued: 0,
      admittedPerSecond: 0.8,
      settledPerSecond: 0.2,
      tokensPerSecond: 20,
      queueWaitP50Ms: 0,
      queueWaitP99Ms: 1_000,
      oldestWaitMs: null,
    });
    expect(stats.tenants).toEqual(
      expect.arrayContaining([
        expect.objectContaining({ inFlight: 2, admittedPerSecond: 0.6, settledPerSecond: 0.2, tokensPerSecond: 20 }),
        expect.objectContaining({ inFlight: 1, admittedPerSecond: 0.2, refusedPerSecond: 0.4 }),
      ]),
    );

    // What is long past counts no more.
    for (const id of [held[1] ?? '', other, third.id]) await gate.settle(id);
    app.clock.advance(6_000);
    expect(await statsOf(app.operator)).toMatchObject({
      totals: { inFlight: 0, admittedPerSecond: 0, refusals: [], queueWaitP99Ms: null },
      tenants: [],
    });
  });

  it('count a settlement that comes after its lease has expired, once', async () => {
    const { keyId } = await callerOf(seed);
    const lease = await gate.admit({ keyId, leaseSeconds: 10 });
    app.clock.advance(10_000);
    await eventually(async () => expect(await gate.leaseIds()).toEqual([]));
    const totals = async () => (await statsOf(app.operator)).totals;
    expect(await totals()).toMatchObject({ settledPerSecond: 0, tokensPerSecond: 0 });
    for (let time = 0; time < 2; time += 1) {
      expect(await gate.settle(lease.id, { inputTokens: 30, outputTokens: 70 })).toMatchObject({
        usageRecord: { settlement: 'LATE' },
      });
    }
    app.clock.advance(100);
    expect(await totals()).toMatchObject({ settledPerSecond: 0.2, tokensPerSecond: 20 });
  });

  it('fall to nothing before the eyes of those who follow them, when nothing happens any more', async () => {
    const { keyId } = await callerOf(seed);
    const following = await follow(app.app, app.operator, AdmissionStatsFollow, {});
    expect((await following.next()).statsLive.totals?.admittedPerSecond).toBe(0);
    const first = following.next();
    await gate.settle((await gate.admit({ keyId })).id);
    app.clock.advance(500);
    const seen = [(await first).statsLive.totals?.admittedPerSecond];
    while (seen.at(-1) !== 0 && seen.length < 10) {
      const next = following.next();
      app.clock.advance(1_000);
      seen.push((await next).statsLive.totals?.admittedPerSecond);
    }
    expect(seen.slice(0, 4)).toEqual([0.2, 0.2, 0.2, 0.2]);
    expect(seen.at(-1)).toBe(0);
    expect(seen.length).toBeLessThanOrEqual(7);
    await following.stop();
  });

  it('count the slots of models that are enabled, no more than may run at once', async () => {
    const model = await modelWith(app, seed, 1_000);
    const shown = async () => {
      app.clock.advance(1_000);
      const { fairshare, stats } = await app.operator.run(AdmissionStatsSlots);
      return [fairshare.totals?.capacity, fairshare.totals?.configuredCapacity, stats.totals?.maxInFlight];
    };
    const [all = 0] = await shown();
    expect(await shown()).toEqual([all, all, all]);
    await seed.run('setCapacity', { deployment: 900 });
    await admission.refreshed();
    expect(await shown()).toEqual([all, all, 900]);
    await seed.run('updateModel', { modelId: model.id, isEnabled: false });
    await admission.refreshed();
    const rest = all - 1_000;
    expect(await shown()).toEqual([rest, rest, Math.min(900, rest)]);
    await seed.run('setCapacity', { deployment: null });
    await admission.refreshed();
  });

  it('count the gateways that were heard of lately', async () => {
    const alive = async () => (await statsOf(app.operator)).totals?.gatewaysAlive;
    const silenceMs = app.config.gateways.silenceSeconds * 1_000;
    const { id: gatewayId } = await seed.gateway();
    await admission.refreshed();
    app.clock.advance(1_000);
    expect(await alive()).toBe(1);
    app.clock.advance(silenceMs - 5_000);
    await seed.run('gatewayHeartbeat', { gatewayId, inFlight: 0 });
    app.clock.advance(silenceMs - 5_000);
    expect(await alive()).toBe(1);
    app.clock.advance(silenceMs);
    expect(await alive()).toBe(0);
  });
});
