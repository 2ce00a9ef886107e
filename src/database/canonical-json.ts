import { configure } from 'safe-stable-stringify';

/** JSON with sorted keys: the same value always gives the same text, whatever order its keys were written in. */
const stringify = configure({ bigint: true, circularValue: Error, deterministic: true, strict: true });

/** The canonical text of a JSON value, for hashes. Dates become ISO strings. */
export const canonicalJson = (value: unknown): string => stringify(value) ?? 'null';
