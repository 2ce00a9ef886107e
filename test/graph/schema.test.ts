import { readFile } from 'node:fs/promises';
import {
  type GraphQLField,
  type GraphQLNamedType,
  getNamedType,
  isAbstractType,
  isEnumType,
  isInputObjectType,
  isInterfaceType,
  isObjectType,
  isScalarType,
  isSpecifiedScalarType,
  isUnionType,
} from 'graphql';
import { describe, expect, it } from 'vitest';
import * as commonErrors from '../../src/graph/errors.ts';
import { UserError, userErrorCodes } from '../../src/graph/errors.ts';
import { idPrefixes } from '../../src/graph/ids.ts';
import { printGraph } from '../../src/graph/print.ts';
import * as admissionErrors from '../../src/modules/admission/errors.ts';
import { admissionReasons } from '../../src/modules/admission/refusals.ts';
import * as engineErrors from '../../src/modules/engines/errors.ts';
import * as groupErrors from '../../src/modules/fairshare-groups/errors.ts';
import * as keyErrors from '../../src/modules/keys/errors.ts';
import * as productErrors from '../../src/modules/products/errors.ts';
import * as tenantErrors from '../../src/modules/tenants/errors.ts';
import * as userErrors from '../../src/modules/users/errors.ts';
import { schema } from '../../src/schema.ts';

const types = Object.values(schema.getTypeMap()).filter(
  (type) => !type.name.startsWith('__') && !isSpecifiedScalarType(type),
);

function implementationsOf(name: string) {
  const type = schema.getType(name);
  if (!isInterfaceType(type)) throw new Error(`${name} is no interface.`);
  return schema.getPossibleTypes(type);
}

/** Every place of the schema that should be described, by name. */
function* described(): Generator<readonly [string, string | null | undefined]> {
  for (const directive of schema.getDirectives()) {
    yield [`@${directive.name}`, directive.description];
    for (const arg of directive.args) yield [`@${directive.name}(${arg.name}:)`, arg.description];
  }
  for (const type of types) {
    yield [type.name, type.description];
    if (isObjectType(type) || isInterfaceType(type)) {
      for (const field of Object.values(type.getFields())) {
        yield [`${type.name}.${field.name}`, field.description];
        for (const arg of field.args) yield [`${type.name}.${field.name}(${arg.name}:)`, arg.description];
      }
    }
    if (isInputObjectType(type)) {
      for (const field of Object.values(type.getFields())) yield [`${type.name}.${field.name}`, field.description];
    }
    if (isEnumType(type)) {
      for (const value of type.getValues()) yield [`${type.name}.${value.name}`, value.description];
    }
  }
}

/** Why two fields cannot be asked for under one name; nothing when they can, as GraphQL's rule of overlapping fields says. */
function conflictOf(
  one: GraphQLField<unknown, unknown>,
  other: GraphQLField<unknown, unknown>,
  within: ReadonlySet<string> = new Set(),
): string | undefined {
  const [a, b] = [getNamedType(one.type), getNamedType(other.type)];
  const shape = (type: GraphQLField<unknown, unknown>['type'], { name }: GraphQLNamedType) =>
    String(type).replace(name, '');
  const differs = `${one.name}: ${one.type} and ${other.type}`;
  if (shape(one.type, a) !== shape(other.type, b)) return differs;
  if (a === b) return undefined;
  if (!isObjectType(a) || !isObjectType(b)) return differs;
  const pair = `${a.name} ${b.name}`;
  if (within.has(pair)) return undefined;
  const fields = b.getFields();
  for (const field of Object.values(a.getFields())) {
    const same = fields[field.name];
    const conflict = same && conflictOf(field, same, new Set([...within, pair]));
    if (conflict !== undefined) return `${one.name}.${conflict}`;
  }
  return undefined;
}

describe('the schema', () => {
  it('is the one of schema.graphql', async () => {
    const kept = await readFile(new URL('../../schema.graphql', import.meta.url), 'utf8');
    expect(
      printGraph(schema) === kept,
      'The graph and schema.graphql differ. If the change is meant, renew the file and look at the difference: node_modules/.bin/node scripts/print-schema.ts',
    ).toBe(true);
  });

  it('has one type for the fields of one name of all that a field can answer with, so that nobody needs an alias', () => {
    const answers = new Set(
      types.flatMap((type) =>
        isObjectType(type) ? Object.values(type.getFields()).map((field) => getNamedType(field.type).name) : [],
      ),
    );
    const conflicts = types.filter(isAbstractType).flatMap((type) => {
      // Errors are asked for by what they share, whichever may come.
      if (!answers.has(type.name) && type.name !== 'UserError') return [];
      // A node is asked for by somebody who knows what it is: `tenant` is there for some, and may be absent for others.
      if (type.name === 'Node') return [];
      const fields = schema.getPossibleTypes(type).flatMap((member) => Object.values(member.getFields()));
      return fields.flatMap((field, index) =>
        fields.slice(index + 1).flatMap((other) => {
          const conflict = other.name === field.name ? conflictOf(field, other) : undefined;
          return conflict === undefined ? [] : [`${type.name}.${conflict}`];
        }),
      );
    });
    expect(conflicts).toEqual([]);
  });

  it('describes every type, field, argument, enum value and directive in a sentence', () => {
    const missing = [...described()].filter(([, description]) => !description || !/[.…]$/.test(description.trim()));
    expect(missing).toEqual([]);
  });

  it('multiplies the cost of every connection by the size of its page', () => {
    const connections = types.filter(isObjectType).flatMap((type) =>
      Object.values(type.getFields())
        .filter((field) => getNamedType(field.type).name.endsWith('Connection'))
        .map((field) => ({ name: `${type.name}.${field.name}`, complexity: field.extensions.complexity })),
    );
    expect(connections.length).toBeGreaterThan(3);
    for (const { name, complexity } of connections) {
      const of = (page: object) => (typeof complexity === 'function' ? complexity(page, {}, undefined) : undefined);
      expect({ name, ...of({ first: 7 }) }).toMatchObject({ name, multiplier: 7 });
      expect({ name, ...of({ last: 9 }) }).toMatchObject({ name, multiplier: 9 });
      expect({ name, ...of({}) }).toMatchObject({ name, multiplier: 20 });
    }
  });

  it('has an id prefix for every type that has ids, and no other', () => {
    const nodes = implementationsOf('Node').map(({ name }) => name);
    expect(nodes.sort()).toEqual(Object.keys(idPrefixes).sort());
  });

  it('names numbers by their unit, and holds none that is larger than an Int in an Int', () => {
    const wide = types
      .filter((type) => isObjectType(type) || isInputObjectType(type))
      .flatMap((type) =>
        Object.values(type.getFields()).map((field) => ({ name: `${type.name}.${field.name}`, field })),
      )
      .filter(({ name, field }) => /tokens|bytes/i.test(name) && String(field.type).replace('!', '') === 'Int');
    expect(wide).toEqual([]);
  });
});

describe('the errors of commands', () => {
  const classes = Object.values({
    ...admissionErrors,
    ...commonErrors,
    ...groupErrors,
    ...engineErrors,
    ...keyErrors,
    ...productErrors,
    ...tenantErrors,
    ...userErrors,
  }).filter((value): value is typeof UserError => typeof value === 'function' && value.prototype instanceof UserError);

  const implementations = implementationsOf('UserError');

  it('are classes with a type of the same name that implements UserError', () => {
    expect(implementations.map(({ name }) => name).sort()).toEqual(classes.map(({ name }) => name).sort());
  });

  it('have each a code, and every code has its error', () => {
    const codes = classes.flatMap((errorClass): readonly string[] => {
      if (Object.is(errorClass, admissionErrors.AdmissionRefusedError)) return admissionReasons;
      // Fields are set by the constructor; what it is given does not matter for the code.
      const error: UserError = Reflect.construct(errorClass, [[{ path: [], rule: '', message: '' }], '', []]);
      expect(error.name).toBe(errorClass.name);
      return [error.code];
    });
    // Tenants have an error of their own for their children, from before other rows had any.
    expect(codes.filter((code, index) => codes.indexOf(code) < index)).toEqual(['HAS_CHILDREN']);
    const distinct = [...new Set(codes)].sort();
    expect(distinct).toEqual(Object.keys(userErrorCodes).sort());
    const printed = schema.getType('UserErrorCode');
    expect(
      isEnumType(printed) &&
        printed
          .getValues()
          .map(({ name }) => name)
          .sort(),
    ).toEqual(distinct);
  });

  it('are members of results that every command has, with its payload', () => {
    for (const field of Object.values(schema.getMutationType()?.getFields() ?? {})) {
      const result = getNamedType(field.type);
      if (!isUnionType(result)) throw new Error(`${field.name} has no union of results.`);
      const members = result.getTypes();
      const payloads = members.filter((member) => !implementations.includes(member));
      expect(payloads.map(({ name }) => name)).toEqual([result.name.replace(/Result$/, 'Payload')]);
      const input = getNamedType(field.args[0]?.type);
      const takesKey = isInputObjectType(input) && 'idempotencyKey' in input.getFields();
      const common = takesKey ? ['ValidationError', 'IdempotencyKeyReusedError'] : ['ValidationError'];
      expect(members.map(({ name }) => name)).toEqual(expect.arrayContaining(common));
    }
  });
});

describe('scalars', () => {
  it('are those that clients know', () => {
    const names = types.filter(isScalarType).map(({ name }) => name);
    expect(names.sort()).toEqual(['DateTime', 'Decimal', 'JSONObject', 'SafeInt']);
  });
});
