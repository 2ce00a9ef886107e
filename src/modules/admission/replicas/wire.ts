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
  return changed(value, written);
}

/** The list or object itself where nothing in it is changed: most of what is sent is plain. */
function changed(object: object, change: (value: unknown) => unknown): unknown {
  if (Array.isArray(object)) {
    const list: unknown[] = object.map(change);
    return list.some((item, index) => item !== object[index]) ? list : object;
  }
  let copy: Record<string, unknown> | undefined;
  for (const [name, before] of Object.entries(object)) {
    if (typeof before !== 'object' && typeof before !== 'bigint') continue;
    const now = change(before);
    if (now === before) continue;
    copy ??= { ...object };
    copy[name] = now;
  }
  return copy ?? object;
}

function restored(value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value;
  for (const name in value) {
    if (!isTypeName(name)) break;
    const [text] = Object.values(value);
    return typeof text === 'string' ? types[name](text) : value;
  }
  return changed(value, restored);
}

export const toWire = (value: unknown): string => JSON.stringify(written(value));

/** @throws {SyntaxError} */
export const fromWire = (text: string): unknown => restored(JSON.parse(text));
