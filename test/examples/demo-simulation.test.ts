import { expect, test } from 'vitest';
import { arrivals, intensityAt, type Pattern } from '../../examples/demo/simulation/arrivals.ts';
import { isSilentAt, type Plan, planOf } from '../../examples/demo/simulation/plan.ts';
import { Random } from '../../examples/demo/simulation/random.ts';
import { type SimulatedRequest, workloadOf } from '../../examples/demo/simulation/workload.ts';

const patterns: readonly Pattern[] = [
  { kind: 'STEADY' },
  { kind: 'WAVE', periodMs: 60_000, depth: 0.9 },
  { kind: 'BURSTS', periodMs: 20_000, lengthMs: 4_000, factor: 4 },
];

function timesUntil(untilMs: number, times: Iterable<number>): readonly number[] {
  const taken: number[] = [];
  for (const ms of times) {
    if (ms >= untilMs) return taken;
    taken.push(ms);
  }
  return taken;
}

function requestsUntil(untilMs: number, plan: Plan, seed: string): readonly SimulatedRequest[] {
  const taken: SimulatedRequest[] = [];
  for (const request of workloadOf(plan, seed)) {
    if (request.atMs >= untilMs) return taken;
    taken.push(request);
  }
  return taken;
}

const plan = planOf({ name: 'test', tenants: 8, perSecond: 20, durationMs: undefined });
const minutes10 = 600_000;
const requests = requestsUntil(minutes10, plan, 'seed');
const of = (label: string) => requests.filter(({ tenant }) => tenant.name.endsWith(label));

test.each(patterns)('$kind: as many requests come as its mean rate says, and when it says', (pattern) => {
  const times = timesUntil(minutes10, arrivals(new Random('arrivals'), { pattern, perSecond: 10, fromMs: 0 }));
  expect(times.length).toBeGreaterThan(5_700);
  expect(times.length).toBeLessThan(6_300);
  expect(times.toSorted((a, b) => a - b)).toEqual(times);
  // In each tenth of a period, over all periods.
  const periodMs = pattern.kind === 'STEADY' ? 60_000 : pattern.periodMs;
  for (let tenth = 0; tenth < 10; tenth += 1) {
    const parts = Array.from({ length: 100 }, (_, index) => ((tenth + index / 100) / 10) * periodMs);
    const expected = (600 * parts.reduce((sum, ms) => sum + intensityAt(pattern, ms), 0)) / 100;
    const came = times.filter((ms) => Math.floor(((ms % periodMs) / periodMs) * 10) === tenth).length;
    // Five times the standard deviation of what comes at random.
    expect(Math.abs(came - expected), `tenth ${tenth}`).toBeLessThan(5 * Math.sqrt(expected + 1));
  }
});

test('no requests come of a rate of nothing, and none before a tenant joins', () => {
  const [steady] = patterns;
  if (steady === undefined) throw new Error('There are no patterns.');
  expect([...arrivals(new Random('none'), { pattern: steady, perSecond: 0, fromMs: 0 })]).toEqual([]);
  const [first] = arrivals(new Random('late'), { pattern: steady, perSecond: 5, fromMs: 30_000 });
  expect(first).toBeGreaterThan(30_000);
});

test('the same seed gives the same requests, whatever the demo is called, and another seed others', () => {
  const again = planOf({ name: 'another', tenants: 8, perSecond: 20, durationMs: undefined });
  const plain = ({ tenant, key, gateway, model, sessionId, ...shape }: SimulatedRequest) => ({
    ...shape,
    tenant: tenant.label,
    key: key.name,
  });
  const before = requests.filter(({ atMs }) => atMs < 20_000);
  expect(requestsUntil(20_000, again, 'seed').map(plain)).toEqual(before.map(plain));
  expect(requestsUntil(20_000, plan, 'other')).not.toEqual(requestsUntil(20_000, plan, 'seed'));
});

test('the numbers of one name do not depend on those of another', () => {
  const alone = new Random('seed').fork('b').next();
  const random = new Random('seed');
  random.next();
  random.fork('a').next();
  expect(random.fork('b').next()).toBe(alone);
});

test('requests come in the order of time, at the rate that was asked for', () => {
  const times = requests.map(({ atMs }) => atMs);
  expect(times.toSorted((a, b) => a - b)).toEqual(times);
  expect(times.length / 600).toBeGreaterThan(18);
  expect(times.length / 600).toBeLessThan(22);
});

test('the noisy neighbour asks for more than anybody else, and the late joiner for nothing before it joins', () => {
  const noisy = of('noisy neighbour').length;
  for (const { name } of plan.tenants) {
    if (!name.endsWith('noisy neighbour')) expect(of(name).length, name).toBeLessThan(noisy);
  }
  expect(of('late joiner')[0]?.atMs).toBeGreaterThan(30_000);
});

test('a gateway that is silent is sent nothing, and comes back; others are never silent', () => {
  const [failing, ...more] = plan.gateways.filter(({ outage }) => outage !== null);
  expect(more).toEqual([]);
  if (failing?.outage === undefined || failing.outage === null) throw new Error('No gateway fails.');
  const { fromMs, lengthMs, everyMs } = failing.outage;
  const times = requests.filter(({ gateway }) => gateway === failing).map(({ atMs }) => atMs);
  expect(times.filter((ms) => isSilentAt(failing, ms))).toEqual([]);
  for (const start of [fromMs, fromMs + everyMs]) {
    expect(times.filter((ms) => ms >= start && ms < start + lengthMs)).toEqual([]);
    expect(times.filter((ms) => ms >= start - 10_000 && ms < start).length).toBeGreaterThan(0);
    expect(times.filter((ms) => ms > start + lengthMs && ms < start + lengthMs + 10_000).length).toBeGreaterThan(0);
  }
});

test('slots are fewer than what the busiest moment takes and enough for the mean, but for the model with a queue', () => {
  for (const { model, slots } of plan.models) {
    const own = requests.filter((request) => request.model === model);
    const taken = own.reduce((sum, { totalMs }) => sum + totalMs, 0) / minutes10;
    if (model.name === 'demo test large chat') expect(taken, model.name).toBeGreaterThan(slots * 0.9);
    else expect(taken, model.name).toBeLessThan(slots);
  }
});

test('what a request uses is near its estimate, and some fail or have impatient clients', () => {
  for (const { model, outputTokens, totalMs, ttftMs, ...request } of requests) {
    expect(request.estimatedInputTokens).toBeGreaterThan(0);
    expect(Number.isInteger(outputTokens) && outputTokens >= 0).toBe(true);
    expect(totalMs).toBeGreaterThanOrEqual(ttftMs);
    if (model.type === 'EMBEDDING') expect(outputTokens + request.estimatedOutputTokens).toBe(0);
  }
  const chats = requests.filter(({ model, statusCode }) => model.type === 'CHAT' && statusCode === 200);
  const ratios = chats.map(({ outputTokens, estimatedOutputTokens }) => outputTokens / estimatedOutputTokens);
  expect(ratios.filter((ratio) => ratio > 0.5 && ratio < 2).length / ratios.length).toBeGreaterThan(0.9);
  const share = (count: number) => count / requests.length;
  expect(share(requests.filter(({ statusCode }) => statusCode === 500).length)).toBeCloseTo(0.02, 1);
  expect(share(requests.filter(({ patienceMs }) => patienceMs !== null).length)).toBeCloseTo(0.15, 1);
});

test.each([
  { tenants: 1, perSecond: 0.5, durationMs: 1_000 },
  { tenants: 2, perSecond: 1, durationMs: 10_000 },
  { tenants: 100, perSecond: 500, durationMs: undefined },
])('a plan of $tenants tenants names everything as the demo’s, once, and fits into its duration', (options) => {
  const { groups, tenants, models, gateways } = planOf({ ...options, name: 'test' });
  expect(tenants).toHaveLength(options.tenants);
  for (const named of [groups, tenants, models.map(({ model }) => model), gateways]) {
    const names = named.map(({ name }) => name);
    expect(new Set(names).size).toBe(names.length);
    expect(names.filter((name) => !name.startsWith('demo test '))).toEqual([]);
  }
  expect(tenants.reduce((sum, { perSecond }) => sum + perSecond, 0)).toBeCloseTo(options.perSecond);
  for (const { slots } of models) expect(slots).toBeGreaterThanOrEqual(2);
  for (const { joinsAtMs } of tenants) expect(joinsAtMs).toBeLessThan(options.durationMs ?? 60_000);
  for (const { outage } of gateways) {
    if (outage !== null) expect(outage.fromMs + outage.lengthMs).toBeLessThan(options.durationMs ?? 120_000);
  }
});
