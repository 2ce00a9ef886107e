import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { copyFile, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';

vi.setConfig({ testTimeout: 60_000 });

// The real script in a clone of a few files. Only npm is played, because the real one needs the network and a minute:
// it writes down what it was asked and leaves packages like the real one's.
let clone: string;
const children: ChildProcess[] = [];

const manifest = (packages: Record<string, object>): string =>
  JSON.stringify({
    packages: {
      'node_modules/node': { version: process.versions.node, integrity: 'n' },
      'node_modules/runtime': { version: '1.0.0', integrity: 'r' },
      'node_modules/testing': { version: '1.0.0', integrity: 't', dev: true },
      'node_modules/other-platform': { version: '1.0.0', integrity: 'o', optional: true },
      ...packages,
    },
  });

const npm = `
  const fs = require('node:fs');
  const [command] = process.argv.slice(2);
  const behaviour = JSON.parse(fs.readFileSync('behaviour.json', 'utf8'));
  fs.appendFileSync('npm.log', process.argv.slice(2, 4).join(' ') + '\\n');
  if (behaviour[command]) {
    process.stderr.write(behaviour[command] + '\\n');
    process.exit(1);
  }
  if (command === 'rebuild') process.exit(0);
  fs.rmSync('node_modules', { recursive: true, force: true });
  while (behaviour.waits && !fs.existsSync('go')) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 5);
  fs.mkdirSync('node_modules/.bin', { recursive: true });
  fs.symlinkSync(process.execPath, 'node_modules/.bin/node');
  fs.mkdirSync('node_modules/prisma/build', { recursive: true });
  fs.writeFileSync('node_modules/prisma/package.json', '{"version":"7.0.0"}');
  fs.copyFileSync('generate.cjs', 'node_modules/prisma/build/index.js');
  const { packages } = JSON.parse(fs.readFileSync('package-lock.json', 'utf8'));
  delete packages['node_modules/other-platform'];
  if (behaviour.omitsDevelopment) delete packages['node_modules/testing'];
  fs.writeFileSync('node_modules/.package-lock.json', JSON.stringify({ packages }));
`;

const generator = `
  const fs = require('node:fs');
  if (fs.existsSync('generate-fails')) { console.error('wrong schema'); process.exit(1); }
  fs.mkdirSync('src/database/generated/internal', { recursive: true });
  const schema = JSON.stringify(fs.readFileSync('prisma/schema.prisma', 'utf8').replaceAll('  ', ' '));
  fs.writeFileSync('src/database/generated/internal/class.ts',
    '{\\n  "clientVersion": "7.0.0",\\n  "inlineSchema": ' + schema + ',\\n}');
`;

beforeEach(async () => {
  clone = await mkdtemp(join(tmpdir(), 'fairlead-prepare-'));
  await mkdir(join(clone, 'scripts'));
  await mkdir(join(clone, 'prisma'));
  const script = fileURLToPath(new URL('../../scripts/prepare.mjs', import.meta.url));
  await copyFile(script, join(clone, 'scripts', 'prepare.mjs'));
  await writeFile(join(clone, 'package-lock.json'), manifest({}));
  await writeFile(join(clone, 'prisma', 'schema.prisma'), 'model A {\n  id    Int @id @default("\\"")\n}\n');
  await writeFile(join(clone, 'generate.cjs'), generator);
  await writeFile(join(clone, 'npm-cli.js'), npm);
  await behave({});
});

afterEach(async () => {
  for (const child of children.splice(0)) child.kill('SIGKILL');
  await rm(clone, { recursive: true, force: true });
});

const behave = (behaviour: object): Promise<void> =>
  writeFile(join(clone, 'behaviour.json'), JSON.stringify(behaviour));

const npmCommands = async (): Promise<string[]> =>
  (await readFile(join(clone, 'npm.log'), 'utf8').catch(() => '')).split('\n').filter((line) => line !== '');

const forget = (): Promise<void> => rm(join(clone, 'npm.log'), { force: true });

function begin(environment: Record<string, string> = {}, nodeArguments: readonly string[] = []): ChildProcess {
  const child = spawn(process.execPath, [...nodeArguments, join(clone, 'scripts', 'prepare.mjs')], {
    cwd: tmpdir(),
    env: { PATH: dirname(process.execPath), npm_execpath: join(clone, 'npm-cli.js'), ...environment },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  children.push(child);
  return child;
}

interface Outcome {
  readonly exitCode: number | null;
  readonly output: string;
  readonly errors: string;
}

async function end(child: ChildProcess): Promise<Outcome> {
  let output = '';
  let errors = '';
  child.stdout?.on('data', (chunk: Buffer) => {
    output += chunk.toString();
  });
  child.stderr?.on('data', (chunk: Buffer) => {
    errors += chunk.toString();
  });
  await once(child, 'close');
  return { exitCode: child.exitCode, output, errors };
}

const prepare = (environment?: Record<string, string>): Promise<Outcome> => end(begin(environment));

const nothing: Outcome = { exitCode: 0, output: '', errors: '' };

describe('preparing a clone', () => {
  it('installs and generates what is missing with one line each, and then has nothing to do or to say', async () => {
    const first = await prepare();
    expect(first).toMatchObject({ exitCode: 0, errors: '' });
    expect(first.output.trim().split('\n')).toEqual([
      expect.stringMatching(/^Installing the packages/),
      expect.stringMatching(/^Generating the database client/),
    ]);
    expect(await npmCommands()).toEqual(['ci --ignore-scripts', 'rebuild --ignore-scripts=false']);

    await forget();
    expect(await prepare()).toEqual(nothing);
    expect(await npmCommands()).toEqual([]);
  });

  it('installs again when package-lock.json asks for something else', async () => {
    await prepare();
    await forget();
    await writeFile(
      join(clone, 'package-lock.json'),
      manifest({ 'node_modules/runtime': { version: '1.0.1', integrity: 's' } }),
    );
    expect(await prepare()).toMatchObject({ exitCode: 0, output: expect.stringMatching(/^Installing/) });
    expect(await npmCommands()).toContain('ci --ignore-scripts');
  });

  it('accepts packages that were installed by hand', async () => {
    await prepare();
    await rm(join(clone, 'node_modules', '.fairlead-installed'));
    await forget();
    expect(await prepare()).toEqual(nothing);
    expect(await npmCommands()).toEqual([]);
  });

  it('starts without the development packages where they were left out, and installs them for the tests', async () => {
    await behave({ omitsDevelopment: true });
    expect(await prepare({ npm_lifecycle_event: 'start' })).toMatchObject({ exitCode: 0 });
    await forget();
    expect(await prepare({ npm_lifecycle_event: 'start' })).toEqual(nothing);
    await behave({});
    expect(await prepare({ npm_lifecycle_event: 'test' })).toMatchObject({ exitCode: 0 });
    expect(await npmCommands()).toContain('ci --ignore-scripts');
  });

  it('generates again when the schema changed, and only then', async () => {
    await prepare();
    await forget();
    await writeFile(join(clone, 'prisma', 'schema.prisma'), 'model B {}\n');
    const { output } = await prepare();
    expect(output).toMatch(/^Generating the database client.*\n$/);
    expect(await npmCommands()).toEqual([]);
    expect(await prepare()).toEqual(nothing);
  });

  it('generates again after a generation that failed', async () => {
    await prepare();
    await writeFile(join(clone, 'generate-fails'), '');
    await writeFile(join(clone, 'prisma', 'schema.prisma'), 'model B {}\n');
    expect(await prepare()).toMatchObject({ exitCode: 1, errors: expect.stringMatching(/failed:\n.*wrong schema/s) });
    await rm(join(clone, 'generate-fails'));
    expect(await prepare()).toMatchObject({ exitCode: 0, output: expect.stringMatching(/^Generating/) });
  });

  it('installs with `npm install`, changing no file of the clone, when the lock file is refused by `npm ci`', async () => {
    await behave({ ci: 'npm error code EUSAGE' });
    expect(await prepare()).toMatchObject({ exitCode: 0, errors: '' });
    expect(await npmCommands()).toEqual(['ci --ignore-scripts', 'install --no-save', 'rebuild --ignore-scripts=false']);
  });
});

describe('two at once', () => {
  it('install once, and the one who waits says for whom', async () => {
    await behave({ waits: true });
    const first = begin();
    await once(first.stdout ?? first, 'data');
    const second = begin();
    const lines = createInterface({ input: second.stdout ?? process.stdin })[Symbol.asyncIterator]();
    expect((await lines.next()).value).toBe(`Waiting for process ${first.pid}, which is doing this already.`);
    await writeFile(join(clone, 'go'), '');
    await Promise.all([end(first), end(second)]);
    expect([first.exitCode, second.exitCode]).toEqual([0, 0]);
    expect((await npmCommands()).filter((command) => command.startsWith('ci'))).toHaveLength(1);
  });

  it('do not wait for one that was killed, and do again what it left half done', async () => {
    // Never done; it ends itself when the clone is removed.
    const endless = `setInterval(() => require('node:fs').existsSync('generate.cjs') || process.exit(), 20);`;
    await writeFile(join(clone, 'generate.cjs'), endless);
    const first = begin();
    const lines = createInterface({ input: first.stdout ?? process.stdin })[Symbol.asyncIterator]();
    await lines.next();
    expect((await lines.next()).value).toMatch(/^Generating/);
    await vi.waitUntil(() => existsSync(join(clone, 'node_modules', '.fairlead-generating')));
    first.kill('SIGKILL');
    await once(first, 'exit');
    await writeFile(join(clone, 'node_modules', 'prisma', 'build', 'index.js'), generator);
    const second = await prepare();
    expect(second).toMatchObject({ exitCode: 0, output: expect.stringMatching(/^Generating/) });
    expect(await prepare()).toEqual(nothing);
    // One small file is what the lock costs, however often it was taken.
    expect(await readdir(join(clone, '.fairlead'))).toEqual([expect.stringMatching(/^prepare\.\d+\.lock$/)]);
  });
});

describe('a killed one', () => {
  it('is waited for as long as the npm that it started goes on', async () => {
    await behave({ waits: true });
    const first = begin();
    await vi.waitUntil(async () => (await npmCommands()).length > 0);
    first.kill('SIGKILL');
    await once(first, 'exit');
    const second = begin();
    const lines = createInterface({ input: second.stdout ?? process.stdin })[Symbol.asyncIterator]();
    expect((await lines.next()).value).toMatch(/^Waiting for process/);
    expect(await npmCommands()).toHaveLength(1);
    await writeFile(join(clone, 'go'), '');
    await once(second, 'close');
    expect(second.exitCode).toBe(0);
    expect(await prepare()).toEqual(nothing);
  });
});

describe('a clone that cannot be prepared', () => {
  it('shows what npm said, and that the registry must be reachable', async () => {
    await behave({ ci: 'npm error code ENOTFOUND' });
    expect(await prepare()).toMatchObject({
      exitCode: 1,
      errors: expect.stringMatching(/ENOTFOUND\n\n`npm ci .*` failed \(exit code 1\).*network/s),
    });
  });

  it('says so when there is no npm', async () => {
    const outcome = await prepare({ npm_execpath: '', PATH: '/nonexistent' });
    expect(outcome).toMatchObject({ exitCode: 1, errors: expect.stringContaining('npm was not found') });
  });

  it('names the version of Node that it needs', async () => {
    const old = `data:text/javascript,Object.defineProperty(process.versions,'node',{value:'18.20.0'})`;
    const outcome = await end(begin({}, ['--import', old]));
    expect(outcome).toMatchObject({
      exitCode: 1,
      errors: expect.stringMatching(/needs Node.js 20 or newer.*18\.20\.0/s),
    });
  });
});
