import { beforeEach } from 'vitest';
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
  badTexts,
  expectNoFailures,
  notOfType,
  refusesBadInput,
} from '../../testkit/bad-input.ts';
import { Seed } from '../../testkit/seed.ts';

const app = await startTestApp();
const seed = new Seed(app);
const { id: teamId, tenantId } = await seed.team();

// Time stands still, so what a caller may spend does not come back by itself.
beforeEach(() => app.clock.advance(60_000));
expectNoFailures(app);

const reference: BadInputTable = { teamId: badIds(tenantId), expectedRevision: badRevisions };
const badShares: readonly BadValue[] = [
  ['0, which would block every user', 0, 'OUT_OF_RANGE'],
  ['-1', -1, 'OUT_OF_RANGE'],
  ['101', 101, 'OUT_OF_RANGE'],
  ['a fraction', 12.5, notOfType],
  ['a text', '50', notOfType],
  ['more than 32 bits', 2 ** 31, notOfType],
];
const withLimits = { limits: { budget: { tokens: 1 } } };

refusesBadInput(app, 'createTeam', () => ({ tenantId, name: 'Never stored', ...withLimits }), {
  tenantId: [
    ['missing', undefined, 'TENANT_REQUIRED'],
    ['null', null, 'TENANT_REQUIRED'],
    ...badIds(teamId, { nullable: true }),
  ],
  name: [['missing', undefined, notOfType], ...badRequiredNames],
  description: badTexts(2_000),
  userSharePercent: badShares,
  ...badLimits,
});
refusesBadInput(app, 'updateTeam', () => ({ teamId, ...withLimits }), {
  ...reference,
  name: badNames,
  description: badTexts(2_000),
  limits: [['null', null, 'NOT_NULLABLE']],
  userSharePercent: badShares,
  ...badLimits,
});
refusesBadInput(app, 'deleteTeam', () => ({ teamId }), {
  ...reference,
  moveUsersToTeamId: [...badIds(tenantId, { nullable: true }), ['the team that is deleted', teamId, 'SAME_TEAM']],
  dryRun: badFlags(notOfType),
});
