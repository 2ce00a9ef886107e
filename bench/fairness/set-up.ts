/** Makes what a scenario needs, over the graph. */
import { carryOut, idIn } from '../harness/graph.ts';
import type { RunningServer } from '../harness/processes.ts';
import type { Scenario } from './scenarios.ts';
import type { Callers } from './workers.ts';

export async function setUp(scenario: Scenario, server: RunningServer): Promise<Callers> {
  const model = `bench-${scenario.name}`;
  const made = await carryOut(server, 'createModel', { name: model }, 'model { id }');
  const capacity = {
    deployment: scenario.slots,
    model: { modelId: idIn(made, 'model'), maxInFlight: scenario.slots },
  };
  await carryOut(server, 'setCapacity', capacity, 'capacity { revision }');
  const groupIds = new Map<string, string>();
  for (const { name, weight } of scenario.groups) {
    const group = await carryOut(server, 'createFairshareGroup', { name, weight }, 'fairshareGroup { id }');
    groupIds.set(name, idIn(group, 'fairshareGroup'));
  }
  const keyIds = new Map<string, string>();
  for (const { name, group, weight } of scenario.tenants) {
    const input = { name, weight, fairshareGroupId: groupIds.get(group), synthetic: true };
    const tenant = await carryOut(server, 'createTenant', input, 'tenant { id }');
    const key = await carryOut(
      server,
      'createKey',
      { kind: 'TENANT', tenantId: idIn(tenant, 'tenant'), name, scopes: ['cloud:inference'] },
      'key { id }',
    );
    keyIds.set(name, idIn(key, 'key'));
  }
  return { model, keyIds };
}
