import type { Principal } from '../../access/principal.ts';
import { visibleTo } from '../../access/visibility.ts';
import type { Database, Transaction } from '../../database/database.ts';
import type { Wanted } from '../../database/entity.ts';
import { Prisma } from '../../database/generated/client.ts';
import { ChildKinds, type Children, type Removal } from '../../graph/children.ts';
import { type Change, type CommandScope, unchanged } from '../../graph/commands/definition.ts';
import { orTaken } from '../../graph/commands/name-taken.ts';
import type { Connection } from '../../graph/connections.ts';
import { expectRevision, HasChildrenError, NotFoundError } from '../../graph/errors.ts';
import { isGiven } from '../../graph/given.ts';
import { encodeId } from '../../graph/ids.ts';
import { type ListRequest, readChildList, readList } from '../../graph/lists.ts';
import { definedOf, differs } from '../../graph/patches.ts';
import { limitsData } from '../limits/limits.ts';
import type { TeamMembers, TeamService } from '../teams/service.ts';
import type { TenantService } from '../tenants/service.ts';
import { type BulkItem, createMany } from './bulk.ts';
import { describeUser, newUserData } from './data.ts';
import { type UserRow, users } from './entity.ts';
import { ExternalIdTakenError } from './errors.ts';
import { type UserFilter, userConditions } from './filter.ts';
import type { BulkCreateUsers, CreateUser, DeleteUser, MoveUser, UpdateUser, UserReference } from './input.ts';

declare module '../../graph/context.ts' {
  interface Services {
    users: UserService;
  }
}

interface UserAnswer {
  readonly user: UserRow;
}

interface BulkAnswer {
  readonly tenantId: string;
  readonly createdCount: number;
  readonly items: readonly BulkItem[];
}

interface DeletedUserAnswer extends Removal {
  readonly deletedUserId: string;
}

/** What is asked of the user of a login. */
const loginColumns = new Set(['id', 'status']);

type UserData = Prisma.UserUncheckedUpdateInput;

/** Lists of users that belong to something else: the column that refers to it. */
type UserParent = 'tenantId' | 'teamId';

const { sql } = Prisma;

/** The people and programs that a tenant tells apart. */
export class UserService implements Children, TeamMembers {
  readonly type = 'User';
  readonly #database: Database;
  readonly #tenants: TenantService;
  readonly #teams: TeamService;
  readonly #children = new ChildKinds();

  constructor(database: Database, tenants: TenantService, teams: TeamService) {
    this.#database = database;
    this.#tenants = tenants;
    this.#teams = teams;
    // After the teams: users refer to them, and the kind that was added last is deleted first.
    tenants.addChildren(this);
    teams.addMembers(this);
  }

  /** Has the rows of another module counted and deleted with their user. */
  addChildren(children: Children): void {
    this.#children.add(children);
  }

  find(
    principal: Principal,
    by: { id: string } | { tenantId: string; externalId: string },
    wanted?: Wanted,
  ): Promise<UserRow | undefined> {
    const where =
      'id' in by
        ? sql`t.id = ${by.id}::uuid`
        : sql`t.tenant_id = ${by.tenantId}::uuid AND t.external_id = ${by.externalId}`;
    return this.#database.readerFor(principal).find(users, [where, ...visibleTo(users, principal)], { wanted });
  }

  /** The user that a login names; read before there is a principal. */
  ofLogin(tenantId: string, externalId: string): Promise<Pick<UserRow, 'id' | 'status'> | undefined> {
    const where = sql`t.tenant_id = ${tenantId}::uuid AND t.external_id = ${externalId}`;
    return this.#database.reader.find(users, [where], { wanted: loginColumns });
  }

  /** The users with these ids, by id; those that the principal cannot see are absent. */
  byIds(principal: Principal, ids: readonly string[]): Promise<Map<string, UserRow>> {
    return this.#database.readerFor(principal).byIds(users, ids, visibleTo(users, principal));
  }

  list(principal: Principal, filter: UserFilter, request: ListRequest<UserRow>): Promise<Connection<UserRow>> {
    const where = [...userConditions(filter), ...visibleTo(users, principal)];
    return readList(this.#database.readerFor(principal), users, where, request);
  }

  /** The users of one tenant or team; asked for many in one request, one statement for all of them. */
  listOf(
    context: { readonly principal: Principal },
    by: UserParent,
    parentId: string,
    filter: UserFilter,
    request: ListRequest<UserRow>,
  ): Promise<Connection<UserRow>> {
    const where = [...userConditions(filter), ...visibleTo(users, context.principal)];
    const reader = this.#database.readerFor(context.principal);
    return readChildList(context, reader, parentId, { entity: users, by }, where, request);
  }

  async create(scope: CommandScope, { tenantId, ...input }: CreateUser): Promise<Change<UserAnswer>> {
    const tenant = await this.#tenants.holdForChild(scope, tenantId);
    if (isGiven(input.teamId)) await this.#teams.holdForMember(scope, input.teamId, ['teamId'], tenant.id);
    const user = await orTaken(
      () => new ExternalIdTakenError(),
      scope.transaction.prisma.user.create({ data: newUserData(input, tenant.id, scope.now) }),
    );
    return { payload: { user }, changed: { ...about(user), after: describeUser(user) } };
  }

  /** Makes those that can be made. One audit row, of the tenant, names them all. */
  async createMany(scope: CommandScope, { tenantId, users: given }: BulkCreateUsers): Promise<Change<BulkAnswer>> {
    const tenant = await this.#tenants.holdForChild(scope, tenantId);
    const items = await createMany(scope, this.#teams, tenant.id, given);
    const made = items.flatMap(({ user }) => (user === null ? [] : [user]));
    const payload = { tenantId: tenant.id, createdCount: made.length, items };
    if (made.length === 0) return unchanged(payload);
    const named = made.map(({ id, externalId }) => ({ id: encodeId('User', id), externalId }));
    return {
      payload,
      changed: {
        target: { type: 'Tenant', id: tenant.id },
        tenantId: tenant.id,
        after: { createdCount: made.length, users: named },
      },
    };
  }

  update(scope: CommandScope, { userId, expectedRevision, limits, ...patch }: UpdateUser): Promise<Change<UserAnswer>> {
    return this.#change(scope, { userId, expectedRevision }, (user) => ({
      ...definedOf(patch),
      ...limitsData(limits ?? {}, user, scope.now),
    }));
  }

  async move(scope: CommandScope, { teamId, ...reference }: MoveUser): Promise<Change<UserAnswer>> {
    const team = isGiven(teamId) ? await this.#teams.holdForMember(scope, teamId, ['teamId']) : null;
    return this.#change(scope, reference, (user) => {
      if (team !== null && team.tenantId !== user.tenantId) throw new NotFoundError('team', ['teamId']);
      return { teamId: team?.id ?? null };
    });
  }

  deactivate(scope: CommandScope, reference: UserReference): Promise<Change<UserAnswer>> {
    return this.#change(scope, reference, ({ deactivatedAt }) => ({
      status: 'DEACTIVATED',
      deactivatedAt: deactivatedAt ?? scope.now,
    }));
  }

  reactivate(scope: CommandScope, reference: UserReference): Promise<Change<UserAnswer>> {
    return this.#change(scope, reference, () => ({ status: 'ACTIVE', deactivatedAt: null }));
  }

  async delete(scope: CommandScope, input: DeleteUser): Promise<Change<DeletedUserAnswer>> {
    const { transaction } = scope;
    const user = await this.#lock(scope, input, 'UPDATE');
    const removal = await this.#children.remove(
      transaction,
      { type: 'User', id: user.id },
      input,
      (children) => new HasChildrenError(children, 'user'),
    );
    const payload = { deletedUserId: user.id, ...removal };
    if (removal.dryRun) return unchanged(payload);
    await transaction.prisma.user.delete({ where: { id: user.id }, select: { id: true } });
    return { payload, changed: { ...about(user), before: describeUser(user) } };
  }

  count({ prisma }: Transaction, teamId: string): Promise<number> {
    return prisma.user.count({ where: { teamId } });
  }

  async moveAll({ transaction, now }: CommandScope, fromTeamId: string, toTeamId: string | null): Promise<number> {
    const { count } = await transaction.prisma.user.updateMany({
      where: { teamId: fromTeamId },
      data: { teamId: toTeamId, revision: { increment: 1 }, updatedAt: now },
    });
    return count;
  }

  countLive({ prisma }: Transaction, tenantId: string): Promise<number> {
    return prisma.user.count({ where: { tenantId, status: 'ACTIVE' } });
  }

  async deleteAll(transaction: Transaction, tenantId: string): Promise<void> {
    // Teams before users, as in the deletion of a team: the two do not wait for each other.
    await this.#teams.holdAllOfTenant(transaction, tenantId);
    await transaction.prisma.user.deleteMany({ where: { tenantId } });
  }

  /** Locks the row, applies what differs and counts the revision; nothing that differs means nothing is written. */
  async #change(
    scope: CommandScope,
    reference: UserReference,
    decide: (user: UserRow) => UserData,
  ): Promise<Change<UserAnswer>> {
    const before = await this.#lock(scope, reference, 'NO KEY UPDATE');
    const data = decide(before);
    if (!differs(before, data)) return unchanged({ user: before });
    const user = await orTaken(
      () => new ExternalIdTakenError(),
      scope.transaction.prisma.user.update({
        where: { id: before.id },
        data: { ...data, revision: { increment: 1 }, updatedAt: scope.now },
      }),
    );
    return {
      payload: { user },
      changed: { ...about(user), before: describeUser(before), after: describeUser(user) },
    };
  }

  /** @param lock `NO KEY UPDATE` where the row stays, so that keys can be made for the user meanwhile */
  async #lock(
    { transaction, principal }: CommandScope,
    reference: UserReference,
    lock: 'UPDATE' | 'NO KEY UPDATE',
  ): Promise<UserRow> {
    const where = [sql`t.id = ${reference.userId}::uuid`, ...visibleTo(users, principal)];
    const user = await transaction.reader.find(users, where, { lock });
    if (user === undefined) throw new NotFoundError('user', ['userId']);
    expectRevision(user, reference.expectedRevision);
    return user;
  }
}

const about = ({ id, tenantId }: UserRow) => ({ target: { type: 'User', id } as const, tenantId });
