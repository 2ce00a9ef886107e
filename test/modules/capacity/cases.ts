import type { CommandCases } from '../../testkit/command-case.ts';
import { missingGateway, missingModel } from '../../testkit/ids.ts';

let times = 0;
/** A figure that was not given before. */
const figure = (): number => 10_000 + ++times;

export const capacityCases: CommandCases = {
  setCapacity: {
    scope: 'capacity:write',
    audited: { settings: ['deployment', 'gateway', 'model', 'modelDefault', 'queue', 'revision'] },
    revisioned: true,
    valid: async (seed) => ({
      deployment: figure(),
      modelDefault: figure(),
      queue: { poolMax: figure(), tenantMax: figure(), timeoutSeconds: 1 + (figure() % 3_600) },
      model: { modelId: (await seed.model()).id, maxInFlight: figure() },
      gateway: { gatewayId: (await seed.gateway()).id, maxInFlight: figure() },
    }),
    changesNothing: async (seed) => ({
      queue: {},
      model: { modelId: (await seed.model()).id, maxInFlight: null },
      gateway: { gatewayId: (await seed.gateway()).id },
    }),
    refused: {
      NotFoundError: () =>
        ++times % 2 === 0
          ? { model: { modelId: missingModel, maxInFlight: 1 } }
          : { gateway: { gatewayId: missingGateway, maxInFlight: 1 } },
    },
  },
  setFairshareAlgorithm: {
    scope: 'capacity:write',
    audited: { settings: ['fairshareAlgorithm', 'revision'] },
    revisioned: true,
    valid: async (seed) => {
      const [before, after] = ++times % 2 === 0 ? ['WEIGHTED', 'HIERARCHICAL'] : ['HIERARCHICAL', 'WEIGHTED'];
      await seed.run('setFairshareAlgorithm', { algorithm: before });
      return { algorithm: after };
    },
    changesNothing: async (seed) => {
      await seed.run('setFairshareAlgorithm', { algorithm: 'WEIGHTED' });
      return { algorithm: 'WEIGHTED' };
    },
    refused: {},
  },
};
