import type { Scope } from '../../src/access/scopes.ts';
import type { CommandInput } from '../testkit/commands.ts';
import type { Seed } from '../testkit/seed.ts';

type MakeInput = (seed: Seed) => Promise<CommandInput> | CommandInput;

/** What the tests of every command need to know of one. */
export interface CommandCase {
  readonly scope: Scope;
  /** An input that changes something. It makes the rows that it needs, and is another one at every call. */
  readonly valid: MakeInput;
  /** The field of the input that names the row; absent: the command makes a row. */
  readonly targetField?: string;
  /** Where in the payload the id of the row is. */
  readonly targetOf: (payload: CommandInput) => unknown;
  /**
   * What the audit row of `valid` says: the row that was made, the row that was deleted, or the values that changed
   * besides the revision.
   */
  readonly audited: 'made' | 'deleted' | readonly string[];
  /** What the audit row of a deletion says of what became of the rest; absent: nothing. */
  readonly leaves?: readonly string[];
  /** Whether it takes `expectedRevision`. */
  readonly revisioned: boolean;
  /** An input that is carried out and changes nothing; absent: every one that is carried out changes something. */
  readonly changesNothing?: MakeInput;
  /** An input for each error that it can answer with, besides those of all commands and StaleRevisionError. */
  readonly refused: Readonly<Record<string, MakeInput>>;
}

/** Ids that are well formed and belong to no row. */
export const missingTenant = 'tnt_01h455vb4pex5vsknk084sn02q';
export const missingGroup = 'fsg_01h455vb4pex5vsknk084sn02q';
/** The group `default`, which the first migration makes. */
export const defaultGroup = 'fsg_01j0000000e008000000000001';

type Payload = { readonly [field: string]: { readonly id: string } };
const idOf = (field: string) => (payload: CommandInput) => (payload as Payload)[field]?.id;

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

const ofGroup = {
  scope: 'fairshare:write',
  targetField: 'fairshareGroupId',
  targetOf: idOf('fairshareGroup'),
  revisioned: true,
} as const satisfies Partial<CommandCase>;

/** Every command of the graph. A test fails for one that is not here. */
export const commandCases: Readonly<Record<string, CommandCase>> = {
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
