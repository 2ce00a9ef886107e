import { beforeEach, describe, expect, it } from 'vitest';
import { startTestApp } from '../../testkit/app.ts';
import {
  type BadInputTable,
  badIds,
  badRequiredNames,
  badRevisions,
  badWeights,
  expectNoFailures,
  notOfType,
  refusesBadInput,
} from '../../testkit/bad-input.ts';
import { Commands } from '../../testkit/commands.ts';
import { missingGroup } from '../../testkit/ids.ts';
import { Seed } from '../../testkit/seed.ts';

const app = await startTestApp();
const seed = new Seed(app);
const { id: fairshareGroupId } = await seed.group();
const { id: tenantId } = await seed.tenant();

// Time stands still, so what a caller may spend does not come back by itself.
beforeEach(() => app.clock.advance(60_000));
expectNoFailures(app);

const reference: BadInputTable = { fairshareGroupId: badIds(tenantId), expectedRevision: badRevisions };
const name: BadInputTable = { name: badRequiredNames };

refusesBadInput(app, 'createFairshareGroup', () => ({ name: 'Never stored' }), {
  ...name,
  weight: badWeights(notOfType),
});
refusesBadInput(app, 'renameFairshareGroup', () => ({ fairshareGroupId, name: 'Never stored' }), {
  ...reference,
  ...name,
});
refusesBadInput(app, 'setFairshareGroupWeight', () => ({ fairshareGroupId, weight: 1 }), {
  ...reference,
  weight: badWeights(notOfType),
});
refusesBadInput(app, 'deleteFairshareGroup', () => ({ fairshareGroupId }), {
  ...reference,
  moveTenantsToId: [
    ...badIds(tenantId, { nullable: true }),
    ['the group that is deleted', fairshareGroupId, 'SAME_GROUP'],
  ],
});

describe('deleteFairshareGroup', () => {
  it('refuses an unknown group to move the tenants to', async () => {
    const answer = await new Commands(app.app.schema).run(app.operator, 'deleteFairshareGroup', {
      fairshareGroupId,
      moveTenantsToId: missingGroup,
    });
    expect(answer).toMatchObject({ code: 'NOT_FOUND', path: ['moveTenantsToId'] });
  });
});
