import { type CommandCase, type CommandCases, idOf } from '../../testkit/command-case.ts';
import { missingModel } from '../../testkit/ids.ts';
import type { Seed } from '../../testkit/seed.ts';

const newModel = async (seed: Seed) => ({ modelId: (await seed.model()).id });

const ofModel = {
  scope: 'registry:write',
  targetField: 'modelId',
  targetOf: idOf('model'),
  revisioned: true,
} as const satisfies Partial<CommandCase>;

export const modelCases: CommandCases = {
  createModel: {
    scope: 'registry:write',
    targetOf: idOf('model'),
    audited: 'made',
    revisioned: false,
    valid: (seed) => ({
      name: seed.name(),
      description: 'All values at once',
      type: 'AUDIO_SPEECH',
      prices: { inputTokenUsd: '0.00000015', outputTokenUsd: '0.0000006', characterUsd: '0.000015' },
      admissionWeightPercent: 250,
      isEnabled: false,
    }),
    refused: { NameTakenError: async (seed) => ({ name: (await seed.model()).name.toUpperCase() }) },
  },
  updateModel: {
    ...ofModel,
    audited: ['name', 'description', 'type', 'prices', 'admissionWeightPercent', 'isEnabled'],
    valid: async (seed) => ({
      ...(await newModel(seed)),
      name: seed.name(),
      description: 'Changed',
      type: 'IMAGE',
      prices: { imageUsd: '0.04' },
      admissionWeightPercent: 50,
      isEnabled: false,
    }),
    changesNothing: async (seed) => ({
      ...(await newModel(seed)),
      type: 'CHAT',
      prices: { inputTokenUsd: '0.000' },
      isEnabled: true,
    }),
    refused: {
      NotFoundError: () => ({ modelId: missingModel, description: 'Changed' }),
      NameTakenError: async (seed) => ({ ...(await newModel(seed)), name: (await seed.model()).name }),
    },
  },
  deleteModel: {
    ...ofModel,
    targetOf: (payload) => payload.deletedModelId,
    audited: 'deleted',
    valid: newModel,
    refused: { NotFoundError: () => ({ modelId: missingModel }) },
  },
};
