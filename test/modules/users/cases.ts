import { type CommandCase, type CommandCases, idOf } from '../../testkit/command-case.ts';
import { missingTeam, missingTenant, missingUser } from '../../testkit/ids.ts';
import type { Seed } from '../../testkit/seed.ts';

const newUser = async (seed: Seed) => ({ userId: (await seed.user()).id });
const archivedTenant = async (seed: Seed) => ({ tenantId: (await seed.tenantAfter('archiveTenant')).id });

const deactivatedUser = async (seed: Seed) => {
  const reference = await newUser(seed);
  await seed.run('deactivateUser', reference);
  return reference;
};

const ofUser = {
  scope: 'users:write',
  targetField: 'userId',
  targetOf: idOf('user'),
  called: 'externalId',
  revisioned: true,
} as const satisfies Partial<CommandCase>;

export const userCases: CommandCases = {
  createUser: {
    scope: 'users:write',
    targetOf: idOf('user'),
    audited: 'made',
    called: 'externalId',
    revisioned: false,
    valid: async (seed) => {
      const { id, tenantId } = await seed.team();
      return {
        tenantId,
        teamId: id,
        externalId: `auth0|${seed.name()}`,
        displayName: 'Ada Lovelace',
        email: 'ada@example.com',
        limits: { requestsPerMinute: 0, tokensPerDay: 5_000_000_000, budget: { costUsd: '12.5' } },
        metadata: { department: 'Engines', floors: [1, 2], contractor: null },
      };
    },
    refused: {
      ExternalIdTakenError: async (seed) => {
        const { externalId, tenantId } = await seed.user();
        return { externalId, tenantId };
      },
      NotFoundError: async (seed) => ({
        externalId: seed.name(),
        tenantId: (await seed.tenant()).id,
        teamId: (await seed.team()).id,
      }),
      InvalidStateError: async (seed) => ({ externalId: seed.name(), ...(await archivedTenant(seed)) }),
    },
  },
  bulkCreateUsers: {
    scope: 'users:write',
    targetField: 'tenantId',
    targetOf: (payload) => payload.tenantId,
    audited: { together: ['createdCount', 'users'] },
    revisioned: false,
    valid: async (seed) => {
      const { tenantId, externalId } = await seed.user();
      return {
        tenantId,
        users: [{ externalId: seed.name() }, { externalId }, { externalId: ' ' }, { externalId: seed.name() }],
      };
    },
    changesNothing: async (seed) => {
      const { tenantId, externalId } = await seed.user();
      return { tenantId, users: [{ externalId }, { externalId: '' }, { externalId: 'x', teamId: missingTeam }] };
    },
    refused: {
      NotFoundError: (seed) => ({ tenantId: missingTenant, users: [{ externalId: seed.name() }] }),
      InvalidStateError: async (seed) => ({ ...(await archivedTenant(seed)), users: [{ externalId: seed.name() }] }),
    },
  },
  updateUser: {
    ...ofUser,
    audited: ['displayName', 'email', 'externalId', 'limits', 'metadata'],
    valid: async (seed) => ({
      ...(await newUser(seed)),
      externalId: seed.name(),
      displayName: 'Changed',
      email: 'changed@example.com',
      limits: { maxInFlight: 3 },
      metadata: { changed: true },
    }),
    changesNothing: async (seed) => {
      const { id, externalId } = await seed.user({ metadata: { a: 1, b: { c: [2] } } });
      return { userId: id, externalId, limits: {}, metadata: { b: { c: [2] }, a: 1 } };
    },
    refused: {
      NotFoundError: () => ({ userId: missingUser, displayName: 'Changed' }),
      ExternalIdTakenError: async (seed) => {
        const { externalId, tenantId } = await seed.user();
        return { userId: (await seed.user({ tenantId })).id, externalId };
      },
    },
  },
  moveUser: {
    ...ofUser,
    audited: ['teamId'],
    valid: async (seed) => {
      const { id, tenantId } = await seed.user();
      return { userId: id, teamId: (await seed.team({ tenantId })).id };
    },
    changesNothing: async (seed) => ({ ...(await newUser(seed)), teamId: null }),
    refused: {
      NotFoundError: async (seed) => ({ ...(await newUser(seed)), teamId: (await seed.team()).id }),
    },
  },
  deactivateUser: {
    ...ofUser,
    audited: ['deactivatedAt', 'status'],
    valid: newUser,
    changesNothing: deactivatedUser,
    refused: { NotFoundError: () => ({ userId: missingUser }) },
  },
  reactivateUser: {
    ...ofUser,
    audited: ['deactivatedAt', 'status'],
    valid: deactivatedUser,
    changesNothing: newUser,
    refused: { NotFoundError: () => ({ userId: missingUser }) },
  },
  deleteUser: {
    ...ofUser,
    targetOf: (payload) => payload.deletedUserId,
    audited: 'deleted',
    valid: newUser,
    changesNothing: async (seed) => ({ ...(await newUser(seed)), dryRun: true }),
    refused: {
      NotFoundError: () => ({ userId: missingUser }),
      HasChildrenError: async (seed) => {
        const { id } = await seed.user();
        await seed.addChild(id);
        return { userId: id };
      },
    },
  },
};
