import { type CommandCase, type CommandCases, idOf } from '../../testkit/command-case.ts';
import { defaultGroup, missingGroup, missingTenant } from '../../testkit/ids.ts';
import type { Seed } from '../../testkit/seed.ts';

const newTenant = async (seed: Seed) => ({ tenantId: (await seed.tenant()).id });
const newGroup = async (seed: Seed) => ({ fairshareGroupId: (await seed.group()).id });

const archivedTenant = async (seed: Seed) => ({ tenantId: (await seed.tenantAfter('archiveTenant')).id });
const suspendedTenant = async (seed: Seed) => ({ tenantId: (await seed.tenantAfter('suspendTenant')).id });

const ofTenant = {
  scope: 'tenants:write',
  targetField: 'tenantId',
  targetOf: idOf('tenant'),
  revisioned: true,
} as const satisfies Partial<CommandCase>;

export const tenantCases: CommandCases = {
  createTenant: {
    scope: 'tenants:write',
    targetOf: idOf('tenant'),
    audited: 'made',
    revisioned: false,
    valid: (seed) => ({
      name: seed.name(),
      description: 'All values at once',
      organization: 'Acme Corporation',
      contactEmail: 'ops@example.com',
      weight: 250,
      timeZone: 'Europe/Berlin',
      activeFrom: '2026-01-01T00:00:00.000Z',
      activeUntil: '2027-01-01T00:00:00.000Z',
      weeklyWindows: [{ day: 'MONDAY', startMinute: 540, endMinute: 1020 }],
      allowedModels: ['llama-3-70b'],
      limits: {
        requestsPerMinute: 60,
        tokensPerMinute: 5_000_000_000,
        tokensPerDay: Number.MAX_SAFE_INTEGER,
        maxInFlight: 0,
        budget: { tokens: 1_000_000_000_000, costUsd: '12.500001', period: 'TERM' },
      },
      tracingEnabled: true,
      guardrailsPolicy: { action: 'REDACT', scanners: ['pii'], guardModel: 'guard-1', banKeywords: ['secret'] },
      synthetic: true,
    }),
    refused: {
      NameTakenError: async (seed) => ({ name: (await seed.tenant()).name }),
      NotFoundError: (seed) => ({ name: seed.name(), fairshareGroupId: missingGroup }),
    },
  },
  updateTenant: {
    ...ofTenant,
    audited: ['name', 'description', 'allowedModels'],
    valid: async (seed) => ({
      ...(await newTenant(seed)),
      name: seed.name(),
      description: 'Changed',
      organization: '',
      allowedModels: ['llama-3-70b'],
    }),
    changesNothing: newTenant,
    refused: {
      NotFoundError: () => ({ tenantId: missingTenant, description: 'Changed' }),
      NameTakenError: async (seed) => ({ ...(await newTenant(seed)), name: (await seed.tenant()).name }),
      InvalidStateError: async (seed) => ({ ...(await archivedTenant(seed)), description: 'Changed' }),
    },
  },
  setTenantWeight: {
    ...ofTenant,
    audited: ['weight'],
    valid: async (seed) => ({ ...(await newTenant(seed)), weight: 7 }),
    changesNothing: async (seed) => ({ ...(await newTenant(seed)), weight: 100 }),
    refused: {
      NotFoundError: () => ({ tenantId: missingTenant, weight: 7 }),
      InvalidStateError: async (seed) => ({ ...(await archivedTenant(seed)), weight: 7 }),
    },
  },
  setTenantLimits: {
    ...ofTenant,
    audited: ['limits'],
    valid: async (seed) => ({ ...(await newTenant(seed)), limits: { requestsPerMinute: 0, budget: { costUsd: '5' } } }),
    changesNothing: async (seed) => ({ ...(await newTenant(seed)), limits: {} }),
    refused: {
      NotFoundError: () => ({ tenantId: missingTenant, limits: {} }),
      InvalidStateError: async (seed) => ({ ...(await archivedTenant(seed)), limits: { maxInFlight: 1 } }),
    },
  },
  setTenantGroup: {
    ...ofTenant,
    audited: ['fairshareGroupId'],
    valid: async (seed) => ({ ...(await newTenant(seed)), ...(await newGroup(seed)) }),
    changesNothing: async (seed) => ({ ...(await newTenant(seed)), fairshareGroupId: defaultGroup }),
    refused: {
      NotFoundError: async (seed) => ({ ...(await newTenant(seed)), fairshareGroupId: missingGroup }),
      InvalidStateError: async (seed) => ({ ...(await archivedTenant(seed)), ...(await newGroup(seed)) }),
    },
  },
  suspendTenant: {
    ...ofTenant,
    audited: ['status'],
    valid: newTenant,
    changesNothing: suspendedTenant,
    refused: { NotFoundError: () => ({ tenantId: missingTenant }), InvalidStateError: archivedTenant },
  },
  resumeTenant: {
    ...ofTenant,
    audited: ['status'],
    valid: suspendedTenant,
    changesNothing: newTenant,
    refused: { NotFoundError: () => ({ tenantId: missingTenant }) },
  },
  archiveTenant: {
    ...ofTenant,
    audited: ['status'],
    valid: newTenant,
    changesNothing: archivedTenant,
    refused: { NotFoundError: () => ({ tenantId: missingTenant }) },
  },
  deleteTenant: {
    ...ofTenant,
    targetOf: (payload) => payload.deletedTenantId,
    audited: 'deleted',
    valid: newTenant,
    changesNothing: async (seed) => ({ ...(await newTenant(seed)), dryRun: true }),
    refused: {
      NotFoundError: () => ({ tenantId: missingTenant }),
      TenantHasChildrenError: async (seed) => {
        const { id } = await seed.tenant();
        await seed.addChild(id);
        return { tenantId: id };
      },
    },
  },
};
