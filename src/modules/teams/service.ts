import type { Principal } from '../../access/principal.ts';
import { visibleTo } from '../../access/visibility.ts';
import type { Database, Transaction } from '../../database/database.ts';
import type { Wanted } from '../../database/entity.ts';
import { Prisma } from '../../database/generated/client.ts';
import type { JsonObject } from '../../graph/audit.ts';
import type { Children } from '../../graph/children.ts';
import { type Change, type CommandScope, unchanged } from '../../graph/commands/definition.ts';
import { orNameTaken } from '../../graph/commands/name-taken.ts';
import { foldName } from '../../graph/commands/validation.ts';
import type { Connection } from '../../graph/connections.ts';
import { expectRevision, invalid, NotFoundError } from '../../graph/errors.ts';
import { isGiven } from '../../graph/given.ts';
import { encodeId, newId } from '../../graph/ids.ts';
import { type ListRequest, readChildList, readList } from '../../graph/lists.ts';
import { definedOf, differs } from '../../graph/patches.ts';
import { describeLimits, limitsData } from '../limits/limits.ts';
import type { TenantService } from '../tenants/service.ts';
import { type TeamRow, teams } from './entity.ts';
import { type TeamFilter, teamConditions } from './filter.ts';
import type { CreateTeam, DeleteTeam, TeamReference, UpdateTeam } from './input.ts';

declare module '../../graph/context.ts' {
  interface Services {
    teams: TeamService;
  }
}

/** Whoever has rows that are in a team; they stay when it is deleted. */
export interface TeamMembers {
  count(transaction: Transaction, teamId: string): Promise<number>;
  /** Moves all of a team's members to another team, or out of any, and says how many they were. */
  moveAll(scope: CommandScope, fromTeamId: string, toTeamId: string | null): Promise<number>;
}

interface TeamAnswer {
  readonly team: TeamRow;
}

interface DeletedTeamAnswer {
  readonly deletedTeamId: string;
  readonly dryRun: boolean;
  readonly movedUserCount: number;
  readonly movedToTeam: TeamRow | null;
}

const { sql } = Prisma;

/** Groups of a tenant's users, with limits for all of them together. */
export class TeamService implements Children {
  readonly type = 'Team';
  readonly #database: Database;
  readonly #tenants: TenantService;
  readonly #members: TeamMembers[] = [];

  constructor(database: Database, tenants: TenantService) {
    this.#database = database;
    this.#tenants = tenants;
    tenants.addChildren(this);
  }

  /** Has the rows of another module move when their team is deleted. */
  addMembers(members: TeamMembers): void {
    this.#members.push(members);
  }

  find(principal: Principal, id: string, wanted?: Wanted): Promise<TeamRow | undefined> {
    const where = [sql`t.id = ${id}::uuid`, ...visibleTo(teams, principal)];
    return this.#database.readerFor(principal).find(teams, where, { wanted });
  }

  /** The teams with these ids, by id; those that the principal cannot see are absent. */
  byIds(principal: Principal, ids: readonly string[]): Promise<Map<string, TeamRow>> {
    return this.#database.readerFor(principal).byIds(teams, ids, visibleTo(teams, principal));
  }

  list(principal: Principal, filter: TeamFilter, request: ListRequest<TeamRow>): Promise<Connection<TeamRow>> {
    const where = [...teamConditions(filter), ...visibleTo(teams, principal)];
    return readList(this.#database.readerFor(principal), teams, where, request);
  }

  /** The teams of one tenant; asked for many tenants in one request, one statement for all of them. */
  listOfTenant(
    context: { readonly principal: Principal },
    tenantId: string,
    filter: TeamFilter,
    request: ListRequest<TeamRow>,
  ): Promise<Connection<TeamRow>> {
    const where = [...teamConditions(filter), ...visibleTo(teams, context.principal)];
    const reader = this.#database.readerFor(context.principal);
    return readChildList(context, reader, tenantId, { entity: teams, by: 'tenantId' }, where, request);
  }

  async create(
    scope: CommandScope,
    { tenantId, name, description, limits, userSharePercent }: CreateTeam,
  ): Promise<Change<TeamAnswer>> {
    const { transaction, now } = scope;
    const tenant = await this.#tenants.holdForChild(scope, tenantId);
    const team = await orNameTaken(
      'team',
      transaction.prisma.team.create({
        data: {
          ...definedOf({ description, userSharePercent }),
          ...limitsData(limits ?? {}, {}, now),
          id: newId(),
          tenantId: tenant.id,
          name,
          nameFolded: foldName(name),
          createdAt: now,
          updatedAt: now,
        },
      }),
    );
    return { payload: { team }, changed: { ...about(team), after: describeTeam(team) } };
  }

  async update(
    scope: CommandScope,
    { name, description, limits, userSharePercent, ...reference }: UpdateTeam,
  ): Promise<Change<TeamAnswer>> {
    const { transaction, now } = scope;
    const before = await this.#lock(scope, reference, 'NO KEY UPDATE');
    const data = {
      ...definedOf({ description, userSharePercent }),
      ...(name === undefined ? {} : { name, nameFolded: foldName(name) }),
      ...limitsData(limits ?? {}, before, now),
    };
    if (!differs(before, data)) return unchanged({ team: before });
    const team = await orNameTaken(
      'team',
      transaction.prisma.team.update({
        where: { id: before.id },
        data: { ...data, revision: { increment: 1 }, updatedAt: now },
      }),
    );
    return {
      payload: { team },
      changed: { ...about(team), before: describeTeam(before), after: describeTeam(team) },
    };
  }

  async delete(
    scope: CommandScope,
    { moveUsersToTeamId, dryRun, ...reference }: DeleteTeam,
  ): Promise<Change<DeletedTeamAnswer>> {
    const { transaction } = scope;
    // Teams are locked in the order of their ids, so two that are deleted into each other do not wait for each other.
    if (isGiven(moveUsersToTeamId) && moveUsersToTeamId < reference.teamId) {
      await this.#find(scope, moveUsersToTeamId, 'KEY SHARE');
    }
    const team = await this.#lock(scope, reference, 'UPDATE');
    if (moveUsersToTeamId === team.id) {
      throw invalid(['moveUsersToTeamId'], 'SAME_TEAM', 'The users cannot move to the team that is deleted.');
    }
    const heir = isGiven(moveUsersToTeamId)
      ? await this.holdForMember(scope, moveUsersToTeamId, ['moveUsersToTeamId'], team.tenantId)
      : null;
    const answer = { deletedTeamId: team.id, dryRun, movedToTeam: heir };
    let movedUserCount = 0;
    if (dryRun) {
      for (const members of this.#members) movedUserCount += await members.count(transaction, team.id);
      return unchanged({ ...answer, movedUserCount });
    }
    for (const members of this.#members) movedUserCount += await members.moveAll(scope, team.id, heir?.id ?? null);
    await transaction.prisma.team.delete({ where: { id: team.id }, select: { id: true } });
    return {
      payload: { ...answer, movedUserCount },
      changed: {
        ...about(team),
        before: describeTeam(team),
        after: { usersMovedToTeamId: heir === null ? null : encodeId('Team', heir.id), movedUserCount },
      },
    };
  }

  /**
   * The team, kept from being deleted until the transaction ends, so that a user can be put into it. Whoever locks a
   * user as well locks the team first, as the deletion of a team does.
   *
   * @param tenantId the user's; a team of another tenant is as one that does not exist
   * @throws {NotFoundError} when there is none that the caller sees
   */
  async holdForMember(
    scope: CommandScope,
    teamId: string,
    path: readonly string[],
    tenantId?: string,
  ): Promise<TeamRow> {
    const team = await this.#find(scope, teamId, 'KEY SHARE');
    if (team === undefined || (tenantId !== undefined && team.tenantId !== tenantId)) {
      throw new NotFoundError('team', path);
    }
    return team;
  }

  /** Of these teams, those of the tenant that the caller sees, kept from being deleted. One statement. */
  async holdManyForMembers(
    { transaction, principal }: CommandScope,
    teamIds: readonly string[],
    tenantId: string,
  ): Promise<ReadonlySet<string>> {
    const where = [
      sql`t.id = ANY(${[...teamIds]}::uuid[])`,
      sql`t.tenant_id = ${tenantId}::uuid`,
      ...visibleTo(teams, principal),
    ];
    const rows = await transaction.prisma.$queryRaw<{ id: string }[]>`
      SELECT t.id FROM team AS t WHERE ${Prisma.join(where, ' AND ')} ORDER BY t.id FOR KEY SHARE
    `;
    return new Set(rows.map(({ id }) => id));
  }

  /** Keeps all teams of a tenant from being deleted or given users, for whoever deletes the users of all of them. */
  async holdAllOfTenant({ prisma }: Transaction, tenantId: string): Promise<void> {
    await prisma.$executeRaw`SELECT FROM team AS t WHERE t.tenant_id = ${tenantId}::uuid ORDER BY t.id FOR UPDATE`;
  }

  countLive({ prisma }: Transaction, tenantId: string): Promise<number> {
    return prisma.team.count({ where: { tenantId } });
  }

  async deleteAll({ prisma }: Transaction, tenantId: string): Promise<void> {
    await prisma.team.deleteMany({ where: { tenantId } });
  }

  #find(
    { transaction, principal }: CommandScope,
    id: string,
    lock: 'UPDATE' | 'NO KEY UPDATE' | 'KEY SHARE',
  ): Promise<TeamRow | undefined> {
    return transaction.reader.find(teams, [sql`t.id = ${id}::uuid`, ...visibleTo(teams, principal)], { lock });
  }

  /** @param lock `NO KEY UPDATE` where the row stays, so that users can be put into the team meanwhile */
  async #lock(scope: CommandScope, reference: TeamReference, lock: 'UPDATE' | 'NO KEY UPDATE'): Promise<TeamRow> {
    const team = await this.#find(scope, reference.teamId, lock);
    if (team === undefined) throw new NotFoundError('team', ['teamId']);
    expectRevision(team, reference.expectedRevision);
    return team;
  }
}

const about = ({ id, tenantId }: TeamRow) => ({ target: { type: 'Team', id } as const, tenantId });

/** A team in the words of the graph, for the audit log. */
const describeTeam = (row: TeamRow): JsonObject => ({
  tenantId: encodeId('Tenant', row.tenantId),
  name: row.name,
  description: row.description,
  limits: describeLimits(row),
  userSharePercent: row.userSharePercent,
  revision: row.revision,
});
