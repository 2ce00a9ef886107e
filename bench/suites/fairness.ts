/** How fairly slots are shared from end to end: Obleth's two published scenarios, over HTTP, with simulated workers. */
import { Client } from 'pg';
import { fairlead } from '../contenders/fairlead.ts';
import { expectedShareOf, type Scenario, scenariosAt } from '../fairness/scenarios.ts';
import { type Overlap, overlap, type Scorecard, scorecard } from '../fairness/score.ts';
import { setUp } from '../fairness/set-up.ts';
import { type Outcome, runScenario, samplesOf } from '../fairness/workers.ts';
import type { BenchDatabase } from '../harness/database.ts';
import type { Options } from '../harness/options.ts';
import { type RunningServer, startServer } from '../harness/processes.ts';
import { table, whole } from '../harness/report.ts';

type Scenarios = ReturnType<typeof scenariosAt>;

const quickScale = 0.2;

/** The records of usage of each tenant, as they stand in the table. */
async function recorded(database: BenchDatabase, { tenants }: Scenario): Promise<readonly number[]> {
  const client = new Client({ connectionString: database.url });
  await client.connect();
  try {
    const { rows } = await client.query<{ name: string; count: number }>(
      `SELECT tenant.name, count(*)::int AS count FROM usage_record JOIN tenant ON tenant.id = usage_record.tenant_id
       GROUP BY tenant.name`,
    );
    return tenants.map(({ name }) => rows.find((row) => row.name === name)?.count ?? 0);
  } finally {
    await client.end();
  }
}

const countOf = (
  { completions }: Outcome,
  tenant: string,
  fromMs: number,
  untilMs = Number.POSITIVE_INFINITY,
): number => completions.filter((each) => each.tenant === tenant && each.atMs >= fromMs && each.atMs < untilMs).length;

/** What went wrong, once each. */
const reasonsOf = ({ failures }: Outcome): readonly string[] => [...new Set(failures.map(({ message }) => message))];

async function runOverlap(
  server: RunningServer,
  database: BenchDatabase,
  scenario: Scenario,
): Promise<Overlap & { readonly heavy: number; readonly light: number; readonly reasons: readonly string[] }> {
  const outcome = await runScenario(scenario, server.target, await setUp(scenario, server));
  const fromMs = Math.max(...scenario.tenants.map(({ joinsAtMs }) => joinsAtMs));
  const [heavy = 0, light = 0] = scenario.tenants.map(({ name }) => countOf(outcome, name, fromMs, scenario.lengthMs));
  const verdict = overlap({
    heavyCompleted: heavy,
    lightCompleted: light,
    failed: outcome.failures.length,
    counted: scenario.tenants.map(({ name }) => countOf(outcome, name, 0)),
    recorded: await recorded(database, scenario),
  });
  return { ...verdict, heavy, light, reasons: reasonsOf(outcome) };
}

interface Joined extends Scorecard {
  readonly tenants: readonly { readonly name: string; readonly expected: number; readonly completed: number }[];
  readonly reasons: readonly string[];
}

async function runJoining(
  server: RunningServer,
  { joining: scenario, sampleMs, steadyFromMs }: Scenarios,
  scale: number,
): Promise<Joined> {
  const outcome = await runScenario(scenario, server.target, await setUp(scenario, server));
  const joinedAtMs = Math.max(...scenario.tenants.map(({ joinsAtMs }) => joinsAtMs));
  const span = { untilMs: scenario.lengthMs, sampleMs };
  const card = scorecard({
    claimants: scenario.tenants.map((tenant) => ({
      name: tenant.name,
      expectedShare: expectedShareOf(tenant, scenario),
    })),
    samples: samplesOf(outcome, scenario, { ...span, fromMs: joinedAtMs }),
    steadySamples: samplesOf(outcome, scenario, { ...span, fromMs: steadyFromMs }),
    sampleMs,
    scale,
  });
  const tenants = scenario.tenants.map((tenant) => ({
    name: tenant.name,
    expected: expectedShareOf(tenant, scenario),
    completed: countOf(outcome, tenant.name, steadyFromMs, scenario.lengthMs),
  }));
  return { ...card, tenants, reasons: reasonsOf(outcome) };
}

const percent = (share: number): string => `${(100 * share).toFixed(1)} %`;
const seconds = (ms: number): string => `${Number((ms / 1_000).toFixed(1))} s`;

/** Gives the tables of this comparison. */
export async function runFairnessSuite(
  database: BenchDatabase,
  options: Options,
  say: (line: string) => void,
): Promise<string> {
  const scale = options.quick ? quickScale : 1;
  const scenarios = scenariosAt(scale);
  const { overlapping, joining, sampleMs } = scenarios;
  if (options.quick) say(`--quick: all times are ${quickScale} of the published ones.`);
  const server = await startServer(fairlead, {
    databaseUrl: database.url,
    poolSize: options.poolSize,
    readyBody: JSON.stringify({ query: '{ __typename }' }),
  });
  say(`the heavy and the light group, ${seconds(overlapping.lengthMs)}`);
  const first = await runOverlap(server, database, overlapping);
  say(`tenants that join late, ${seconds(joining.lengthMs)}`);
  const second = await runJoining(server, scenarios, scale);
  await server.stop();
  for (const reason of [...first.reasons, ...second.reasons]) say(`failed: ${reason}`);

  const firstTable = table([
    ['verdict', 'heavy', 'light', 'ratio', 'failed', 'records differ'],
    [
      first.passed ? 'PASS' : 'FAIL',
      whole(first.heavy),
      whole(first.light),
      first.ratio.toFixed(2),
      percent(first.failedShare),
      percent(first.recordDeviation),
    ],
  ]);
  const completed = second.tenants.reduce((sum, tenant) => sum + tenant.completed, 0);
  const shares = table([
    ['tenant', 'expected share', 'share', 'completed'],
    ...second.tenants.map((tenant) => [
      tenant.name,
      percent(tenant.expected),
      percent(tenant.completed / Math.max(1, completed)),
      whole(tenant.completed),
    ]),
  ]);
  const card = table([
    ['score', 'Jain index', 'converged', 'in sample', 'starved', 'furthest off in a sample'],
    [
      second.score.toFixed(1),
      second.jain.toFixed(5),
      second.convergedAfterMs === undefined ? 'never' : `within ${seconds(second.convergedAfterMs)}`,
      String(second.convergedInSample ?? '–'),
      second.starved.length === 0 ? 'nobody' : second.starved.join(', '),
      second.largestDeviation.toFixed(3),
    ],
  ]);
  const scaleText = options.quick ? `, at ${quickScale} of the published times` : '';
  return [
    `### fairness: a heavy and a light group, ${overlapping.slots} slots${scaleText}\n\n${firstTable}`,
    `### fairness: tenants that join late, ${joining.slots} slots, samples of ${seconds(sampleMs)}${scaleText}\n\n${card}\n\n${shares}`,
  ].join('\n\n');
}
