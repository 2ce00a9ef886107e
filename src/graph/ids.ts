import { fromString, toUUID, typeidUnboxed } from 'typeid-js';
import { RequestError } from './errors.ts';

/** The prefix of each type's ids. An id says what it belongs to: `tnt_01h455vb4pex5vsknk084sn02q`. */
export const idPrefixes = {
  Tenant: 'tnt',
  FairshareGroup: 'fsg',
  AuditEntry: 'aud',
  Team: 'team',
  User: 'usr',
  App: 'app',
  Product: 'prd',
  ProductPolicyVersion: 'ppv',
  Engine: 'eng',
  ApiKey: 'key',
  ApiKeySecret: 'sec',
  Model: 'mdl',
  UsageRecord: 'usg',
  Gateway: 'gtw',
  Lease: 'lse',
} as const;

export type NodeType = keyof typeof idPrefixes;

const typeByPrefix = new Map<string, NodeType>(
  (Object.keys(idPrefixes) as NodeType[]).map((type) => [idPrefixes[type], type]),
);

export const isNodeType = (type: string): type is NodeType => Object.hasOwn(idPrefixes, type);

/** A new id: a UUIDv7, so ids sort by the time of their making. */
export const newId = (): string => toUUID(typeidUnboxed());

const alphabet = '0123456789abcdefghjkmnpqrstvwxyz';

/** Two characters for every ten bits. */
const pairs = Array.from({ length: 1_024 }, (_, bits) => `${alphabet[bits >> 5]}${alphabet[bits & 31]}`);

const hexadecimal = '0123456789abcdef';

/** The value of each hexadecimal digit, by its character code. */
const digitValues = Uint8Array.from({ length: 128 }, (_, code) =>
  Math.max(0, hexadecimal.indexOf(String.fromCharCode(code))),
);

const dash = '-'.charCodeAt(0);

/**
 * The id that the graph shows for a row, as typeid-js makes it. Every row of every list has one, and this takes a third
 * of that library's time.
 */
export function encodeId(type: NodeType, uuid: string): string {
  let id = `${idPrefixes[type]}_`;
  // 128 bits are written as 130: the two in front are zero.
  let waiting = 2;
  let bits = 0;
  for (let at = 0; at < uuid.length; at += 1) {
    const code = uuid.charCodeAt(at);
    if (code === dash) continue;
    bits = (bits << 4) | (digitValues[code] ?? 0);
    waiting += 4;
    if (waiting < 10) continue;
    waiting -= 10;
    id += pairs[bits >> waiting];
    bits &= (1 << waiting) - 1;
  }
  return id;
}

/** The same for a row that may not be there; nothing has a type that is not given. */
export const encodeOptionalId = (type: NodeType | undefined, uuid: string | null): string | null =>
  type === undefined || uuid === null ? null : encodeId(type, uuid);

/** What is wrong with an id that a caller gave. */
export class IdProblem extends Error {
  override readonly name = 'IdProblem';
  readonly code: 'MALFORMED_ID' | 'WRONG_ID_TYPE';

  constructor(code: IdProblem['code'], message: string) {
    super(message);
    this.code = code;
  }
}

/** Splits an id into its type and its UUID. @throws {IdProblem} when it is no id of this graph */
export function decodeAnyId(id: string): { type: NodeType; uuid: string } {
  const type = typeByPrefix.get(id.slice(0, id.lastIndexOf('_')));
  if (type === undefined) {
    throw new IdProblem('MALFORMED_ID', `"${shorten(id)}" is not an id: ids look like tnt_01h455vb4pex5vsknk084sn02q.`);
  }
  try {
    return { type, uuid: toUUID(fromString(id)) };
  } catch {
    throw new IdProblem('MALFORMED_ID', `"${shorten(id)}" is not an id: 26 characters of base 32 follow the prefix.`);
  }
}

/** The UUID of an id that must belong to the type. @throws {IdProblem} otherwise */
export function decodeId(type: NodeType, id: string): string {
  const found = decodeAnyId(id);
  if (found.type !== type) {
    throw new IdProblem(
      'WRONG_ID_TYPE',
      `"${id}" is the id of a ${found.type}; a ${type} is wanted, whose ids begin with ${idPrefixes[type]}_.`,
    );
  }
  return found.uuid;
}

/** The same for an argument of a query, where the problem is an error of the request. */
export function decodeIdArgument(type: NodeType, argument: string, id: string): string {
  try {
    return decodeId(type, id);
  } catch (error) {
    if (error instanceof IdProblem) throw new RequestError(error.code, `${argument}: ${error.message}`, { argument });
    throw error;
  }
}

const shorten = (text: string): string => (text.length > 60 ? `${text.slice(0, 60)}…` : text);
