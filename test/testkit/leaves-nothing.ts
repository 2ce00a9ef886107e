import { afterAll, expect, vi } from 'vitest';
import { endFile } from './after-file.ts';

/**
 * Test files share processes, so what one leaves behind in its process would be there for the next. This is run before
 * each file, and has the file fail that leaves anything.
 */

/** What a file has started and not ended. Sockets are not among them: either side may close them, a little later. */
const lasting: ReadonlySet<string> = new Set(['TCPServerWrap', 'PipeServerWrap', 'ProcessWrap', 'FSEventWrap']);

/** Signals and failures are listened to by programs, which are processes of their own. Packages may add others. */
const signals = ['SIGINT', 'SIGTERM', 'SIGHUP', 'unhandledRejection'] as const;

const globalsBefore = new Map<string, unknown>(
  Object.entries(Object.getOwnPropertyDescriptors(globalThis)).map(([name, { value, get }]) => [name, value ?? get]),
);

const stateOfProcess = () => ({
  environment: { ...process.env },
  folder: process.cwd(),
  fakesTimers: vi.isFakeTimers(),
  listeners: signals.map((name) => `${name}: ${process.listenerCount(name)}`),
  replacedGlobals: Object.entries(Object.getOwnPropertyDescriptors(globalThis))
    .filter(([name, { value, get }]) => globalsBefore.has(name) && globalsBefore.get(name) !== (value ?? get))
    .map(([name]) => name),
});

const runningResources = () => process.getActiveResourcesInfo().filter((type) => lasting.has(type));

const before = { state: stateOfProcess(), resources: runningResources() };

afterAll(async () => {
  await endFile();
  // What was closed may take a turn of the event loop to be gone.
  await vi.waitFor(() => expect(runningResources()).toEqual(before.resources), { timeout: 5_000, interval: 10 });
  expect(stateOfProcess()).toEqual(before.state);
});
