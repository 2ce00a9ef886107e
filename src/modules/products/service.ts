import type { Principal } from '../../access/principal.ts';
import { visibleTo } from '../../access/visibility.ts';
import type { Database, Transaction } from '../../database/database.ts';
import type { Wanted } from '../../database/entity.ts';
import { Prisma } from '../../database/generated/client.ts';
import { type Change, type ChangedRow, type CommandScope, unchanged } from '../../graph/commands/definition.ts';
import { orTaken } from '../../graph/commands/name-taken.ts';
import { foldName } from '../../graph/commands/validation.ts';
import type { Connection } from '../../graph/connections.ts';
import { expectRevision, InvalidStateError, invalid, NotFoundError } from '../../graph/errors.ts';
import { newId } from '../../graph/ids.ts';
import { type ListRequest, readChildList, readList } from '../../graph/lists.ts';
import { differs } from '../../graph/patches.ts';
import type { IssuedKey, KeyService } from '../keys/service.ts';
import { limitsData } from '../limits/limits.ts';
import type { TenantService } from '../tenants/service.ts';
import { aboutProduct, describeProduct } from './data.ts';
import { type ProductRow, products } from './entity.ts';
import { ProductHasEnginesError, ProductSlugExistsError } from './errors.ts';
import { type ProductFilter, productConditions } from './filter.ts';
import type { DeleteProduct, ProductReference, RegisterProduct, UpdateProduct } from './input.ts';
import { wholePolicy } from './policy.ts';
import { keepVersion } from './versions.ts';

declare module '../../graph/context.ts' {
  interface Services {
    products: ProductService;
  }
}

/** The engines of products. Their module adds itself. */
export interface ProductEngines {
  /** How many a product has, whatever their status. */
  count(transaction: Transaction, productId: string): Promise<number>;
  /** Has all of them destroyed by whoever runs them. */
  drain(scope: CommandScope, productId: string): Promise<void>;
}

interface ProductAnswer {
  readonly product: ProductRow;
}

/** The new product, with its platform key. */
interface RegisteredProductAnswer extends ProductAnswer, IssuedKey {}

interface DeletedProductAnswer {
  readonly deletedProductId: string;
  /** Absent: it is gone. */
  readonly product: ProductRow | null;
  readonly remainingEngineCount: number;
  readonly dryRun: boolean;
}

const { sql } = Prisma;

const tenantOnly: Wanted = new Set(['tenantId']);

/** The applications that tenants run on the platform. */
export class ProductService {
  readonly #database: Database;
  readonly #tenants: TenantService;
  readonly #keys: KeyService;
  #engines: ProductEngines | undefined;

  constructor(database: Database, tenants: TenantService, keys: KeyService) {
    this.#database = database;
    this.#tenants = tenants;
    this.#keys = keys;
    tenants.addChildren({
      type: 'Product',
      countLive: ({ prisma }, tenantId) => prisma.product.count({ where: { tenantId } }),
      deleteAll: async ({ prisma }, tenantId) => {
        await prisma.product.deleteMany({ where: { tenantId } });
      },
    });
  }

  /** Has products deleted only when their engines are gone. */
  addEngines(engines: ProductEngines): void {
    this.#engines = engines;
  }

  find(principal: Principal, by: { id: string } | { slug: string }, wanted?: Wanted): Promise<ProductRow | undefined> {
    const where = 'id' in by ? sql`t.id = ${by.id}::uuid` : sql`t.slug = ${by.slug.trim().toLowerCase()}`;
    return this.#database.readerFor(principal).find(products, [where, ...visibleTo(products, principal)], { wanted });
  }

  /** The products with these ids, by id; those that the principal cannot see are absent. */
  byIds(principal: Principal, ids: readonly string[]): Promise<Map<string, ProductRow>> {
    return this.#database.readerFor(principal).byIds(products, ids, visibleTo(products, principal));
  }

  list(principal: Principal, filter: ProductFilter, request: ListRequest<ProductRow>): Promise<Connection<ProductRow>> {
    const where = [...productConditions(filter), ...visibleTo(products, principal)];
    return readList(this.#database.readerFor(principal), products, where, request);
  }

  /** The products of one tenant; asked for many tenants in one request, one statement for all of them. */
  listOfTenant(
    context: { readonly principal: Principal },
    tenantId: string,
    filter: ProductFilter,
    request: ListRequest<ProductRow>,
  ): Promise<Connection<ProductRow>> {
    const where = [...productConditions(filter), ...visibleTo(products, context.principal)];
    const reader = this.#database.readerFor(context.principal);
    return readChildList(context, reader, tenantId, { entity: products, by: 'tenantId' }, where, request);
  }

  async register(scope: CommandScope, input: RegisterProduct): Promise<Change<RegisteredProductAnswer>> {
    const { transaction, now } = scope;
    const { slug, displayName, policy, limits, engineVersion } = input;
    const tenant = await this.#tenants.holdForChild(scope, input.tenantId);
    const product = await orTaken(
      () => new ProductSlugExistsError(slug),
      transaction.prisma.product.create({
        data: {
          ...wholePolicy({ ...policy, engineVersion: engineVersion ?? policy?.engineVersion }),
          ...limitsData(limits ?? {}, {}, now),
          id: newId(),
          tenantId: tenant.id,
          slug,
          displayName,
          displayNameFolded: foldName(displayName),
          createdAt: now,
          updatedAt: now,
        },
      }),
    );
    await keepVersion(scope, product, null);
    await transaction.prisma.productMeter.create({
      data: { productId: product.id, tenantId: tenant.id },
      select: { productId: true },
    });
    const issued = await this.#keys.issue(scope, { kind: 'PRODUCT', name: 'Platform key', productId: product.id });
    return {
      payload: { product, ...issued },
      changed: { ...aboutProduct(product), after: describeProduct(product) },
      alsoChanged: [this.#keys.recordOf(issued)],
    };
  }

  update(scope: CommandScope, { displayName, limits, ...reference }: UpdateProduct): Promise<Change<ProductAnswer>> {
    return this.#change(scope, reference, (product) => ({
      ...(displayName === undefined ? {} : { displayName, displayNameFolded: foldName(displayName) }),
      ...limitsData(limits ?? {}, product, scope.now),
    }));
  }

  suspend(scope: CommandScope, reference: ProductReference): Promise<Change<ProductAnswer>> {
    return this.#change(scope, reference, () => ({ status: 'SUSPENDED' }));
  }

  resume(scope: CommandScope, reference: ProductReference): Promise<Change<ProductAnswer>> {
    return this.#change(scope, reference, () => ({ status: 'ACTIVE' }));
  }

  /** Deletes a product without engines at once, and one with engines when the last of them is destroyed. */
  async delete(
    scope: CommandScope,
    { productId, expectedRevision, drainEngines, dryRun }: DeleteProduct,
  ): Promise<Change<DeletedProductAnswer>> {
    const { transaction, now } = scope;
    const product = await this.hold(scope, productId, 'UPDATE');
    expectRevision(product, expectedRevision);
    const remainingEngineCount = await this.countEngines(transaction, productId);
    const payload = { deletedProductId: productId, remainingEngineCount, dryRun };
    if (dryRun) return unchanged({ ...payload, product });
    if (remainingEngineCount === 0) {
      return { payload: { ...payload, product: null }, changed: await remove(transaction, product) };
    }
    if (!drainEngines) throw new ProductHasEnginesError(remainingEngineCount);
    if (product.status === 'DELETING') return unchanged({ ...payload, product });
    await this.#engines?.drain(scope, productId);
    const draining = await transaction.prisma.product.update({
      where: { id: productId },
      data: { status: 'DELETING', revision: { increment: 1 }, updatedAt: now },
    });
    return {
      payload: { ...payload, product: draining },
      changed: {
        ...aboutProduct(draining),
        before: describeProduct(product),
        after: { ...describeProduct(draining), remainingEngineCount },
      },
    };
  }

  /** Deletes a product that waits for its engines, when it has none left. Its row is held by the caller. */
  async deleteIfDrained(transaction: Transaction, product: ProductRow): Promise<ChangedRow | undefined> {
    if (product.status !== 'DELETING') return undefined;
    const left = await this.countEngines(transaction, product.id);
    return left === 0 ? remove(transaction, product) : undefined;
  }

  /** How many engines a product has, whatever their status. */
  async countEngines(transaction: Transaction, productId: string): Promise<number> {
    return (await this.#engines?.count(transaction, productId)) ?? 0;
  }

  /**
   * The product that a caller means: the one given, or else the one that its key belongs to.
   *
   * @throws {ValidationError} when there is neither
   */
  idFor(principal: Principal, productId: string | null | undefined): string {
    const id = productId ?? principal.productId;
    if (id !== undefined) return id;
    throw invalid(['productId'], 'PRODUCT_REQUIRED', 'Say which product: your credential does not belong to one.');
  }

  /** A product, kept from changes until the transaction ends. @throws {NotFoundError} when the caller sees none */
  async hold(
    { transaction, principal }: CommandScope,
    productId: string,
    lock: 'UPDATE' | 'NO KEY UPDATE',
    path: readonly string[] = ['productId'],
  ): Promise<ProductRow> {
    const where = [sql`t.id = ${productId}::uuid`, ...visibleTo(products, principal)];
    const product = await transaction.reader.find(products, where, { lock });
    if (product === undefined) throw new NotFoundError('product', path);
    return product;
  }

  /** A product as the transaction sees it. @throws {NotFoundError} when the caller sees none */
  async findIn({ transaction, principal }: CommandScope, productId: string, wanted?: Wanted): Promise<ProductRow> {
    const where = [sql`t.id = ${productId}::uuid`, ...visibleTo(products, principal)];
    const product = await transaction.reader.find(products, where, { wanted });
    if (product === undefined) throw new NotFoundError('product', ['productId']);
    return product;
  }

  /**
   * A product that an engine is added to, one caller after the other.
   *
   * @throws {NotFoundError} when the caller sees none
   * @throws {InvalidStateError} when it or its tenant takes no engines
   */
  async holdForEngine(scope: CommandScope, productId: string): Promise<ProductRow> {
    // The tenant before the product, as when a tenant is deleted with its products.
    const { tenantId } = await this.findIn(scope, productId, tenantOnly);
    await this.#tenants.holdForChild(scope, tenantId, ['productId']);
    const product = await this.hold(scope, productId, 'NO KEY UPDATE');
    if (product.status === 'ACTIVE') return product;
    const reason = product.status === 'SUSPENDED' ? 'suspended; resume it' : 'being deleted; choose another one';
    throw new InvalidStateError(`The product is ${reason} to register engines.`, product.status, ['productId']);
  }

  /** Keeps all products of a tenant as they are, and their engines from being added, until the transaction ends. */
  async holdAll({ prisma }: Transaction, tenantId: string): Promise<void> {
    await prisma.$queryRaw`SELECT id FROM product WHERE tenant_id = ${tenantId}::uuid ORDER BY id FOR UPDATE`;
  }

  /**
   * A product for a change of its configuration.
   *
   * @throws {NotFoundError} when the caller sees none
   * @throws {StaleRevisionError} when it has another revision than expected
   * @throws {InvalidStateError} when it is being deleted
   */
  async holdForChange(scope: CommandScope, { productId, expectedRevision }: ProductReference): Promise<ProductRow> {
    const product = await this.hold(scope, productId, 'NO KEY UPDATE');
    expectRevision(product, expectedRevision);
    if (product.status === 'DELETING') {
      throw new InvalidStateError('The product is being deleted, so it cannot be changed.', product.status, [
        'productId',
      ]);
    }
    return product;
  }

  /** Writes what differs and counts the revision; nothing that differs means nothing is written. */
  async #change(
    scope: CommandScope,
    reference: ProductReference,
    dataOf: (product: ProductRow) => Prisma.ProductUncheckedUpdateInput,
  ): Promise<Change<ProductAnswer>> {
    const before = await this.holdForChange(scope, reference);
    const data = dataOf(before);
    if (!differs(before, data)) return unchanged({ product: before });
    const product = await scope.transaction.prisma.product.update({
      where: { id: before.id },
      data: { ...data, revision: { increment: 1 }, updatedAt: scope.now },
    });
    return {
      payload: { product },
      changed: { ...aboutProduct(product), before: describeProduct(before), after: describeProduct(product) },
    };
  }
}

async function remove({ prisma }: Transaction, product: ProductRow): Promise<ChangedRow> {
  await prisma.product.delete({ where: { id: product.id }, select: { id: true } });
  return { ...aboutProduct(product), before: describeProduct(product) };
}
