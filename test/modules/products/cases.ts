import { type CommandCase, type CommandCases, idOf } from '../../testkit/command-case.ts';
import { missingProduct, missingTenant } from '../../testkit/ids.ts';
import type { Seed } from '../../testkit/seed.ts';

const policy = {
  maxEngines: 3,
  rateLimitRpm: 600,
  engineVersion: 'v1.2',
  rollout: { engineVersion: 'v1.3', percent: 25 },
};

const newProduct = async (seed: Seed) => ({ productId: (await seed.product()).id });
const productWithPolicy = async (seed: Seed) => ({ productId: (await seed.product({ policy })).id });
const suspendedProduct = async (seed: Seed) => {
  const { productId } = await newProduct(seed);
  await seed.run('suspendProduct', { productId });
  return { productId };
};
const deletingProduct = async (seed: Seed) => {
  const { productId } = await newProduct(seed);
  await seed.engine({ productId });
  await seed.run('deleteProduct', { productId, drainEngines: true });
  return { productId };
};

const ofProduct = {
  scope: 'products:write',
  targetField: 'productId',
  targetOf: idOf('product'),
  revisioned: true,
} as const satisfies Partial<CommandCase>;

export const productCases: CommandCases = {
  registerProduct: {
    scope: 'products:register',
    targetOf: idOf('product'),
    audited: 'made',
    alsoAudited: ['ApiKey'],
    called: 'slug',
    revisioned: false,
    valid: async (seed) => ({
      tenantId: (await seed.tenant()).id,
      slug: seed.slug(),
      displayName: 'All values at once',
      policy,
      limits: { requestsPerMinute: 0, tokensPerDay: 5_000_000_000, budget: { costUsd: '12.5', period: 'MONTHLY' } },
      engineVersion: policy.engineVersion,
    }),
    refused: {
      ProductSlugExistsError: async (seed) => {
        const { slug, tenantId } = await seed.product();
        return { tenantId, slug: slug.toUpperCase(), displayName: 'Again' };
      },
      NotFoundError: (seed) => ({ tenantId: missingTenant, slug: seed.slug(), displayName: 'Of nobody' }),
      InvalidStateError: async (seed) => ({
        tenantId: (await seed.tenantAfter('archiveTenant')).id,
        slug: seed.slug(),
        displayName: 'Of an archived tenant',
      }),
    },
    refusedElsewhere: ['PrivilegeEscalationError'],
  },
  updateProduct: {
    ...ofProduct,
    audited: ['displayName', 'limits'],
    valid: async (seed) => ({ ...(await newProduct(seed)), displayName: seed.name(), limits: { maxInFlight: 3 } }),
    changesNothing: async (seed) => ({ ...(await newProduct(seed)), limits: { maxInFlight: null, budget: null } }),
    refused: {
      NotFoundError: () => ({ productId: missingProduct, displayName: 'Changed' }),
      InvalidStateError: async (seed) => ({ ...(await deletingProduct(seed)), displayName: 'Changed' }),
    },
  },
  suspendProduct: {
    ...ofProduct,
    audited: ['status'],
    valid: newProduct,
    changesNothing: suspendedProduct,
    refused: { NotFoundError: () => ({ productId: missingProduct }), InvalidStateError: deletingProduct },
  },
  resumeProduct: {
    ...ofProduct,
    audited: ['status'],
    valid: suspendedProduct,
    changesNothing: newProduct,
    refused: { NotFoundError: () => ({ productId: missingProduct }), InvalidStateError: deletingProduct },
  },
  deleteProduct: {
    ...ofProduct,
    targetOf: (payload) => payload.deletedProductId,
    audited: 'deleted',
    called: 'slug',
    valid: newProduct,
    changesNothing: async (seed) => ({ ...(await newProduct(seed)), dryRun: true }),
    refused: {
      NotFoundError: () => ({ productId: missingProduct }),
      ProductHasEnginesError: async (seed) => {
        const { productId } = await newProduct(seed);
        await seed.engine({ productId });
        return { productId };
      },
    },
  },
  setProductPolicy: {
    ...ofProduct,
    audited: ['policy'],
    valid: async (seed) => ({ ...(await productWithPolicy(seed)), policy: { maxEngines: 0 } }),
    changesNothing: async (seed) => ({ ...(await productWithPolicy(seed)), policy }),
    refused: {
      NotFoundError: () => ({ productId: missingProduct, policy: {} }),
      InvalidStateError: async (seed) => ({ ...(await deletingProduct(seed)), policy: {} }),
    },
  },
  updateProductPolicy: {
    ...ofProduct,
    audited: ['policy'],
    valid: async (seed) => ({ ...(await productWithPolicy(seed)), policy: { rollout: null } }),
    changesNothing: async (seed) => ({ ...(await productWithPolicy(seed)), policy: { maxEngines: 3 } }),
    refused: {
      NotFoundError: () => ({ productId: missingProduct, policy: {} }),
      InvalidStateError: async (seed) => ({ ...(await deletingProduct(seed)), policy: { maxEngines: 1 } }),
    },
  },
  revertProductPolicy: {
    ...ofProduct,
    audited: ['policy'],
    valid: async (seed) => {
      const { productId } = await productWithPolicy(seed);
      await seed.run('setProductPolicy', { productId, policy: { maxEngines: 1 } });
      return { productId, version: 1 };
    },
    changesNothing: async (seed) => ({ ...(await productWithPolicy(seed)), version: 1 }),
    refused: {
      NotFoundError: async (seed) => ({ ...(await newProduct(seed)), version: 2 }),
      InvalidStateError: async (seed) => ({ ...(await deletingProduct(seed)), version: 1 }),
    },
  },
};
