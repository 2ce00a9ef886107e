import { fromString, fromUUID, toUUID, typeidUnboxed } from 'typeid-js';
import { RequestError } from './errors.ts';

/** The prefix of each type's ids. An id says what it belongs to: `tnt_01h455vb4pex5vsknk084sn02q`. */
export const idPrefixes = {
  Tenant: 'tnt',
  FairshareGroup: 'fsg',
  AuditEntry: 'aud',
} as const;

export type NodeType = keyof typeof idPrefixes;

const typeByPrefix = new Map<string, NodeType>(
  (Object.keys(idPrefixes) as NodeType[]).map((type) => [idPrefixes[type], type]),
);

export const isNodeType = (type: string): type is NodeType => Object.hasOwn(idPrefixes, type);

/** A new id: a UUIDv7, so ids sort by the time of their making. */
export const newId = (): string => toUUID(typeidUnboxed());

/** The id that the graph shows for a row. */
export const encodeId = (type: NodeType, uuid: string): string => fromUUID(uuid, idPrefixes[type]);

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
