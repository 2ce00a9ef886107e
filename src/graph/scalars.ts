import { GraphQLError, GraphQLScalarType, Kind } from 'graphql';
import { DateTimeResolver } from 'graphql-scalars';
import { timeText } from './time-text.ts';

/** Digits before and after the point that some column keeps; a field that keeps fewer has a rule for that. */
const decimalPattern = /^-?(?:0|[1-9]\d{0,11})(?:\.\d{1,12})?$/;

function parseDecimal(value: unknown): string {
  if (typeof value !== 'string' || !decimalPattern.test(value)) {
    throw new GraphQLError(
      'Decimal takes a string such as "12.50": at most 12 digits before the point and 12 after it, no exponent.',
    );
  }
  return value;
}

/** Money and other exact numbers. A string, since binary floating point cannot hold 0.1. */
export const DecimalScalar = new GraphQLScalarType<string, string>({
  name: 'Decimal',
  description:
    'An exact decimal number as a string, such as "12.50": at most 12 digits before the point and 12 after it, without exponent. A price of a token is as small as "0.00000015".',
  serialize: (value) => String(value),
  parseValue: parseDecimal,
  parseLiteral: (node) => {
    if (node.kind === Kind.STRING) return parseDecimal(node.value);
    throw new GraphQLError('Decimal is written as a string: "12.50", not 12.50.', { nodes: node });
  },
});

const firstYear = 1;
const lastYear = 9_999;

/** Offsets can move a time out of the years that are written with four digits, which the database does not take. */
function withinYears(time: Date): Date {
  const year = time.getUTCFullYear();
  if (year >= firstYear && year <= lastYear) return time;
  throw new GraphQLError('DateTime takes the years 0001 to 9999, in UTC.');
}

/** A point in time, as RFC 3339 writes it. As text already: an answer with a Date in it takes JSON three times as long. */
export const DateTimeScalar = new GraphQLScalarType<Date, string>({
  ...DateTimeResolver.toConfig(),
  serialize: (value) => timeText(value instanceof Date ? value : DateTimeResolver.serialize(value)),
  parseValue: (value) => withinYears(DateTimeResolver.parseValue(value)),
  parseLiteral: (node, variables) => withinYears(DateTimeResolver.parseLiteral(node, variables)),
});
