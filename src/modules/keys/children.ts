import type { Children } from '../../graph/children.ts';

/** The keys of an owner, which go with it. Those that were revoked do not stop it from being deleted. */
export const keysOf = (column: 'tenantId' | 'userId' | 'appId' | 'productId' | 'engineId'): Children => ({
  type: 'ApiKey',
  countLive: ({ prisma }, ownerId) => prisma.apiKey.count({ where: { [column]: ownerId, revokedAt: null } }),
  deleteAll: async ({ prisma }, ownerId) => {
    await prisma.apiKey.deleteMany({ where: { [column]: ownerId } });
  },
});
