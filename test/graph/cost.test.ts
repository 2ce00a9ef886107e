import { complexityFromQuery } from '@pothos/plugin-complexity';
import fc from 'fast-check';
import { type DocumentNode, Kind, parse } from 'graphql';
import { describe, expect, it } from 'vitest';
import { CostCalculator, LocalCostBudget } from '../../src/graph/cost.ts';
import { encodeId, newId } from '../../src/graph/ids.ts';
import { schema } from '../../src/schema.ts';
import { TestClock } from '../testkit/clock.ts';

const costOf = (text: string, variables: Record<string, unknown> = {}, operationName?: string): number =>
  new CostCalculator(schema).costOf(parse(text), operationName, variables);

describe('the cost of an operation', () => {
  it.each([
    ['a page of one row', '{ tenants(first: 1) { edges { node { id } } } }', {}, 2],
    ['a page of a hundred rows', '{ tenants(first: 100) { edges { node { id name } } } }', {}, 101],
    ['a page read from its end', '{ tenants(last: 7) { edges { node { id } } } }', {}, 8],
    ['a page of the size that is taken when none is said', '{ tenants { edges { node { id } } } }', {}, 21],
    ['a page of a size that is refused', '{ tenants(first: 1000000) { edges { node { id } } } }', {}, 101],
    ['a page of a negative size', '{ tenants(first: -5) { edges { node { id } } } }', {}, 2],
    [
      'lists in a list',
      '{ fairshareGroups(first: 10) { edges { node { tenants(first: 10) { edges { node { id } } } } } } }',
      {},
      121,
    ],
    [
      'a page of a size in a variable',
      'query ($n: Int) { tenants(first: $n) { edges { node { id } } } }',
      { n: 50 },
      51,
    ],
    ['a variable that is not given', 'query ($n: Int) { tenants(first: $n) { edges { node { id } } } }', {}, 21],
    ['a variable with a default', 'query ($n: Int = 3) { tenants(first: $n) { edges { node { id } } } }', {}, 4],
    ['a null in its place', 'query ($n: Int = 3) { tenants(first: $n) { edges { node { id } } } }', { n: null }, 21],
    ['a count', '{ tenants(first: 1) { totalCount } }', {}, 6],
    [
      'nodes',
      'query ($ids: [ID!]!) { nodes(ids: $ids) { id } }',
      { ids: Array.from({ length: 3 }, () => encodeId('Tenant', newId())) },
      3,
    ],
    [
      'a field that is left out by a directive, which counts all the same',
      '{ tenants(first: 1) @skip(if: true) { edges { node { id } } } }',
      {},
      2,
    ],
    ['a command', 'mutation { createTenant(input: { name: "x" }) { __typename } }', {}, 10],
    ['a check of a chain', '{ verifyAuditChain { intact } }', {}, 100],
    ['a history, by its points', '{ fairshareHistory { points { at } } }', {}, 361],
    ['a history by minutes', '{ fairshareHistory(resolution: MINUTES) { points { at } } }', {}, 289],
    ['a subscription', 'subscription { auditTail { id action } }', {}, 1],
    [
      'names of types, which clients add everywhere',
      '{ __typename tenants(first: 1) { __typename edges { __typename node { __typename id } } } }',
      {},
      2,
    ],
  ])('follows from what its fields declare: %s', (_name, text, variables, expected) => {
    expect(costOf(text, variables)).toBe(expected);
  });

  it('is that of the operation that is carried out, and not of its neighbours in the document', () => {
    const text =
      'query A { tenants(first: 1) { edges { node { id } } } } query B { tenants(first: 50) { edges { node { id } } } }';
    const calculator = new CostCalculator(schema);
    const document = parse(text);
    expect(['A', 'B', 'A', 'B'].map((name) => calculator.costOf(document, name, {}))).toEqual([2, 51, 2, 51]);
  });

  it('is the same whether it is computed or remembered, whatever was asked before', () => {
    const texts = [
      'query A($n: Int = 9, $m: Int) { tenants(first: $n) { edges { node { id } } } auditLog(last: $m) { edges { node { id } } } }',
      'query A($n: Int) { ...f } query B($n: Int = 2) { ...f } fragment f on Query { tenants(first: $n) { totalCount edges { node { fairshareGroup { tenants(last: $n) { edges { node { id } } } } } } } }',
      'query A($n: [ID!]!) { nodes(ids: $n) { id } }',
      'query A($n: ID!, $m: ID!) { nodes(ids: [$n, $m]) { id } }',
      'query A($n: Boolean = false, $m: Int) { tenants(first: $m) @include(if: $n) { edges { node { id } } } }',
    ];
    const documents = texts.map((text) => parse(text));
    const value = fc.oneof(
      fc.constantFrom(undefined, null, 1, 2, 3, 100, true, false, 'absent', '1', '["1"]', 'a,b'),
      fc.array(fc.constantFrom(encodeId('Tenant', newId()), encodeId('AuditEntry', newId()))),
    );
    const calls = fc.record({
      document: fc.constantFrom(...documents),
      operationName: fc.constantFrom('A', 'B'),
      variables: fc.record({ n: value, m: value }),
    });
    fc.assert(
      fc.property(fc.array(calls, { minLength: 1, maxLength: 40 }), (asked) => {
        const calculator = new CostCalculator(schema);
        for (const { document, operationName, variables } of asked) {
          const remembered = attempt(() => calculator.costOf(document, operationName, variables));
          const computed = attempt(() => computedAnew(document, operationName, variables));
          expect(remembered).toEqual(computed);
        }
      }),
      { numRuns: 300 },
    );
  });

  it('is still right after more sizes than are remembered', () => {
    const calculator = new CostCalculator(schema);
    const document = parse(
      'query ($n: Int, $m: Int) { tenants(first: $n) { totalCount } auditLog(first: $m) { totalCount } }',
    );
    for (let n = 1; n <= 250; n += 1) {
      const expected = computedAnew(document, undefined, { n, m: 1 });
      expect(calculator.costOf(document, null, { n, m: 1 })).toBe(expected);
    }
  });
});

function computedAnew(document: DocumentNode, operationName: string | undefined, variables: Record<string, unknown>) {
  const definitions = document.definitions.filter(
    (definition) =>
      definition.kind !== Kind.OPERATION_DEFINITION || !operationName || definition.name?.value === operationName,
  );
  return complexityFromQuery({ ...document, definitions }, { schema, variables }).complexity;
}

/** The value, or that there is none. */
function attempt(work: () => number): number | 'failed' {
  try {
    return work();
  } catch {
    return 'failed';
  }
}

describe('what a credential can spend', () => {
  const limits = { maxPerOperation: 100, capacity: 100, perSecond: 10 };

  it('is full at first, shrinks by what is spent and refills with time, never beyond its capacity', () => {
    const clock = new TestClock();
    const budget = new LocalCostBudget(limits, clock);
    expect(budget.spend('a', 70)).toEqual({ allowed: true, remaining: 30, retryAfterMs: 0 });
    expect(budget.spend('a', 31)).toEqual({ allowed: false, remaining: 30, retryAfterMs: 100 });
    clock.advance(100);
    expect(budget.spend('a', 31)).toEqual({ allowed: true, remaining: 0, retryAfterMs: 0 });
    clock.advance(3_600_000);
    expect(budget.spend('a', 0)).toEqual({ allowed: true, remaining: 100, retryAfterMs: 0 });
  });

  it('is its own', () => {
    const budget = new LocalCostBudget(limits, new TestClock());
    budget.spend('a', 100);
    expect(budget.spend('b', 100).allowed).toBe(true);
  });

  it('is never more than the capacity and what has refilled since, and waiting as long as it says is enough', () => {
    const steps = fc.array(
      fc.record({ cost: fc.integer({ min: 0, max: 100 }), waitMs: fc.integer({ min: -500, max: 5_000 }) }),
    );
    fc.assert(
      fc.property(steps, (list) => {
        const clock = new TestClock();
        const budget = new LocalCostBudget(limits, clock);
        let spent = 0;
        let waitedMs = 0;
        for (const { cost, waitMs } of list) {
          // A clock that is set back gives nothing and takes nothing.
          clock.advance(waitMs);
          waitedMs += Math.max(0, waitMs);
          const { allowed, remaining, retryAfterMs } = budget.spend('a', cost);
          expect(remaining).toBeGreaterThanOrEqual(0);
          expect(remaining).toBeLessThanOrEqual(limits.capacity);
          if (allowed) {
            spent += cost;
            expect(retryAfterMs).toBe(0);
          } else {
            clock.advance(retryAfterMs);
            waitedMs += retryAfterMs;
            expect(budget.spend('a', cost).allowed).toBe(true);
            spent += cost;
          }
          expect(spent).toBeLessThanOrEqual(limits.capacity + (waitedMs * limits.perSecond) / 1_000 + 1e-6);
        }
      }),
    );
  });
});
