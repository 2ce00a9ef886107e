import { existsSync, readFileSync } from 'node:fs';

/** Where `npm start` in this folder keeps the root admin key. */
const keyFile = new URL('../../.fairlead/admin-key', import.meta.url);

/** The server's address: FAIRLEAD_URL, or what `npm start` listens on. */
export const serverUrl = process.env.FAIRLEAD_URL ?? 'http://127.0.0.1:4000';

export const socketUrl = `${serverUrl.replace(/^http/, 'ws')}/graphql`;

/**
 * The credential: FAIRLEAD_KEY, or the root admin key of the server that was started in this folder. Ask for each
 * connection, as it may be another one by then.
 */
export function credential(): string {
  if (process.env.FAIRLEAD_KEY !== undefined) return process.env.FAIRLEAD_KEY;
  if (existsSync(keyFile)) return readFileSync(keyFile, 'utf8').trim();
  throw new Error('Set FAIRLEAD_KEY to a key of the server at FAIRLEAD_URL.');
}
