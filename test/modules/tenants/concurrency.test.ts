import { beforeEach, describe, expect, it } from 'vitest';
import { startTestApp } from '../../testkit/app.ts';
import { expectNoFailures } from '../../testkit/bad-input.ts';
import { type CommandAnswer, type CommandInput, Commands } from '../../testkit/commands.ts';
import { graphql } from '../../testkit/generated/gql.ts';
import { defaultGroup } from '../../testkit/ids.ts';
import { Seed } from '../../testkit/seed.ts';

const app = await startTestApp();
const replica = await startTestApp({ sameDatabaseAs: app });
const seed = new Seed(app);
const commands = new Commands(app.app.schema);

// Time stands still, so what a caller may spend does not come back by itself.
beforeEach(() => {
  app.clock.advance(60_000);
  replica.clock.advance(60_000);
});
expectNoFailures(app);
expectNoFailures(replica);

const run = (name: string, input: CommandInput, at = app): Promise<CommandAnswer> =>
  commands.run(at.operator, name, input);

/** Sends them at the same time, in turn to one and the other of two replicas. */
const race = (attempts: readonly (readonly [command: string, input: CommandInput])[]): Promise<CommandAnswer[]> =>
  Promise.all(attempts.map(([name, input], index) => run(name, input, index % 2 === 0 ? app : replica)));

const countOf = (answers: readonly CommandAnswer[]): Record<string, number> => {
  const counts: Record<string, number> = {};
  for (const { __typename } of answers) counts[__typename] = (counts[__typename] ?? 0) + 1;
  return counts;
};

const membership = graphql(`
  query ConcurrencyMembership($name: TextFilter) {
    tenants(filter: { name: $name }, first: 100) {
      totalCount
      edges {
        node {
          name
          fairshareGroup {
            id
          }
        }
      }
    }
  }
`);

describe('at the same time, on two replicas', () => {
  it('20 tenants of one name are made once, and 19 callers are told that the name is taken', async () => {
    const name = seed.name();
    const spellings = [name, name.toUpperCase(), name.toLowerCase(), ` ${name} `];
    const answers = await race(
      Array.from(
        { length: 20 },
        (_, index) => ['createTenant', { name: spellings[index % spellings.length] }] as const,
      ),
    );
    expect(countOf(answers)).toEqual({ CreateTenantPayload: 1, NameTakenError: 19 });
  });

  it('20 fairshare groups of one name are made once', async () => {
    const name = seed.name();
    const answers = await race(Array.from({ length: 20 }, () => ['createFairshareGroup', { name }] as const));
    expect(countOf(answers)).toEqual({ CreateFairshareGroupPayload: 1, NameTakenError: 19 });
  });

  it('20 commands with the same idempotency key are carried out once and all get its answer', async () => {
    const input = { name: seed.name(), idempotencyKey: 'twenty-at-once' };
    const answers = await race(Array.from({ length: 20 }, () => ['createTenant', input] as const));
    expect(new Set(answers.map((answer) => JSON.stringify(answer))).size).toBe(1);
    expect(answers[0]?.__typename).toBe('CreateTenantPayload');
  });

  it('a key that is claimed for two different inputs is given to one of them, also when that one is refused', async () => {
    const { name: taken } = await seed.group();
    for (let round = 0; round < 10; round += 1) {
      const idempotencyKey = `two-inputs-${round}`;
      const answers = await race([
        ['createFairshareGroup', { name: taken, idempotencyKey }],
        ['createFairshareGroup', { name: seed.name(), idempotencyKey }],
      ]);
      expect([
        'CreateFairshareGroupPayload IdempotencyKeyReusedError',
        'CreateFairshareGroupPayload NameTakenError',
        'IdempotencyKeyReusedError NameTakenError',
      ]).toContain(
        answers
          .map(({ __typename }) => __typename)
          .toSorted()
          .join(' '),
      );
    }
  });

  it('of updates that expect the same revision one wins, and the others are told the new revision', async () => {
    const { id } = await seed.tenant();
    const answers = await race(
      Array.from({ length: 10 }, (_, index) => [
        'updateTenant',
        { tenantId: id, expectedRevision: 1, description: `Attempt ${index}` },
      ]),
    );
    expect(countOf(answers)).toEqual({ UpdateTenantPayload: 1, StaleRevisionError: 9 });
    for (const { __typename, currentRevision } of answers) {
      if (__typename === 'StaleRevisionError') expect(currentRevision).toBe(2);
    }
  });

  it('updates without an expected revision are all carried out, one after the other', async () => {
    const { id } = await seed.tenant();
    const answers = await race(
      Array.from({ length: 10 }, (_, index) => ['setTenantWeight', { tenantId: id, weight: 1_000 + index }]),
    );
    const revisions = answers.map(({ tenant }) => (tenant as { revision: number }).revision);
    expect(revisions.toSorted((one, other) => one - other)).toEqual([2, 3, 4, 5, 6, 7, 8, 9, 10, 11]);
  });

  it('a tenant that moves to another group is found by every other command', async () => {
    const { id } = await seed.tenant();
    const [one, other] = [await seed.group(), await seed.group()];
    const answers = await race(
      Array.from({ length: 24 }, (_, index) =>
        index % 4 < 2
          ? (['setTenantGroup', { tenantId: id, fairshareGroupId: index % 8 < 4 ? one.id : other.id }] as const)
          : (['setTenantWeight', { tenantId: id, weight: 1_000 + index }] as const),
      ),
    );
    expect(countOf(answers)).toEqual({ SetTenantGroupPayload: 12, SetTenantWeightPayload: 12 });
  });

  it('no tenant is lost when its group is deleted while tenants are made in it and moved into it', async () => {
    for (const round of [1, 2, 3]) {
      const group = await seed.group();
      const movers = await Promise.all(
        Array.from({ length: 6 }, (_, index) => seed.tenant({ name: `Race ${round} mover ${index}` })),
      );
      const answers = await race([
        ...movers
          .slice(0, 3)
          .map(({ id }) => ['setTenantGroup', { tenantId: id, fairshareGroupId: group.id }] as const),
        ...[0, 1, 2].map(
          (index) => ['createTenant', { name: `Race ${round} early ${index}`, fairshareGroupId: group.id }] as const,
        ),
        ['deleteFairshareGroup', { fairshareGroupId: group.id }],
        ...movers.slice(3).map(({ id }) => ['setTenantGroup', { tenantId: id, fairshareGroupId: group.id }] as const),
        ...[0, 1, 2].map(
          (index) => ['createTenant', { name: `Race ${round} late ${index}`, fairshareGroupId: group.id }] as const,
        ),
      ]);
      const {
        CreateTenantPayload: made = 0,
        NotFoundError: refused = 0,
        SetTenantGroupPayload: moved = 0,
        ...rest
      } = countOf(answers);
      expect(rest).toEqual({ DeleteFairshareGroupPayload: 1 });
      expect(made + moved + refused).toBe(12);
      const { tenants } = await app.operator.run(membership, { name: { startsWith: `Race ${round} ` } });
      expect(tenants.totalCount).toBe(6 + made);
      expect(tenants.edges.map(({ node }) => node.fairshareGroup.id)).toEqual(
        Array.from({ length: 6 + made }, () => defaultGroup),
      );
    }
  });

  it('two groups that are deleted into each other end with one of them, and no caller meets a deadlock', async () => {
    for (let round = 0; round < 5; round += 1) {
      const [one, other] = [await seed.group(), await seed.group()];
      await seed.tenant({ fairshareGroupId: one.id });
      await seed.tenant({ fairshareGroupId: other.id });
      const answers = await race([
        ['deleteFairshareGroup', { fairshareGroupId: one.id, moveTenantsToId: other.id }],
        ['deleteFairshareGroup', { fairshareGroupId: other.id, moveTenantsToId: one.id }],
      ]);
      expect(countOf(answers)).toEqual({ DeleteFairshareGroupPayload: 1, NotFoundError: 1 });
    }
  });

  it('a tenant is deleted once, and everyone else is told that it is not there', async () => {
    const { id } = await seed.tenant();
    const answers = await race([
      ...Array.from({ length: 4 }, () => ['deleteTenant', { tenantId: id }] as const),
      ...Array.from({ length: 4 }, () => ['suspendTenant', { tenantId: id }] as const),
    ]);
    const {
      DeleteTenantPayload: deleted,
      SuspendTenantPayload: suspended = 0,
      NotFoundError: missing = 0,
    } = countOf(answers);
    expect(deleted).toBe(1);
    expect(suspended + missing).toBe(7);
  });
});
