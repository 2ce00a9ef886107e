import { type CommandCases, idOf } from '../../testkit/command-case.ts';
import { missingEngine, missingProduct } from '../../testkit/ids.ts';
import type { Seed } from '../../testkit/seed.ts';

const newEngine = async (seed: Seed) => ({ engineId: (await seed.engine()).id });

export const engineCases: CommandCases = {
  registerEngine: {
    scope: 'engines:write',
    targetOf: idOf('engine'),
    audited: 'made',
    alsoAudited: ['ApiKey'],
    called: 'userExternalId',
    revisioned: false,
    valid: async (seed) => ({
      productId: (await seed.product()).id,
      userExternalId: seed.name(),
      url: 'https://engines.example.com:9001/a?b=c',
      version: 'registry.example.com/engine:v1.2',
    }),
    refused: {
      NotFoundError: () => ({ productId: missingProduct, userExternalId: 'ada' }),
      EngineAlreadyExistsError: async (seed) => {
        const { productId, userExternalId } = await seed.engine();
        return { productId, userExternalId };
      },
      QuotaExceededError: async (seed) => ({
        productId: (await seed.product({ policy: { maxEngines: 0 } })).id,
        userExternalId: 'ada',
      }),
      InvalidStateError: async (seed) => {
        const { id: productId } = await seed.product();
        await seed.run('suspendProduct', { productId });
        return { productId, userExternalId: 'ada' };
      },
    },
    refusedElsewhere: ['PrivilegeEscalationError'],
  },
  reportEngine: {
    scope: 'engines:report',
    otherScopes: ['engines:write'],
    targetField: 'engineId',
    targetOf: idOf('engine'),
    audited: ['status', 'health', 'version', 'url', 'bootDurationMs', 'message'],
    revisioned: true,
    valid: async (seed) => ({
      ...(await newEngine(seed)),
      status: 'RUNNING',
      health: 'HEALTHY',
      version: 'v2',
      url: 'http://10.0.0.7:9001',
      bootDurationMs: 1_234,
      message: 'Up',
    }),
    refused: {
      NotFoundError: () => ({ engineId: missingEngine, health: 'HEALTHY' }),
      InvalidStateError: async (seed) => {
        const { engineId } = await newEngine(seed);
        await seed.run('reportEngine', { engineId, status: 'DESTROYING' });
        return { engineId, status: 'RUNNING' };
      },
    },
  },
  destroyEngine: {
    scope: 'engines:write',
    targetField: 'engineId',
    targetOf: (payload) => payload.destroyedEngineId,
    audited: 'deleted',
    called: 'userExternalId',
    revisioned: true,
    valid: newEngine,
    refused: { NotFoundError: () => ({ engineId: missingEngine }) },
  },
  admitEngine: {
    scope: 'engines:admit',
    targetField: 'productId',
    targetOf: () => undefined,
    audited: 'nothing',
    revisioned: false,
    valid: async (seed) => {
      const { productId, userExternalId } = await seed.runningEngine({
        productId: (await seed.product({ policy: { rateLimitRpm: 10 } })).id,
      });
      return { productId, userExternalId };
    },
    refused: { NotFoundError: () => ({ productId: missingProduct, userExternalId: 'ada' }) },
  },
};
