import { type CommandCases, idOf } from '../../testkit/command-case.ts';
import { missingGateway } from '../../testkit/ids.ts';
import type { RuntimeCommandCases } from '../../testkit/runtime-command-case.ts';

export const gatewayCases: CommandCases = {
  registerGateway: {
    scope: 'gateways:report',
    targetOf: idOf('gateway'),
    audited: 'made',
    revisioned: false,
    valid: (seed) => ({ name: seed.name(), version: '1.2.3', address: 'https://10.0.0.7:8080', maxInFlight: 64 }),
    changesNothing: async (seed) => ({ name: (await seed.gateway()).name }),
    refused: { NameTakenError: async (seed) => ({ name: (await seed.gatewayOfKey()).gateway.name.toUpperCase() }) },
  },
  deregisterGateway: {
    scope: 'gateways:report',
    otherScopes: ['gateways:write'],
    targetField: 'gatewayId',
    targetOf: idOf('gateway'),
    audited: ['leftAt'],
    revisioned: false,
    valid: async (seed) => ({ gatewayId: (await seed.gatewayOfKey((await seed.tenant()).id)).gateway.id }),
    changesNothing: async (seed) => {
      const { id } = await seed.gateway();
      await seed.run('deregisterGateway', { gatewayId: id });
      return { gatewayId: id };
    },
    refused: { NotFoundError: () => ({ gatewayId: missingGateway }) },
  },
};

export const gatewayRuntimeCases: RuntimeCommandCases = {
  gatewayHeartbeat: {
    scope: 'gateways:report',
    valid: async (seed) => ({ gatewayId: (await seed.gateway()).id, inFlight: 3, leaseIds: ['one'] }),
    refused: {
      NotFoundError: async (seed) => ({ gatewayId: (await seed.gatewayOfKey()).gateway.id, inFlight: 0 }),
      InvalidStateError: async (seed) => {
        const { id } = await seed.gateway();
        await seed.run('deregisterGateway', { gatewayId: id });
        return { gatewayId: id, inFlight: 0 };
      },
    },
  },
};
