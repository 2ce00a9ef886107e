import type { Principal } from '../../access/principal.ts';
import { visibleTo } from '../../access/visibility.ts';
import type { Database, Transaction } from '../../database/database.ts';
import type { Wanted } from '../../database/entity.ts';
import { Prisma } from '../../database/generated/client.ts';
import { ChildKinds, type Children, type Removal } from '../../graph/children.ts';
import { type Change, type CommandScope, unchanged } from '../../graph/commands/definition.ts';
import { orNameTaken } from '../../graph/commands/name-taken.ts';
import { foldName } from '../../graph/commands/validation.ts';
import type { Connection } from '../../graph/connections.ts';
import { expectRevision, InvalidStateError, invalid, NotFoundError } from '../../graph/errors.ts';
import { isGiven } from '../../graph/given.ts';
import { newId } from '../../graph/ids.ts';
import { type ListRequest, readChildList, readList } from '../../graph/lists.ts';
import { differs } from '../../graph/patches.ts';
import type { FairshareGroupRow } from '../fairshare-groups/entity.ts';
import type { FairshareGroupService, GroupMembers } from '../fairshare-groups/service.ts';
import { type LimitsPatch, limitsData } from '../limits/limits.ts';
import { describeTenant, detailsData } from './data.ts';
import { type TenantRow, tenants } from './entity.ts';
import { TenantHasChildrenError } from './errors.ts';
import { type TenantFilter, tenantConditions } from './filter.ts';
import type { CreateTenant, DeleteTenant, TenantReference, UpdateTenant } from './input.ts';

declare module '../../graph/context.ts' {
  interface Services {
    tenants: TenantService;
  }
}

interface TenantAnswer {
  readonly tenant: TenantRow;
}

interface DeletedTenantAnswer extends Removal {
  readonly deletedTenantId: string;
}

type TenantData = Prisma.TenantUncheckedUpdateInput;

const { sql } = Prisma;

const statusOnly: Wanted = new Set(['status']);

/** The customers of a deployment. */
export class TenantService implements GroupMembers {
  readonly #database: Database;
  readonly #groups: FairshareGroupService;
  readonly #children = new ChildKinds();

  constructor(database: Database, groups: FairshareGroupService) {
    this.#database = database;
    this.#groups = groups;
    groups.addMembers(this);
  }

  /** Has the rows of another module counted and deleted with their tenant. */
  addChildren(children: Children): void {
    this.#children.add(children);
  }

  find(principal: Principal, by: { id: string } | { name: string }, wanted?: Wanted): Promise<TenantRow | undefined> {
    const where = [identifiedBy(by), ...visibleTo(tenants, principal)];
    return this.#database.readerFor(principal).find(tenants, where, { wanted });
  }

  /** The tenant that a login says it belongs to, and whether it may. There is no principal yet who could see it. */
  ofLogin(by: { id: string } | { name: string }): Promise<Pick<TenantRow, 'id' | 'status'> | undefined> {
    return this.#database.reader.find(tenants, [identifiedBy(by)], { wanted: loginColumns });
  }

  /** The tenants with these ids, by id; those that the principal cannot see are absent. */
  byIds(principal: Principal, ids: readonly string[]): Promise<Map<string, TenantRow>> {
    return this.#database.readerFor(principal).byIds(tenants, ids, visibleTo(tenants, principal));
  }

  list(principal: Principal, filter: TenantFilter, request: ListRequest<TenantRow>): Promise<Connection<TenantRow>> {
    const where = [...tenantConditions(filter), ...visibleTo(tenants, principal)];
    return readList(this.#database.readerFor(principal), tenants, where, request);
  }

  /** The tenants of one group; asked for many groups in one request, one statement for all of them. */
  listOfGroup(
    context: { readonly principal: Principal },
    fairshareGroupId: string,
    filter: TenantFilter,
    request: ListRequest<TenantRow>,
  ): Promise<Connection<TenantRow>> {
    const where = [...tenantConditions(filter), ...visibleTo(tenants, context.principal)];
    const children = { entity: tenants, by: 'fairshareGroupId' } as const;
    return readChildList(
      context,
      this.#database.readerFor(context.principal),
      fairshareGroupId,
      children,
      where,
      request,
    );
  }

  async create(
    { transaction, now }: CommandScope,
    { name, weight, fairshareGroupId, limits, ...details }: CreateTenant,
  ): Promise<Change<TenantAnswer>> {
    const fairshareGroup = isGiven(fairshareGroupId)
      ? await this.#groups.holdForMember(transaction, fairshareGroupId, ['fairshareGroupId'])
      : await this.#groups.holdDefault(transaction);
    const created = await orNameTaken(
      'tenant',
      transaction.prisma.tenant.create({
        data: {
          ...detailsData(details, {}),
          ...limitsData(limits ?? {}, {}, now),
          id: newId(),
          name,
          nameFolded: foldName(name),
          ...(weight === undefined ? {} : { weight }),
          fairshareGroupId: fairshareGroup.id,
          createdAt: now,
          updatedAt: now,
        },
      }),
    );
    const tenant = { ...created, fairshareGroup };
    return { payload: { tenant }, changed: { ...aboutTenant(tenant), after: describeTenant(tenant) } };
  }

  update(
    scope: CommandScope,
    { tenantId, expectedRevision, name, ...details }: UpdateTenant,
  ): Promise<Change<TenantAnswer>> {
    return this.#change(scope, { tenantId, expectedRevision }, (tenant) => ({
      ...detailsData(details, tenant),
      ...(name === undefined ? {} : { name, nameFolded: foldName(name) }),
    }));
  }

  setWeight(scope: CommandScope, { weight, ...reference }: TenantReference & { weight: number }) {
    return this.#change(scope, reference, () => ({ weight }));
  }

  setLimits(scope: CommandScope, { limits, ...reference }: TenantReference & { limits: LimitsPatch }) {
    return this.#change(scope, reference, (tenant) => limitsData(limits, tenant, scope.now));
  }

  async setGroup(
    scope: CommandScope,
    { fairshareGroupId, ...reference }: TenantReference & { fairshareGroupId: string },
  ): Promise<Change<TenantAnswer>> {
    const fairshareGroup = await this.#groups.holdForMember(scope.transaction, fairshareGroupId, ['fairshareGroupId']);
    return this.#change(scope, reference, () => ({ fairshareGroupId }), fairshareGroup);
  }

  suspend(scope: CommandScope, reference: TenantReference): Promise<Change<TenantAnswer>> {
    return this.#change(scope, reference, (tenant) => {
      if (tenant.status === 'ARCHIVED') {
        throw new InvalidStateError('The tenant is archived, so it is not served; resume it first.', tenant.status, [
          'tenantId',
        ]);
      }
      return { status: 'SUSPENDED' };
    });
  }

  resume(scope: CommandScope, reference: TenantReference): Promise<Change<TenantAnswer>> {
    return this.#change(scope, reference, () => ({ status: 'ACTIVE' }));
  }

  archive(scope: CommandScope, reference: TenantReference): Promise<Change<TenantAnswer>> {
    return this.#change(scope, reference, () => ({ status: 'ARCHIVED' }));
  }

  async delete(scope: CommandScope, input: DeleteTenant): Promise<Change<DeletedTenantAnswer>> {
    const { transaction } = scope;
    const tenant = await this.#lock(scope, input, 'UPDATE');
    const removal = await this.#children.remove(
      transaction,
      { type: 'Tenant', id: tenant.id },
      input,
      (children) => new TenantHasChildrenError(children),
    );
    const payload = { deletedTenantId: tenant.id, ...removal };
    if (removal.dryRun) return unchanged(payload);
    await transaction.prisma.tenant.delete({ where: { id: tenant.id }, select: { id: true } });
    return { payload, changed: { ...aboutTenant(tenant), before: describeTenant(tenant) } };
  }

  async moveAll({ transaction, now }: CommandScope, fromGroupId: string, toGroupId: string): Promise<number> {
    const { count } = await transaction.prisma.tenant.updateMany({
      where: { fairshareGroupId: fromGroupId },
      data: { fairshareGroupId: toGroupId, revision: { increment: 1 }, updatedAt: now },
    });
    return count;
  }

  /**
   * The tenant that a new row shall belong to, kept from being deleted until the transaction ends. Callers of a tenant
   * may leave its id out; a tenant of others is to them as one that does not exist.
   *
   * @throws {ValidationError} when a caller of the deployment names none
   * @throws {NotFoundError} when there is none that the caller sees
   * @throws {InvalidStateError} when it is archived
   */
  async holdForChild(
    { transaction, principal }: CommandScope,
    tenantId: string | null | undefined,
    path: readonly string[] = ['tenantId'],
  ): Promise<TenantRow> {
    const id = tenantId ?? principal.tenantId;
    if (id === undefined) {
      throw invalid(path, 'TENANT_REQUIRED', 'Say which tenant: your credential belongs to the whole deployment.');
    }
    const where = [sql`t.id = ${id}::uuid`, ...visibleTo(tenants, principal)];
    const tenant = await transaction.reader.find(tenants, where, { lock: 'KEY SHARE' });
    if (tenant === undefined) throw new NotFoundError('tenant', path);
    if (tenant.status === 'ARCHIVED') {
      throw new InvalidStateError('The tenant is archived; resume it before you add to it.', tenant.status, path);
    }
    return tenant;
  }

  /** The status of a tenant, as the transaction sees it; nothing when it was deleted meanwhile. */
  async statusIn({ reader }: Transaction, tenantId: string): Promise<TenantRow['status'] | undefined> {
    const tenant = await reader.find(tenants, [sql`t.id = ${tenantId}::uuid`], { wanted: statusOnly });
    return tenant?.status;
  }

  /** Locks the row, applies what differs and counts the revision; nothing that differs means nothing is written. */
  async #change(
    scope: CommandScope,
    reference: TenantReference,
    decide: (tenant: TenantRow) => TenantData,
    newGroup?: FairshareGroupRow,
  ): Promise<Change<TenantAnswer>> {
    const before = await this.#lock(scope, reference, 'NO KEY UPDATE');
    const data = decide(before);
    if (before.status === 'ARCHIVED' && data.status === undefined) {
      throw new InvalidStateError('The tenant is archived; resume it before you change it.', before.status, [
        'tenantId',
      ]);
    }
    const fairshareGroup = newGroup ?? before.fairshareGroup;
    if (!differs(before, data)) return unchanged({ tenant: before });
    const updated = await orNameTaken(
      'tenant',
      scope.transaction.prisma.tenant.update({
        where: { id: before.id },
        data: { ...data, revision: { increment: 1 }, updatedAt: scope.now },
      }),
    );
    const tenant = { ...updated, fairshareGroup };
    return {
      payload: { tenant },
      changed: { ...aboutTenant(tenant), before: describeTenant(before), after: describeTenant(tenant) },
    };
  }

  /** @param lock `NO KEY UPDATE` where the row stays, so that its children can be made and changed meanwhile */
  async #lock(
    { transaction, principal }: CommandScope,
    reference: TenantReference,
    lock: 'UPDATE' | 'NO KEY UPDATE',
  ): Promise<TenantRow> {
    const where = [sql`t.id = ${reference.tenantId}::uuid`, ...visibleTo(tenants, principal)];
    const tenant = await transaction.reader.find(tenants, where, { lock });
    if (tenant === undefined) throw new NotFoundError('tenant', ['tenantId']);
    expectRevision(tenant, reference.expectedRevision);
    return tenant;
  }
}

const loginColumns: Wanted = new Set(['id', 'status']);

const identifiedBy = (by: { id: string } | { name: string }): Prisma.Sql =>
  'id' in by ? sql`t.id = ${by.id}::uuid` : sql`t.name_folded = ${foldName(by.name.trim())}`;

const aboutTenant = ({ id }: TenantRow) => ({ target: { type: 'Tenant', id } as const, tenantId: id });
