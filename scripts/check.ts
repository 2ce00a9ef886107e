import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { delimiter, join } from 'node:path';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';

/**
 * `npm run check`: everything that can be said of the code without running it. All checks run, also when one fails, so
 * that one run shows every finding.
 */

const root = fileURLToPath(new URL('..', import.meta.url));

/** Rules that say what may import what; the rest of Biome's belong to another check. */
const importRules = ['style/noRestrictedImports', 'suspicious/noImportCycles', 'style/noProcessEnv'];

/** Makes what the check of types needs, so it comes first. */
const operations = ['node', 'scripts/codegen.ts'] as const;

const checks = {
  types: ['tsc', '--project', '.'],
  'bench types': ['tsc', '--project', 'bench/tsconfig.check.json'],
  'format and lint': ['biome', 'check', '--error-on-warnings', ...importRules.map((rule) => `--skip=${rule}`), '.'],
  imports: [
    'biome',
    'lint',
    '--diagnostic-level=warn',
    '--error-on-warnings',
    ...importRules.map((rule) => `--only=${rule}`),
    'src',
    'examples',
  ],
  schema: ['eslint', '--max-warnings=0', 'schema.graphql'],
  unused: ['knip', '--treat-config-hints-as-errors'],
} as const;

async function run(name: string, [program, ...options]: readonly [string, ...string[]]): Promise<boolean> {
  const start = performance.now();
  const bin = join(root, 'node_modules', '.bin');
  const child = spawn(join(bin, program), options, {
    cwd: root,
    env: { ...process.env, PATH: `${bin}${delimiter}${process.env.PATH ?? ''}` },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const [stdout, stderr, [code]] = await Promise.all([text(child.stdout), text(child.stderr), once(child, 'close')]);
  const seconds = ((performance.now() - start) / 1_000).toFixed(1);
  const passed = code === 0;
  // In one piece, since the checks run side by side.
  const findings = passed ? '' : `${stdout}${stderr}\n`;
  process.stdout.write(`${findings}check ${name}: ${passed ? 'passed' : 'FAILED'} (${seconds} s)\n`);
  return passed;
}

const first = await run('operations', operations);
const others = await Promise.all(Object.entries(checks).map(([name, command]) => run(name, command)));
if (!first || others.includes(false)) process.exitCode = 1;
