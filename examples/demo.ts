/**
 * The whole of it at once, on a fresh clone: a server, a few tenants, and simulated gateways that ask for admission over
 * HTTP in steady streams, waves and bursts, with a noisy neighbour, a tenant that joins late and a gateway that fails.
 *
 *   npm run demo
 *   npm run demo -- --duration 60 --rate 50 --tenants 12
 *
 * Ctrl-C settles what runs, withdraws what waits and removes what was made, unless --keep is given. A server that runs
 * already at FAIRLEAD_URL, or where `npm start` listens, is used; otherwise one is started as `npm start` would.
 */
import { readFileSync } from 'node:fs';
import { OptionError, readOptions, usage } from './demo/options.ts';
import { DemoServer, isRunning } from './demo/server.ts';
import { demoPrefix } from './demo/simulation/plan.ts';

const isTerminal = process.stdout.isTTY;
let isLineOpen = false;

function say(line: string): void {
  process.stdout.write(`${isLineOpen ? '\n' : ''}${line}\n`);
  isLineOpen = false;
}

function show(line: string): void {
  if (!isTerminal) {
    say(line);
    return;
  }
  process.stdout.write(`\r${line.slice(0, process.stdout.columns - 1)}\u001b[K`);
  isLineOpen = true;
}

async function main(): Promise<void> {
  const options = readOptions(process.argv.slice(2));
  if (options === 'help') {
    process.stdout.write(usage);
    return;
  }
  const ending = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.on(signal, () => {
      if (ending.signal.aborted) process.exit(130);
      say(`${signal}: ending; once more ends at once`);
      ending.abort();
    });
  }
  const server = new DemoServer(say);
  try {
    const { url, keyFile } = await findServer(server);
    if (ending.signal.aborted) return;
    // Read by everything below that speaks to the server.
    process.env.FAIRLEAD_URL = url;
    if (keyFile !== undefined && process.env.FAIRLEAD_KEY === undefined) {
      process.env.FAIRLEAD_KEY = readFileSync(keyFile, 'utf8').trim();
    }
    if (options.remove) {
      say('Removing what demos have left.');
      const { removeAll } = await import('./demo/remove.ts');
      await removeAll(demoPrefix);
      return;
    }
    say(`Playground: ${url}/  Run the tab FairshareLive, or StatsLive.`);
    say(keyFile === undefined ? 'Key: the one of that server.' : `Key: cat ${keyFile}`);
    say('In another terminal: npm run example -- watch\n');
    const { drive } = await import('./demo/drive.ts');
    await drive(options, { say, show, showEveryMs: isTerminal ? 500 : 5_000 }, ending.signal);
  } finally {
    await server.stop();
  }
}

async function findServer(
  server: DemoServer,
): Promise<{ readonly url: string; readonly keyFile?: string | undefined }> {
  const url = process.env.FAIRLEAD_URL ?? `http://127.0.0.1:${process.env.PORT ?? 4000}`;
  if (process.env.FAIRLEAD_URL !== undefined || (await isRunning(url))) {
    say(`Using the server at ${url}.`);
    return { url };
  }
  say('Starting the server.');
  return server.start();
}

try {
  await main();
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  if (error instanceof OptionError) process.stderr.write(`\n${usage}`);
  process.exitCode = 1;
}
