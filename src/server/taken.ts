import type { Writable } from 'node:stream';

const nothing = Buffer.alloc(0);

/**
 * Tells `sent` when the system has all that a stream was given, which it has at once as long as its client keeps up.
 *
 * @returns true when that is so already, and `sent` is not called
 */
export function whenTaken(stream: Writable, sent: () => void): boolean {
  if (stream.writableLength === 0) return true;
  // Streams tell of what they are given last. To give each result with a callback would make a turn of it every time.
  stream.write(nothing, () => sent());
  return false;
}
