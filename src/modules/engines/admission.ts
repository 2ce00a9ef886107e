import { visibleTo } from '../../access/visibility.ts';
import { Prisma } from '../../database/generated/client.ts';
import type { EngineHealth, EngineStatus, ProductStatus, TenantStatus } from '../../database/generated/enums.ts';
import { type Change, type CommandScope, unchanged } from '../../graph/commands/definition.ts';
import { NotFoundError } from '../../graph/errors.ts';
import type { ProductService } from '../products/service.ts';
import type { TenantService } from '../tenants/service.ts';
import { type EngineRow, engines } from './entity.ts';
import type { AdmitEngine } from './input.ts';
import { type ProductMeter, rateLimitMessage } from './meter.ts';
import type { RateLimit } from './window.ts';

declare module '../../graph/context.ts' {
  interface Services {
    engineAdmission: EngineAdmissionService;
  }
}

/** Why an engine is not admitted, and what to do. */
export const admissionReasons = {
  ENGINE_NOT_FOUND: 'The user has no engine of the product; register one.',
  ENGINE_PROVISIONING: 'The engine is not up yet; try again soon.',
  ENGINE_SLEEPING: 'The engine sleeps; wake it first.',
  ENGINE_STOPPED: 'The engine is stopped; start it first.',
  ENGINE_UNHEALTHY: 'The engine has failed or is reported as unhealthy.',
  ENGINE_DESTROYING: 'The engine is being destroyed.',
  PRODUCT_SUSPENDED: 'The product is suspended.',
  PRODUCT_DELETING: 'The product is being deleted.',
  TENANT_SUSPENDED: 'The tenant is suspended.',
  TENANT_ARCHIVED: 'The tenant is archived.',
  RATE_LIMITED: 'The rate limit of the product is used up.',
} as const;

type AdmissionReason = keyof typeof admissionReasons;

export interface Admission {
  readonly admitted: boolean;
  /** Present when it is admitted. */
  readonly engine: EngineRow | null;
  readonly reason: AdmissionReason | null;
  readonly message: string;
  /** Absent: the product has no limit. */
  readonly rateLimit: RateLimit | null;
}

const { sql } = Prisma;

const reasonsOfTenant: Readonly<Record<TenantStatus, AdmissionReason | undefined>> = {
  ACTIVE: undefined,
  SUSPENDED: 'TENANT_SUSPENDED',
  ARCHIVED: 'TENANT_ARCHIVED',
};

const reasonsOfProduct: Readonly<Record<ProductStatus, AdmissionReason | undefined>> = {
  ACTIVE: undefined,
  SUSPENDED: 'PRODUCT_SUSPENDED',
  DELETING: 'PRODUCT_DELETING',
};

const reasonsOfEngine: Readonly<Record<EngineStatus, AdmissionReason | undefined>> = {
  PROVISIONING: 'ENGINE_PROVISIONING',
  RUNNING: undefined,
  SLEEPING: 'ENGINE_SLEEPING',
  STOPPED: 'ENGINE_STOPPED',
  FAILED: 'ENGINE_UNHEALTHY',
  DESTROYING: 'ENGINE_DESTROYING',
};

const reasonsOfHealth: Readonly<Record<EngineHealth, AdmissionReason | undefined>> = {
  UNKNOWN: undefined,
  HEALTHY: undefined,
  UNHEALTHY: 'ENGINE_UNHEALTHY',
};

/** Says to products, before each request of a user, whether and where the user's engine may be called. */
export class EngineAdmissionService {
  readonly #tenants: TenantService;
  readonly #products: ProductService;
  readonly #meter: ProductMeter;

  constructor(tenants: TenantService, products: ProductService, meter: ProductMeter) {
    this.#tenants = tenants;
    this.#products = products;
    this.#meter = meter;
  }

  /**
   * Every answer about an engine counts against the rate limit, whether it is admitted or not, so that nobody watches
   * engines past the limit. What is refused by the limit itself, or before any engine was looked for, costs nothing.
   */
  async admit(
    scope: CommandScope,
    { productId, userExternalId }: AdmitEngine,
  ): Promise<Change<{ readonly admission: Admission }>> {
    const { transaction, principal } = scope;
    const product = await this.#products.findIn(scope, this.#products.idFor(principal, productId));
    const tenantStatus = await this.#tenants.statusIn(transaction, product.tenantId);
    if (tenantStatus === undefined) throw new NotFoundError('product', ['productId']);
    const limit = product.rateLimitRpm;
    const inactive = reasonsOfTenant[tenantStatus] ?? reasonsOfProduct[product.status];
    if (inactive !== undefined) {
      const rateLimit = limit === null ? null : await this.#meter.peek(transaction, product.id, limit);
      return unchanged({ admission: refused(inactive, rateLimit) });
    }
    const call = limit === null ? undefined : await this.#meter.take(transaction, product.id, limit);
    const rateLimit = call?.rateLimit ?? null;
    if (call?.admitted === false) return unchanged({ admission: refused('RATE_LIMITED', rateLimit) });
    const engine = await transaction.reader.find(engines, [
      sql`t.product_id = ${product.id}::uuid`,
      sql`t.user_external_id = ${userExternalId}`,
      ...visibleTo(engines, principal),
    ]);
    if (engine === undefined) return unchanged({ admission: refused('ENGINE_NOT_FOUND', rateLimit) });
    const reason = reasonsOfEngine[engine.status] ?? reasonsOfHealth[engine.health];
    return unchanged({ admission: reason === undefined ? admitted(engine, rateLimit) : refused(reason, rateLimit) });
  }
}

const admitted = (engine: EngineRow, rateLimit: RateLimit | null): Admission => ({
  admitted: true,
  engine,
  reason: null,
  message: 'The engine is admitted.',
  rateLimit,
});

const refused = (reason: AdmissionReason, rateLimit: RateLimit | null): Admission => ({
  admitted: false,
  engine: null,
  reason,
  message: reason === 'RATE_LIMITED' && rateLimit !== null ? rateLimitMessage(rateLimit) : admissionReasons[reason],
  rateLimit,
});
