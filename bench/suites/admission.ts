/** What it takes to admit and to settle requests over HTTP: with and without writing it down, and beside bare yoga. */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { Client } from 'pg';
import type { Arrival, LoadOrder, LoadReply, Measured } from '../admission/protocol.ts';
import { type Callers, models, scarceSlots, setUp } from '../admission/set-up.ts';
import type { Contender } from '../contenders/contender.ts';
import { fairlead } from '../contenders/fairlead.ts';
import { onCleanup } from '../harness/cleanup.ts';
import { pinOther, pinOtherFamily, pinServer, putFirst } from '../harness/cores.ts';
import type { BenchDatabase } from '../harness/database.ts';
import type { Options } from '../harness/options.ts';
import { benchFolder, type RunningServer, startServer } from '../harness/processes.ts';
import { type ProfiledStretch, profileFolder, renderProfile } from '../harness/profile.ts';
import { table, whole } from '../harness/report.ts';
import { median } from '../harness/statistics.ts';

const connectionCount = 32;
/** What the aim is about. */
const aim = { perSecond: 1_000, p99Ms: 8 } as const;

interface Load {
  readonly title: string;
  readonly arrival: Arrival;
  readonly model: string;
}

const loads: readonly Load[] = [
  {
    title: `${connectionCount} callers, each with one request after another`,
    arrival: { kind: 'closed' },
    model: models.plenty,
  },
  {
    title: `${whole(aim.perSecond)} admissions a second, each settled about 100 ms later`,
    arrival: { kind: 'open', perSecond: aim.perSecond, heldMs: 100 },
    model: models.plenty,
  },
  {
    title: `${connectionCount} callers for ${scarceSlots} slots, each with one request after another`,
    arrival: { kind: 'closed' },
    model: models.scarce,
  },
];

const [aimed] = loads.filter(({ arrival }) => arrival.kind === 'open');

const unwritten: Contender = {
  ...fairlead,
  name: 'fairlead, nothing written',
  script: 'servers/unwritten-admission.ts',
};

const yoga: Contender = {
  name: 'bare yoga',
  script: 'servers/yoga.ts',
  environment: ({ port }) => ({ PORT: String(port) }),
  path: '/graphql',
  headers: {},
  operations: () => ({}),
};

class Clients {
  readonly #child: ChildProcess;
  readonly stop: () => Promise<void>;

  constructor() {
    this.#child = fork(join(benchFolder, 'admission/clients.ts'), { execPath: process.execPath, execArgv: [] });
    if (this.#child.pid !== undefined) {
      pinOther(this.#child.pid);
      putFirst(this.#child.pid);
    }
    this.stop = onCleanup(async () => {
      if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
      const ended = once(this.#child, 'exit');
      this.#child.kill('SIGKILL');
      await ended;
    });
  }

  measure(order: LoadOrder): Promise<Measured> {
    return new Promise((resolve, reject) => {
      const onExit = (): void => reject(new Error('the process of clients ended'));
      this.#child.once('exit', onExit);
      this.#child.once('message', (reply: LoadReply) => {
        this.#child.off('exit', onExit);
        if ('failure' in reply) reject(new Error(reply.failure));
        else resolve(reply.measured);
      });
      this.#child.send(order);
    });
  }
}

/** One server, with what was made for it. */
interface Contestant {
  readonly server: RunningServer;
  readonly callers: Callers;
  readonly isFloor: boolean;
  /** What it has written; nothing when it writes nothing. */
  readonly rows: Client | undefined;
  readonly profile: string | undefined;
  readonly measurements: Map<Load, Measured[]>;
}

/**
 * Has Postgres write as much as it does between two checkpoints, and then take one. From then on it uses the files of its
 * log again, as it does wherever it has run for a while. A new one stops all commits for 65 ms each time that it needs
 * another file, which it has to fill first.
 */
async function useUpLog(url: string): Promise<void> {
  const client = new Client({ connectionString: url });
  await client.connect();
  for (let part = 0; part < 40; part += 1) {
    await client.query(`SELECT pg_logical_emit_message(false, 'bench', repeat(md5(random()::text), 200000))`);
  }
  await client.query('CHECKPOINT');
  await client.end();
}

/** Nobody's: the floor does not look at who calls. */
const nobody: Callers = { keys: ['fl_user_nobody'], gatewayId: 'gwy_nobody', gatewayKey: 'fl_gateway_nobody' };

async function start(contender: Contender, database: BenchDatabase, options: Options): Promise<Contestant> {
  const isFloor = contender === yoga;
  const isWritten = contender === fairlead;
  // Of its own, since one process decides for all that share a database.
  const databaseUrl = isFloor ? database.url : await database.another(isWritten ? 'bench_written' : 'bench_unwritten');
  const profile = options.profile ? await profileFolder() : undefined;
  const server = await startServer(contender, {
    databaseUrl,
    poolSize: options.poolSize,
    readyBody: JSON.stringify({ query: '{ __typename }' }),
    nodeOptions: profile?.nodeOptions ?? [],
  });
  pinServer(server.pid);
  const callers = isFloor ? nobody : await setUp(server);
  let rows: Client | undefined;
  if (isWritten) {
    rows = new Client({ connectionString: databaseUrl });
    await rows.connect();
    const client = rows;
    onCleanup(() => client.end());
  }
  return { server, callers, isFloor, rows, profile: profile?.folder, measurements: new Map() };
}

interface Stored {
  readonly records: number;
  readonly leases: number;
  readonly requests: number;
  readonly unsettled: number;
  readonly tokens: string;
}

/** @throws when what is stored is not exactly what was acknowledged */
async function compareWithStored(rows: Client, name: string, { acknowledged }: Measured): Promise<void> {
  const {
    rows: [stored],
  } = await rows.query<Stored>(
    `SELECT count(*)::int AS records, count(DISTINCT id)::int AS leases, count(DISTINCT request_id)::int AS requests,
       count(*) FILTER (WHERE settlement <> 'SETTLED')::int AS unsettled,
       coalesce(sum(input_tokens + output_tokens), 0)::text AS tokens
     FROM usage_record WHERE session_id = $1`,
    [name],
  );
  const held = await rows.query<{ count: number }>('SELECT count(*)::int AS count FROM lease WHERE session_id = $1', [
    name,
  ]);
  const { settlements, tokens } = acknowledged;
  const expected = {
    records: settlements,
    leases: settlements,
    requests: settlements,
    unsettled: 0,
    tokens: `${tokens}`,
  };
  const found = JSON.stringify({ ...stored, held: held.rows[0]?.count });
  const wanted = JSON.stringify({ ...expected, held: 0 });
  if (found !== wanted) throw new Error(`${name}: stored is ${found}, but acknowledged was ${wanted}`);
}

async function measure(
  { server, callers, rows, measurements }: Contestant,
  load: Load,
  clients: Clients,
  {
    name,
    warmUpSeconds,
    seconds,
    database,
  }: {
    readonly name: string;
    readonly warmUpSeconds: number;
    readonly seconds: number;
    readonly database: BenchDatabase;
  },
): Promise<Measured> {
  const measured = await clients.measure({
    target: { ...server.target, headers: { authorization: `Bearer ${callers.gatewayKey}` } },
    model: load.model,
    keys: callers.keys,
    gatewayId: callers.gatewayId,
    name,
    connectionCount,
    arrival: load.arrival,
    warmUpMs: warmUpSeconds * 1_000,
    measureMs: seconds * 1_000,
    serverPid: server.pid,
    postmasterPid: database.postmasterPid,
  });
  if (rows !== undefined) await compareWithStored(rows, name, measured);
  const own = measurements.get(load) ?? [];
  measurements.set(load, [...own, measured]);
  return measured;
}

const milliseconds = (value: number): string => value.toFixed(value < 10 ? 2 : 1);
const percent = (share: number | undefined): string => (share === undefined ? 'unknown' : `${whole(100 * share)} %`);

/** Of what may be unknown on this system. */
const middle = (measured: readonly Measured[], pick: (one: Measured) => number | undefined): number | undefined => {
  const known = measured.map(pick).filter((value) => value !== undefined);
  return known.length === 0 ? undefined : median(known);
};

function row({ server, measurements, rows }: Contestant, load: Load): string[] {
  const measured = measurements.get(load) ?? [];
  const wait = (pick: (one: Measured) => number): string => milliseconds(median(measured.map(pick)));
  const settled = measured.reduce((sum, { acknowledged }) => sum + acknowledged.settlements, 0);
  return [
    server.contender.name,
    whole(middle(measured, ({ admissionsPerSecond }) => admissionsPerSecond)),
    wait(({ admit }) => admit.p50Ms),
    wait(({ admit }) => admit.p99Ms),
    wait(({ begunP99Ms }) => begunP99Ms),
    wait(({ settle }) => settle.p50Ms),
    wait(({ settle }) => settle.p99Ms),
    whole(middle(measured, ({ serverCpuUs }) => serverCpuUs)),
    percent(middle(measured, ({ serverShare }) => serverShare)),
    whole(middle(measured, ({ postgresCpuUs }) => postgresCpuUs)),
    whole(middle(measured, ({ clientsCpuUs }) => clientsCpuUs)),
    // Compared after each measurement.
    rows === undefined ? '–' : `all ${whole(settled)}`,
  ];
}

const heads = [
  'server',
  'admissions/s',
  'admit p50 ms',
  'p99 ms',
  'p99 ms once begun',
  'settle p50 ms',
  'p99 ms',
  'server CPU µs a request',
  'of its core',
  'Postgres CPU µs',
  'clients CPU µs',
  'recorded once',
];

function verdict([first]: readonly Contestant[]): string {
  const measured = (aimed && first?.measurements.get(aimed)) ?? [];
  if (measured.length === 0) return '';
  const rounds = measured.map(({ admit }) => admit.p99Ms);
  const p99Ms = median(rounds);
  const word = p99Ms < aim.p99Ms ? 'met' : 'missed';
  return (
    `Aim: admission p99 under ${aim.p99Ms} ms at ${whole(aim.perSecond)}/s: ${word} with ${milliseconds(p99Ms)} ms; ` +
    `in the rounds ${rounds.map(milliseconds).join(', ')} ms.`
  );
}

async function printProfiles(contestants: readonly Contestant[], say: (line: string) => void): Promise<void> {
  for (const { server, profile, measurements } of contestants) {
    if (profile === undefined) continue;
    await server.stop();
    const { name } = server.contender;
    const stretches: ProfiledStretch[] = [...measurements].flatMap(([load, all]) =>
      all.map((measured) => ({ title: `${name}, ${load.title}`, ...measured })),
    );
    say(`\n${await renderProfile(profile, stretches)}`);
  }
}

/** Gives the tables of this comparison. */
export async function runAdmissionSuite(
  database: BenchDatabase,
  options: Options,
  say: (line: string) => void,
): Promise<string> {
  const { rounds, firstWarmUpSeconds, laterWarmUpSeconds, measureSeconds } = options;
  if (database.postmasterPid !== undefined) pinOtherFamily(database.postmasterPid);
  await useUpLog(database.url);
  const contestants: Contestant[] = [];
  for (const contender of [fairlead, unwritten, yoga]) contestants.push(await start(contender, database, options));
  const clients = new Clients();
  /** The floor has no slots that could be scarce. */
  const takePart = (load: Load) => contestants.filter(({ isFloor }) => !isFloor || load.model !== models.scarce);
  let count = 0;
  const nameNext = (): string => {
    count += 1;
    return `bench-${count}`;
  };
  for (const load of loads) {
    for (const contestant of takePart(load)) {
      await measure(contestant, load, clients, {
        name: nameNext(),
        warmUpSeconds: firstWarmUpSeconds,
        seconds: 0.5,
        database,
      });
      contestant.measurements.clear();
    }
  }
  for (let round = 1; round <= rounds; round += 1) {
    for (const load of loads) {
      for (const contestant of takePart(load)) {
        const measured = await measure(contestant, load, clients, {
          name: nameNext(),
          warmUpSeconds: laterWarmUpSeconds,
          seconds: measureSeconds,
          database,
        });
        say(
          `round ${round}/${rounds}  ${load.title}  ${contestant.server.contender.name}  ` +
            `${whole(measured.admissionsPerSecond)}/s, p99 ${milliseconds(measured.admit.p99Ms)} ms`,
        );
      }
    }
  }
  await clients.stop();
  const tables = loads.map(
    (load) => `### admission: ${load.title}\n\n${table([heads, ...takePart(load).map((each) => row(each, load))])}`,
  );
  const text = [...tables, verdict(contestants)].join('\n\n');
  if (options.profile) await printProfiles(contestants, say);
  for (const { server } of contestants) await server.stop();
  return text;
}
