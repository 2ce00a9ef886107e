import { parseArgs } from 'node:util';
import type { Contender, OperationName } from '../contenders/contender.ts';
import { operationNames } from '../contenders/contender.ts';
import { fairlead, fairleadUncached } from '../contenders/fairlead.ts';
import { fastify } from '../contenders/fastify.ts';
import { floor } from '../contenders/floor.ts';
import { postgraphile } from '../contenders/postgraphile.ts';

export const allContenders: readonly Contender[] = [fairlead, fairleadUncached, postgraphile, floor, fastify];

/** With other servers, of what tenants pay for the second fence, of the scheduler by itself, of fairness, of live snapshots, and of admission. */
export const suiteNames = ['peers', 'fence', 'scheduler', 'fairness', 'fanout', 'admission'] as const;

export type SuiteName = (typeof suiteNames)[number];

export interface Options {
  readonly suites: readonly SuiteName[];
  readonly contenders: readonly Contender[];
  readonly operations: readonly OperationName[];
  readonly rounds: number;
  readonly measureSeconds: number;
  readonly firstWarmUpSeconds: number;
  /** At the beginning of every later measurement: caches of a processor that has just run another server. */
  readonly laterWarmUpSeconds: number;
  readonly connectionCount: number;
  readonly poolSize: number;
  readonly databaseUrl: string | undefined;
  readonly quick: boolean;
  readonly profile: boolean;
  readonly showStatements: boolean;
  /** Whether bench/RESULTS.md is written. */
  readonly write: boolean;
}

export const usage = `npm run bench -- [options]

  --suites a,b          comparisons: peers, fence, scheduler, fairness, fanout, admission
                        (default: all; peers with --only, --operations and --profile)
  --only a,b            servers to measure: fairlead, fairlead-uncached, postgraphile, floor, fastify (default: all)
  --operations a,b      tenant, tenantPage, groups, createTenant, keyPage, keyPageByName, verifyKey,
                        verifySeenKey (default: all)
  --rounds n            measurements of every server and operation (default 5)
  --seconds n           length of one measurement (default 4)
  --warm-up n           seconds of load before the first one (default 5)
  --connections n       requests in flight of peers and fence (default 16)
  --pool-size n         Postgres connections of every server (default 10)
  --quick               1 round of 2 seconds after a warm-up of 2; fairness at a fifth of its times
  --profile             CPU profile of fairlead (or of --only; of peers and admission): where its time goes, by function
                        and by package
  --statements          print the SQL of every operation
  --database-url url    use this empty, migrated database instead of starting a Postgres
  --no-write            leave RESULTS.md as it is; so do --only, --operations, --quick and --profile by themselves
`;

function choose<Choice>(
  option: string,
  text: string | undefined,
  all: readonly Choice[],
  nameOf: (choice: Choice) => string,
): readonly Choice[] {
  if (text === undefined) return all;
  return text.split(',').map((name) => {
    const choice = all.find((candidate) => nameOf(candidate) === name.trim());
    if (choice === undefined) throw new Error(`--${option}: "${name}" is none of ${all.map(nameOf).join(', ')}`);
    return choice;
  });
}

function positive(option: string, text: string | undefined, fallback: number): number {
  const value = text === undefined ? fallback : Number(text);
  if (!Number.isFinite(value) || value <= 0) throw new Error(`--${option} must be a positive number`);
  return value;
}

/** @throws when an option is unknown or has a value that cannot be used */
export function readOptions(args: readonly string[]): Options | 'help' {
  const { values } = parseArgs({
    args: [...args],
    allowNegative: true,
    options: {
      suites: { type: 'string' },
      only: { type: 'string' },
      operations: { type: 'string' },
      rounds: { type: 'string' },
      seconds: { type: 'string' },
      'warm-up': { type: 'string' },
      connections: { type: 'string' },
      'pool-size': { type: 'string' },
      'database-url': { type: 'string' },
      quick: { type: 'boolean', default: false },
      profile: { type: 'boolean', default: false },
      statements: { type: 'boolean', default: false },
      write: { type: 'boolean', default: true },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) return 'help';
  const { quick, profile } = values;
  const isAboutPeers = profile || values.only !== undefined || values.operations !== undefined;
  const suites = choose('suites', values.suites ?? (isAboutPeers ? 'peers' : undefined), suiteNames, (name) => name);
  const contenders = choose(
    'only',
    values.only ?? (profile ? 'fairlead' : undefined),
    allContenders,
    (one) => one.name,
  );
  const operations = choose('operations', values.operations, operationNames, (name) => name);
  return {
    suites,
    contenders,
    operations,
    rounds: Math.ceil(positive('rounds', values.rounds, quick || profile ? 1 : 5)),
    measureSeconds: positive('seconds', values.seconds, quick ? 2 : profile ? 8 : 4),
    firstWarmUpSeconds: positive('warm-up', values['warm-up'], quick ? 2 : 5),
    laterWarmUpSeconds: 0.5,
    connectionCount: Math.ceil(positive('connections', values.connections, 16)),
    poolSize: Math.ceil(positive('pool-size', values['pool-size'], 10)),
    databaseUrl: values['database-url'],
    quick,
    profile,
    showStatements: values.statements,
    write:
      values.write &&
      !quick &&
      !profile &&
      contenders.length === allContenders.length &&
      operations.length === operationNames.length,
  };
}
