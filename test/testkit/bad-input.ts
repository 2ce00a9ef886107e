import { type GraphQLInputType, getNamedType, isInputObjectType, isListType, isNonNullType } from 'graphql';
import { afterAll, describe, expect, it } from 'vitest';
import type { TestApp } from './app.ts';
import { type CommandInput, Commands } from './commands.ts';
import { storedRows } from './rows.ts';

/** A value that a field must refuse: what is wrong with it, the value, and the rule that the answer names. */
export type BadValue = readonly [problem: string, value: unknown, rule: string, path?: string];

/** The answer is a top-level error, since the value is not of the field's type in GraphQL. */
export const notOfType = 'BAD_USER_INPUT';

/** A field's path in the input, `limits.budget.tokens`, and what it must refuse. */
export type BadInputTable = Readonly<Record<string, readonly BadValue[]>>;

/** What every free text must refuse. @param maximum its length in characters, which are code points and not bytes */
export const badTexts = (maximum: number): readonly BadValue[] => [
  ['null, which it cannot be', null, 'NOT_NULLABLE'],
  ['a number', 1, notOfType],
  ['a list', ['a', 'b'], notOfType],
  [`${maximum + 1} characters`, 'x'.repeat(maximum + 1), 'TOO_LONG'],
  [`${maximum + 1} characters of two UTF-16 units`, '😀'.repeat(maximum + 1), 'TOO_LONG'],
  ['NUL', 'a\u0000b', 'CONTROL_CHARACTER'],
  ['an escape character', 'a\u001b[31mb', 'CONTROL_CHARACTER'],
  ['delete', 'a\u007fb', 'CONTROL_CHARACTER'],
  ['the control sequence introducer of 8-bit terminals', 'a\u009b31mb', 'CONTROL_CHARACTER'],
  ['the first half of a surrogate pair', 'a\ud83db', 'MALFORMED_TEXT'],
  ['the second half of a surrogate pair', 'a\ude00b', 'MALFORMED_TEXT'],
];

/** What every name must refuse. */
export const badNames: readonly BadValue[] = [
  ...badTexts(255),
  ['nothing', '', 'BLANK'],
  ['blanks', ' \t\u00a0\u2003 ', 'BLANK'],
  ['a line break', 'a\nb', 'CONTROL_CHARACTER'],
  ['a carriage return', 'a\rb', 'CONTROL_CHARACTER'],
  ['a tab', 'a\tb', 'CONTROL_CHARACTER'],
  ['a next-line character', 'a\u0085b', 'CONTROL_CHARACTER'],
  ['a line separator', 'a\u2028b', 'CONTROL_CHARACTER'],
];

/** The same for a name that a command cannot do without: GraphQL itself refuses null. */
export const badRequiredNames: readonly BadValue[] = badNames.map(([problem, value, rule]) => [
  problem,
  value,
  value === null ? notOfType : rule,
]);

/** What every reference to a row must refuse. @param other the id of a row of another type */
export const badIds = (other: string, { nullable = false } = {}): readonly BadValue[] => [
  ...(nullable ? [] : [['null', null, notOfType] as const]),
  ['an object', {}, notOfType],
  ['nothing', '', 'MALFORMED_ID'],
  ['a UUID', '01900000-0000-7000-8000-000000000001', 'MALFORMED_ID'],
  ['an unknown prefix', 'xyz_01h455vb4pex5vsknk084sn02q', 'MALFORMED_ID'],
  ['no prefix', '01h455vb4pex5vsknk084sn02q', 'MALFORMED_ID'],
  ['one character less', `${other.slice(0, 4)}01h455vb4pex5vsknk084sn02`, 'MALFORMED_ID'],
  ['a character that ids do not have', `${other.slice(0, 4)}01h455vb4pex5vsknk084sn02u`, 'MALFORMED_ID'],
  ['more than 128 bits', `${other.slice(0, 4)}8zzzzzzzzzzzzzzzzzzzzzzzzz`, 'MALFORMED_ID'],
  ['upper case', other.toUpperCase(), 'MALFORMED_ID'],
  ['an id with NUL', `${other}\u0000`, 'MALFORMED_ID'],
  ['a whole number', 17, 'MALFORMED_ID'],
  ['the id of a row of another type', other, 'WRONG_ID_TYPE'],
];

/** What every weight must refuse. */
export const badWeights = (nullRule: string): readonly BadValue[] => [
  ['null', null, nullRule],
  ['0', 0, 'OUT_OF_RANGE'],
  ['-1', -1, 'OUT_OF_RANGE'],
  ['1000001', 1_000_001, 'OUT_OF_RANGE'],
  ['a fraction', 1.5, notOfType],
  ['a text', '100', notOfType],
  ['more than 32 bits', 2 ** 31, notOfType],
];

/** What every expected revision must refuse. */
export const badRevisions: readonly BadValue[] = [
  ['0', 0, 'OUT_OF_RANGE'],
  ['-1', -1, 'OUT_OF_RANGE'],
  ['a fraction', 1.5, notOfType],
  ['a text', '1', notOfType],
];

/** Metadata of so many levels. */
export const nested = (levels: number): object => (levels === 1 ? {} : { a: nested(levels - 1) });

/** What all metadata must refuse. */
export const badMetadata: readonly BadValue[] = [
  ['null', null, 'NOT_NULLABLE'],
  ['a text', 'x', notOfType],
  ['a list', [1], notOfType],
  ['16,385 bytes', { a: 'x'.repeat(16_385 - '{"a":""}'.length) }, 'TOO_LONG'],
  ['16,385 bytes of fewer characters', { a: 'ü'.repeat(8_190) }, 'TOO_LONG'],
  ['11 levels', nested(11), 'TOO_DEEP'],
  ['500 levels of lists', JSON.parse(`{"a":${'['.repeat(500)}${']'.repeat(500)}}`), 'TOO_DEEP'],
  ['NUL in a value', { a: ['\u0000'] }, 'CONTROL_CHARACTER'],
  ['NUL in a key', { a: { 'b\u0000': 1 } }, 'CONTROL_CHARACTER'],
  ['half of a surrogate pair', { a: '\ud83d' }, 'MALFORMED_TEXT'],
  ['a key that JavaScript takes for the prototype', JSON.parse('{"__proto__": 1}'), 'INVALID'],
];

/** What every flag must refuse. */
export const badFlags = (nullRule: string): readonly BadValue[] => [
  ['null', null, nullRule],
  ['a text', 'true', notOfType],
  ['1', 1, notOfType],
];

/** What every point in time must refuse. */
export const badTimes: readonly BadValue[] = [
  ['a text that is no time', 'tomorrow', notOfType],
  ['a date without a time', '2026-01-01', notOfType],
  ['a day that does not exist', '2026-02-30T00:00:00Z', notOfType],
  ['a time without a zone', '2026-01-01T00:00:00', notOfType],
  ['a second that does not exist', '2026-06-30T23:59:61Z', notOfType],
  ['the year 0', '0000-06-01T00:00:00Z', notOfType],
  ['the year 0 in UTC', '0001-01-01T00:00:00+01:00', notOfType],
  ['the year 10000 in UTC', '9999-12-31T23:59:59-01:00', notOfType],
  ['a number', 1_767_225_600, notOfType],
];

const int32Max = 2 ** 31 - 1;

/** What every e-mail address must refuse. */
export const badEmails: readonly BadValue[] = [
  ['null', null, 'NOT_NULLABLE'],
  ['no @', 'ops.example.com', 'INVALID_FORMAT'],
  ['nobody', '@example.com', 'INVALID_FORMAT'],
  ['blanks', ' ', 'INVALID_FORMAT'],
  ['a name before the address', 'Ops <ops@example.com>', 'INVALID_FORMAT'],
  ['NUL', 'ops@example.com\u0000', 'INVALID_FORMAT'],
  ['a line break', 'ops@example.com\n', 'INVALID_FORMAT'],
  ['255 characters', `${'x'.repeat(243)}@example.com`, 'TOO_LONG'],
  ['a number', 1, notOfType],
];

/** What every count that may be null must refuse. */
const badCounts = (maximum: number): readonly BadValue[] => [
  ['-1', -1, 'OUT_OF_RANGE'],
  ['a fraction', 0.5, notOfType],
  ['a text', '10', notOfType],
  ['infinity as a text', 'Infinity', notOfType],
  [`more than ${maximum}`, maximum + 1, notOfType],
];

/** What every price must refuse. */
export const badPrices: readonly BadValue[] = [
  ['null', null, 'NOT_NULLABLE'],
  ['a negative amount', '-0.000000000001', 'OUT_OF_RANGE'],
  ['more than 100,000', '100000.000000000001', 'OUT_OF_RANGE'],
  ['13 digits after the point', '0.0000000000001', notOfType],
  ['a number', 0.1, notOfType],
  ['an exponent', '1.5e-7', notOfType],
  ['not a number', 'NaN', notOfType],
  ['nothing', '', notOfType],
];

/** What every field of limits must refuse. The base input has a budget. */
export const badLimits: BadInputTable = {
  'limits.requestsPerMinute': badCounts(int32Max),
  'limits.tokensPerMinute': badCounts(Number.MAX_SAFE_INTEGER),
  'limits.tokensPerDay': badCounts(Number.MAX_SAFE_INTEGER),
  'limits.maxInFlight': badCounts(int32Max),
  'limits.budget': [
    ['a budget of nothing', {}, 'EMPTY_BUDGET'],
    ['a budget of nulls', { tokens: null, costUsd: null }, 'EMPTY_BUDGET'],
    ['a number', 5, notOfType],
  ],
  'limits.budget.tokens': badCounts(Number.MAX_SAFE_INTEGER),
  'limits.budget.costUsd': [
    ['a negative amount', '-0.01', 'OUT_OF_RANGE'],
    ['a number', 12.5, notOfType],
    ['nothing', '', notOfType],
    ['an exponent', '1e3', notOfType],
    ['a comma', '12,50', notOfType],
    ['a currency', '$5', notOfType],
    ['a leading zero', '05', notOfType],
    ['no digit before the point', '.5', notOfType],
    ['no digit after the point', '5.', notOfType],
    ['7 digits after the point', '0.0000001', 'TOO_PRECISE'],
    ['13 digits after the point', '0.0000000000001', notOfType],
    ['13 digits before the point', '1000000000000', notOfType],
    ['not a number', 'NaN', notOfType],
    ['infinity', 'Infinity', notOfType],
    ['NUL', '5\u0000', notOfType],
    ['a line break at its end', '5\n', notOfType],
  ],
  'limits.budget.period': [
    ['null', null, notOfType],
    ['an unknown one', 'WEEKLY', notOfType],
  ],
  'limits.budget.startedAt': badTimes,
};

/**
 * Declares a test for each bad value of each field of a command: it is refused with its rule and path, or as a
 * malformed request, and nothing is stored. A field of the input without any fails.
 *
 * @param baseInput makes a valid input, into which the bad value is put
 */
export function refusesBadInput(
  app: TestApp,
  command: string,
  baseInput: () => CommandInput,
  table: BadInputTable,
): void {
  const commands = new Commands(app.app.schema);

  describe(`${command} refuses`, () => {
    const rows = Object.entries(table).flatMap(([field, values]) =>
      values.map(([problem, value, rule, path = field]) => [field, problem, value, rule, path] as const),
    );
    it.each(rows)('%s: %s', async (field, _problem, value, rule, path) => {
      // The base makes the rows that it needs.
      const input = withValue(baseInput(), field.split('.'), value);
      const before = await storedRows(app);
      const { data, errors } = await commands.send(app.operator, command, input);
      if (rule === notOfType) {
        expect(errors).toHaveLength(1);
        expect(errors?.[0]?.extensions.code).toBe(notOfType);
        expect(errors?.[0]?.message).toContain(String(field.split('.').at(-1)));
      } else {
        expect(errors).toBeUndefined();
        expect(data?.answer).toMatchObject({ __typename: 'ValidationError', code: 'VALIDATION_FAILED' });
        const issues = data?.answer.issues?.map((issue) => [issue.rule, issue.path.join('.')]);
        expect(issues).toEqual([[rule, path]]);
        expect(data?.answer.path?.join('.')).toBe(path);
        for (const issue of data?.answer.issues ?? []) expect(issue.message).toMatch(/^\S.*\.$/s);
      }
      expect(await storedRows(app)).toBe(before);
    });

    it('an unknown field', async () => {
      const { errors } = await commands.send(app.operator, command, { ...baseInput(), unheardOf: 1 });
      expect(errors?.map(({ extensions }) => extensions.code)).toEqual([notOfType]);
      expect(errors?.[0]?.message).toContain('unheardOf');
    });

    it('something bad in each of its fields', () => {
      const type = app.app.schema.getMutationType()?.getFields()[command]?.args[0]?.type;
      if (type === undefined) throw new Error(`${command} is no command.`);
      const tested = new Set(Object.keys(table).map((field) => field.replaceAll(/\.\d+/g, '')));
      expect(fieldsOf(type).filter((field) => field !== 'idempotencyKey' && !tested.has(field))).toEqual([]);
    });
  });
}

/** Nothing that a caller sent made the server fail. Declared once in a file. */
export function expectNoFailures(app: TestApp): void {
  afterAll(() => {
    expect(app.logged).toEqual([]);
  });
}

/** The paths of all values in an input. */
function fieldsOf(type: GraphQLInputType): readonly string[] {
  const named = getNamedType(type);
  if (!isInputObjectType(named)) return [];
  return Object.values(named.getFields()).flatMap((field) => {
    const inner = fieldsOf(field.type);
    const isList = isListType(isNonNullType(field.type) ? field.type.ofType : field.type);
    return [...(inner.length === 0 || isList ? [field.name] : []), ...inner.map((path) => `${field.name}.${path}`)];
  });
}

/** The same input with another value at the path; what is missing on the way is added. */
export function withValue(input: unknown, [step, ...rest]: readonly string[], value: unknown): CommandInput {
  if (step === undefined) throw new Error('A path has at least one step.');
  const at = (inner: unknown) => (rest.length === 0 ? value : withValue(inner, rest, value));
  if (Array.isArray(input)) {
    // A path through a list is only the way to a field, and the list's owner gets it back.
    return Object.assign([...input], { [step]: at(input[Number(step)]) }) as unknown as CommandInput;
  }
  const object: CommandInput = typeof input === 'object' && input !== null ? { ...input } : {};
  return { ...object, [step]: at(object[step]) };
}
