import { Prisma } from '../../../database/generated/client.ts';

/*
 * Plain data as JSON. What JSON has no word for, and records of usage are made of, is an object of one field that names
 * its type; nothing else has fields of these names.
 */

const types = {
  $bigint: (text: string): unknown => BigInt(text),
  $date: (text: string): unknown => new Date(text),
  $decimal: (text: string): unknown => new Prisma.Decimal(text),
} as const;

type TypeName = keyof typeof types;

const isTypeName = (name: string): name is TypeName => Object.hasOwn(types, name);

function written(value: unknown): unknown {
  if (typeof value === 'bigint') return { $bigint: String(value) };
  if (typeof value !== 'object' || value === null) return value;
  if (value instanceof Date) return { $date: value.toISOString() };
  if (Prisma.Decimal.isDecimal(value)) return { $decimal: value.toFixed() };
  if (Array.isArray(value)) return value.map(written);
  return Object.fromEntries(Object.entries(value).map(([name, field]) => [name, written(field)]));
}

/** Called for what is inside before what it is in. */
function restored(_name: string, value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value;
  for (const name in value) {
    if (!isTypeName(name)) return value;
    const [text] = Object.values(value);
    return typeof text === 'string' ? types[name](text) : value;
  }
  return value;
}

export const toWire = (value: unknown): string => JSON.stringify(written(value));

/** @throws {SyntaxError} */
export const fromWire = (text: string): unknown => JSON.parse(text, restored);
