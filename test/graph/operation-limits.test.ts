import { parse, validate } from 'graphql';
import { describe, expect, it } from 'vitest';
import { operationLimitsRule } from '../../src/graph/operation-limits.ts';
import { schema } from '../../src/schema.ts';
import { startTestApp } from '../testkit/app.ts';

const rule = operationLimitsRule({ maxDepth: 5, maxAliases: 3, maxDirectives: 2 });

const found = (document: string): string[] => validate(schema, parse(document), [rule]).map(({ message }) => message);

const levels = (count: number): string => `The operation has ${count} levels of fields; at most 5 are allowed.`;
const aliases = (count: number | string): string => `The operation has ${count} aliases; at most 3 are allowed.`;
const directives = (count: number | string): string => `The operation has ${count} directives; at most 2 are allowed.`;

/** Fragments that each spread the next one twice: small to write, and very large when spread. */
const bomb = (count: number, on: string, last: string): string =>
  Array.from({ length: count }, (_, index) =>
    index === count - 1
      ? `fragment f${index} on ${on} { ${last} }`
      : `fragment f${index} on ${on} { ...f${index + 1} ...f${index + 1} }`,
  ).join('\n');

describe('the size of an operation', () => {
  it.each([
    ['as deep as is allowed', '{ tenants { edges { node { fairshareGroup { name } } } } }', []],
    ['deeper', '{ tenants { edges { node { fairshareGroup { tenants { totalCount } } } } } }', [levels(6)]],
    [
      'deeper through fragments',
      `{ ...a } fragment a on Query { tenants { edges { ...b } } }
       fragment b on TenantEdge { node { ... on Tenant { ... { fairshareGroup { tenants { totalCount } } } } } }`,
      [levels(6)],
    ],
    ['deep introspection', '{ __schema { types { fields { type { ofType { ofType { ofType { name } } } } } } } }', []],
    ['as many aliases as are allowed', '{ a: __typename b: __typename c: __typename }', []],
    ['more', '{ a: __typename b: __typename c: __typename d: __typename }', [aliases(4)]],
    [
      'aliases in a fragment that is spread twice',
      '{ x: tenants { ...a } y: tenants { ...a } } fragment a on TenantConnection { z: totalCount }',
      [aliases(4)],
    ],
    [
      'as many directives as are allowed',
      'query ($x: Boolean!) { a: __typename @skip(if: $x) ... @include(if: $x) { __typename } }',
      [],
    ],
    [
      'more, on every place that takes one',
      'query ($x: Boolean!) { __typename @skip(if: $x) ...a @skip(if: $x) ... @skip(if: $x) { __typename } } fragment a on Query { __typename }',
      [directives(3)],
    ],
    [
      'several operations, each by itself',
      'query A { a: __typename b: __typename } query B { c: __typename d: __typename }',
      [],
    ],
    [
      'fragments that spread each other',
      '{ ...a } fragment a on Query { ...b } fragment b on Query { ...a __typename }',
      [],
    ],
    ['a fragment that is missing', '{ ...nowhere }', []],
  ])('is measured with its fragments: %s', (_name, document, expected) => {
    expect(found(document)).toEqual(expected);
  });

  it('is measured at once however large it becomes when its fragments are spread', () => {
    const startedAt = performance.now();
    expect(found(`{ ...f0 } ${bomb(400, 'Query', 'a: __typename')}`)).toEqual([aliases('far too many')]);
    expect(performance.now() - startedAt).toBeLessThan(1_000);
  });
});

describe('a server', async () => {
  const { operator } = await startTestApp();

  it('answers operations that double with every fragment at once', async () => {
    const startedAt = performance.now();
    for (const [root, on, last] of [
      ['{ ...f0 }', 'Query', 'tenants { totalCount }'],
      ['{ tenants { ...f0 } }', 'TenantConnection', 'totalCount edges { node { name } }'],
      ['{ tenants { edges { ...f0 } } }', 'TenantEdge', 'node { name fairshareGroup { name } }'],
      ['{ tenants { edges { node { ...f0 } } } }', 'Tenant', 'name fairshareGroup { name }'],
      ['{ tenants { edges { node { fairshareGroup { ...f0 } } } } }', 'FairshareGroup', 'name'],
      ['{ fairshareGroups { edges { node { ...f0 } } } }', 'FairshareGroup', 'tenants { edges { node { name } } }'],
      ['mutation { createFairshareGroup(input: { name: "" }) { ...f0 } }', 'ValidationError', 'message'],
    ] as const) {
      const { status, errors } = await operator.send(`${root} ${bomb(120, on, last)}`);
      // Too expensive is an answer as well; what counts is that there is one.
      if (status !== 200) expect(errors?.[0]?.extensions.code).toMatch(/OPERATION_TOO_EXPENSIVE/);
    }
    expect(performance.now() - startedAt).toBeLessThan(5_000);
  });

  it('says which limit an operation breaks', async () => {
    const { status, errors } = await operator.send(
      `{ ${Array.from({ length: 31 }, (_, n) => `a${n}: __typename`).join(' ')} }`,
    );
    expect({ status, errors }).toMatchObject({
      status: 200,
      errors: [{ extensions: { code: 'OPERATION_TOO_LARGE', limit: 30 } }],
    });
  });
});
