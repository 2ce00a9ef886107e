import type { Principal } from '../../access/principal.ts';
import { visibleTo } from '../../access/visibility.ts';
import type { Database, Transaction } from '../../database/database.ts';
import type { Wanted } from '../../database/entity.ts';
import { Prisma } from '../../database/generated/client.ts';
import type { JsonObject } from '../../graph/audit.ts';
import { ChildKinds, type Children, type Removal } from '../../graph/children.ts';
import { type Change, type CommandScope, unchanged } from '../../graph/commands/definition.ts';
import { orNameTaken } from '../../graph/commands/name-taken.ts';
import { foldName } from '../../graph/commands/validation.ts';
import type { Connection } from '../../graph/connections.ts';
import { expectRevision, HasChildrenError, InvalidStateError, NotFoundError } from '../../graph/errors.ts';
import { encodeId, newId } from '../../graph/ids.ts';
import { type ListRequest, readChildList, readList } from '../../graph/lists.ts';
import { definedOf, differs } from '../../graph/patches.ts';
import type { TenantService } from '../tenants/service.ts';
import { type AppRow, apps } from './entity.ts';
import { type AppFilter, appConditions } from './filter.ts';
import { patchedInference, storedInference } from './inference.ts';
import type { AppReference, CreateApp, DeleteApp, UpdateApp } from './input.ts';

declare module '../../graph/context.ts' {
  interface Services {
    apps: AppService;
  }
}

interface AppAnswer {
  readonly app: AppRow;
}

interface DeletedAppAnswer extends Removal {
  readonly deletedAppId: string;
}

const { sql } = Prisma;

/** The applications of a tenant: their keys inherit how they call models. */
export class AppService implements Children {
  readonly type = 'App';
  readonly #database: Database;
  readonly #tenants: TenantService;
  readonly #children = new ChildKinds();

  constructor(database: Database, tenants: TenantService) {
    this.#database = database;
    this.#tenants = tenants;
    tenants.addChildren(this);
  }

  /** Has the rows of another module counted and deleted with their application. */
  addChildren(children: Children): void {
    this.#children.add(children);
  }

  find(principal: Principal, id: string, wanted?: Wanted): Promise<AppRow | undefined> {
    const where = [sql`t.id = ${id}::uuid`, ...visibleTo(apps, principal)];
    return this.#database.readerFor(principal).find(apps, where, { wanted });
  }

  /** The applications with these ids, by id; those that the principal cannot see are absent. */
  byIds(principal: Principal, ids: readonly string[]): Promise<Map<string, AppRow>> {
    return this.#database.readerFor(principal).byIds(apps, ids, visibleTo(apps, principal));
  }

  list(principal: Principal, filter: AppFilter, request: ListRequest<AppRow>): Promise<Connection<AppRow>> {
    const where = [...appConditions(filter), ...visibleTo(apps, principal)];
    return readList(this.#database.readerFor(principal), apps, where, request);
  }

  /** The applications of one tenant; asked for many tenants in one request, one statement for all of them. */
  listOfTenant(
    context: { readonly principal: Principal },
    tenantId: string,
    filter: AppFilter,
    request: ListRequest<AppRow>,
  ): Promise<Connection<AppRow>> {
    const where = [...appConditions(filter), ...visibleTo(apps, context.principal)];
    const reader = this.#database.readerFor(context.principal);
    return readChildList(context, reader, tenantId, { entity: apps, by: 'tenantId' }, where, request);
  }

  async create(scope: CommandScope, { tenantId, name, description, inference }: CreateApp): Promise<Change<AppAnswer>> {
    const { transaction, now } = scope;
    const tenant = await this.#tenants.holdForChild(scope, tenantId);
    const app = await orNameTaken(
      'application',
      transaction.prisma.app.create({
        data: {
          ...definedOf({ description }),
          id: newId(),
          tenantId: tenant.id,
          name,
          nameFolded: foldName(name),
          inference: patchedInference({}, inference ?? {}),
          createdAt: now,
          updatedAt: now,
        },
      }),
    );
    return { payload: { app }, changed: { ...about(app), after: describeApp(app) } };
  }

  update(scope: CommandScope, { name, description, inference, ...reference }: UpdateApp): Promise<Change<AppAnswer>> {
    return this.#change(scope, reference, (app) => {
      if (app.status === 'ARCHIVED') {
        throw new InvalidStateError('The application is archived; restore it before you change it.', app.status, [
          'appId',
        ]);
      }
      return {
        ...definedOf({ description }),
        ...(name === undefined ? {} : { name, nameFolded: foldName(name) }),
        ...(inference === undefined ? {} : { inference: patchedInference(app.inference, inference) }),
      };
    });
  }

  archive(scope: CommandScope, reference: AppReference): Promise<Change<AppAnswer>> {
    return this.#change(scope, reference, () => ({ status: 'ARCHIVED' }));
  }

  restore(scope: CommandScope, reference: AppReference): Promise<Change<AppAnswer>> {
    return this.#change(scope, reference, () => ({ status: 'ACTIVE' }));
  }

  async delete(scope: CommandScope, input: DeleteApp): Promise<Change<DeletedAppAnswer>> {
    const { transaction } = scope;
    const app = await this.#lock(scope, input, 'UPDATE');
    const removal = await this.#children.remove(
      transaction,
      { type: 'App', id: app.id },
      input,
      (children) => new HasChildrenError(children, 'application'),
    );
    const payload = { deletedAppId: app.id, ...removal };
    if (removal.dryRun) return unchanged(payload);
    await transaction.prisma.app.delete({ where: { id: app.id }, select: { id: true } });
    return { payload, changed: { ...about(app), before: describeApp(app) } };
  }

  countLive({ prisma }: Transaction, tenantId: string): Promise<number> {
    return prisma.app.count({ where: { tenantId, status: 'ACTIVE' } });
  }

  async deleteAll({ prisma }: Transaction, tenantId: string): Promise<void> {
    await prisma.app.deleteMany({ where: { tenantId } });
  }

  /** Locks the row, applies what differs and counts the revision; nothing that differs means nothing is written. */
  async #change(
    scope: CommandScope,
    reference: AppReference,
    decide: (app: AppRow) => Prisma.AppUncheckedUpdateInput,
  ): Promise<Change<AppAnswer>> {
    const before = await this.#lock(scope, reference, 'NO KEY UPDATE');
    const data = decide(before);
    if (!differs(before, data)) return unchanged({ app: before });
    const app = await orNameTaken(
      'application',
      scope.transaction.prisma.app.update({
        where: { id: before.id },
        data: { ...data, revision: { increment: 1 }, updatedAt: scope.now },
      }),
    );
    return {
      payload: { app },
      changed: { ...about(app), before: describeApp(before), after: describeApp(app) },
    };
  }

  /** @param lock `NO KEY UPDATE` where the row stays, so that keys can be made for the application meanwhile */
  async #lock(
    { transaction, principal }: CommandScope,
    reference: AppReference,
    lock: 'UPDATE' | 'NO KEY UPDATE',
  ): Promise<AppRow> {
    const where = [sql`t.id = ${reference.appId}::uuid`, ...visibleTo(apps, principal)];
    const app = await transaction.reader.find(apps, where, { lock });
    if (app === undefined) throw new NotFoundError('application', ['appId']);
    expectRevision(app, reference.expectedRevision);
    return app;
  }
}

const about = ({ id, tenantId }: AppRow) => ({ target: { type: 'App', id } as const, tenantId });

/** An application in the words of the graph, for the audit log. */
const describeApp = (row: AppRow): JsonObject => ({
  tenantId: encodeId('Tenant', row.tenantId),
  name: row.name,
  description: row.description,
  status: row.status,
  inference: storedInference.parse(row.inference),
  revision: row.revision,
});
