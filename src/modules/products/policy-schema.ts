import { builder } from '../../graph/builder.ts';
import type { Policy } from './policy.ts';

const EngineRollout = builder.objectRef<{ engineVersion: string; percent: number }>('EngineRollout').implement({
  description: 'A version that a part of the engines should run instead of the pinned one.',
  fields: (t) => ({
    engineVersion: t.exposeString('engineVersion', { description: 'The version.' }),
    percent: t.exposeInt('percent', {
      description:
        'How many of 100 engines should run it, 0 to 100. An engine that is among them stays so while the percentage grows.',
    }),
  }),
});

export const ProductPolicyType = builder.objectRef<Policy>('ProductPolicy').implement({
  description: 'What a product may use. It is in effect from the next request on, on every replica.',
  fields: (t) => ({
    version: t.exposeInt('version', { description: 'Counts the policies of the product, from 1.' }),
    maxEngines: t.exposeInt('maxEngines', {
      nullable: true,
      description: 'How many engines may exist, whatever their status; null: unlimited, 0: none.',
    }),
    rateLimitRpm: t.exposeInt('rateLimitRpm', {
      nullable: true,
      description:
        'How many calls of `admitEngine`, and readings of engines with keys of the product or its engines, any 60 seconds may have; null: unlimited, 0: none.',
    }),
    engineVersion: t.exposeString('engineVersion', {
      nullable: true,
      description: 'The version that its engines should run; null: any.',
    }),
    rollout: t.field({
      type: EngineRollout,
      nullable: true,
      description: 'A version that a part of its engines should run instead; null: none.',
      resolve: ({ rolloutEngineVersion, rolloutPercent }) =>
        rolloutEngineVersion === null || rolloutPercent === null
          ? null
          : { engineVersion: rolloutEngineVersion, percent: rolloutPercent },
    }),
  }),
});

const EngineRolloutInput = builder.inputType('EngineRolloutInput', {
  description: 'A version that a part of the engines should run. It replaces the rollout before it as a whole.',
  fields: (t) => ({
    engineVersion: t.string({ required: true, description: 'The version, 1 to 255 characters.' }),
    percent: t.int({ required: true, description: 'How many of 100 engines should run it, 0 to 100.' }),
  }),
});

export const ProductPolicyInput = builder.inputType('ProductPolicyInput', {
  description:
    'What a product may use. Null is unlimited and 0 blocks. Where it replaces a policy, an omitted field is null; where it patches one, an omitted field stays as it is.',
  fields: (t) => ({
    maxEngines: t.int({ description: 'How many engines may exist, 0 or more.' }),
    rateLimitRpm: t.int({ description: 'How many calls any 60 seconds may have, 0 or more.' }),
    engineVersion: t.string({ description: 'The version that engines should run, 1 to 255 characters; null: any.' }),
    rollout: t.field({
      type: EngineRolloutInput,
      description: 'A version that a part of the engines should run instead; null: none.',
    }),
  }),
});
