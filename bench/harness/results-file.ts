/** bench/RESULTS.md: only what stands between the markers is written by a run; the rest is written by hand and stays. */
import { readFile, writeFile } from 'node:fs/promises';
import { availableParallelism, totalmem } from 'node:os';
import { join } from 'node:path';
import { counts } from '../admission/set-up.ts';
import { canPin } from './cores.ts';
import { type Options, type SuiteName, suiteNames } from './options.ts';
import { benchFolder } from './processes.ts';

/** Between these lines stands what was measured by a suite. */
const markersOf = (suite: SuiteName): { readonly begin: string; readonly end: string } => {
  const name = suite === 'peers' ? 'measured' : `measured, ${suite}`;
  return { begin: `<!-- ${name}: begin (written by \`npm run bench\`) -->`, end: `<!-- ${name}: end -->` };
};

const blank = `# Measured comparison

${suiteNames.map((suite) => `${markersOf(suite).begin}\n${markersOf(suite).end}`).join('\n\n')}

## Where the time goes

Not written yet.
`;

const systemNames: Readonly<Record<string, string>> = { linux: 'Linux', darwin: 'macOS', win32: 'Windows' };

/** Read as a file: not every package exports its manifest. */
async function versionOf(packageName: string, folder: string): Promise<string> {
  const manifest = await readFile(join(folder, 'node_modules', packageName, 'package.json'), 'utf8');
  return (JSON.parse(manifest) as { readonly version: string }).version;
}

/** As it was typed, but for the address of a database, which may hold a password. */
function commandLine(): string {
  const args = process.argv.slice(2).map((arg, index, all) => {
    if (all[index - 1] === '--database-url') return '…';
    return arg.replace(/^(--database-url=).*/, '$1…');
  });
  return ['npm run bench', ...(args.length === 0 ? [] : ['--', ...args])].join(' ');
}

function loadOf(suite: SuiteName, options: Options): string {
  if (suite === 'fairness') return 'one run of each scenario, workers as described below';
  const rounds =
    `${options.firstWarmUpSeconds} s of warm-up for each load, then ${options.rounds} rounds of ` +
    `${options.measureSeconds} s in which the servers take turns; medians over the rounds`;
  if (suite === 'fanout') {
    return `as many subscribers as the tables say, over WebSockets; ${rounds}; of the warm-up, four times as much with all`;
  }
  if (suite === 'admission') {
    const pinned = canPin
      ? 'the server has one core to itself, Postgres and the clients have the others, where the clients come first; Postgres has gone through a checkpoint'
      : 'servers, Postgres and clients run on whatever core they are put';
    return `32 keep-alive connections of a process of clients (32 and 32 where requests come by themselves); ${pinned}; ${rounds}`;
  }
  return (
    `${options.connectionCount} keep-alive connections, each with one request in flight, to one server at a time; ` +
    `${options.firstWarmUpSeconds} s of warm-up, then ${options.rounds} rounds of ${options.measureSeconds} s in which ` +
    'the servers take turns; medians over the rounds'
  );
}

async function describeRun(suite: SuiteName, options: Options, postgresVersion: string | undefined): Promise<string> {
  const root = join(benchFolder, '..');
  const hardware = [
    `${availableParallelism()} cores`,
    `${Math.round(totalmem() / 2 ** 30)} GiB`,
    `${systemNames[process.platform] ?? process.platform} ${process.arch}`,
  ];
  const first = [`- Date: ${new Date().toISOString().slice(0, 10)}`, `- Command: \`${commandLine()}\``];
  if (postgresVersion === undefined) {
    return [
      ...first,
      `- Machine: ${hardware.join(', ')}`,
      `- Versions: Node ${process.versions.node}`,
      `- Load: one process; ${options.firstWarmUpSeconds} s of warm-up, then ${options.rounds} rounds of ` +
        `${options.measureSeconds} s for each number of tenants; medians over the rounds`,
      `- Data: ${data[suite]}`,
    ].join('\n');
  }
  const versions = [
    `Node ${process.versions.node}`,
    `Postgres ${postgresVersion}`,
    `Prisma ${await versionOf('@prisma/client', root)}`,
    `graphql-yoga ${await versionOf('graphql-yoga', root)}`,
    `PostGraphile ${await versionOf('postgraphile', benchFolder)}`,
    `Fastify ${await versionOf('fastify', benchFolder)}`,
    `pg ${await versionOf('pg', benchFolder)}`,
  ];
  return [
    ...first,
    `- Machine: ${hardware.join(', ')}; servers, Postgres and the load generator share it`,
    `- Versions: ${versions.join(', ')}`,
    `- Load: ${loadOf(suite, options)}`,
    `- Servers: one process each, ${options.poolSize} Postgres connections each, NODE_ENV=production`,
    `- Data: ${data[suite]}`,
  ].join('\n');
}

const aboutPeers = `What the servers do is not the same:

- **fairlead** authenticates the key, checks scopes, depth and cost of every request, and takes the cost off the
  credential's budget. \`createTenant\` also writes an audit row into a hash chain and an outbox row in the same
  transaction; the other servers insert the tenant and nothing else.
- **postgraphile** has no authentication, no row-level security (so no transaction around its reads) and no limits here.
- **fairlead-uncached** is fairlead with FAIRLEAD_KEY_CACHE_ENTRIES=0: every key is looked up in the database.
- **fastify** is a hand-written look-up of a key's hash, with HMAC, joins and checks, that remembers nothing, and two
  hand-written lists of keys, each with its one filter and its one order. It has no credentials, scopes, schedules,
  origins or use counts to look after.
- **floor** executes no GraphQL: one hand-written, prepared SQL statement builds each answer as JSON text.

CPU is per request, of all threads of the server process; of Postgres, all its processes. SQL statements include
BEGIN and COMMIT, and are counted once connections are warm; «parsed» are those for which the server did not use a
prepared statement.`;

const aboutFence = `The same requests to two processes on the same database: one reads for tenants behind row-level security, the
other does not, as \`bench/servers/fairlead.ts\` takes the fence out. Both keep the conditions that services put into
every statement. Callers have tenant keys; the 50 tenants send one request after the other, each about its own rows, so
that nearly every request meets a connection that was last used for another tenant.

CPU is per request, with the fence / without it.`;

const aboutScheduler = `A pair settles a request that runs, at other tokens than estimated, gives its slot to whose turn it is, and submits
a request of the same tenant: eight settlements, their grants, and eight requests in turn, as a server has them that takes
what came in at once. So every tenant has requests waiting at all times. CPU is that of the whole process, the collection
of garbage in other threads included. A bare heap is the floor: a binary heap of as many numbers as requests wait, of
which the least is replaced. Bytes are what the scheduler remembers, without the ids that it was told. At 100,000 most
of the time is waiting for memory, so that it differs with what else the machine's memory is used for.`;

const aboutFairness = `The two scenarios that Obleth publishes for its own fairness, scored by the same formulas, against one process of the
program: each worker has one request at a time, which is admitted over HTTP, holds its slot for 250 ms (20 % more or less)
and is settled with its usage recorded.

- **a heavy and a light group** (8 slots, weights 500 and 50, 32 workers each; the light one starts 10 s earlier, then
  both for 60 s). PASS: the heavy one completes at least twice as much, the light one is not starved, at most 5 % fail,
  and the records of usage differ by at most 20 % from what the clients counted. By the weights, the ratio is 10.
- **tenants that join late** (16 slots, 12 workers each, two of four tenants join after 20 s, 80 s in all). The score is
  100 × (J − 0.5) / 0.5 for the Jain index J of observed to expected shares from 50 s on, less 10, 20 or 30 when the
  first three samples in a row with every share within 0.10 of the expected one begin later than 15 s or 30 s after
  joining, or never come, and less 40 when somebody completes nothing in five samples in a row.

How long a request takes, the weights of the second scenario, and that it has two groups, are ours: they were not
published.`;

const aboutFanout = `Both servers send the same snapshots to clients of another process, over graphql-transport-ws:

- **fairlead** with authentication, scopes, cost and limits on; its subscribers use ten keys that see the same;
- **graphql-ws + pub/sub**: graphql-ws with yoga's \`createPubSub\`, as their documentation puts them together, without
  authentication and limits.

Subscribers stay until all rounds of their load are over. The CPU time is that of the whole process of the server with
everything that it does meanwhile, compilation and signs of life among it. The age of a result is from the moment that
its snapshot describes to when a client has read it. The longest block is the longest time for which the server's event
loop did nothing else.`;

const aboutAdmission = `Gateways have requests admitted by the secrets of their callers' keys, and settle them, each over HTTP with a gateway's
key. Every request meets limits of its key, user, team and tenant, of each kind, and none is refused. One request of the
tables is one of HTTP: an admission is one, and its settlement another.

- **fairlead** as it is deployed: an admission is answered when its lease is written, a settlement when its usage record
  is on the disk;
- **fairlead, nothing written**: the same program with a store of admission that keeps nothing;
- **bare yoga**: graphql-yoga on node:http with two mutations of the same input and answers, which do nothing: no
  authentication, no limits, no slots.

Where so many a second come, each comes at its own time (exponentially distributed), whether or not those before are
answered, and its wait counts from that time, also while it waits for one of the 32 connections for admissions;
settlements have 32 of their own, and count from when the clients begin with them. The clients' own timers have a
resolution of a millisecond: what is left of the p99 without that, from when they begin with a request, a column says.
After each measurement the records are counted: the run fails unless there is exactly one for each settlement that was
acknowledged, with its tokens, and no lease is left.`;

const whatIsCompared: Readonly<Record<SuiteName, string>> = {
  peers: aboutPeers,
  fence: aboutFence,
  scheduler: aboutScheduler,
  fairness: aboutFairness,
  fanout: aboutFanout,
  admission: aboutAdmission,
};

const data: Readonly<Record<SuiteName, string>> = {
  peers:
    '5,000 tenants in 10 groups and an empty default group, and 100,000 keys of their users, the same database for all; ' +
    'created rows are deleted after each measurement',
  fence: '5,000 tenants in 10 groups; 100 users in each of the 50 tenants that call, and 10 in each of the others',
  scheduler:
    'one pool of 256 slots, 10 groups, 3 requests waiting a tenant, each of any of its 2 keys and of three priorities, ' +
    'weights of 1 to 1,000, caps of tenants and keys, a deadline for every request and a lease for every slot',
  fairness: '5,000 tenants that ask for nothing, and those of the scenario; everything is made over the graph',
  fanout: 'snapshots of 100 tenants in 5 groups and 5 pools, with 200 keys, of which each differs from the one before',
  admission:
    `${counts.tenants} tenants in ${counts.groups} groups, each with ${counts.teamsOfTenant} teams of ` +
    `${counts.usersOfTeam} users, a key of each user and one of the tenant's own; everything is made over the graph`,
};

/** A text that has a place for a suite: one that was never written comes behind the one before it. */
function withSection(text: string, suite: SuiteName): string {
  const { begin, end } = markersOf(suite);
  if (text.includes(begin) || text.includes(end)) return text;
  const before = suiteNames
    .slice(0, suiteNames.indexOf(suite))
    .map((name) => markersOf(name).end)
    .findLast((marker) => text.includes(marker));
  const at = before === undefined ? text.length : text.indexOf(before) + before.length;
  return `${text.slice(0, at).trimEnd()}\n\n${begin}\n${end}\n\n${text.slice(at).trimStart()}`;
}

export async function writeResults(
  suite: SuiteName,
  options: Options,
  postgresVersion: string | undefined,
  tables: string,
): Promise<string> {
  const file = join(benchFolder, 'RESULTS.md');
  let text = blank;
  try {
    text = await readFile(file, 'utf8');
  } catch {
    // The first run makes the file.
  }
  const { begin, end } = markersOf(suite);
  text = withSection(text, suite);
  const from = text.indexOf(begin);
  const to = text.indexOf(end);
  if (from === -1 || to < from) {
    throw new Error(`RESULTS.md has lost one of the markers of ${suite}; put it back, or remove the other one`);
  }
  const measured = [begin, await describeRun(suite, options, postgresVersion), whatIsCompared[suite], tables, end].join(
    '\n\n',
  );
  await writeFile(file, text.slice(0, from) + measured + text.slice(to + end.length));
  return file;
}
