/** Turns measurements into tables: the same text for the terminal and for RESULTS.md. */
import type { OperationName } from '../contenders/contender.ts';
import { operationTitles } from '../contenders/contender.ts';
import type { Measurement } from './load-protocol.ts';
import { median } from './statistics.ts';
import type { CostsByOperation } from './verify.ts';

/** Everything that was measured of one server, by operation and round. */
export interface ContenderResults {
  readonly name: string;
  readonly measurements: ReadonlyMap<OperationName, readonly Measurement[]>;
  readonly costs: CostsByOperation;
}

interface Summary {
  readonly requestsPerSecond: number;
  readonly slowestRound: number;
  readonly fastestRound: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly serverCpuUs: number | undefined;
  readonly postgresCpuUs: number | undefined;
  readonly loadCpuUs: number;
}

function summarise(measurements: readonly Measurement[]): Summary {
  const medianOf = (pick: (measurement: Measurement) => number): number => median(measurements.map(pick));
  const knownMedianOf = (pick: (measurement: Measurement) => number | undefined): number | undefined => {
    const known = measurements.map(pick).filter((value) => value !== undefined);
    return known.length === 0 ? undefined : median(known);
  };
  const rates = measurements.map(({ requestsPerSecond }) => requestsPerSecond);
  return {
    requestsPerSecond: median(rates),
    slowestRound: Math.min(...rates),
    fastestRound: Math.max(...rates),
    p50Ms: medianOf(({ p50Ms }) => p50Ms),
    p99Ms: medianOf(({ p99Ms }) => p99Ms),
    serverCpuUs: knownMedianOf(({ serverCpuUsPerRequest }) => serverCpuUsPerRequest),
    postgresCpuUs: knownMedianOf(({ postgresCpuUsPerRequest }) => postgresCpuUsPerRequest),
    loadCpuUs: medianOf(({ loadCpuUsPerRequest }) => loadCpuUsPerRequest),
  };
}

const wholeNumber = new Intl.NumberFormat('en', { maximumFractionDigits: 0 });
export const whole = (value: number | undefined): string =>
  value === undefined ? 'unknown' : wholeNumber.format(value);
const milliseconds = (value: number): string => value.toFixed(value < 10 ? 2 : 1);
export const ratio = (left: number | undefined, right: number | undefined): string =>
  left === undefined || right === undefined ? '' : (left / right).toFixed(2);

/** A Markdown table with padded columns, so that it also reads well in a terminal. */
export function table(rows: readonly (readonly string[])[]): string {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  const line = (row: readonly string[]): string =>
    `| ${row.map((cell, column) => (column === 0 ? cell.padEnd(widths[0] ?? 0) : cell.padStart(widths[column] ?? 0))).join(' | ')} |`;
  const rule = `| ${widths.map((width, column) => (column === 0 ? '-'.repeat(width) : `${'-'.repeat(width - 1)}:`)).join(' | ')} |`;
  return rows.flatMap((row, index) => (index === 0 ? [line(row), rule] : [line(row)])).join('\n');
}

function summariesOf(results: readonly ContenderResults[], operation: OperationName): ReadonlyMap<string, Summary> {
  return new Map(
    results.flatMap(({ name, measurements }) => {
      const own = measurements.get(operation) ?? [];
      return own.length === 0 ? [] : [[name, summarise(own)] as const];
    }),
  );
}

function operationTable(results: readonly ContenderResults[], operation: OperationName): string {
  const summaries = summariesOf(results, operation);
  const rows = results.flatMap(({ name, costs }) => {
    const summary = summaries.get(name);
    if (summary === undefined) return [];
    return [
      [
        name,
        whole(summary.requestsPerSecond),
        `${whole(summary.slowestRound)} to ${whole(summary.fastestRound)}`,
        milliseconds(summary.p50Ms),
        milliseconds(summary.p99Ms),
        whole(summary.serverCpuUs),
        whole(summary.postgresCpuUs),
        whole(summary.loadCpuUs),
        whole(costs[operation]?.statementCount),
        whole(costs[operation]?.roundTripCount),
        whole(costs[operation]?.parseCount),
      ],
    ];
  });
  const heads = [
    'server',
    'requests/s',
    'over the rounds',
    'p50 ms',
    'p99 ms',
    'server CPU µs',
    'Postgres CPU µs',
    'load CPU µs',
    'SQL statements',
    'round trips',
    'parsed',
  ];
  return `### ${operation}: ${operationTitles[operation]}\n\n${table([heads, ...rows])}`;
}

function ratioTable(results: readonly ContenderResults[], operations: readonly OperationName[]): string | undefined {
  const peers = results.filter(({ name }) => name !== 'fairlead').map(({ name }) => name);
  if (peers.length === 0 || peers.length === results.length) return undefined;
  const heads = ['fairlead relative to', ...peers.flatMap((peer) => [`${peer}: requests/s`, `${peer}: server CPU`])];
  const rows = operations.map((operation) => {
    const summaries = summariesOf(results, operation);
    // Of what needs an empty cache, ours is the server that has none.
    const own = summaries.get('fairlead') ?? summaries.get('fairlead-uncached');
    return [
      operation,
      ...peers.flatMap((peer) => {
        const other = summaries.get(peer);
        return [ratio(own?.requestsPerSecond, other?.requestsPerSecond), ratio(own?.serverCpuUs, other?.serverCpuUs)];
      }),
    ];
  });
  return `### Ratios\n\n${table([heads, ...rows])}\n\nMore requests/s is better, less CPU is better.`;
}

export function renderTables(results: readonly ContenderResults[], operations: readonly OperationName[]): string {
  return [...operations.map((operation) => operationTable(results, operation)), ratioTable(results, operations)]
    .filter((section) => section !== undefined)
    .join('\n\n');
}

export function renderStatements(results: readonly ContenderResults[], operations: readonly OperationName[]): string {
  return results
    .flatMap(({ name, costs }) =>
      operations.map((operation) => `-- ${name}, ${operation}\n${(costs[operation]?.statements ?? []).join(';\n')};\n`),
    )
    .join('\n');
}
