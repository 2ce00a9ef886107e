import { getIntrospectionQuery } from 'graphql';
import { describe, expect, it } from 'vitest';
import { startTestApp, type TestApp } from '../testkit/app.ts';
import type { Answer } from '../testkit/client.ts';
import { type OperationResult, Socket } from '../testkit/socket.ts';

const limits = { tokens: 100, depth: 5, aliases: 4, directives: 3, operationCost: 60, capacity: 100, perSecond: 10 };
const small = await startTestApp({
  environment: {
    FAIRLEAD_MAX_TOKENS: String(limits.tokens),
    FAIRLEAD_MAX_DEPTH: String(limits.depth),
    FAIRLEAD_MAX_ALIASES: String(limits.aliases),
    FAIRLEAD_MAX_DIRECTIVES: String(limits.directives),
  },
});
const poor = await startTestApp({
  environment: {
    FAIRLEAD_MAX_OPERATION_COST: String(limits.operationCost),
    FAIRLEAD_COST_CAPACITY: String(limits.capacity),
    FAIRLEAD_COST_PER_SECOND: String(limits.perSecond),
  },
  sameDatabaseAs: small,
});

/** The same operation over both ways to send one, by callers who have spent nothing yet. */
async function overBoth(
  { app, withScopes }: TestApp,
  query: string,
  variables?: object,
): Promise<readonly (Answer<unknown> | OperationResult)[]> {
  const socket = await Socket.accepted(app.url, withScopes('tenants:read', 'fairshare:read').headers);
  const overSocket = await socket.run('1', query, variables);
  // It has to be usable after a refusal.
  expect((await socket.run('2', '{ __typename }')).errors).toBeUndefined();
  await socket.close();
  return [await withScopes('tenants:read', 'fairshare:read').send(query, variables), overSocket];
}

describe('an operation', () => {
  const fields = (count: number) => '__typename '.repeat(count);
  const aliases = (count: number) => Array.from({ length: count }, (_, index) => `a${index}: __typename`).join(' ');
  const directives = (count: number) => '__typename @include(if: true) '.repeat(count);
  const deep = (count: number) => {
    const levels = ['fairshareGroups', 'edges', 'node', 'tenants', 'edges', 'node'].slice(0, count - 1);
    return `${levels.map((level) => `${level} {`).join(' ')} __typename ${'}'.repeat(levels.length)}`;
  };

  it.each([
    // The braces and the end of the document are tokens too.
    ['tokens', limits.tokens - 4, fields, `The document has more than ${limits.tokens} tokens.`],
    [
      'levels',
      limits.depth,
      deep,
      `The operation has ${limits.depth + 1} levels of fields; at most ${limits.depth} are allowed.`,
    ],
    [
      'aliases',
      limits.aliases,
      aliases,
      `The operation has ${limits.aliases + 1} aliases; at most ${limits.aliases} are allowed.`,
    ],
    [
      'directives',
      limits.directives,
      directives,
      `The operation has ${limits.directives + 1} directives; at most ${limits.directives} are allowed.`,
    ],
  ])('may have as many %s as allowed, and not one more', async (what, most, make, message) => {
    for (const { errors } of await overBoth(small, `{ ${make(most)} }`)) expect(errors).toBeUndefined();
    for (const { data, errors } of await overBoth(small, `{ ${make(most + (what === 'tokens' ? 3 : 1))} }`)) {
      expect(data).toBeUndefined();
      expect(errors).toEqual([
        expect.objectContaining({ message, extensions: { code: 'OPERATION_TOO_LARGE', limit: expect.any(Number) } }),
      ]);
    }
  });

  it('is measured with its fragments spread', async () => {
    const spread = `{ ...A ...A ...A } fragment A on Query { ${aliases(2)} }`;
    for (const { errors } of await overBoth(small, spread))
      expect(errors).toMatchObject([{ extensions: { code: 'OPERATION_TOO_LARGE' } }]);
  });

  it('with fragments that double each other is measured at once', async () => {
    const { operator: caller } = poor;
    const doubling = Array.from(
      { length: 60 },
      (_, index) => `fragment F${index} on Query { ...F${index + 1} ...F${index + 1} }`,
    );
    const query = `{ ...F0 } ${doubling.join(' ')} fragment F60 on Query { a: __typename }`;
    const [error] = await caller.fail(query);
    expect(error).toMatchObject({
      extensions: { code: 'OPERATION_TOO_LARGE' },
      message: expect.stringContaining('far too many'),
    });
  });

  it('may introspect the whole schema, which is deep', async () => {
    const standard = await startTestApp({ sameDatabaseAs: small });
    expect((await standard.operator.send(getIntrospectionQuery())).errors).toBeUndefined();
  });
});

describe('the cost of an operation', () => {
  const { app, operator, withScopes, clock } = poor;
  const page = 'query ($first: Int) { tenants(first: $first) { edges { node { id } } } }';
  const cost = (requested: number, remaining: number) => ({
    requested,
    maxPerOperation: limits.operationCost,
    remaining,
    capacity: limits.capacity,
    refillPerSecond: limits.perSecond,
  });

  it('is said in extensions.cost', async () => {
    for (const { errors, extensions } of await overBoth(poor, page, { first: 10 })) {
      expect(errors).toBeUndefined();
      // One for the list, and one for each row that it may have.
      expect(extensions).toEqual({ cost: cost(11, limits.capacity - 11) });
    }
  });

  it('is said of an operation that fails, too', async () => {
    const { errors, extensions } = await withScopes('tenants:read').send('{ auditLog(first: 5) { totalCount } }');
    expect(errors).toMatchObject([{ extensions: { code: 'FORBIDDEN' } }]);
    expect(extensions).toEqual({ cost: expect.objectContaining({ requested: expect.any(Number) }) });
  });

  it('above the limit for one operation is refused, and costs nothing', async () => {
    for (const { data, errors, extensions } of await overBoth(poor, page, { first: 100 })) {
      expect(data).toBeUndefined();
      expect(errors).toMatchObject([
        {
          message: 'The operation costs 101; at most 60 are allowed. Ask for fewer rows or fields.',
          extensions: { code: 'OPERATION_TOO_EXPENSIVE', cost: cost(101, limits.capacity) },
        },
      ]);
      expect(extensions).toEqual({ cost: cost(101, limits.capacity) });
    }
  });

  it.each([
    ['the default of a variable', 'query ($first: Int = 100) { tenants(first: $first) { edges { node { id } } } }'],
    ['a fragment', '{ ...T } fragment T on Query { tenants(first: 100) { edges { node { id } } } }'],
    ['one of two operations', 'query A { tenants(first: 100) { edges { node { id } } } }'],
    [
      'the rows of rows',
      '{ fairshareGroups(first: 8) { edges { node { tenants(first: 8) { edges { node { id } } } } } } }',
    ],
    ['a list without a size', '{ a: tenants { totalCount } b: tenants { totalCount } c: tenants { totalCount } }'],
  ])('counts %s', async (_what, query) => {
    const [error] = await operator.fail(query);
    expect(error?.extensions.code).toBe('OPERATION_TOO_EXPENSIVE');
  });

  it.each([-1_000_000, -1, 0, 101, 1_000_000])('is never less than one row for a page of %d rows', async (first) => {
    const { extensions } = await withScopes('tenants:read').send(page, { first });
    expect(extensions?.cost).toMatchObject({ requested: first > 100 ? 101 : 2 });
  });

  it('beyond what is left is refused with 429, which says when to try again, until that time has come', async () => {
    const caller = withScopes('tenants:read');
    await caller.send(page, { first: 50 });
    expect((await caller.send(page, { first: 40 })).extensions?.cost).toMatchObject({ remaining: 8 });

    const refused = await caller.send(page, { first: 24 });
    expect(refused).toMatchObject({
      status: 429,
      data: undefined,
      errors: [
        {
          message: 'The operation costs 25 and 8 are left; try again in 1700 ms.',
          extensions: { code: 'COST_BUDGET_EXHAUSTED', retryAfterMs: 1_700 },
        },
      ],
      extensions: { cost: cost(25, 8) },
    });
    expect(refused.headers.get('retry-after')).toBe('2');

    clock.advance(1_699);
    expect((await caller.send(page, { first: 24 })).status).toBe(429);
    clock.advance(1);
    const allowed = await caller.send(page, { first: 24 });
    expect(allowed.status).toBe(200);
    expect(allowed.extensions?.cost).toMatchObject({ remaining: 0 });
  });

  it('of one credential is none of another', async () => {
    const [one, other] = [withScopes('tenants:read'), withScopes('tenants:read')];
    await one.send(page, { first: 59 });
    expect((await other.send(page, { first: 9 })).extensions?.cost).toMatchObject({ remaining: limits.capacity - 10 });
  });

  it('fills up to the capacity and no further', async () => {
    const caller = withScopes('tenants:read');
    await caller.send(page, { first: 9 });
    clock.advance(24 * 60 * 60_000);
    expect((await caller.send(page, { first: 9 })).extensions?.cost).toMatchObject({ remaining: limits.capacity - 10 });
  });

  it('is taken from one account over HTTP and sockets, where a refusal leaves the socket usable', async () => {
    const caller = withScopes('tenants:read', 'audit:read');
    const socket = await Socket.accepted(app.url, caller.headers);
    await caller.send(page, { first: 50 });
    await caller.send(page, { first: 40 });
    const { errors, extensions } = await socket.run('1', page, { first: 24 });
    expect(errors).toEqual([
      expect.objectContaining({ extensions: { code: 'COST_BUDGET_EXHAUSTED', retryAfterMs: 1_700 } }),
    ]);
    expect(extensions).toEqual({ cost: cost(25, 8) });
    clock.advance(1_700);
    expect((await socket.run('2', page, { first: 24 })).errors).toBeUndefined();
    expect((await socket.run('3', 'subscription { auditTail { id } }')).errors).toMatchObject([
      { extensions: { code: 'COST_BUDGET_EXHAUSTED' } },
    ]);
    await socket.close();
  });
});
