import { GraphQLError, GraphQLScalarType, Kind } from 'graphql';

/** Digits before and after the point that the database keeps. */
const decimalPattern = /^-?(?:0|[1-9]\d{0,11})(?:\.\d{1,6})?$/;

function parseDecimal(value: unknown): string {
  if (typeof value !== 'string' || !decimalPattern.test(value)) {
    throw new GraphQLError(
      'Decimal takes a string such as "12.50": at most 12 digits before the point and 6 after it, no exponent.',
    );
  }
  return value;
}

/** Money and other exact numbers. A string, since binary floating point cannot hold 0.1. */
export const DecimalScalar = new GraphQLScalarType<string, string>({
  name: 'Decimal',
  description:
    'An exact decimal number as a string, such as "12.50": at most 12 digits before the point and 6 after it, without exponent.',
  serialize: (value) => String(value),
  parseValue: parseDecimal,
  parseLiteral: (node) => {
    if (node.kind === Kind.STRING) return parseDecimal(node.value);
    throw new GraphQLError('Decimal is written as a string: "12.50", not 12.50.', { nodes: node });
  },
});
