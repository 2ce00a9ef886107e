/** Makes what a scenario needs, over the graph. */
import type { RunningServer } from '../harness/processes.ts';
import type { Scenario } from './scenarios.ts';
import type { Callers } from './workers.ts';

type Row = Readonly<Record<string, { readonly id: string }>>;

async function run(
  server: RunningServer,
  command: string,
  type: string,
  input: object,
  selection: string,
): Promise<Row> {
  const response = await fetch(`http://127.0.0.1:${server.target.port}${server.target.path}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...server.target.headers },
    body: JSON.stringify({
      query: `mutation ($input: ${type}Input!) { ${command}(input: $input) {
        ... on ${type}Payload { ${selection} } ... on UserError { code message } } }`,
      variables: { input },
    }),
  });
  const { data, errors } = (await response.json()) as { data?: Record<string, Row>; errors?: unknown };
  const payload = data?.[command];
  if (errors !== undefined || payload === undefined || 'code' in payload) {
    throw new Error(`${command} failed: ${JSON.stringify(errors ?? payload)}`);
  }
  return payload;
}

const idIn = (payload: Row, name: string): string => {
  const id = payload[name]?.id;
  if (id === undefined) throw new Error(`there is no ${name} in the answer`);
  return id;
};

export async function setUp(scenario: Scenario, server: RunningServer): Promise<Callers> {
  const model = `bench-${scenario.name}`;
  const made = await run(server, 'createModel', 'CreateModel', { name: model }, 'model { id }');
  const capacity = {
    deployment: scenario.slots,
    model: { modelId: idIn(made, 'model'), maxInFlight: scenario.slots },
  };
  await run(server, 'setCapacity', 'SetCapacity', capacity, 'capacity { revision }');
  const groupIds = new Map<string, string>();
  for (const { name, weight } of scenario.groups) {
    const group = await run(
      server,
      'createFairshareGroup',
      'CreateFairshareGroup',
      { name, weight },
      'fairshareGroup { id }',
    );
    groupIds.set(name, idIn(group, 'fairshareGroup'));
  }
  const keyIds = new Map<string, string>();
  for (const { name, group, weight } of scenario.tenants) {
    const input = { name, weight, fairshareGroupId: groupIds.get(group), synthetic: true };
    const tenant = await run(server, 'createTenant', 'CreateTenant', input, 'tenant { id }');
    const key = await run(
      server,
      'createKey',
      'CreateKey',
      { kind: 'TENANT', tenantId: idIn(tenant, 'tenant'), name, scopes: ['cloud:inference'] },
      'key { id }',
    );
    keyIds.set(name, idIn(key, 'key'));
  }
  return { model, keyIds };
}
