import { type CommandCase, type CommandCases, idOf } from '../../testkit/command-case.ts';
import { defaultGroup, missingGroup } from '../../testkit/ids.ts';
import type { Seed } from '../../testkit/seed.ts';

const newGroup = async (seed: Seed) => ({ fairshareGroupId: (await seed.group()).id });

const ofGroup = {
  scope: 'fairshare:write',
  targetField: 'fairshareGroupId',
  targetOf: idOf('fairshareGroup'),
  revisioned: true,
} as const satisfies Partial<CommandCase>;

export const fairshareGroupCases: CommandCases = {
  createFairshareGroup: {
    scope: 'fairshare:write',
    targetOf: idOf('fairshareGroup'),
    audited: 'made',
    revisioned: false,
    valid: (seed) => ({ name: seed.name(), weight: 3 }),
    refused: { NameTakenError: async (seed) => ({ name: (await seed.group()).name }) },
  },
  renameFairshareGroup: {
    ...ofGroup,
    audited: ['name'],
    valid: async (seed) => ({ ...(await newGroup(seed)), name: seed.name() }),
    changesNothing: async (seed) => {
      const { id, name } = await seed.group();
      return { fairshareGroupId: id, name };
    },
    refused: {
      NotFoundError: (seed) => ({ fairshareGroupId: missingGroup, name: seed.name() }),
      NameTakenError: async (seed) => ({ ...(await newGroup(seed)), name: 'Default' }),
      DefaultGroupProtectedError: (seed) => ({ fairshareGroupId: defaultGroup, name: seed.name() }),
    },
  },
  setFairshareGroupWeight: {
    ...ofGroup,
    audited: ['weight'],
    valid: async (seed) => ({ ...(await newGroup(seed)), weight: 7 }),
    changesNothing: async (seed) => ({ ...(await newGroup(seed)), weight: 100 }),
    refused: { NotFoundError: () => ({ fairshareGroupId: missingGroup, weight: 7 }) },
  },
  deleteFairshareGroup: {
    ...ofGroup,
    targetOf: (payload) => payload.deletedFairshareGroupId,
    audited: 'deleted',
    leaves: ['movedTenantCount', 'tenantsMovedToId'],
    valid: newGroup,
    refused: {
      NotFoundError: () => ({ fairshareGroupId: missingGroup }),
      DefaultGroupProtectedError: () => ({ fairshareGroupId: defaultGroup }),
    },
  },
};
