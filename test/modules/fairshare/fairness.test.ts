import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { weights } from './contenders.ts';
import type { Known } from './world.ts';
import { tenantOf, World } from './world.ts';

/**
 * One pool without other caps, so that whoever waits could run, and the only question is who is first. What everybody
 * was served is counted here, from grants and settlements.
 */

const groups = ['g0', 'g1', 'g2'];
const tenants = ['t0', 't1', 't2', 't3'];
const keys = tenants.flatMap((tenant) => [`${tenant}.0`, `${tenant}.1`]);

interface Scene {
  readonly capacity: number;
  readonly groupOf: Readonly<Record<string, string>>;
  readonly weights: Readonly<Record<string, number>>;
  readonly maxCost: number;
  /** How many requests each key keeps waiting. */
  readonly steps: readonly Step[];
}

interface Step {
  /** Which of those who run ends, and which part of its estimate it costs. */
  readonly nth: number;
  readonly costPart: number;
  /** What keys ask for at this time; `undefined` leaves a key idle for the moment. */
  readonly asks: readonly { readonly key: number; readonly cost: number }[];
}

const scenes = (costParts: fc.Arbitrary<number>): fc.Arbitrary<Scene> =>
  fc
    .record({
      capacity: fc.integer({ min: 1, max: 8 }),
      groupOf: fc.record(Object.fromEntries(tenants.map((tenant) => [tenant, fc.constantFrom(...groups)]))),
      weights: fc.record(Object.fromEntries([...groups, ...tenants, ...keys].map((name) => [name, weights]))),
      maxCost: fc.constantFrom(1, 10, 1_000),
      steps: fc.array(
        fc.record({
          nth: fc.nat({ max: 7 }),
          costPart: costParts,
          asks: fc.array(fc.record({ key: fc.nat({ max: keys.length - 1 }), cost: fc.nat() }), { maxLength: 3 }),
        }),
        { minLength: 40, maxLength: 200, size: 'max' },
      ),
    })
    .map((scene) => ({
      ...scene,
      steps: scene.steps.map((step) => ({
        ...step,
        asks: step.asks.map((ask) => ({ ...ask, cost: 1 + (ask.cost % scene.maxCost) })),
      })),
    }));

/** Whose siblings a member is among. */
interface Member {
  readonly name: string;
  readonly siblings: string;
  readonly weight: number;
}

class Account {
  tokens = 0;
  waiting = 0;
  largest = 0;
  /** Requests that were granted since it began to wait without a break. */
  readonly granted = new Set<Known>();
}

/** Two siblings from when both wait until one does not. The difference is that of their tokens / weight, a's less b's. */
interface Comparison {
  /** Where a was served in order with b waiting, the highest difference; and the lowest where b was. */
  highestForA: number;
  lowestForB: number;
  /** The difference at first, once neither had an advance. */
  first: number | undefined;
}

class Auditor {
  readonly #scene: Scene;
  readonly #accounts = new Map<string, Account>();
  readonly #comparisons = new Map<string, Comparison>();
  comparisons = 0;
  #isCorrected = false;

  constructor(scene: Scene) {
    this.#scene = scene;
  }

  waits(request: Known): void {
    for (const { name } of this.#members(request)) {
      const account = this.#account(name);
      account.waiting += 1;
      account.largest = Math.max(account.largest, request.cost);
    }
  }

  granted(request: Known): void {
    for (const member of this.#members(request)) {
      const account = this.#account(member.name);
      if (this.#isInOrder(account)) this.#compare(member);
      account.tokens += request.cost;
      account.granted.add(request);
      account.waiting -= 1;
      if (account.waiting > 0) continue;
      account.granted.clear();
      this.#forget(member.name);
    }
  }

  corrected(request: Known, difference: number): void {
    if (difference === 0) return;
    this.#isCorrected = true;
    for (const { name } of this.#members(request)) {
      const account = this.#account(name);
      account.tokens += difference;
      // What was granted before may have been forgotten, and then is not corrected.
      if (!account.granted.has(request)) this.#forget(name);
    }
  }

  /** Without corrections, which have to be made up for first, two siblings differ by no more than a request of each. */
  check(): void {
    if (this.#isCorrected) return;
    for (const [a, b] of this.#pairs()) {
      const [ofA, ofB] = [this.#account(a.name), this.#account(b.name)];
      const comparison = this.#comparison(a, b);
      if (!this.#isInOrder(ofA) || !this.#isInOrder(ofB)) continue;
      const difference = this.#difference(a, b);
      comparison.first ??= difference;
      this.comparisons += 1;
      const bound = ofA.largest / a.weight + ofB.largest / b.weight;
      expect(Math.abs(difference - comparison.first), `${a.name} ${b.name}`).toBeLessThanOrEqual(bound * (1 + 1e-9));
    }
  }

  /** Whoever was preferred was not ahead of who had to wait: all times at which a was, and those at which b was, agree. */
  #compare(served: Member): void {
    for (const [a, b] of this.#pairs()) {
      if (a.name !== served.name && b.name !== served.name) continue;
      const comparison = this.#comparison(a, b);
      const difference = this.#difference(a, b);
      if (a.name === served.name) comparison.highestForA = Math.max(comparison.highestForA, difference);
      else comparison.lowestForB = Math.min(comparison.lowestForB, difference);
      this.comparisons += 1;
      const rounding = 1e-9 * (1 + Math.abs(difference));
      expect(comparison.highestForA, `${a.name} ${b.name}`).toBeLessThanOrEqual(comparison.lowestForB + rounding);
    }
  }

  /** Siblings of which both wait. */
  #pairs(): [Member, Member][] {
    const all = keys.flatMap((keyId) => this.#members({ keyId, tenantId: tenantOf(keyId) }));
    const waiting = [...new Map(all.map((member) => [member.name, member])).values()].filter(
      ({ name }) => this.#account(name).waiting > 0,
    );
    return waiting.flatMap((a) =>
      waiting.filter((b) => a.siblings === b.siblings && a.name < b.name).map((b): [Member, Member] => [a, b]),
    );
  }

  #members({ keyId, tenantId }: Pick<Known, 'keyId' | 'tenantId'>): Member[] {
    const group = this.#scene.groupOf[tenantId] ?? '';
    const weightOf = (name: string): number => this.#scene.weights[name] ?? 1;
    return [
      { name: group, siblings: 'pool', weight: weightOf(group) },
      { name: tenantId, siblings: group, weight: weightOf(tenantId) },
      { name: keyId, siblings: tenantId, weight: weightOf(keyId) },
    ];
  }

  /** What it was owed on return is a slot each at most, so that after as many grants it is served in order. */
  #isInOrder({ granted }: Account): boolean {
    return granted.size >= this.#scene.capacity;
  }

  #difference(a: Member, b: Member): number {
    return this.#account(a.name).tokens / a.weight - this.#account(b.name).tokens / b.weight;
  }

  #comparison(a: Member, b: Member): Comparison {
    const pair = `${a.name} ${b.name}`;
    const known = this.#comparisons.get(pair);
    if (known !== undefined) return known;
    const { POSITIVE_INFINITY: lowestForB, NEGATIVE_INFINITY: highestForA } = Number;
    const made = { highestForA, lowestForB, first: undefined };
    this.#comparisons.set(pair, made);
    return made;
  }

  #account(name: string): Account {
    const known = this.#accounts.get(name);
    if (known !== undefined) return known;
    const made = new Account();
    this.#accounts.set(name, made);
    return made;
  }

  #forget(name: string): void {
    for (const pair of this.#comparisons.keys()) if (pair.split(' ').includes(name)) this.#comparisons.delete(pair);
  }
}

/** Plays a scene in which most keys have something waiting most of the time. Gives how often siblings were compared. */
function audit(scene: Scene): number {
  const world = new World();
  const auditor = new Auditor(scene);
  for (const group of groups) world.scheduler.setGroup(group, { weight: scene.weights[group] ?? 1 });
  for (const tenant of tenants) world.setTenant(tenant, scene.groupOf[tenant] ?? '', scene.weights[tenant] ?? 1);
  for (const key of keys) world.setKey(key, scene.weights[key] ?? 1);
  world.setPool('model', scene.capacity);
  world.onGrant = (request) => auditor.granted(request);
  const ask = (keyId: string, cost: number): void => {
    const asked = { pool: 'model', tenantId: tenantOf(keyId), keyId, priority: 'NORMAL', caps: [], cost } as const;
    const before = world.onGrant;
    // It is waiting when it is granted, also at once.
    world.onGrant = (request) => {
      auditor.waits(request);
      before(request);
    };
    const request = world.submit(asked);
    world.onGrant = before;
    if (request.state === 'WAITING') auditor.waits(request);
  };
  for (let count = 0; count < 20; count += 1) for (const key of keys) ask(key, 1 + (count % scene.maxCost));
  for (const { nth, costPart, asks } of scene.steps) {
    const held = world.all('HELD');
    const request = held[nth % held.length];
    if (request !== undefined) {
      const tokens = Math.max(1, Math.round(request.cost * costPart));
      auditor.corrected(request, tokens - request.cost);
      world.settle(request, tokens);
    }
    for (const { key, cost } of asks) ask(keys[key] ?? '', cost);
    auditor.check();
  }
  return auditor.comparisons;
}

describe('fairness between those who keep waiting', () => {
  it('tokens / weight of two groups, tenants or keys differ by no more than a request of each, once neither has an advance', () => {
    let comparisons = 0;
    fc.assert(
      fc.property(scenes(fc.constant(1)), (scene) => {
        comparisons += audit(scene);
      }),
      { numRuns: 100, endOnFailure: true },
    );
    expect(comparisons).toBeGreaterThan(10_000);
  });

  it('whoever is served before another has had no more tokens / weight than it, also when estimates turn out wrong', () => {
    let comparisons = 0;
    fc.assert(
      fc.property(scenes(fc.constantFrom(0.1, 0.5, 1, 2, 5)), (scene) => {
        comparisons += audit(scene);
      }),
      { numRuns: 100, endOnFailure: true },
    );
    expect(comparisons).toBeGreaterThan(10_000);
  });
});
