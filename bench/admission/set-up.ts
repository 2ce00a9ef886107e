/** Makes what admissions need, over the graph: tenants in groups with teams, users, keys, and limits at each of them. */
import { carryOut, idIn, secretIn } from '../harness/graph.ts';
import type { RunningServer } from '../harness/processes.ts';

export const counts = { groups: 4, tenants: 20, teamsOfTenant: 2, usersOfTeam: 3 } as const;

/** With as many slots as anybody asks for, and with fewer. */
export const models = { plenty: 'bench-plenty', scarce: 'bench-scarce' } as const;

export const scarceSlots = 8;

/** So high that nothing is refused: each is counted and decided by all the same. */
const limits = {
  requestsPerMinute: 10_000_000,
  tokensPerMinute: 10_000_000_000,
  tokensPerDay: 1_000_000_000_000,
  maxInFlight: 10_000,
} as const;

export interface Callers {
  /** The secrets of all keys. */
  readonly keys: readonly string[];
  readonly gatewayId: string;
  readonly gatewayKey: string;
}

async function makeTenant(server: RunningServer, number: number, fairshareGroupId: string): Promise<string[]> {
  const name = `bench-admission-${number}`;
  const budget = { period: 'MONTHLY', tokens: 1_000_000_000_000_000, costUsd: '1000000000' };
  const tenantId = idIn(
    await carryOut(
      server,
      'createTenant',
      { name, weight: 50 * (1 + (number % 5)), fairshareGroupId, synthetic: true, limits: { ...limits, budget } },
      'tenant { id }',
    ),
    'tenant',
  );
  const makeKey = async (user: object, keyName: string): Promise<string> =>
    secretIn(
      await carryOut(
        server,
        'createKey',
        { ...user, name: keyName, scopes: ['cloud:inference'], limits },
        'secret { value }',
      ),
    );
  const keys: string[] = [await makeKey({ kind: 'TENANT', tenantId }, 'shared')];
  for (let team = 0; team < counts.teamsOfTenant; team += 1) {
    const made = await carryOut(
      server,
      'createTeam',
      { tenantId, name: `team-${team}`, limits, userSharePercent: 50 },
      'team { id }',
    );
    for (let user = 0; user < counts.usersOfTeam; user += 1) {
      const externalId = `user-${team}-${user}`;
      const input = { tenantId, externalId, teamId: idIn(made, 'team'), limits };
      const userId = idIn(await carryOut(server, 'createUser', input, 'user { id }'), 'user');
      keys.push(await makeKey({ kind: 'USER', userId }, externalId));
    }
  }
  return keys;
}

async function makeModels(server: RunningServer): Promise<void> {
  const prices = { inputTokenUsd: '0.0000025', outputTokenUsd: '0.00001' };
  const slots = { [models.plenty]: 100_000, [models.scarce]: scarceSlots };
  for (const [name, maxInFlight] of Object.entries(slots)) {
    const modelId = idIn(await carryOut(server, 'createModel', { name, prices }, 'model { id }'), 'model');
    const capacity = { deployment: 100_000, model: { modelId, maxInFlight } };
    await carryOut(server, 'setCapacity', capacity, 'capacity { revision }');
  }
}

async function makeGateway(server: RunningServer): Promise<Pick<Callers, 'gatewayId' | 'gatewayKey'>> {
  const key = await carryOut(
    server,
    'createKey',
    { kind: 'GATEWAY', name: 'bench-gateway', template: 'GATEWAY' },
    'secret { value }',
  );
  const gatewayKey = secretIn(key);
  const own = { ...server, target: { ...server.target, headers: { authorization: `Bearer ${gatewayKey}` } } };
  const gateway = await carryOut(own, 'registerGateway', { name: 'bench-gateway' }, 'gateway { id }');
  return { gatewayId: idIn(gateway, 'gateway'), gatewayKey };
}

export async function setUp(server: RunningServer): Promise<Callers> {
  await makeModels(server);
  const groups: string[] = [];
  for (let number = 0; number < counts.groups; number += 1) {
    const input = { name: `bench-admission-${number}`, weight: 100 * (1 + number) };
    groups.push(idIn(await carryOut(server, 'createFairshareGroup', input, 'fairshareGroup { id }'), 'fairshareGroup'));
  }
  const keys = await Promise.all(
    Array.from({ length: counts.tenants }, (_, number) =>
      makeTenant(server, number, groups[number % counts.groups] ?? ''),
    ),
  );
  return { keys: keys.flat(), ...(await makeGateway(server)) };
}
