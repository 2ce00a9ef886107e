import { getNamedType } from 'graphql';
import type { Scope } from '../../../src/access/scopes.ts';
import { type Caller, sees } from './callers.ts';
import { type Arguments, type Call, type FieldOf, nameOf, rowTypeOf, withValue } from './calls.ts';
import { type FieldRule, missing, type Naming, rules, scopesOfNodes } from './cases.ts';
import { isRelated, type Row, type World } from './world.ts';

export type Required = readonly (readonly Scope[])[];

export const allows = (scopes: ReadonlySet<Scope>, required: Required): boolean =>
  required.length === 0 || required.some((all) => all.every((scope) => scopes.has(scope)));

/** One way in which a field names rows of one type. */
export interface Way {
  readonly field: FieldOf;
  readonly rule: FieldRule;
  /** Where the row stands in the arguments; nothing when the field names none. */
  readonly path?: string;
  readonly naming?: Naming;
  /** What the caller needs, as the schema prints it, and for the object when `node` finds one. */
  readonly required: Required;
}

/** Every way in which a field names rows, by its rule. */
export function waysOf(field: FieldOf, required: Required): readonly Way[] {
  const rule = rules[nameOf(field)] ?? {};
  const ways = Object.entries(rule.rows ?? {}).flatMap(([path, namings]) =>
    [namings].flat().map((naming): Way => {
      const isNode = nameOf(field) === 'Query.node' || nameOf(field) === 'Query.nodes';
      return { field, rule, path, naming, required: isNode ? [[scopesOfNodes[naming.type]]] : required };
    }),
  );
  return ways.length === 0 ? [{ field, rule, required }] : ways;
}

/** What stands for a row in a call. */
const textOf = ({ by }: Naming, row: Row): string =>
  by === 'secret' ? (row.secret ?? row.id) : by === 'text' ? row.text : row.id;

/** A call, and what in its text says which row it names. */
export interface Named {
  readonly way: Way;
  readonly call: Call;
  readonly given: string;
  readonly row?: Row;
  readonly parent?: Row;
}

const listSize = (field: FieldOf): Arguments => (rowTypeOf(getNamedType(field.field.type)) ? { first: 100 } : {});

/** The call that names this row, or one that does not exist, by what no row has. */
export function nameRow({ own }: World, way: Way, row?: Row, parent?: Row, nowhere?: string): Named {
  const { field, naming, path, rule } = way;
  const base = { ...listSize(field), ...(naming?.with ?? rule.with)?.(own) };
  const at = parent === undefined ? {} : { parentId: parent.id, parent };
  if (naming === undefined || path === undefined) return { way, given: '', call: { field, args: base, ...at } };
  const given = row === undefined ? (nowhere ?? missing(naming)) : textOf(naming, row);
  return {
    way,
    given,
    call: { field, args: withValue(base, path, given), ...at },
    ...(row === undefined ? {} : { row }),
    ...(parent === undefined ? {} : { parent }),
  };
}

/** The rows that the caller finds by naming this one. */
export function foundBy(world: World, caller: Caller, { naming }: Way, row: Row, parent?: Row): readonly Row[] {
  const finds = naming?.finds;
  const found =
    finds === undefined
      ? [row]
      : world.rows.filter(
          (each) =>
            each.type === finds.type && (finds.text === undefined || each.text === finds.text) && isRelated(each, row),
        );
  return found.filter((each) => sees(caller, each) && (parent === undefined || isRelated(each, parent)));
}

/** Whether an answer is about a row. */
export function isFound({ rule }: Way, answer: unknown): boolean {
  if (rule.found !== undefined) return rule.found(answer);
  if (typeof answer !== 'object' || answer === null) return false;
  if ('__typename' in answer && answer.__typename === 'NotFoundError') return false;
  return !('totalCount' in answer) || answer.totalCount !== 0;
}

/** Of rows that are alike to a caller, as few as show that. */
export function examples(world: World, caller: Caller, { by, type }: Naming): readonly Row[] {
  const kinds = new Map<string, Row[]>();
  for (const row of world.rows.filter((each) => each.type === type && (by !== 'secret' || each.secret))) {
    const whose = row.of.Tenant?.includes(world.own.tenant.id) ? 'own' : row.of.Tenant ? 'foreign' : 'deployment';
    const kind = `${whose} ${sees(caller, row)} ${row.text}`;
    kinds.set(kind, [...(kinds.get(kind) ?? []), row]);
  }
  return [...kinds.values()].flatMap((rows) => rows.slice(0, 1));
}
