import { collectDefaultMetrics } from 'prom-client';
import { KeptFileError } from './access/kept-file.ts';
import { type App, startApp } from './app.ts';
import { ConfigError } from './config/error.ts';
import { type Config, readConfig } from './config.ts';
import { EmbeddedPostgresError } from './database/embedded.ts';
import { MigrationError } from './database/migrations.ts';
import { ListenError } from './server/http.ts';

/** What ends the program, by sysexits(3): a mistake in the configuration, and a service that cannot be had. */
const exitCodes = { configuration: 78, unavailable: 69, failure: 1 } as const;

/**
 * How often the delay of the event loop is looked at for the metrics. Every 10 ms, which is usual, was three quarters of
 * what an idle server did.
 */
const eventLoopSampleMs = 100;

/** Failures that an operator mends: the message is all they need. */
const expectedFailures = [EmbeddedPostgresError, MigrationError, KeptFileError, ListenError];

async function main(): Promise<void> {
  let starting: Promise<App> | undefined;
  let stopping = false;
  const stop = async (signal: NodeJS.Signals): Promise<void> => {
    if (stopping) return;
    stopping = true;
    process.stderr.write(`\n${signal}: ending subscriptions and finishing requests in flight\n`);
    // What is being started has to be stopped as well: the embedded server would outlive this process.
    const app = await starting?.catch(() => undefined);
    await app?.close();
    process.exit(0);
  };
  try {
    const config = readConfig();
    process.on('SIGTERM', stop);
    process.on('SIGINT', stop);
    starting = startApp(config);
    const app = await starting;
    if (stopping) return;
    collectDefaultMetrics({ register: app.metrics.registry, eventLoopMonitoringPrecision: eventLoopSampleMs });
    process.stdout.write(welcome(app, config));
  } catch (error) {
    const [code, message] = explain(error);
    process.stderr.write(`${message}\n`);
    process.exit(code);
  }
}

function explain(error: unknown): readonly [number, string] {
  if (error instanceof ConfigError) return [exitCodes.configuration, error.message];
  if (expectedFailures.some((expected) => error instanceof expected) && error instanceof Error) {
    return [exitCodes.unavailable, error.message];
  }
  if (isConnectionFailure(error)) {
    return [exitCodes.unavailable, `The database of DATABASE_URL cannot be reached: ${error.message}`];
  }
  return [exitCodes.failure, error instanceof Error ? (error.stack ?? error.message) : String(error)];
}

const isConnectionFailure = (error: unknown): error is Error =>
  error instanceof Error &&
  'code' in error &&
  typeof error.code === 'string' &&
  /^(ECONN|ENOTFOUND|EAI_AGAIN|EHOSTUNREACH|ENETUNREACH|ETIMEDOUT|08|28|3D|53300|57P03)/.test(error.code);

function welcome({ url, rootKey }: App, config: Config): string {
  const key = rootKey === undefined ? '<your admin key>' : `$(cat ${rootKey.path})`;
  const lines = [
    '',
    'Fairlead is ready.',
    `  graph       ${url}/graphql`,
    ...(config.graph.playground ? [`  playground  ${url}/`] : []),
    `  monitoring  ${url}/health  ${url}/ready  ${url}/metrics`,
  ];
  if (rootKey?.created) {
    lines.push(
      '',
      'The root admin key was made. It is shown this once and kept, for you alone to read, in',
      `  ${rootKey.path}`,
      `  ${rootKey.key}`,
    );
  }
  lines.push(
    '',
    'A first query:',
    `  curl -s ${url}/graphql -H "X-Admin-Key: ${key}" -H 'Content-Type: application/json' \\`,
    `    -d '{"query":"{ fairshareGroups { edges { node { id name weight } } } }"}'`,
    '',
  );
  return `${lines.join('\n')}\n`;
}

await main();
