const closers: (() => unknown)[] = [];

/**
 * Has something closed after the tests of the file: the last that was started first. Wherever it is called, whereas
 * `afterAll` of Vitest does nothing inside of a test.
 */
export function afterFile(close: () => unknown): void {
  closers.push(close);
}

/** Closes all of it. */
export async function endFile(): Promise<void> {
  for (const close of closers.splice(0).reverse()) await close();
}
