import { missingKey, missingLease } from '../../testkit/ids.ts';
import type { RuntimeCommandCases } from '../../testkit/runtime-command-case.ts';
import type { Seed } from '../../testkit/seed.ts';

const estimates = { model: 'any', estimatedInputTokens: 1, estimatedOutputTokens: 1 };

/** The id of a key that may run requests. */
async function runningKey(seed: Seed, scopes: readonly string[] = ['cloud:inference']): Promise<string> {
  return (await seed.key({ scopes })).id;
}

const settled = async (seed: Seed): Promise<string> => {
  const leaseId = await seed.leaseId();
  await seed.run('settleRequest', { leaseId, inputTokens: 1, outputTokens: 1 });
  return leaseId;
};

const scope = 'requests:admit' as const;
const refusedElsewhere = ['AdmissionUnavailableError'];
const notFound = { NotFoundError: () => ({ leaseId: missingLease }) };

export const admissionRuntimeCases: RuntimeCommandCases = {
  admitRequest: {
    scope,
    valid: async (seed) => ({ ...estimates, keyId: await runningKey(seed), requestId: seed.name() }),
    refused: {
      AdmissionRefusedError: async (seed) => ({ ...estimates, keyId: await runningKey(seed, ['tenants:read']) }),
      NotFoundError: () => ({ ...estimates, keyId: missingKey }),
    },
    refusedElsewhere,
  },
  renewLease: {
    scope,
    valid: async (seed) => ({ leaseId: await seed.leaseId(), leaseSeconds: 90 }),
    refused: notFound,
    refusedElsewhere,
  },
  settleRequest: {
    scope,
    valid: async (seed) => ({ leaseId: await seed.leaseId(), inputTokens: 5, outputTokens: 7 }),
    refused: { NotFoundError: () => ({ leaseId: missingLease, inputTokens: 1, outputTokens: 1 }) },
    refusedElsewhere,
  },
  cancelRequest: {
    scope,
    valid: async (seed) => ({ leaseId: await seed.leaseId() }),
    refused: { ...notFound, InvalidStateError: async (seed) => ({ leaseId: await settled(seed) }) },
    refusedElsewhere,
  },
  admitRequests: {
    scope,
    valid: async (seed) => ({ requests: [{ ...estimates, keyId: await runningKey(seed) }] }),
    refused: {},
  },
  renewLeases: { scope, valid: async (seed) => ({ leases: [{ leaseId: await seed.leaseId() }] }), refused: {} },
  settleRequests: {
    scope,
    valid: async (seed) => ({ requests: [{ leaseId: await seed.leaseId(), inputTokens: 1, outputTokens: 1 }] }),
    refused: {},
  },
  cancelRequests: { scope, valid: async (seed) => ({ requests: [{ leaseId: await seed.leaseId() }] }), refused: {} },
};
