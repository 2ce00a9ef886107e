import { beforeEach } from 'vitest';
import { startTestApp } from '../../testkit/app.ts';
import {
  type BadInputTable,
  type BadValue,
  badIds,
  badRevisions,
  expectNoFailures,
  notOfType,
  refusesBadInput,
} from '../../testkit/bad-input.ts';
import { missingTenant } from '../../testkit/ids.ts';
import { Seed } from '../../testkit/seed.ts';

const app = await startTestApp();
const seed = new Seed(app);
const { id: modelId } = await seed.model();
const { id: gatewayId } = await seed.gateway();

// Time stands still, so what a caller may spend does not come back by itself.
beforeEach(() => app.clock.advance(60_000));
expectNoFailures(app);

const badFigures = (minimum: number, maximum: number): readonly BadValue[] => [
  [`${minimum - 1}`, minimum - 1, 'OUT_OF_RANGE'],
  [`${maximum + 1}`, maximum + 1, 'OUT_OF_RANGE'],
  ['a fraction', 1.5, notOfType],
  ['a text', '10', notOfType],
  ['more than 32 bits', 2 ** 31, notOfType],
];

const ofCapacity = badFigures(0, 1_000_000);
const missing: BadInputTable = {
  'model.modelId': [['missing', undefined, notOfType], ...badIds(missingTenant)],
  'gateway.gatewayId': [['missing', undefined, notOfType], ...badIds(missingTenant)],
};

refusesBadInput(
  app,
  'setCapacity',
  () => ({ model: { modelId, maxInFlight: 1 }, gateway: { gatewayId, maxInFlight: 1 } }),
  {
    deployment: ofCapacity,
    modelDefault: ofCapacity,
    queue: [
      ['null', null, 'NOT_NULLABLE'],
      ['a number', 5, notOfType],
    ],
    'queue.poolMax': ofCapacity,
    'queue.tenantMax': ofCapacity,
    'queue.timeoutSeconds': badFigures(1, 3_600),
    model: [['null', null, 'NOT_NULLABLE']],
    gateway: [['null', null, 'NOT_NULLABLE']],
    'model.maxInFlight': ofCapacity,
    'gateway.maxInFlight': ofCapacity,
    ...missing,
    expectedRevision: badRevisions,
  },
);
refusesBadInput(app, 'setFairshareAlgorithm', () => ({ algorithm: 'WEIGHTED' }), {
  algorithm: [
    ['missing', undefined, notOfType],
    ['null', null, notOfType],
    ['an unknown one', 'RANDOM', notOfType],
    ['lower case', 'weighted', notOfType],
  ],
  expectedRevision: badRevisions,
});
