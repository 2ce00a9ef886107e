/** One whole run: database, verification, warm-up, rounds in turns, tables. */
import { type Contender, namePlaceholder, type OperationName } from '../contenders/contender.ts';
import { runAdmissionSuite } from '../suites/admission.ts';
import { runFairnessSuite } from '../suites/fairness.ts';
import { runFanoutSuite } from '../suites/fanout.ts';
import { runFenceSuite } from '../suites/fence.ts';
import { runSchedulerSuite } from '../suites/scheduler.ts';
import { onCleanup } from './cleanup.ts';
import { type BenchDatabase, prepareDatabase } from './database.ts';
import { pageLength, seededGroupCount, tenantName } from './dataset.ts';
import { lastOfKeyPage, lastOfKeyPageByName } from './keys.ts';
import type { LoadOrder, Measurement } from './load-protocol.ts';
import type { Options, SuiteName } from './options.ts';
import { type LoadGenerator, type RunningServer, startLoadGenerator, startServer } from './processes.ts';
import { profileFolder, renderProfile } from './profile.ts';
import { type ContenderResults, renderStatements, renderTables } from './report.ts';
import { writeResults } from './results-file.ts';
import { startStatementCounter } from './statement-counter.ts';
import { type CostsByOperation, verifyServer } from './verify.ts';

/** In every right answer and in no wrong one: the last name that the answer has to hold. */
const markers: Readonly<Record<OperationName, string>> = {
  tenant: namePlaceholder,
  tenantPage: tenantName(pageLength),
  groups: tenantName(10 * seededGroupCount),
  createTenant: namePlaceholder,
  keyPage: lastOfKeyPage,
  keyPageByName: lastOfKeyPageByName,
  verifyKey: namePlaceholder,
  verifySeenKey: namePlaceholder,
};

const names: Readonly<Record<OperationName, LoadOrder['names']>> = {
  tenant: 'tenants',
  tenantPage: 'tenants',
  groups: 'tenants',
  createTenant: 'fresh',
  keyPage: 'tenants',
  keyPageByName: 'tenants',
  verifyKey: 'keys',
  verifySeenKey: 'seenKeys',
};

const say = (line: string): void => console.log(line);

function readyBodyOf(contender: Contender, database: BenchDatabase): string {
  const [operation] = Object.values(contender.operations(database.facts));
  if (operation === undefined) throw new Error(`${contender.name} has no operations`);
  return operation.bodyTemplate;
}

async function verify(contender: Contender, database: BenchDatabase, poolSize: number): Promise<CostsByOperation> {
  const counter = await startStatementCounter(database.url);
  const stopCounter = onCleanup(() => counter.stop());
  const server = await startServer(contender, {
    databaseUrl: counter.url,
    poolSize,
    readyBody: readyBodyOf(contender, database),
  });
  const costs = await verifyServer(server, database.facts, counter);
  await server.stop();
  await stopCounter();
  await database.removeCreatedRows();
  return costs;
}

interface Measured {
  readonly server: RunningServer;
  readonly costs: CostsByOperation;
  readonly measurements: Map<OperationName, Measurement[]>;
}

async function measure(
  { server }: Measured,
  operation: OperationName,
  warmUpSeconds: number,
  seconds: number,
  context: { readonly database: BenchDatabase; readonly load: LoadGenerator; readonly options: Options },
): Promise<Measurement | undefined> {
  const { database, load, options } = context;
  const spelled = server.contender.operations(database.facts)[operation];
  if (spelled === undefined) return undefined;
  try {
    return await load.measure({
      target: { ...server.target, path: spelled.path ?? server.target.path },
      variants: [{ headers: server.target.headers, bodyTemplate: spelled.bodyTemplate, marker: markers[operation] }],
      names: names[operation],
      connectionCount: options.connectionCount,
      warmUpMs: warmUpSeconds * 1_000,
      measureMs: seconds * 1_000,
      serverPid: server.pid,
      postmasterPid: database.postmasterPid,
    });
  } catch (error) {
    throw new Error(`${server.contender.name}, ${operation}: ${(error as Error).message}`);
  } finally {
    if (operation === 'createTenant') await database.removeCreatedRows();
  }
}

/** Every round takes the servers in turn, operation by operation, so that a drift of the machine hits all alike. */
async function measureRounds(all: readonly Measured[], database: BenchDatabase, options: Options): Promise<void> {
  const load = startLoadGenerator();
  const context = { database, load, options };
  for (const operation of options.operations) {
    for (const measured of all) {
      await measure(measured, operation, Math.max(0, options.firstWarmUpSeconds - 0.5), 0.5, context);
    }
  }
  for (let round = 1; round <= options.rounds; round += 1) {
    for (const operation of options.operations) {
      for (const measured of all) {
        const result = await measure(measured, operation, options.laterWarmUpSeconds, options.measureSeconds, context);
        if (result === undefined) continue;
        const own = measured.measurements.get(operation) ?? [];
        measured.measurements.set(operation, [...own, result]);
        const { name } = measured.server.contender;
        say(
          `round ${round}/${options.rounds}  ${operation}  ${name}  ${result.requestsPerSecond.toFixed(0)} requests/s`,
        );
      }
    }
  }
  await load.stop();
}

async function printProfiles(folders: ReadonlyMap<string, string>, all: readonly Measured[]): Promise<void> {
  for (const { server, measurements } of all) {
    const { name } = server.contender;
    const folder = folders.get(name);
    if (folder === undefined) continue;
    await server.stop();
    const stretches = [...measurements].flatMap(([operation, results]) =>
      results.map((result, index) => ({ title: `${name}, ${operation}, round ${index + 1}`, ...result })),
    );
    say(`\n${await renderProfile(folder, stretches)}`);
  }
}

/** Fairlead beside the other servers; gives the tables. */
async function runPeers(database: BenchDatabase, options: Options): Promise<string> {
  const all: Measured[] = [];
  const profileFolders = new Map<string, string>();
  for (const contender of options.contenders) {
    const costs = await verify(contender, database, options.poolSize);
    say(`${contender.name} gives the expected answers.`);
    const profile = options.profile ? await profileFolder() : undefined;
    if (profile !== undefined) profileFolders.set(contender.name, profile.folder);
    const server = await startServer(contender, {
      databaseUrl: database.url,
      poolSize: options.poolSize,
      readyBody: readyBodyOf(contender, database),
      nodeOptions: profile?.nodeOptions ?? [],
    });
    all.push({ server, costs, measurements: new Map() });
  }
  await measureRounds(all, database, options);

  const results = all.map(
    ({ server, costs, measurements }): ContenderResults => ({ name: server.contender.name, costs, measurements }),
  );
  if (options.showStatements) say(`\n${renderStatements(results, options.operations)}`);
  if (options.profile) await printProfiles(profileFolders, all);
  for (const { server } of all) await server.stop();
  return renderTables(results, options.operations);
}

type SuiteOnDatabase = (database: BenchDatabase, options: Options, report: typeof say) => Promise<string>;

const onDatabase: Readonly<Record<Exclude<SuiteName, 'scheduler'>, SuiteOnDatabase>> = {
  peers: runPeers,
  fence: runFenceSuite,
  fairness: runFairnessSuite,
  fanout: runFanoutSuite,
  admission: runAdmissionSuite,
};

/** Those that are about the tenants and keys which are there from the start. */
const ofSeededRows: ReadonlySet<SuiteName> = new Set(['peers', 'fence', 'fairness']);

export async function runBench(options: Options): Promise<void> {
  const { suites } = options;
  // Nothing of the scheduler is in a database.
  const database = suites.every((suite) => suite === 'scheduler')
    ? undefined
    : await prepareDatabase(
        options.databaseUrl,
        suites.some((suite) => ofSeededRows.has(suite)),
        () => undefined,
      );
  if (database !== undefined) say(`Postgres ${database.version} is ready.`);
  for (const suite of suites) {
    let tables: string;
    if (suite === 'scheduler') tables = runSchedulerSuite(options, say);
    else if (database === undefined) throw new Error(`${suite} needs a database`);
    else tables = await onDatabase[suite](database, options, say);
    say(`\n${tables}`);
    if (options.write) say(`\nwritten to ${await writeResults(suite, options, database?.version, tables)}`);
  }
}
