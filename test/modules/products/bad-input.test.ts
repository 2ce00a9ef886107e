import { beforeEach, describe, expect, it } from 'vitest';
import { startTestApp } from '../../testkit/app.ts';
import {
  type BadInputTable,
  type BadValue,
  badFlags,
  badIds,
  badLimits,
  badNames,
  badRequiredNames,
  badRevisions,
  expectNoFailures,
  notOfType,
  refusesBadInput,
} from '../../testkit/bad-input.ts';
import { Commands } from '../../testkit/commands.ts';
import { Seed } from '../../testkit/seed.ts';
import { badEngineVersions } from './bad-values.ts';

const app = await startTestApp();
const seed = new Seed(app);
const commands = new Commands(app.app.schema);
const { id: productId, tenantId } = await seed.product();

// Time stands still, so what a caller may spend does not come back by itself.
beforeEach(() => app.clock.advance(60_000));
expectNoFailures(app);

const badPolicyLimits: readonly BadValue[] = [
  ['-1', -1, 'OUT_OF_RANGE'],
  ['a fraction', 0.5, notOfType],
  ['a whole number written as a fraction of ten', 1e21, notOfType],
  ['more than 32 bits', 2 ** 31, notOfType],
  ['a text', '10', notOfType],
  ['infinity as a text', 'Infinity', notOfType],
  ['true', true, notOfType],
];

const policy: BadInputTable = {
  'policy.maxEngines': badPolicyLimits,
  'policy.rateLimitRpm': badPolicyLimits,
  'policy.engineVersion': badEngineVersions,
  'policy.rollout.engineVersion': [['null', null, notOfType], ...badEngineVersions],
  'policy.rollout.percent': [
    ['null', null, notOfType],
    ['-1', -1, 'OUT_OF_RANGE'],
    ['101', 101, 'OUT_OF_RANGE'],
    ['a fraction', 12.5, notOfType],
    ['a text', '50', notOfType],
  ],
};
const withPolicy = { policy: { rollout: { engineVersion: 'v2', percent: 1 } } };

const withLimits = { limits: { budget: { tokens: 1 } } };

const badSlugs: readonly BadValue[] = [
  ['missing', undefined, notOfType],
  ['null', null, notOfType],
  ['a number', 1, notOfType],
  ['nothing', '', 'INVALID_SLUG'],
  ['blanks', '   ', 'INVALID_SLUG'],
  ['2 characters', 'ab', 'INVALID_SLUG'],
  ['64 characters', 'a'.repeat(64), 'INVALID_SLUG'],
  ['a space', 'my product', 'INVALID_SLUG'],
  ['blanks around it', ' chat ', 'INVALID_SLUG'],
  ['an underscore', 'my_product', 'INVALID_SLUG'],
  ['a dot', 'my.product', 'INVALID_SLUG'],
  ['a slash', 'my/product', 'INVALID_SLUG'],
  ['a hyphen in front', '-product', 'INVALID_SLUG'],
  ['a hyphen at its end', 'product-', 'INVALID_SLUG'],
  ['two hyphens together', 'my--product', 'INVALID_SLUG'],
  ['a letter with an accent', 'café', 'INVALID_SLUG'],
  ['a letter that only looks like a k', 'chat\u212a', 'INVALID_SLUG'],
  ['a Cyrillic letter', 'ch\u0430t', 'INVALID_SLUG'],
  ['a full-width letter', 'ｃhat', 'INVALID_SLUG'],
  ['a digit of another script', 'chat٣', 'INVALID_SLUG'],
  ['a line break at its end', 'chat\n', 'INVALID_SLUG'],
  ['NUL', 'chat\u0000', 'INVALID_SLUG'],
  ['an invisible character', 'ch\u200bat', 'INVALID_SLUG'],
];

const reference: BadInputTable = { productId: badIds(tenantId), expectedRevision: badRevisions };
const dryRun = badFlags(notOfType);

refusesBadInput(
  app,
  'registerProduct',
  () => ({ tenantId, slug: 'never-stored', displayName: 'x', ...withPolicy, ...withLimits }),
  {
    tenantId: badIds(productId, { nullable: true }),
    slug: badSlugs,
    displayName: [['missing', undefined, notOfType], ...badRequiredNames],
    ...policy,
    ...badLimits,
    engineVersion: badEngineVersions,
  },
);
refusesBadInput(app, 'updateProduct', () => ({ productId, ...withLimits }), {
  ...reference,
  displayName: badNames,
  limits: [['null', null, 'NOT_NULLABLE']],
  ...badLimits,
});
for (const command of ['suspendProduct', 'resumeProduct']) {
  refusesBadInput(app, command, () => ({ productId }), reference);
}
refusesBadInput(app, 'deleteProduct', () => ({ productId }), { ...reference, drainEngines: dryRun, dryRun });
for (const command of ['setProductPolicy', 'updateProductPolicy']) {
  refusesBadInput(app, command, () => ({ productId, ...withPolicy }), {
    ...reference,
    ...policy,
    policy: [
      ['missing', undefined, notOfType],
      ['null', null, notOfType],
      ['an unknown field', { maxRegions: 1 }, notOfType],
    ],
    dryRun,
  });
}
refusesBadInput(app, 'revertProductPolicy', () => ({ productId, version: 1 }), {
  ...reference,
  version: [
    ['missing', undefined, notOfType],
    ['null', null, notOfType],
    ['0', 0, 'OUT_OF_RANGE'],
    ['-1', -1, 'OUT_OF_RANGE'],
    ['a fraction', 1.5, notOfType],
    ['a text', '1', notOfType],
  ],
  dryRun,
});

describe('a slug', () => {
  it.each(['abc', '007', 'a-b-c', 'x'.repeat(63), 'My-Product-2', 'CHAT'])('can be %j', async (slug) => {
    const { product } = await seed.run('registerProduct', { tenantId, slug, displayName: slug });
    expect(product).toMatchObject({ slug: slug.toLowerCase() });
  });
});

describe('a policy', () => {
  it('is told an unknown field by its name, wherever it is', async () => {
    for (const bad of [{ maxRegions: 1 }, { rollout: { engineVersion: 'v1', percent: 1, canary: true } }]) {
      const { errors } = await commands.send(app.operator, 'setProductPolicy', { productId, policy: bad });
      expect(errors?.map(({ extensions }) => extensions.code)).toEqual([notOfType]);
      expect(errors?.[0]?.message).toMatch(/maxRegions|canary/);
    }
  });

  it('takes the bounds of its values', async () => {
    const bounds = { maxEngines: 2 ** 31 - 1, rateLimitRpm: 2 ** 31 - 1, engineVersion: 'x'.repeat(255) };
    for (const percent of [0, 100]) {
      const whole = { ...bounds, rollout: { engineVersion: '0', percent } };
      expect(await seed.run('setProductPolicy', { productId, policy: whole })).toMatchObject({ policy: whole });
    }
  });
});
