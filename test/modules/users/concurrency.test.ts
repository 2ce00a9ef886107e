import { beforeEach, describe, expect, it } from 'vitest';
import { decodeId } from '../../../src/graph/ids.ts';
import { startTestApp } from '../../testkit/app.ts';
import { expectNoFailures } from '../../testkit/bad-input.ts';
import { type CommandAnswer, type CommandInput, Commands } from '../../testkit/commands.ts';
import { whileHeld } from '../../testkit/held.ts';
import { Seed } from '../../testkit/seed.ts';

const app = await startTestApp();
const replica = await startTestApp({ sameDatabaseAs: app });
const seed = new Seed(app);
const commands = new Commands(app.app.schema);

// Time stands still, so what a caller may spend does not come back by itself.
beforeEach(() => {
  app.clock.advance(600_000);
  replica.clock.advance(600_000);
});
expectNoFailures(app);
expectNoFailures(replica);

/** Sends them at the same time, in turn to one and the other of two replicas. */
const race = (attempts: readonly (readonly [command: string, input: CommandInput])[]): Promise<CommandAnswer[]> =>
  Promise.all(
    attempts.map(([name, input], index) => commands.run((index % 2 === 0 ? app : replica).operator, name, input)),
  );

const countOf = (answers: readonly CommandAnswer[]): Record<string, number> => {
  const counts: Record<string, number> = {};
  for (const { __typename } of answers) counts[__typename] = (counts[__typename] ?? 0) + 1;
  return counts;
};

describe('at the same time, on two replicas', () => {
  it('20 users of one external id are made once, and 19 callers are told that it is taken', async () => {
    const { id: tenantId } = await seed.tenant();
    const answers = await race(
      Array.from({ length: 20 }, () => ['createUser', { tenantId, externalId: 'ada' }] as const),
    );
    expect(countOf(answers)).toEqual({ CreateUserPayload: 1, ExternalIdTakenError: 19 });
  });

  it('users of one external id in different cases, or in different tenants, are all made', async () => {
    const [one, other] = [await seed.tenant(), await seed.tenant()];
    const answers = await race(
      ['ada', 'Ada', 'ADA'].flatMap((externalId) =>
        [one, other].map(({ id }) => ['createUser', { tenantId: id, externalId }] as const),
      ),
    );
    expect(countOf(answers)).toEqual({ CreateUserPayload: 6 });
  });

  it.each(['createTeam', 'createApp'])('%s makes one of one name', async (command) => {
    const { id: tenantId } = await seed.tenant();
    const answers = await race(
      ['Research', 'research', ' RESEARCH ', 'Research'].map((name) => [command, { tenantId, name }] as const),
    );
    expect(Object.values(countOf(answers)).toSorted()).toEqual([1, 3]);
    expect(countOf(answers)).toMatchObject({ NameTakenError: 3 });
  });

  it('many users that two calls make in opposite orders are made once each, and neither call waits for ever', async () => {
    const { id: tenantId } = await seed.tenant();
    const users = Array.from({ length: 30 }, (_, index) => ({ externalId: `user ${index}` }));
    const make = (items: typeof users) => () =>
      commands.run(app.operator, 'bulkCreateUsers', { tenantId, users: items });
    // One of them is being made by somebody else, so both calls stop in the middle.
    const held = `INSERT INTO tenant_user (id, tenant_id, external_id, updated_at) VALUES (gen_random_uuid(), $1, 'user 20', now())`;
    const answers = await whileHeld(
      app,
      [held, [decodeId('Tenant', tenantId)]],
      [
        { start: make(users), waiting: 1 },
        { start: make(users.toReversed()), waiting: 2 },
      ],
    );
    expect(countOf(answers)).toEqual({ BulkCreateUsersPayload: 2 });
    expect(answers.map(({ createdCount }) => createdCount).toSorted()).toEqual([0, 30]);
  });

  it('a team and its tenant that are deleted at once do not wait for each other for ever', async () => {
    const team = await seed.team();
    const { tenantId } = team;
    const heir = await seed.team({ tenantId });
    await seed.user({ tenantId, teamId: team.id });
    const answers = await whileHeld(
      app,
      ['SELECT FROM team WHERE id = $1 FOR UPDATE', [decodeId('Team', heir.id)]],
      [
        {
          start: () => commands.run(app.operator, 'deleteTeam', { teamId: team.id, moveUsersToTeamId: heir.id }),
          waiting: 1,
        },
        { start: () => commands.run(app.operator, 'deleteTenant', { tenantId, cascade: true }), waiting: 2 },
      ],
    );
    expect(countOf(answers)).toEqual({ DeleteTeamPayload: 1, DeleteTenantPayload: 1 });
  });

  it('no user is lost when its team is deleted while users are made in it and moved into it', async () => {
    for (let round = 0; round < 3; round += 1) {
      const { id: teamId, tenantId } = await seed.team();
      const heir = await seed.team({ tenantId });
      const movers = await Promise.all(Array.from({ length: 4 }, () => seed.user({ tenantId })));
      const move = ({ id }: { id: string }) => ['moveUser', { userId: id, teamId }] as const;
      const make = (externalId: string) => ['createUser', { tenantId, externalId, teamId }] as const;
      const answers = await race([
        ...movers.slice(0, 2).map(move),
        make('early'),
        ['deleteTeam', { teamId, moveUsersToTeamId: heir.id }],
        ...movers.slice(2).map(move),
        make('late'),
      ]);
      const {
        MoveUserPayload: moved = 0,
        CreateUserPayload: made = 0,
        NotFoundError: refused = 0,
        ...rest
      } = countOf(answers);
      expect(rest).toEqual({ DeleteTeamPayload: 1 });
      expect(moved + made + refused).toBe(6);
      const deleted = answers.find(({ __typename }) => __typename === 'DeleteTeamPayload');
      expect(deleted?.movedUserCount).toBe(moved + made);
      const inHeir = await app.app.database.prisma.user.count({ where: { team: { name: heir.name } } });
      expect(inHeir).toBe(moved + made);
    }
  });

  it('two teams that are deleted into each other end with one of them, and no caller meets a deadlock', async () => {
    for (let round = 0; round < 5; round += 1) {
      const one = await seed.team();
      const { tenantId } = one;
      const other = await seed.team({ tenantId });
      for (const { id: teamId } of [one, other]) await seed.user({ tenantId, teamId });
      const answers = await race([
        ['deleteTeam', { teamId: one.id, moveUsersToTeamId: other.id }],
        ['deleteTeam', { teamId: other.id, moveUsersToTeamId: one.id }],
      ]);
      expect(countOf(answers)).toEqual({ DeleteTeamPayload: 1, NotFoundError: 1 });
    }
  });

  it('a tenant is deleted with everything in it while that is being changed', async () => {
    for (let round = 0; round < 3; round += 1) {
      const { id: teamId, tenantId } = await seed.team();
      const users = await Promise.all(Array.from({ length: 3 }, () => seed.user({ tenantId, teamId })));
      const answers = await race([
        ['deleteTeam', { teamId }],
        ['createUser', { tenantId, externalId: 'late' }],
        ['deleteTenant', { tenantId, cascade: true }],
        ...users.map(({ id }) => ['moveUser', { userId: id, teamId: null }] as const),
        ['createTeam', { tenantId, name: 'late' }],
        ['createApp', { tenantId, name: 'late' }],
      ]);
      expect(countOf(answers)).toMatchObject({ DeleteTenantPayload: 1 });
      for (const { __typename } of answers) expect(__typename).toMatch(/Payload$|^NotFoundError$/);
    }
  });

  it('a user that is deactivated by many is deactivated once', async () => {
    const { id } = await seed.user();
    const answers = await race(Array.from({ length: 6 }, () => ['deactivateUser', { userId: id }] as const));
    const revisions = answers.map(({ user }) => (user as { revision: number }).revision);
    expect(revisions).toEqual([2, 2, 2, 2, 2, 2]);
  });
});
