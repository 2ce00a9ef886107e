import { randomBytes } from 'node:crypto';
import { parseArgs } from 'node:util';

export interface DemoOptions {
  /** Undefined: until it is told to end. */
  readonly durationMs: number | undefined;
  readonly perSecond: number;
  readonly tenants: number;
  readonly seed: string;
  /** What tells this demo from others. */
  readonly name: string;
  /** Whether what was made stays. */
  readonly keep: boolean;
  /** Whether it only removes what demos have left. */
  readonly remove: boolean;
}

export const usage = `npm run demo -- [options]

  --duration seconds   how long it runs (default: until Ctrl-C)
  --rate n             requests per second of all tenants together, 0.1 to 1000 (default 20)
  --tenants n          1 to 100 (default 8)
  --seed text          other requests than those of the seed "fairlead"
  --name name          its own, so that several can use one server (default: another one each time)
  --keep               leaves what it made: groups, tenants, users, keys, models; the same --name uses it again
  --remove             only removes what earlier demos left
`;

/** A mistake in the options: the message is all that is needed. */
export class OptionError extends Error {}

function between(option: string, text: string, min: number, max: number): number {
  const value = Number(text);
  if (text.trim() !== '' && value >= min && value <= max) return value;
  throw new OptionError(`--${option} is ${min.toLocaleString('en')} to ${max.toLocaleString('en')}, not ${text}`);
}

function nameIn(text: string): string {
  if (/^[a-z0-9-]{1,20}$/.test(text)) return text;
  throw new OptionError(`--name is 1 to 20 small letters, digits and hyphens, not ${text}`);
}

/** @throws {OptionError} when an option is unknown or cannot be what it says */
export function readOptions(args: readonly string[]): DemoOptions | 'help' {
  const { values } = parse(args);
  if (values.help) return 'help';
  const tenants = between('tenants', values.tenants, 1, 100);
  if (!Number.isInteger(tenants)) throw new OptionError(`--tenants is a whole number, not ${values.tenants}`);
  return {
    durationMs: values.duration === undefined ? undefined : between('duration', values.duration, 1, 1_000_000) * 1_000,
    perSecond: between('rate', values.rate, 0.1, 1_000),
    tenants,
    seed: values.seed,
    name: nameIn(values.name),
    keep: values.keep,
    remove: values.remove,
  };
}

function parse(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      options: {
        duration: { type: 'string' },
        rate: { type: 'string', default: '20' },
        tenants: { type: 'string', default: '8' },
        seed: { type: 'string', default: 'fairlead' },
        name: { type: 'string', default: randomBytes(2).toString('hex') },
        keep: { type: 'boolean', default: false },
        remove: { type: 'boolean', default: false },
        help: { type: 'boolean', default: false },
      },
    });
  } catch (error) {
    throw new OptionError(error instanceof Error ? error.message : String(error));
  }
}
