import type { Principal } from '../../access/principal.ts';
import { visibleTo } from '../../access/visibility.ts';
import type { Database, Transaction } from '../../database/database.ts';
import type { Wanted } from '../../database/entity.ts';
import { Prisma } from '../../database/generated/client.ts';
import type { JsonObject } from '../../graph/audit.ts';
import { type Change, type CommandScope, unchanged } from '../../graph/commands/definition.ts';
import { orNameTaken } from '../../graph/commands/name-taken.ts';
import { foldName } from '../../graph/commands/validation.ts';
import type { Connection } from '../../graph/connections.ts';
import { expectRevision, invalid, NotFoundError } from '../../graph/errors.ts';
import { isGiven } from '../../graph/given.ts';
import { encodeId, newId } from '../../graph/ids.ts';
import { type ListRequest, readList } from '../../graph/lists.ts';
import { type FairshareGroupRow, fairshareGroups } from './entity.ts';
import { DefaultGroupProtectedError } from './errors.ts';

declare module '../../graph/context.ts' {
  interface Services {
    fairshareGroups: FairshareGroupService;
  }
}

/** Whoever has rows that refer to a group; they move when it is deleted. */
export interface GroupMembers {
  /** Moves all of a group's members to another group and says how many they were. */
  moveAll(scope: CommandScope, fromGroupId: string, toGroupId: string): Promise<number>;
}

interface GroupAnswer {
  readonly fairshareGroup: FairshareGroupRow;
}

interface DeletedGroupAnswer extends GroupAnswer {
  readonly deletedFairshareGroupId: string;
  readonly movedTenantCount: number;
}

interface Revised {
  readonly fairshareGroupId: string;
  readonly expectedRevision?: number | null | undefined;
}

const { sql } = Prisma;

/** Groups of tenants that share slots by weight. */
export class FairshareGroupService {
  readonly #database: Database;
  readonly #members: GroupMembers[] = [];

  constructor(database: Database) {
    this.#database = database;
  }

  /** Has the rows of another module move when their group is deleted. */
  addMembers(members: GroupMembers): void {
    this.#members.push(members);
  }

  async find(
    principal: Principal,
    by: { id: string } | { name: string },
    wanted?: Wanted,
  ): Promise<FairshareGroupRow | undefined> {
    const where = 'id' in by ? sql`t.id = ${by.id}::uuid` : sql`t.name_folded = ${foldName(by.name.trim())}`;
    return this.#database
      .readerFor(principal)
      .find(fairshareGroups, [where, ...visibleTo(fairshareGroups, principal)], { wanted });
  }

  /** The groups with these ids, by id; those that the principal cannot see are absent. */
  byIds(principal: Principal, ids: readonly string[]): Promise<Map<string, FairshareGroupRow>> {
    return this.#database.readerFor(principal).byIds(fairshareGroups, ids, visibleTo(fairshareGroups, principal));
  }

  list(principal: Principal, request: ListRequest<FairshareGroupRow>): Promise<Connection<FairshareGroupRow>> {
    return readList(
      this.#database.readerFor(principal),
      fairshareGroups,
      visibleTo(fairshareGroups, principal),
      request,
    );
  }

  async create(scope: CommandScope, input: { name: string; weight: number }): Promise<Change<GroupAnswer>> {
    const { transaction, now } = scope;
    const { name, weight } = input;
    const fairshareGroup = await orNameTaken(
      'fairshare group',
      transaction.prisma.fairshareGroup.create({
        data: { id: newId(), name, nameFolded: foldName(name), weight, createdAt: now, updatedAt: now },
      }),
    );
    return {
      payload: { fairshareGroup },
      changed: { target: { type: 'FairshareGroup', id: fairshareGroup.id }, after: describe(fairshareGroup) },
    };
  }

  async rename(scope: CommandScope, { name, ...input }: Revised & { name: string }): Promise<Change<GroupAnswer>> {
    const group = await this.#lock(scope, input);
    if (group.isDefault) throw new DefaultGroupProtectedError('renamed');
    if (group.name === name) return unchanged({ fairshareGroup: group });
    return this.#update(scope, group, { name, nameFolded: foldName(name) });
  }

  /** One row changes, however many tenants the group has. */
  async setWeight(
    scope: CommandScope,
    { weight, ...input }: Revised & { weight: number },
  ): Promise<Change<GroupAnswer>> {
    const group = await this.#lock(scope, input, 'NO KEY UPDATE');
    return group.weight === weight ? unchanged({ fairshareGroup: group }) : this.#update(scope, group, { weight });
  }

  async delete(
    scope: CommandScope,
    input: Revised & { moveTenantsToId?: string | null | undefined },
  ): Promise<Change<DeletedGroupAnswer>> {
    await this.#holdEarlierHeir(scope, input);
    const group = await this.#lock(scope, input);
    if (group.isDefault) throw new DefaultGroupProtectedError('deleted');
    if (input.moveTenantsToId === group.id) {
      throw invalid(['moveTenantsToId'], 'SAME_GROUP', 'The tenants cannot move to the group that is deleted.');
    }
    const heir = isGiven(input.moveTenantsToId)
      ? await this.holdForMember(scope.transaction, input.moveTenantsToId, ['moveTenantsToId'])
      : await this.holdDefault(scope.transaction);
    let movedTenantCount = 0;
    for (const members of this.#members) movedTenantCount += await members.moveAll(scope, group.id, heir.id);
    await scope.transaction.prisma.fairshareGroup.delete({ where: { id: group.id }, select: { id: true } });
    return {
      payload: { deletedFairshareGroupId: group.id, fairshareGroup: heir, movedTenantCount },
      changed: {
        target: { type: 'FairshareGroup', id: group.id },
        before: describe(group),
        after: { tenantsMovedToId: encodeId('FairshareGroup', heir.id), movedTenantCount },
      },
    };
  }

  /** The group, kept from being deleted until the transaction ends, so a tenant can be put into it. */
  async holdForMember(transaction: Transaction, id: string, path: readonly string[]): Promise<FairshareGroupRow> {
    const group = await transaction.reader.find(fairshareGroups, [sql`t.id = ${id}::uuid`], { lock: 'KEY SHARE' });
    if (group === undefined) throw new NotFoundError('fairshare group', path);
    return group;
  }

  /** The group `default`, which always exists. */
  async holdDefault(transaction: Transaction): Promise<FairshareGroupRow> {
    const group = await transaction.reader.find(fairshareGroups, [sql`t.is_default`], { lock: 'KEY SHARE' });
    if (group === undefined) throw new Error('The fairshare group `default` is missing; the migrations insert it.');
    return group;
  }

  /** Groups are locked in the order of their ids, so two that are deleted into each other do not wait for each other. */
  async #holdEarlierHeir(
    { transaction }: CommandScope,
    { fairshareGroupId, moveTenantsToId }: { fairshareGroupId: string; moveTenantsToId?: string | null | undefined },
  ): Promise<void> {
    if (!isGiven(moveTenantsToId) || moveTenantsToId >= fairshareGroupId) return;
    await transaction.reader.find(fairshareGroups, [sql`t.id = ${moveTenantsToId}::uuid`], { lock: 'KEY SHARE' });
  }

  /** @param lock `NO KEY UPDATE` where neither id nor name change, so that tenants can be put into the group meanwhile */
  async #lock(
    { transaction, principal }: CommandScope,
    input: Revised,
    lock: 'UPDATE' | 'NO KEY UPDATE' = 'UPDATE',
  ): Promise<FairshareGroupRow> {
    const where = [sql`t.id = ${input.fairshareGroupId}::uuid`, ...visibleTo(fairshareGroups, principal)];
    const group = await transaction.reader.find(fairshareGroups, where, { lock });
    if (group === undefined) throw new NotFoundError('fairshare group', ['fairshareGroupId']);
    expectRevision(group, input.expectedRevision);
    return group;
  }

  async #update(
    { transaction, now }: CommandScope,
    group: FairshareGroupRow,
    data: { name?: string; nameFolded?: string; weight?: number },
  ): Promise<Change<GroupAnswer>> {
    const fairshareGroup = await orNameTaken(
      'fairshare group',
      transaction.prisma.fairshareGroup.update({
        where: { id: group.id },
        data: { ...data, revision: { increment: 1 }, updatedAt: now },
      }),
    );
    return {
      payload: { fairshareGroup },
      changed: {
        target: { type: 'FairshareGroup', id: group.id },
        before: describe(group),
        after: describe(fairshareGroup),
      },
    };
  }
}

const describe = ({ name, weight, revision }: FairshareGroupRow): JsonObject => ({ name, weight, revision });
