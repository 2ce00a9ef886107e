import type { Principal } from '../../access/principal.ts';
import { visibleTo } from '../../access/visibility.ts';
import type { Database } from '../../database/database.ts';
import type { Wanted } from '../../database/entity.ts';
import { Prisma } from '../../database/generated/client.ts';
import type { JsonObject } from '../../graph/audit.ts';
import { type Change, type CommandScope, unchanged } from '../../graph/commands/definition.ts';
import { orNameTaken } from '../../graph/commands/name-taken.ts';
import { foldName } from '../../graph/commands/validation.ts';
import type { Connection } from '../../graph/connections.ts';
import { expectRevision, NotFoundError } from '../../graph/errors.ts';
import { newId } from '../../graph/ids.ts';
import { type ListRequest, readList } from '../../graph/lists.ts';
import { definedOf, differs } from '../../graph/patches.ts';
import { type ModelRow, models } from './entity.ts';
import { type ModelFilter, modelConditions } from './filter.ts';
import type { CreateModel, ModelReference, UpdateModel } from './input.ts';
import { describePrices } from './prices.ts';

declare module '../../graph/context.ts' {
  interface Services {
    models: ModelService;
  }
}

interface ModelAnswer {
  readonly model: ModelRow;
}

const { sql } = Prisma;

/** The models that callers ask for by name, with what they cost. */
export class ModelService {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  find(
    principal: Principal,
    by: { readonly id: string } | { readonly name: string },
    wanted?: Wanted,
  ): Promise<ModelRow | undefined> {
    const which = 'id' in by ? sql`t.id = ${by.id}::uuid` : sql`t.name_folded = ${foldName(by.name.trim())}`;
    return this.#database.readerFor(principal).find(models, [which, ...visibleTo(models, principal)], { wanted });
  }

  /** The models with these ids, by id; those that the principal cannot see are absent. */
  byIds(principal: Principal, ids: readonly string[]): Promise<Map<string, ModelRow>> {
    return this.#database.readerFor(principal).byIds(models, ids, visibleTo(models, principal));
  }

  list(principal: Principal, filter: ModelFilter, request: ListRequest<ModelRow>): Promise<Connection<ModelRow>> {
    const where = [...modelConditions(filter), ...visibleTo(models, principal)];
    return readList(this.#database.readerFor(principal), models, where, request);
  }

  async create(
    { transaction, now }: CommandScope,
    { name, prices, ...details }: CreateModel,
  ): Promise<Change<ModelAnswer>> {
    const model = await orNameTaken(
      'model',
      transaction.prisma.model.create({
        data: {
          ...definedOf(details),
          ...definedOf(prices ?? {}),
          id: newId(),
          name,
          nameFolded: foldName(name),
          createdAt: now,
          updatedAt: now,
        },
      }),
    );
    return { payload: { model }, changed: { ...about(model), after: describeModel(model) } };
  }

  async update(scope: CommandScope, input: UpdateModel): Promise<Change<ModelAnswer>> {
    const { name, prices, modelId, expectedRevision, ...details } = input;
    const before = await this.#lock(scope, { modelId, expectedRevision }, 'NO KEY UPDATE');
    const data = {
      ...definedOf(details),
      ...definedOf(prices ?? {}),
      ...(name === undefined ? {} : { name, nameFolded: foldName(name) }),
    };
    if (!differs(before, data)) return unchanged({ model: before });
    const model = await orNameTaken(
      'model',
      scope.transaction.prisma.model.update({
        where: { id: before.id },
        data: { ...data, revision: { increment: 1 }, updatedAt: scope.now },
      }),
    );
    return {
      payload: { model },
      changed: { ...about(model), before: describeModel(before), after: describeModel(model) },
    };
  }

  async delete(scope: CommandScope, reference: ModelReference): Promise<Change<{ readonly deletedModelId: string }>> {
    const model = await this.#lock(scope, reference, 'UPDATE');
    await scope.transaction.prisma.model.delete({ where: { id: model.id }, select: { id: true } });
    return { payload: { deletedModelId: model.id }, changed: { ...about(model), before: describeModel(model) } };
  }

  /** The model, kept from being deleted until the transaction ends. @throws {NotFoundError} */
  async hold(
    { transaction, principal }: CommandScope,
    modelId: string,
    path: readonly string[],
    lock: 'UPDATE' | 'NO KEY UPDATE' | 'KEY SHARE' = 'KEY SHARE',
  ): Promise<ModelRow> {
    const where = [sql`t.id = ${modelId}::uuid`, ...visibleTo(models, principal)];
    const model = await transaction.reader.find(models, where, { lock });
    if (model === undefined) throw new NotFoundError('model', path);
    return model;
  }

  /** @param lock `NO KEY UPDATE` where the row stays, so that others can refer to it meanwhile */
  async #lock(
    scope: CommandScope,
    { modelId, expectedRevision }: ModelReference,
    lock: 'UPDATE' | 'NO KEY UPDATE',
  ): Promise<ModelRow> {
    const model = await this.hold(scope, modelId, ['modelId'], lock);
    expectRevision(model, expectedRevision);
    return model;
  }
}

const about = ({ id }: ModelRow) => ({ target: { type: 'Model', id } as const });

/** A model in the words of the graph, for the audit log. */
const describeModel = (row: ModelRow): JsonObject => ({
  name: row.name,
  description: row.description,
  type: row.type,
  prices: describePrices(row),
  admissionWeightPercent: row.admissionWeightPercent,
  isEnabled: row.isEnabled,
  revision: row.revision,
});
