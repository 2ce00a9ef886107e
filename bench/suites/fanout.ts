/** What it takes to send live snapshots to thousands: this server beside graphql-ws with yoga's pub/sub. */
import { type ChildProcess, fork } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fairlead } from '../contenders/fairlead.ts';
import { type DocumentName, documents } from '../fanout/data.ts';
import type { ClientOrder, Deliveries, Reply, ServerOrder, ServerReport, Transport } from '../fanout/protocol.ts';
import { onCleanup } from '../harness/cleanup.ts';
import type { BenchDatabase } from '../harness/database.ts';
import type { Options } from '../harness/options.ts';
import { benchFolder, commonEnvironment, serverNode } from '../harness/processes.ts';
import { table, whole } from '../harness/report.ts';
import { median } from '../harness/statistics.ts';

/** A process that obeys, one order at a time. */
class Obedient<Order extends object> {
  readonly #child: ChildProcess;
  readonly stop: () => Promise<void>;

  constructor(script: string, environment: Readonly<Record<string, string>> = {}) {
    this.#child = fork(join(benchFolder, script), {
      execPath: serverNode,
      execArgv: ['--expose-gc'],
      cwd: benchFolder,
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
      env: { ...commonEnvironment, ...environment },
    });
    this.stop = onCleanup(async () => {
      if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
      const ended = new Promise((resolve) => this.#child.once('exit', resolve));
      this.#child.kill('SIGKILL');
      await ended;
    });
  }

  /** What it says next. */
  said<Value>(): Promise<Value> {
    return new Promise((resolve, reject) => {
      const onExit = (): void => reject(new Error('a process of the bench ended'));
      this.#child.once('exit', onExit);
      this.#child.once('message', (reply: Reply<Value>) => {
        this.#child.off('exit', onExit);
        if ('failure' in reply) reject(new Error(reply.failure));
        else resolve(reply.value);
      });
    });
  }

  tell<Value = undefined>(order: Order): Promise<Value> {
    const answer = this.said<Value>();
    this.#child.send(order);
    return answer;
  }
}

type FanoutServer = Obedient<ServerOrder>;
type Clients = Obedient<ClientOrder>;

interface Contestant {
  readonly name: string;
  readonly transport: Transport;
  readonly server: FanoutServer;
  readonly url: string;
  readonly connectionParams: readonly object[];
}

const keyCount = 10;

async function startFairlead(databaseUrl: string, name: string, transport: Transport): Promise<Contestant> {
  const scratchFolder = await mkdtemp(join(tmpdir(), 'fairlead-bench-'));
  onCleanup(() => rm(scratchFolder, { recursive: true, force: true }));
  const environment = fairlead.environment({ databaseUrl, port: 0, poolSize: 10, scratchFolder });
  const server: FanoutServer = new Obedient('servers/fanout-fairlead.ts', {
    ...environment,
    PORT: '0',
    FAIRLEAD_PEPPERS: `1:${randomBytes(32).toString('hex')}`,
  });
  const url = await server.said<string>();
  const makeKey = async (): Promise<object> => {
    const response = await fetch(`${url}/graphql`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...fairlead.headers },
      body: JSON.stringify({
        query: `mutation { createKey(input: { kind: ADMIN, name: "dashboard", scopes: ["fairshare:read"] }) {
          ... on CreateKeyPayload { secret { value } } ... on UserError { message } } }`,
      }),
    });
    const text = await response.text();
    const secret = /"value":"([^"]+)"/.exec(text)?.[1];
    if (secret === undefined) throw new Error(`no key could be made: ${text}`);
    return { authorization: `Bearer ${secret}` };
  };
  const connectionParams = await Promise.all(Array.from({ length: keyCount }, makeKey));
  return { name, transport, server, url, connectionParams };
}

/** One that asks nobody who he is. */
async function startOpen(name: string, script: string): Promise<Contestant> {
  const server: FanoutServer = new Obedient(script);
  return { name, transport: 'WebSocket', server, url: await server.said<string>(), connectionParams: [{}] };
}

interface Load {
  readonly subscribers: number;
  readonly everyMs: number;
  readonly document: DocumentName;
}

interface Round extends Deliveries {
  readonly cpuUsEach: number;
  /** Of one core. */
  readonly cpuShare: number;
}

interface Measured {
  readonly rounds: readonly Round[];
  readonly longestBlockMs: number;
  /** What the server keeps for a subscriber. */
  readonly heapBytesEach: number;
}

const warmUpSubscribers = 20;

/** Snapshots come a few times a second, so that it takes longer than elsewhere until what delivers them is compiled. */
const warmUpTimes = 4;

/** As long as a few rounds: pings are sent every 12 seconds. */
const blockSeconds = 12;

/** One that takes part in the comparison of a load, with subscribers of its own that stay until it is over. */
class Participant {
  readonly #contestant: Contestant;
  readonly #clients: Clients = new Obedient('fanout/clients.ts');
  readonly #load: Load;
  readonly #rounds: Round[] = [];
  #heapBytesEach = 0;
  #longestBlockMs = 0;

  constructor(contestant: Contestant, load: Load) {
    this.#contestant = contestant;
    this.#load = load;
  }

  get measured(): Measured {
    return { rounds: this.#rounds, longestBlockMs: this.#longestBlockMs, heapBytesEach: this.#heapBytesEach };
  }

  /** Until what is executed for each snapshot is compiled, which in a short measurement would be most of it. */
  async warmUp({ firstWarmUpSeconds }: Options): Promise<void> {
    const { server } = this.#contestant;
    await server.tell({ kind: 'publish', everyMs: 100 });
    await this.#connect(warmUpSubscribers);
    await this.#clients.tell({ kind: 'measure', ms: firstWarmUpSeconds * 1_000 });
    await this.#clients.tell({ kind: 'disconnect' });
    await server.tell({ kind: 'pause' });
    const { heapBytes } = await server.tell<ServerReport>({ kind: 'heap' });
    await this.#connect(this.#load.subscribers);
    const connected = await server.tell<ServerReport>({ kind: 'heap' });
    this.#heapBytesEach = (connected.heapBytes - heapBytes) / this.#load.subscribers;
    // What delivers to so many has to be compiled as well.
    await this.#publish(warmUpTimes * firstWarmUpSeconds);
    await server.tell({ kind: 'pause' });
  }

  /** What it takes to deliver. */
  async measureRound({ laterWarmUpSeconds, measureSeconds }: Options): Promise<void> {
    const { server } = this.#contestant;
    await this.#publish(laterWarmUpSeconds);
    await server.tell({ kind: 'reset', watchesBlocks: false });
    const startedAt = performance.now();
    const deliveries = await this.#clients.tell<Deliveries>({ kind: 'measure', ms: measureSeconds * 1_000 });
    const { cpuMicroseconds } = await server.tell<ServerReport>({ kind: 'report' });
    const elapsedUs = (performance.now() - startedAt) * 1_000;
    await server.tell({ kind: 'pause' });
    this.#rounds.push({
      ...deliveries,
      // With all that the server does meanwhile: what it would do without deliveries cannot be told apart reliably.
      cpuUsEach: cpuMicroseconds / deliveries.count,
      cpuShare: cpuMicroseconds / elapsedUs,
    });
  }

  /** For how long nothing else is done; apart from the rounds, since looking for it takes time. */
  async measureBlocks({ laterWarmUpSeconds }: Options): Promise<void> {
    const { server } = this.#contestant;
    await this.#publish(laterWarmUpSeconds);
    await server.tell({ kind: 'reset', watchesBlocks: true });
    await this.#clients.tell({ kind: 'measure', ms: blockSeconds * 1_000 });
    this.#longestBlockMs = (await server.tell<ServerReport>({ kind: 'report' })).longestBlockMs;
    await server.tell({ kind: 'pause' });
  }

  /** Its subscribers go. */
  async leave(): Promise<void> {
    await this.#clients.tell({ kind: 'disconnect' });
    await this.#clients.stop();
  }

  /** Its subscribers are sent snapshots from now on, for so long before anything else. */
  async #publish(seconds: number): Promise<void> {
    const { everyMs } = this.#load;
    await this.#contestant.server.tell({ kind: 'publish', everyMs });
    await this.#clients.tell({ kind: 'measure', ms: 2 * everyMs + 1_000 * seconds });
  }

  async #connect(count: number): Promise<void> {
    const { transport, url, connectionParams } = this.#contestant;
    const query = documents[this.#load.document];
    await this.#clients.tell({ kind: 'connect', transport, url, count, connectionParams, query });
  }
}

/** In turns, so that a machine that becomes slower does so for all. */
async function compare(contestants: readonly Contestant[], load: Load, options: Options): Promise<readonly Measured[]> {
  const participants = contestants.map((contestant) => new Participant(contestant, load));
  for (const participant of participants) await participant.warmUp(options);
  for (let round = 0; round < options.rounds; round += 1) {
    for (const participant of participants) await participant.measureRound(options);
  }
  for (const participant of participants) await participant.measureBlocks(options);
  for (const participant of participants) await participant.leave();
  return participants.map(({ measured }) => measured);
}

const middle = ({ rounds }: Measured, pick: (round: Round) => number): number => median(rounds.map(pick));

/**
 * Slow enough for the plain server to keep up with: what is compared is the work, not what overload makes of it. What a
 * server does whether or not anybody listens is a part of each delivery: the more there are, the smaller.
 */
const comparisons: readonly Load[] = [
  { subscribers: 500, everyMs: 250, document: '5 kB' },
  { subscribers: 1_000, everyMs: 250, document: '5 kB' },
  { subscribers: 50, everyMs: 1_000, document: 'full' },
];

const crowd: Load = { subscribers: 5_000, everyMs: 1_000, document: '5 kB' };

const churnCount = 10_000;

async function churn({ server, url, connectionParams }: Contestant): Promise<readonly number[]> {
  const clients: Clients = new Obedient('fanout/clients.ts');
  const query = documents['5 kB'];
  const params = connectionParams[0] ?? {};
  const heap = async (): Promise<number> => (await server.tell<ServerReport>({ kind: 'heap' })).heapBytes;
  // Caches that have a bound fill up first.
  await clients.tell({ kind: 'churn', url, count: churnCount / 10, connectionParams: params, query });
  const before = await heap();
  await clients.tell({ kind: 'churn', url, count: churnCount, connectionParams: params, query });
  await clients.stop();
  return [before, await heap()];
}

/** Gives the tables of this comparison. */
export async function runFanoutSuite(
  database: BenchDatabase,
  options: Options,
  say: (line: string) => void,
): Promise<string> {
  const own = await startFairlead(database.url, 'fairlead', 'WebSocket');
  const contestants: readonly Contestant[] = [
    own,
    await startOpen('graphql-ws + pub/sub', 'servers/fanout-plain.ts'),
    await startFairlead(await database.another('bench_events'), 'fairlead, SSE', 'SSE'),
    await startOpen('floor: a prepared frame', 'servers/fanout-floor.ts'),
  ];
  const rows: string[][] = [];
  for (const load of comparisons) {
    const all = await compare(contestants, load, options);
    const [first] = all;
    for (const [index, measured] of all.entries()) {
      const relative = measured.rounds.map(
        (round, at) => round.cpuUsEach / (first?.rounds[at]?.cpuUsEach ?? Number.NaN),
      );
      rows.push([
        `${load.document}, ${whole(load.subscribers)} at ${1_000 / load.everyMs}/s, ${contestants[index]?.name ?? ''}`,
        whole(middle(measured, ({ bytesEach }) => bytesEach)),
        whole(middle(measured, ({ count }) => count) / options.measureSeconds),
        middle(measured, ({ cpuUsEach }) => cpuUsEach).toFixed(1),
        median(relative).toFixed(2),
        whole(middle(measured, ({ p50Ms }) => p50Ms)),
        whole(middle(measured, ({ p99Ms }) => p99Ms)),
        whole(measured.longestBlockMs),
      ]);
      say(rows.at(-1)?.join('  ') ?? '');
    }
  }
  const [many] = await compare([own], crowd, options);
  if (many === undefined) throw new Error('nobody was measured with a crowd');
  const crowdTable = table([
    ['subscribers', 'deliveries/s', 'CPU µs each', 'of one core', 'p50 ms', 'p99 ms', 'longest block ms', 'KiB each'],
    [
      `${whole(crowd.subscribers)} at 1/s`,
      whole(middle(many, ({ count }) => count) / options.measureSeconds),
      middle(many, ({ cpuUsEach }) => cpuUsEach).toFixed(1),
      `${whole(100 * middle(many, ({ cpuShare }) => cpuShare))} %`,
      whole(middle(many, ({ p50Ms }) => p50Ms)),
      whole(middle(many, ({ p99Ms }) => p99Ms)),
      whole(many.longestBlockMs),
      (many.heapBytesEach / 1_024).toFixed(1),
    ],
  ]);
  say(crowdTable);
  const [before = 0, after = 0] = await churn(own);
  const mebibytes = (bytes: number): string => (bytes / 2 ** 20).toFixed(1);
  const churnTable = table([
    ['sockets that came and went', 'heap before, MiB', 'heap after, MiB'],
    [whole(churnCount), mebibytes(before), mebibytes(after)],
  ]);
  for (const { server } of contestants) await server.stop();
  const heads = [
    'results, subscribers',
    'bytes',
    'deliveries/s',
    'CPU µs each',
    'ratio',
    'p50 ms',
    'p99 ms',
    'longest block ms',
  ];
  return [
    `### fanout: CPU time of the server for each delivered result\n\n${table([heads, ...rows])}`,
    `### fanout: ${whole(crowd.subscribers)} subscribers\n\n${crowdTable}`,
    `### fanout: what is left of sockets that are gone\n\n${churnTable}`,
  ].join('\n\n');
}
