/** Callers that each have one request at a time: admitted over HTTP, held for as long as a model would take, settled. */
import { setTimeout as delay } from 'node:timers/promises';
import { KeepAliveClient, type Target } from '../harness/keep-alive-client.ts';
import type { Scenario } from './scenarios.ts';

export interface Completion {
  readonly tenant: string;
  /** Since the start of the scenario. */
  readonly atMs: number;
}

export interface Outcome {
  readonly completions: readonly Completion[];
  readonly failures: readonly { readonly atMs: number; readonly message: string }[];
}

export interface Callers {
  readonly model: string;
  /** By the tenant's name. */
  readonly keyIds: ReadonlyMap<string, string>;
}

const admit = `mutation ($input: AdmitRequestInput!) { admitRequest(input: $input) {
  ... on AdmitRequestPayload { lease { id } } ... on UserError { code message } } }`;

const settle = `mutation ($input: SettleRequestInput!) { settleRequest(input: $input) {
  __typename ... on UserError { code message } } }`;

const tokens = { input: 200, output: 100 } as const;
/** Requests of a model do not all take the same time. */
const jitter = 0.2;

interface Answered {
  readonly lease?: { readonly id: string };
  readonly code?: string;
  readonly message?: string;
}

async function send(client: KeepAliveClient, query: string, input: object): Promise<Answered> {
  const { status, body } = await client.send(JSON.stringify({ query, variables: { input } }));
  const { data } = JSON.parse(body.toString()) as { readonly data?: Readonly<Record<string, Answered>> };
  const [answered] = Object.values(data ?? {});
  if (status !== 200 || answered === undefined) throw new Error(`status ${status}: ${body.toString().slice(0, 200)}`);
  if (answered.code !== undefined) throw new Error(`${answered.code}: ${answered.message}`);
  return answered;
}

/** Runs a scenario to its end: what was admitted before it is settled as well, and is in what is returned. */
export async function runScenario(scenario: Scenario, target: Target, { model, keyIds }: Callers): Promise<Outcome> {
  const completions: Completion[] = [];
  const failures: { atMs: number; message: string }[] = [];
  const startedAt = performance.now();
  const now = (): number => performance.now() - startedAt;

  const work = async (tenant: string, joinsAtMs: number, number: number): Promise<void> => {
    const client = await KeepAliveClient.open(target);
    await delay(Math.max(0, joinsAtMs - now()));
    for (let count = 0; now() < scenario.lengthMs; count += 1) {
      try {
        const { lease } = await send(client, admit, {
          keyId: keyIds.get(tenant),
          model,
          estimatedInputTokens: tokens.input,
          estimatedOutputTokens: tokens.output,
        });
        // Spread evenly, and the same in each run.
        const spread = ((number * 7 + count * 3) % 11) / 10 - 0.5;
        await delay(scenario.serviceMs * (1 + 2 * jitter * spread));
        await send(client, settle, {
          leaseId: lease?.id,
          inputTokens: tokens.input,
          outputTokens: tokens.output,
        });
        completions.push({ tenant, atMs: now() });
      } catch (error) {
        failures.push({ atMs: now(), message: error instanceof Error ? error.message : String(error) });
        await delay(scenario.serviceMs);
      }
    }
    client.close();
  };

  await Promise.all(
    scenario.tenants.flatMap(({ name, workers, joinsAtMs }) =>
      Array.from({ length: workers }, (_, number) => work(name, joinsAtMs, number)),
    ),
  );
  return { completions, failures };
}

/** How much each tenant completed in each stretch between two times. */
export function samplesOf(
  { completions }: Outcome,
  { tenants }: Scenario,
  { fromMs, untilMs, sampleMs }: { readonly fromMs: number; readonly untilMs: number; readonly sampleMs: number },
): readonly (readonly number[])[] {
  const samples = Array.from({ length: Math.floor((untilMs - fromMs) / sampleMs) }, () => tenants.map(() => 0));
  for (const { tenant, atMs } of completions) {
    const sample = samples[Math.floor((atMs - fromMs) / sampleMs)];
    const index = tenants.findIndex(({ name }) => name === tenant);
    if (sample !== undefined) sample[index] = (sample[index] ?? 0) + 1;
  }
  return samples;
}
