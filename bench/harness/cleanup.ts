/** Undoes what the run has started, newest first, at its end and on Ctrl-C. */

type Undo = () => Promise<void> | void;

const undos: Undo[] = [];
let running: Promise<void> | undefined;
let interrupted = false;

/** After Ctrl-C everything fails that was under way, and none of it is news. */
export const wasInterrupted = (): boolean => interrupted;

/** The returned function undoes it now, once. */
export function onCleanup(undo: Undo): () => Promise<void> {
  let done = false;
  const once = async (): Promise<void> => {
    if (done) return;
    done = true;
    const index = undos.indexOf(once);
    if (index !== -1) undos.splice(index, 1);
    await undo();
  };
  undos.push(once);
  return once;
}

export function cleanUp(): Promise<void> {
  running ??= (async () => {
    for (let undo = undos.at(-1); undo !== undefined; undo = undos.at(-1)) {
      try {
        await undo();
      } catch (error) {
        console.error(`could not clean up: ${String(error)}`);
      }
    }
  })();
  return running;
}

export function cleanUpOnSignals(): void {
  for (const [signal, exitCode] of [
    ['SIGINT', 130],
    ['SIGTERM', 143],
    ['SIGHUP', 129],
  ] as const) {
    process.once(signal, () => {
      interrupted = true;
      process.exitCode = exitCode;
      console.error(`\n${signal}: stopping what was started`);
      void cleanUp().then(() => process.exit(exitCode));
    });
  }
}
