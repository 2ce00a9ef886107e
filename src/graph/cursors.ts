import { crc32 } from 'node:zlib';
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
export function decodeCursor(argument: string, list: string, order: Order<never>, cursor: string): Position {
  const text = Buffer.from(cursor, 'base64url').toString();
  const dot = text.indexOf('.');
  const body = text.slice(dot + 1);
  // Decoding passes over what is not base64url, so there are many ways to write one cursor; one of them is right.
  const isCanonical = Buffer.from(text).toString('base64url') === cursor;
  if (!isCanonical || dot < 0 || text.slice(0, dot) !== crc32(body).toString(36)) {
    throw new RequestError('INVALID_CURSOR', `${argument}: this is not a cursor that a page of this graph gave.`, {
      argument,
    });
  }
  // The checksum holds, so this is what encodeCursor wrote, of this version or an older one.
  const parts: unknown = JSON.parse(body);
  if (!Array.isArray(parts)) throw new Error('encodeCursor writes arrays');
  const [ofVersion, ofList, by, direction, value, id] = parts;
  if (ofVersion !== version || ofList !== list || by !== order.by || direction !== order.direction) {
    throw new RequestError(
      'INVALID_CURSOR',
      `${argument}: this cursor belongs to another list or another order; take one from a page of this list, read with the same orderBy.`,
      { argument },
    );
  }
  return { value, id };
}
