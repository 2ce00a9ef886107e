import { readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

/** `npm run example -- name [arguments]`: runs one of the programs under examples/. */

const folder = new URL('../examples/', import.meta.url);
const names = readdirSync(folder)
  .filter((file) => file.endsWith('.ts'))
  .map((file) => file.slice(0, -'.ts'.length));

const [name = '', ...rest] = process.argv.slice(2);
if (names.includes(name)) {
  const program = new URL(`${name}.ts`, folder);
  // The example sees what it would see if it had been started by itself.
  process.argv.splice(1, Number.POSITIVE_INFINITY, fileURLToPath(program), ...rest);
  await import(program.href);
} else {
  process.stderr.write(`Usage: npm run example -- name\nThe examples are ${names.join(', ')}.\n`);
  process.exitCode = 1;
}
