/**
 * Rotates the keys that were not rotated for a while: what a platform team runs every month. Prints one line of JSON for
 * each new secret, for a secret store to read, then waits until the older secrets are not used any more and prints which
 * still are. Run again after an interruption, while the overlap lasts, it prints the same secrets again.
 *
 *   npm run --silent example -- rotate-keys --days 30 --overlap-seconds 300 > rotated.jsonl
 *
 * With FAIRLEAD_URL and FAIRLEAD_KEY (scopes keys:read and keys:write, and all that the keys hold) it rotates those of
 * another server than the one of this folder. Its own key it leaves alone. It exits with 1 when something is left to do.
 */
import { parseArgs } from 'node:util';
import { type DueKey, dueKeys } from './rotation/due.ts';
import { type Rotated, rotate } from './rotation/rotate.ts';
import { watchOverlap } from './rotation/watch.ts';

const dayMs = 24 * 60 * 60 * 1_000;

/** For the secret store: one line for each thing that happened. */
const print = (line: object): boolean => process.stdout.write(`${JSON.stringify(line)}\n`);
/** For whoever watches. */
const tell = (text: string): boolean => process.stderr.write(`${text}\n`);

const options = readOptions();

const rotated: Rotated[] = [];
for await (const key of dueKeys(options.days * dayMs)) {
  const result = await rotateOrSay(key);
  if (result !== undefined) rotated.push(result);
}
tell(`${rotated.length} keys were rotated.`);

for await (const { name, keyId, ...report } of watchOverlap(rotated)) {
  print({ event: report.isStillUsed ? 'still-used' : 'moved', keyId, name, ...report });
  if (!report.isStillUsed) continue;
  tell(`Somebody still uses the older secret of ${name}: the last time ${report.lastUsedAt}.`);
  process.exitCode = 1;
}

/** One key that cannot be rotated does not keep the others from it. */
async function rotateOrSay(key: DueKey): Promise<Rotated | undefined> {
  try {
    const result = await rotate(key, options.overlapSeconds);
    print({ event: 'rotated', ...result });
    if (result.secret === null) throw new Error('its new secret was shown before and is gone; rotate it once more.');
    return result;
  } catch (error) {
    tell(`${key.name} (${key.id}): ${error instanceof Error ? error.message : String(error)}`);
    process.exitCode = 1;
    return undefined;
  }
}

/** What the caller asks for; a mistake ends the program before it has done anything. */
function readOptions(): { readonly days: number; readonly overlapSeconds: number | undefined } {
  try {
    const { values } = parseArgs({
      options: { days: { type: 'string', default: '30' }, 'overlap-seconds': { type: 'string' } },
    });
    const overlap = values['overlap-seconds'];
    return {
      days: numberOf('days', values.days),
      overlapSeconds: overlap === undefined ? undefined : numberOf('overlap-seconds', overlap),
    };
  } catch (error) {
    tell(error instanceof Error ? error.message : String(error));
    tell('Usage: npm run example -- rotate-keys [--days 30] [--overlap-seconds 300]');
    process.exit(1);
  }
}

function numberOf(option: string, text: string): number {
  if (/^\d{1,9}(\.\d+)?$/.test(text)) return Number(text);
  throw new Error(`--${option} takes a number, 0 or more.`);
}
