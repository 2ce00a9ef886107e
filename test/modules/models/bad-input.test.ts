import { beforeEach } from 'vitest';
import { startTestApp } from '../../testkit/app.ts';
import {
  type BadInputTable,
  badFlags,
  badIds,
  badNames,
  badPrices,
  badRequiredNames,
  badRevisions,
  badTexts,
  expectNoFailures,
  notOfType,
  refusesBadInput,
} from '../../testkit/bad-input.ts';
import { missingTenant } from '../../testkit/ids.ts';
import { Seed } from '../../testkit/seed.ts';

const app = await startTestApp();
const { id: modelId } = await new Seed(app).model();

// Time stands still, so what a caller may spend does not come back by itself.
beforeEach(() => app.clock.advance(60_000));
expectNoFailures(app);

const reference: BadInputTable = { modelId: badIds(missingTenant), expectedRevision: badRevisions };

const details: BadInputTable = {
  description: badTexts(2_000),
  type: [
    ['null', null, 'NOT_NULLABLE'],
    ['an unknown one', 'VIDEO', notOfType],
    ['lower case', 'chat', notOfType],
  ],
  prices: [
    ['null', null, 'NOT_NULLABLE'],
    ['one price', '0.1', notOfType],
  ],
  'prices.inputTokenUsd': badPrices,
  'prices.outputTokenUsd': badPrices,
  'prices.imageUsd': badPrices,
  'prices.audioSecondUsd': badPrices,
  'prices.characterUsd': badPrices,
  admissionWeightPercent: [
    ['null', null, 'NOT_NULLABLE'],
    ['0', 0, 'OUT_OF_RANGE'],
    ['-1', -1, 'OUT_OF_RANGE'],
    ['10001', 10_001, 'OUT_OF_RANGE'],
    ['a fraction', 0.5, notOfType],
    ['a text', '100', notOfType],
  ],
  isEnabled: badFlags('NOT_NULLABLE'),
};

refusesBadInput(app, 'createModel', () => ({ name: 'Never stored' }), {
  name: [['missing', undefined, notOfType], ...badRequiredNames],
  ...details,
});
refusesBadInput(app, 'updateModel', () => ({ modelId }), { ...reference, name: badNames, ...details });
refusesBadInput(app, 'deleteModel', () => ({ modelId }), reference);
