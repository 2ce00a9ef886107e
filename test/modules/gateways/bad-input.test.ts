import { beforeEach } from 'vitest';
import { startTestApp } from '../../testkit/app.ts';
import {
  type BadValue,
  badIds,
  badRequiredNames,
  badTexts,
  expectNoFailures,
  notOfType,
  refusesBadInput,
} from '../../testkit/bad-input.ts';
import { missingTenant } from '../../testkit/ids.ts';
import { Seed } from '../../testkit/seed.ts';

const app = await startTestApp();
const { id: gatewayId } = await new Seed(app).gateway();

// Time stands still, so what a caller may spend does not come back by itself.
beforeEach(() => app.clock.advance(60_000));
expectNoFailures(app);

const badFigures = (minimum: number): readonly BadValue[] => [
  [`${minimum - 1}`, minimum - 1, 'OUT_OF_RANGE'],
  ['1000001', 1_000_001, 'OUT_OF_RANGE'],
  ['a fraction', 1.5, notOfType],
  ['a text', '10', notOfType],
];

refusesBadInput(app, 'registerGateway', () => ({ name: 'Never registered' }), {
  name: [['missing', undefined, notOfType], ...badRequiredNames],
  version: badTexts(255),
  address: badTexts(500),
  maxInFlight: badFigures(1),
});
refusesBadInput(app, 'gatewayHeartbeat', () => ({ gatewayId, inFlight: 1 }), {
  gatewayId: badIds(missingTenant),
  inFlight: [['missing', undefined, notOfType], ['null', null, notOfType], ...badFigures(0)],
  leaseIds: [
    ['null', null, 'NOT_NULLABLE'],
    ['10,001 leases', Array.from({ length: 10_001 }, () => 'x'), 'OUT_OF_RANGE'],
    ['an empty one', [''], 'OUT_OF_RANGE', 'leaseIds.0'],
    ['one of 65 characters', ['x'.repeat(65)], 'TOO_LONG', 'leaseIds.0'],
    ['one with NUL', ['\u0000'], 'CONTROL_CHARACTER', 'leaseIds.0'],
    ['null in the list', [null], notOfType],
  ],
});
refusesBadInput(app, 'deregisterGateway', () => ({ gatewayId }), { gatewayId: badIds(missingTenant) });
