import type { Principal } from '../../access/principal.ts';
import type { Database, Transaction } from '../../database/database.ts';
import type { Wanted } from '../../database/entity.ts';
import type { Clock } from '../../graph/context.ts';
import { RequestError } from '../../graph/errors.ts';
import type { ProductService } from '../products/service.ts';
import { type Calls, type RateLimit, stateOf, takeCall } from './window.ts';

const limitOnly: Wanted = new Set(['rateLimitRpm']);

/** Counts the calls of products against their rate limits, in the database: for all replicas, over restarts. */
export class ProductMeter {
  readonly #database: Database;
  readonly #products: ProductService;
  readonly #clock: Clock;

  constructor(database: Database, products: ProductService, clock: Clock) {
    this.#database = database;
    this.#products = products;
    this.#clock = clock;
  }

  /** Makes a call. Others of the product wait until the transaction ends, and then for this one in the count. */
  async take(
    { prisma }: Transaction,
    productId: string,
    limit: number,
  ): Promise<{ readonly admitted: boolean; readonly rateLimit: RateLimit }> {
    const [row] = await prisma.$queryRaw<{ calls: Calls }[]>`
      SELECT calls FROM product_meter WHERE product_id = ${productId}::uuid FOR UPDATE
    `;
    const calls = row?.calls ?? {};
    // The time at which the row is ours, and not the one at which we began to wait for it.
    const now = this.#clock.now().getTime();
    const taken = takeCall(calls, limit, now);
    if (taken !== undefined) {
      await prisma.$executeRaw`UPDATE product_meter SET calls = ${taken}::jsonb WHERE product_id = ${productId}::uuid`;
    }
    return { admitted: taken !== undefined, rateLimit: stateOf(taken ?? calls, limit, now) };
  }

  /** How far a limit is used up, without a call. */
  async peek({ prisma }: Transaction, productId: string, limit: number): Promise<RateLimit> {
    const [row] = await prisma.$queryRaw<{ calls: Calls }[]>`
      SELECT calls FROM product_meter WHERE product_id = ${productId}::uuid
    `;
    return stateOf(row?.calls ?? {}, limit, this.#clock.now().getTime());
  }

  /**
   * Counts a reading of engines by whoever is bound to a product, as a call of `admitEngine` is counted: where engines
   * are is not to be had past the limit.
   *
   * @throws {RequestError} when the limit is used up
   */
  async countRead(principal: Principal): Promise<void> {
    const { productId } = principal;
    if (productId === undefined) return;
    const product = await this.#products.find(principal, { id: productId }, limitOnly);
    const limit = product?.rateLimitRpm ?? null;
    if (limit === null) return;
    const { admitted, rateLimit } = await this.#database.transaction((transaction) =>
      this.take(transaction, productId, limit),
    );
    if (!admitted) throw rateLimited(rateLimit);
  }
}

/** Why a call is refused, in words. */
export const rateLimitMessage = ({ limit, retryAfterMs }: RateLimit): string =>
  retryAfterMs === null
    ? 'The rate limit of the product is 0, which admits nothing.'
    : `The product has a rate limit of ${limit} calls in 60 seconds, which are used up; try again in ${retryAfterMs} ms.`;

function rateLimited(rateLimit: RateLimit): RequestError {
  const { retryAfterMs } = rateLimit;
  const headers = retryAfterMs === null ? {} : { 'retry-after': String(Math.ceil(retryAfterMs / 1_000)) };
  return new RequestError('RATE_LIMITED', rateLimitMessage(rateLimit), {
    retryAfterMs,
    http: { status: 429, headers },
  });
}
