import { type CommandCase, type CommandCases, idOf } from '../../testkit/command-case.ts';
import { missingTeam, missingTenant } from '../../testkit/ids.ts';
import type { Seed } from '../../testkit/seed.ts';

const newTeam = async (seed: Seed) => ({ teamId: (await seed.team()).id });
const archivedTenant = async (seed: Seed) => ({ tenantId: (await seed.tenantAfter('archiveTenant')).id });

const ofTeam = {
  scope: 'teams:write',
  targetField: 'teamId',
  targetOf: idOf('team'),
  revisioned: true,
} as const satisfies Partial<CommandCase>;

export const teamCases: CommandCases = {
  createTeam: {
    scope: 'teams:write',
    targetOf: idOf('team'),
    audited: 'made',
    revisioned: false,
    valid: async (seed) => ({
      tenantId: (await seed.tenant()).id,
      name: seed.name(),
      description: 'All values at once',
      limits: { requestsPerMinute: 0, tokensPerDay: 5_000_000_000, budget: { costUsd: '12.5', period: 'MONTHLY' } },
      userSharePercent: 25,
    }),
    refused: {
      NameTakenError: async (seed) => {
        const { name, tenantId } = await seed.team();
        return { name: name.toUpperCase(), tenantId };
      },
      NotFoundError: (seed) => ({ name: seed.name(), tenantId: missingTenant }),
      InvalidStateError: async (seed) => ({ name: seed.name(), ...(await archivedTenant(seed)) }),
    },
  },
  updateTeam: {
    ...ofTeam,
    audited: ['name', 'description', 'limits', 'userSharePercent'],
    valid: async (seed) => ({
      ...(await newTeam(seed)),
      name: seed.name(),
      description: 'Changed',
      limits: { maxInFlight: 3 },
      userSharePercent: 100,
    }),
    changesNothing: async (seed) => ({ ...(await newTeam(seed)), limits: {}, description: '', userSharePercent: null }),
    refused: {
      NotFoundError: () => ({ teamId: missingTeam, description: 'Changed' }),
      NameTakenError: async (seed) => {
        const { name, tenantId } = await seed.team();
        return { teamId: (await seed.team({ tenantId })).id, name };
      },
    },
  },
  deleteTeam: {
    ...ofTeam,
    targetOf: (payload) => payload.deletedTeamId,
    audited: 'deleted',
    leaves: ['movedUserCount', 'usersMovedToTeamId'],
    valid: async (seed) => {
      const { id, tenantId } = await seed.team();
      return { teamId: id, moveUsersToTeamId: (await seed.team({ tenantId })).id };
    },
    changesNothing: async (seed) => ({ ...(await newTeam(seed)), dryRun: true }),
    refused: {
      NotFoundError: async (seed) => ({ ...(await newTeam(seed)), moveUsersToTeamId: (await seed.team()).id }),
    },
  },
};
