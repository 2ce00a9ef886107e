import { cleanUp, cleanUpOnSignals, wasInterrupted } from './harness/cleanup.ts';
import { installPeers } from './harness/install.ts';
import { readOptions, usage } from './harness/options.ts';

async function main(): Promise<void> {
  const options = readOptions(process.argv.slice(2));
  if (options === 'help') {
    console.log(usage);
    return;
  }
  if (options.suites.some((suite) => suite !== 'scheduler')) installPeers(import.meta.dirname);
  cleanUpOnSignals();
  const { runBench } = await import('./harness/run.ts');
  await runBench(options);
}

try {
  await main();
} catch (error) {
  if (!wasInterrupted()) {
    console.error(error instanceof Error ? error.message : error);
    process.exitCode = 1;
  }
} finally {
  await cleanUp();
}
