import { type CommandCase, type CommandCases, idOf } from '../../testkit/command-case.ts';
import { missingApp, missingTenant } from '../../testkit/ids.ts';
import type { Seed } from '../../testkit/seed.ts';

const newApp = async (seed: Seed) => ({ appId: (await seed.app()).id });
const archivedTenant = async (seed: Seed) => ({ tenantId: (await seed.tenantAfter('archiveTenant')).id });

const archivedApp = async (seed: Seed) => {
  const reference = await newApp(seed);
  await seed.run('archiveApp', reference);
  return reference;
};

const ofApp = {
  scope: 'apps:write',
  targetField: 'appId',
  targetOf: idOf('app'),
  revisioned: true,
} as const satisfies Partial<CommandCase>;

export const appCases: CommandCases = {
  createApp: {
    scope: 'apps:write',
    targetOf: idOf('app'),
    audited: 'made',
    revisioned: false,
    valid: async (seed) => ({
      tenantId: (await seed.tenant()).id,
      name: seed.name(),
      description: 'All values at once',
      inference: {
        model: 'llama-3-70b',
        fallbackModels: ['llama-3-8b', 'mistral-7b'],
        systemPrompt: 'Be brief.\nBe kind.',
        temperature: 0.7,
        topP: 0.95,
        maxOutputTokens: 4_096,
        timeoutMs: 30_000,
      },
    }),
    refused: {
      NameTakenError: async (seed) => {
        const { name, tenantId } = await seed.app();
        return { name: name.toUpperCase(), tenantId };
      },
      NotFoundError: (seed) => ({ name: seed.name(), tenantId: missingTenant }),
      InvalidStateError: async (seed) => ({ name: seed.name(), ...(await archivedTenant(seed)) }),
    },
  },
  updateApp: {
    ...ofApp,
    audited: ['name', 'description', 'inference'],
    valid: async (seed) => ({
      ...(await newApp(seed)),
      name: seed.name(),
      description: 'Changed',
      inference: { model: 'mistral-7b', temperature: 0 },
    }),
    changesNothing: async (seed) => ({ ...(await newApp(seed)), inference: { model: null }, description: '' }),
    refused: {
      NotFoundError: () => ({ appId: missingApp, description: 'Changed' }),
      NameTakenError: async (seed) => {
        const { name, tenantId } = await seed.app();
        return { appId: (await seed.app({ tenantId })).id, name };
      },
      InvalidStateError: async (seed) => ({ ...(await archivedApp(seed)), description: 'Changed' }),
    },
  },
  archiveApp: {
    ...ofApp,
    audited: ['status'],
    valid: newApp,
    changesNothing: archivedApp,
    refused: { NotFoundError: () => ({ appId: missingApp }) },
  },
  restoreApp: {
    ...ofApp,
    audited: ['status'],
    valid: archivedApp,
    changesNothing: newApp,
    refused: { NotFoundError: () => ({ appId: missingApp }) },
  },
  deleteApp: {
    ...ofApp,
    targetOf: (payload) => payload.deletedAppId,
    audited: 'deleted',
    valid: newApp,
    changesNothing: async (seed) => ({ ...(await newApp(seed)), dryRun: true }),
    refused: {
      NotFoundError: () => ({ appId: missingApp }),
      HasChildrenError: async (seed) => {
        const { id } = await seed.app();
        await seed.addChild(id);
        return { appId: id };
      },
    },
  },
};
