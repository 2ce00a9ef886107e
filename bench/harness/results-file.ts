/** bench/RESULTS.md: only what stands between the markers is written by a run; the rest is written by hand and stays. */
import { readFile, writeFile } from 'node:fs/promises';
import { availableParallelism, totalmem } from 'node:os';
import { join } from 'node:path';
import type { Options } from './options.ts';
import { benchFolder } from './processes.ts';

const begin = '<!-- measured: begin (written by `npm run bench`) -->';
const end = '<!-- measured: end -->';

const blank = `# Measured comparison

${begin}
${end}

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

async function describeRun(options: Options, postgresVersion: string): Promise<string> {
  const root = join(benchFolder, '..');
  const hardware = [
    `${availableParallelism()} cores`,
    `${Math.round(totalmem() / 2 ** 30)} GiB`,
    `${systemNames[process.platform] ?? process.platform} ${process.arch}`,
  ];
  const versions = [
    `Node ${process.versions.node}`,
    `Postgres ${postgresVersion}`,
    `Prisma ${await versionOf('@prisma/client', root)}`,
    `graphql-yoga ${await versionOf('graphql-yoga', root)}`,
    `PostGraphile ${await versionOf('postgraphile', benchFolder)}`,
    `pg ${await versionOf('pg', benchFolder)}`,
  ];
  return [
    `- Date: ${new Date().toISOString().slice(0, 10)}`,
    `- Command: \`${commandLine()}\``,
    `- Machine: ${hardware.join(', ')}; servers, Postgres and the load generator share it`,
    `- Versions: ${versions.join(', ')}`,
    `- Load: ${options.connectionCount} keep-alive connections, each with one request in flight, to one server at a ` +
      `time; ${options.firstWarmUpSeconds} s of warm-up, then ${options.rounds} rounds of ${options.measureSeconds} s ` +
      `in which the servers take turns; medians over the rounds`,
    `- Servers: one process each, ${options.poolSize} Postgres connections each, NODE_ENV=production`,
    '- Data: 5,000 tenants in 10 groups and an empty default group, the same database for all; created rows are ' +
      'deleted after each measurement',
  ].join('\n');
}

const whatIsCompared = `What the servers do is not the same:

- **fairlead** authenticates the key, checks scopes, depth and cost of every request, and takes the cost off the
  credential's budget. \`createTenant\` also writes an audit row into a hash chain and an outbox row in the same
  transaction; the other servers insert the tenant and nothing else.
- **postgraphile** has no authentication, no row-level security (so no transaction around its reads) and no limits here.
- **floor** executes no GraphQL: one hand-written, prepared SQL statement builds each answer as JSON text.

CPU is per request, of all threads of the server process; of Postgres, all its processes. SQL statements include
BEGIN and COMMIT, and are counted once connections are warm; «parsed» are those for which the server did not use a
prepared statement.`;

export async function writeResults(options: Options, postgresVersion: string, tables: string): Promise<string> {
  const file = join(benchFolder, 'RESULTS.md');
  let text = blank;
  try {
    text = await readFile(file, 'utf8');
  } catch {
    // The first run makes the file.
  }
  const from = text.indexOf(begin);
  const to = text.indexOf(end);
  if (from === -1 || to < from) throw new Error('RESULTS.md has lost its markers; put them back or remove the file');
  const measured = [begin, await describeRun(options, postgresVersion), whatIsCompared, tables, end].join('\n\n');
  await writeFile(file, text.slice(0, from) + measured + text.slice(to + end.length));
  return file;
}
