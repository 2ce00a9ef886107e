import type { Principal } from '../../access/principal.ts';
import { visibleTo } from '../../access/visibility.ts';
import type { Database, Transaction } from '../../database/database.ts';
import type { Wanted } from '../../database/entity.ts';
import { Prisma } from '../../database/generated/client.ts';
import { EngineStatus } from '../../database/generated/enums.ts';
import type { JsonObject } from '../../graph/audit.ts';
import { type Change, type ChangedRow, type CommandScope, unchanged } from '../../graph/commands/definition.ts';
import type { Connection } from '../../graph/connections.ts';
import { expectRevision, InvalidStateError, invalid, NotFoundError } from '../../graph/errors.ts';
import { encodeId, newId } from '../../graph/ids.ts';
import { type ListRequest, readChildList, readList } from '../../graph/lists.ts';
import { loaderOf } from '../../graph/loaders.ts';
import { definedOf, differs } from '../../graph/patches.ts';
import type { IssuedKey, KeyService } from '../keys/service.ts';
import type { ProductEngines, ProductService } from '../products/service.ts';
import type { TenantService } from '../tenants/service.ts';
import { type EngineRow, engines } from './entity.ts';
import { EngineAlreadyExistsError, QuotaExceededError } from './errors.ts';
import { type EngineFilter, engineConditions } from './filter.ts';
import type { DestroyEngine, RegisterEngine, ReportEngine } from './input.ts';
import type { ProductMeter } from './meter.ts';

declare module '../../graph/context.ts' {
  interface Services {
    engines: EngineService;
  }
}

/** How many engines a product has, and in which states. */
export interface EngineSummary {
  readonly total: number;
  /** Of every status, also those that no engine has. */
  readonly byStatus: readonly { readonly status: EngineStatus; readonly count: number }[];
  /** Failed, or reported as unhealthy. */
  readonly unhealthyCount: number;
}

interface EngineAnswer {
  readonly engine: EngineRow;
}

/** The new engine, with its key. */
interface RegisteredEngineAnswer extends EngineAnswer, IssuedKey {}

/** What engines need of other modules. */
interface Parts {
  readonly database: Database;
  readonly tenants: TenantService;
  readonly products: ProductService;
  readonly keys: KeyService;
  readonly meter: ProductMeter;
}

interface DestroyedEngineAnswer {
  readonly destroyedEngineId: string;
  /** The product that waited for this engine and is gone with it. */
  readonly deletedProductId: string | null;
}

const { sql } = Prisma;

const productOnly: Wanted = new Set(['productId']);

/** The running instances of products, one for each of their users. */
export class EngineService implements ProductEngines {
  readonly #database: Database;
  readonly #products: ProductService;
  readonly #keys: KeyService;
  readonly #meter: ProductMeter;

  constructor({ database, tenants, products, keys, meter }: Parts) {
    this.#database = database;
    this.#products = products;
    this.#keys = keys;
    this.#meter = meter;
    products.addEngines(this);
    tenants.addChildren({
      type: 'Engine',
      countLive: ({ prisma }, tenantId) => prisma.engine.count({ where: { tenantId } }),
      deleteAll: async (transaction, tenantId) => {
        // Products before their engines, as in every command on engines.
        await products.holdAll(transaction, tenantId);
        await transaction.prisma.engine.deleteMany({ where: { tenantId } });
      },
    });
  }

  /** @throws {RequestError} when the caller is bound to a product whose rate limit is used up; as every reading does */
  countRead(principal: Principal): Promise<void> {
    return this.#meter.countRead(principal);
  }

  /** @throws {RequestError} as every reading does */
  async find(
    principal: Principal,
    by: { id: string } | { productId: string; userExternalId: string },
    wanted?: Wanted,
  ): Promise<EngineRow | undefined> {
    await this.#meter.countRead(principal);
    const where =
      'id' in by
        ? [sql`t.id = ${by.id}::uuid`]
        : [sql`t.product_id = ${by.productId}::uuid`, sql`t.user_external_id = ${by.userExternalId}`];
    return this.#database.readerFor(principal).find(engines, [...where, ...visibleTo(engines, principal)], { wanted });
  }

  /** The engines with these ids, by id; those that the principal cannot see are absent. */
  async byIds(principal: Principal, ids: readonly string[]): Promise<Map<string, EngineRow>> {
    await this.#meter.countRead(principal);
    return this.#database.readerFor(principal).byIds(engines, ids, visibleTo(engines, principal));
  }

  async list(
    principal: Principal,
    filter: EngineFilter,
    request: ListRequest<EngineRow>,
  ): Promise<Connection<EngineRow>> {
    await this.#meter.countRead(principal);
    const where = [...engineConditions(filter), ...visibleTo(engines, principal)];
    return readList(this.#database.readerFor(principal), engines, where, request);
  }

  /** The engines of one product; asked for many products in one request, one statement for all of them. */
  async listOfProduct(
    context: { readonly principal: Principal },
    productId: string,
    filter: EngineFilter,
    request: ListRequest<EngineRow>,
  ): Promise<Connection<EngineRow>> {
    await this.#meter.countRead(context.principal);
    const where = [...engineConditions(filter), ...visibleTo(engines, context.principal)];
    const reader = this.#database.readerFor(context.principal);
    return readChildList(context, reader, productId, { entity: engines, by: 'productId' }, where, request);
  }

  /** The summary of one product's engines; asked for many products in one request, one statement for all of them. */
  summaryOfProduct(context: { readonly principal: Principal }, productId: string): Promise<EngineSummary> {
    const { principal } = context;
    const summaries = loaderOf<EngineSummary>(context, 'summaries of engines', async (productIds) => {
      const where = [
        sql`${engines.column('productId')} = ANY(${productIds}::uuid[])`,
        ...visibleTo(engines, principal),
      ];
      const reader = this.#database.readerFor(principal);
      const counts = await reader.countsBy(engines, ['productId', 'status', 'health'], where);
      return productIds.map((id) => summaryOf(counts.filter((each) => each.productId === id)));
    });
    return summaries.load(productId);
  }

  /** Callers that register at the same time take their turns: there are never more engines than the policy allows. */
  async register(
    scope: CommandScope,
    { productId, userExternalId, url, version, existingSecret }: RegisterEngine,
  ): Promise<Change<RegisteredEngineAnswer>> {
    const { transaction, principal, now } = scope;
    const product = await this.#products.holdForEngine(scope, this.#products.idFor(principal, productId));
    const [found] = await transaction.prisma.$queryRaw<[{ used: number; exists: boolean }]>`
      SELECT count(*)::int AS used, coalesce(bool_or(user_external_id = ${userExternalId}), false) AS "exists"
      FROM engine WHERE product_id = ${product.id}::uuid
    `;
    if (found.exists) throw new EngineAlreadyExistsError();
    if (product.maxEngines !== null && found.used >= product.maxEngines) {
      throw new QuotaExceededError(product.maxEngines, found.used);
    }
    const created = await transaction.prisma.engine.create({
      data: {
        id: newId(),
        tenantId: product.tenantId,
        productId: product.id,
        userExternalId,
        url: url ?? null,
        version: version ?? null,
        statusChangedAt: now,
        createdAt: now,
        updatedAt: now,
      },
    });
    const engine = { ...created, product };
    const issued = await this.#keys.issue(scope, {
      kind: 'ENGINE',
      name: 'Engine key',
      engineId: engine.id,
      existingSecret,
    });
    return {
      payload: { engine, ...issued },
      changed: { ...aboutEngine(engine), after: describeEngine(engine) },
      alsoChanged: [this.#keys.recordOf(issued)],
    };
  }

  /** Takes what is reported over. A report of what is known already is noted with its time and nothing else. */
  async report(
    scope: CommandScope,
    { engineId, expectedRevision, ...reported }: ReportEngine,
  ): Promise<Change<EngineAnswer>> {
    const { transaction, principal, now } = scope;
    const id = engineId ?? principal.engineId;
    if (id === undefined) {
      throw invalid(['engineId'], 'ENGINE_REQUIRED', 'Say which engine: your credential does not belong to one.');
    }
    const before = await this.#hold(scope, id, 'NO KEY UPDATE');
    expectRevision(before, expectedRevision);
    const { status = before.status } = reported;
    if (before.status === 'DESTROYING' && status !== 'DESTROYING') {
      throw new InvalidStateError('The engine is being destroyed, which is final.', before.status, ['status']);
    }
    const data = definedOf(reported);
    const isChange = differs(before, data);
    const updated = await transaction.prisma.engine.update({
      where: { id },
      data: {
        lastReportAt: now,
        ...(isChange ? { ...data, revision: { increment: 1 }, updatedAt: now } : { updatedAt: before.updatedAt }),
        ...(status === before.status ? {} : { statusChangedAt: now }),
      },
    });
    const engine = { ...updated, product: before.product };
    if (!isChange) return unchanged({ engine });
    return {
      payload: { engine },
      changed: { ...aboutEngine(engine), before: describeEngine(before), after: describeEngine(engine) },
    };
  }

  /** Removes an engine and its keys. The product goes with it when it waited for this one. */
  async destroy(
    scope: CommandScope,
    { engineId, expectedRevision }: DestroyEngine,
  ): Promise<Change<DestroyedEngineAnswer>> {
    const { transaction, principal } = scope;
    const where = [sql`t.id = ${engineId}::uuid`, ...visibleTo(engines, principal)];
    const found = await transaction.reader.find(engines, where, { wanted: productOnly });
    if (found === undefined) throw new NotFoundError('engine', ['engineId']);
    // The product first, as when it is deleted: two that destroy its last engines at once take their turns.
    const product = await this.#products.hold(scope, found.productId, 'NO KEY UPDATE', ['engineId']);
    const engine = await this.#hold(scope, engineId, 'UPDATE');
    expectRevision(engine, expectedRevision);
    await transaction.prisma.engine.delete({ where: { id: engineId }, select: { id: true } });
    const deleted = await this.#products.deleteIfDrained(transaction, product);
    return {
      payload: { destroyedEngineId: engineId, deletedProductId: deleted === undefined ? null : product.id },
      changed: { ...aboutEngine(engine), before: describeEngine(engine) },
      ...(deleted === undefined ? {} : { alsoChanged: [deleted] }),
    };
  }

  count({ prisma }: Transaction, productId: string): Promise<number> {
    return prisma.engine.count({ where: { productId } });
  }

  async drain({ transaction, now }: CommandScope, productId: string): Promise<void> {
    await transaction.prisma.engine.updateMany({
      where: { productId, status: { not: 'DESTROYING' } },
      data: { status: 'DESTROYING', statusChangedAt: now, revision: { increment: 1 }, updatedAt: now },
    });
  }

  async #hold(
    { transaction, principal }: CommandScope,
    engineId: string,
    lock: 'UPDATE' | 'NO KEY UPDATE',
  ): Promise<EngineRow> {
    const where = [sql`t.id = ${engineId}::uuid`, ...visibleTo(engines, principal)];
    const engine = await transaction.reader.find(engines, where, { lock });
    if (engine === undefined) throw new NotFoundError('engine', ['engineId']);
    return engine;
  }
}

type Counts = readonly (Pick<EngineRow, 'status' | 'health'> & { readonly count: number })[];

function summaryOf(counts: Counts): EngineSummary {
  const sum = (wanted: (each: Counts[number]) => boolean): number =>
    counts.filter(wanted).reduce((total, { count }) => total + count, 0);
  return {
    total: sum(() => true),
    byStatus: Object.values(EngineStatus).map((status) => ({ status, count: sum((each) => each.status === status) })),
    unhealthyCount: sum(({ status, health }) => status === 'FAILED' || health === 'UNHEALTHY'),
  };
}

const aboutEngine = ({ id, tenantId }: EngineRow): ChangedRow => ({ target: { type: 'Engine', id }, tenantId });

/** An engine in the words of the graph, for the audit log. */
const describeEngine = (engine: EngineRow): JsonObject => ({
  productId: encodeId('Product', engine.productId),
  userExternalId: engine.userExternalId,
  status: engine.status,
  health: engine.health,
  message: engine.message,
  url: engine.url,
  version: engine.version,
  bootDurationMs: engine.bootDurationMs,
  revision: engine.revision,
});
