import { setTimeout as delay } from 'node:timers/promises';
import { runnerFor } from '../support/runner.ts';
import { serverUrl } from '../support/settings.ts';
import { SimulatedGateway } from './gateway.ts';
import type { DemoOptions } from './options.ts';
import { Counts, type ProgressAt, progressLine } from './progress.ts';
import { keyOf, provision } from './provision.ts';
import { removeAll } from './remove.ts';
import { type Plan, planOf, prefixOf } from './simulation/plan.ts';
import { workloadOf } from './simulation/workload.ts';

interface Output {
  readonly say: (line: string) => void;
  /** Replaces the line of before, where that is possible. */
  readonly show: (line: string) => void;
  readonly showEveryMs: number;
}

/** Over how long the rate is measured. */
const rateWindowMs = 5_000;

/** Sets up, sends requests until it is told to end, and cleans up. */
export async function drive(options: DemoOptions, output: Output, signal: AbortSignal): Promise<void> {
  const { say } = output;
  try {
    await simulate(options, output, signal);
  } finally {
    if (options.keep) {
      say(`What was made stays. --name ${options.name} uses it again, --remove removes it.`);
    } else {
      say('Removing what was made.');
      await removeAll(prefixOf(options.name));
    }
  }
}

async function simulate(options: DemoOptions, output: Output, signal: AbortSignal): Promise<void> {
  const { say } = output;
  const plan = planOf(options);
  say('Setting up: groups, tenants, users, keys, models and gateways.');
  const { keyIds, gatewaySecrets } = await provision(plan);
  const slots = plan.models.map(({ model, slots: count }) => `${model.name} ${count}`).join(', ');
  say(`${plan.tenants.length} tenants ask for ${options.perSecond} requests/s. Slots: ${slots}.`);

  const counts = new Counts();
  const startedAt = performance.now();
  const now = (): number => performance.now() - startedAt;
  const keyIdOf = (tenant: string, key: string): string => keyIds.get(keyOf(tenant, key)) ?? '';
  const gateways = plan.gateways.map((planned) => {
    const run = runnerFor({ url: serverUrl, credential: () => gatewaySecrets.get(planned.name) ?? '' });
    return { planned, gateway: new SimulatedGateway({ planned, run, counts, now, keyIdOf }) };
  });
  const all = gateways.map(({ gateway }) => gateway);
  await Promise.all(all.map((gateway) => gateway.start()));
  const stopShowing = showProgress(counts, now, all, output);
  try {
    const gatewayOf = new Map(gateways.map(({ planned, gateway }) => [planned, gateway]));
    await sendRequests(plan, options, now, gatewayOf, signal);
  } finally {
    stopShowing();
    say('Settling what runs, and withdrawing what waits.');
    await Promise.all(all.map((gateway) => gateway.stop()));
    say(progressLine(counts, now(), { ms: 0, admitted: 0 }, []));
    for (const { name, lastFailure } of all) {
      if (counts.failed > 0 && lastFailure !== undefined) say(`${name}: ${lastFailure}`);
    }
  }
}

async function sendRequests(
  plan: Plan,
  { seed, durationMs = Number.POSITIVE_INFINITY }: DemoOptions,
  now: () => number,
  gatewayOf: ReadonlyMap<Plan['gateways'][number], SimulatedGateway>,
  signal: AbortSignal,
): Promise<void> {
  for (const request of workloadOf(plan, seed)) {
    const waitMs = Math.min(request.atMs, durationMs) - now();
    // It is told to end.
    if (waitMs > 0) await delay(waitMs, undefined, { signal }).catch(() => undefined);
    if (signal.aborted || request.atMs >= durationMs) return;
    gatewayOf.get(request.gateway)?.take(request);
  }
}

function showProgress(
  counts: Counts,
  now: () => number,
  gateways: readonly SimulatedGateway[],
  { show, showEveryMs }: Output,
): () => void {
  const seen: ProgressAt[] = [];
  const timer = setInterval(() => {
    const ms = now();
    while (seen.length > 1 && ms - (seen[0]?.ms ?? ms) > rateWindowMs) seen.shift();
    const since = seen[0] ?? { ms: 0, admitted: 0 };
    seen.push({ ms, admitted: counts.admitted });
    const silent = gateways.filter(({ isSilent }) => isSilent).map(({ name }) => name);
    show(progressLine(counts, ms, since, silent));
  }, showEveryMs);
  return () => clearInterval(timer);
}
