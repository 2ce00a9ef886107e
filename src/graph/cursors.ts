import { crc32 } from 'node:zlib';
import { z } from 'zod';
import type { Entity, SortKind } from '../database/entity.ts';
import type { Order, Position } from '../database/pages.ts';
import { RequestError } from './errors.ts';

const version = 1;

/**
 * The cursor of a row: the list's type and order, the sort value and the id. It is a place, not a row, so it stays good
 * when the row is deleted. The checksum tells an altered cursor from a true one; it guards nothing, since a cursor
 * only says where to go on in what the caller may see anyway.
 */
export function encodeCursor(list: string, order: Order<never>, { value, id }: Position): string {
  const body = JSON.stringify([version, list, order.by, order.direction, value, id]);
  return Buffer.from(`${crc32(body).toString(36)}.${body}`).toString('base64url');
}

/** The place that a cursor marks. @throws {RequestError} when it is none, or belongs to another list or order */
export function decodeCursor<Row>(
  argument: string,
  { name, sorts }: Pick<Entity<Row>, 'name' | 'sorts'>,
  order: Order<Row>,
  cursor: string,
): Position {
  const text = Buffer.from(cursor, 'base64url').toString();
  const dot = text.indexOf('.');
  const body = text.slice(dot + 1);
  // Decoding passes over what is not base64url, so there are many ways to write one cursor; one of them is right.
  const isCanonical = Buffer.from(text).toString('base64url') === cursor;
  const isWhole = isCanonical && dot >= 0 && text.slice(0, dot) === crc32(body).toString(36);
  // Whoever goes to the length of a right checksum can still have written anything.
  const parts = bodySchema.safeParse(isWhole ? parsed(body) : undefined);
  const valueSchema = valueSchemas[sorts[order.by] ?? 'text'];
  if (!parts.success) throw invalidCursor(argument, 'this is not a cursor that a page of this graph gave.');
  const [ofVersion, ofList, by, direction, value, id] = parts.data;
  if (ofVersion !== version || ofList !== name || by !== order.by || direction !== order.direction) {
    throw invalidCursor(
      argument,
      'this cursor belongs to another list or another order; take one from a page of this list, read with the same orderBy.',
    );
  }
  if (!valueSchema.safeParse(value).success) {
    throw invalidCursor(argument, 'this is not a cursor that a page of this graph gave.');
  }
  return { value, id };
}

const bodySchema = z.tuple([
  z.number(),
  z.string(),
  z.string(),
  z.enum(['ASC', 'DESC']),
  z.union([z.string(), z.number()]),
  z.uuid(),
]);

const int64Max = 9_223_372_036_854_775_807n;

const valueSchemas: Readonly<Record<SortKind, z.ZodType>> = {
  text: z.string().refine((text) => !text.includes('\0')),
  // Numbers that JSON cannot hold exactly are written as text.
  integer: z.union([z.int32(), z.string().refine((text) => /^\d{1,19}$/.test(text) && BigInt(text) <= int64Max)]),
  time: z.iso.datetime(),
};

const invalidCursor = (argument: string, reason: string): RequestError =>
  new RequestError('INVALID_CURSOR', `${argument}: ${reason}`, { argument });

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
