import type { Principal } from '../../access/principal.ts';
import { visibleTo } from '../../access/visibility.ts';
import type { Database } from '../../database/database.ts';
import type { Wanted } from '../../database/entity.ts';
import { Prisma } from '../../database/generated/client.ts';
import { type Change, type CommandScope, unchanged } from '../../graph/commands/definition.ts';
import type { Connection } from '../../graph/connections.ts';
import { NotFoundError } from '../../graph/errors.ts';
import { isGiven } from '../../graph/given.ts';
import { type ListRequest, readChildList } from '../../graph/lists.ts';
import { differs } from '../../graph/patches.ts';
import { aboutProduct, describeProduct, policyOf } from './data.ts';
import { type PolicyVersionRow, type ProductRow, policyVersions } from './entity.ts';
import type { ChangePolicy, ProductReference, RevertPolicy } from './input.ts';
import { type Policy, type PolicyValues, policyPatch, policyValuesOf, wholePolicy } from './policy.ts';
import type { ProductService } from './service.ts';
import { keepVersion } from './versions.ts';

declare module '../../graph/context.ts' {
  interface Services {
    productPolicies: PolicyService;
  }
}

/** What a command sets a policy to. */
interface PolicyChange extends ProductReference {
  readonly dryRun: boolean;
  readonly revertedFrom?: number;
  readonly values: (product: ProductRow) => PolicyValues | Promise<PolicyValues>;
}

interface PolicyAnswer {
  readonly product: ProductRow;
  /** As it is now; of a dry run, as it would be. */
  readonly policy: Policy;
  readonly exceedingEngineCount: number;
  readonly dryRun: boolean;
}

const newestFirst = { by: 'version', direction: 'DESC' } as const;

const { sql } = Prisma;

/** The policies of products: what they are, and every version that they had. */
export class PolicyService {
  readonly #database: Database;
  readonly #products: ProductService;

  constructor(database: Database, products: ProductService) {
    this.#database = database;
    this.#products = products;
  }

  /** The versions with these ids, by id; those that the principal cannot see are absent. */
  byIds(principal: Principal, ids: readonly string[]): Promise<Map<string, PolicyVersionRow>> {
    return this.#database.readerFor(principal).byIds(policyVersions, ids, visibleTo(policyVersions, principal));
  }

  /** The versions of one product; asked for many products in one request, one statement for all of them. */
  listOfProduct(
    context: { readonly principal: Principal },
    productId: string,
    request: ListRequest<PolicyVersionRow>,
    where: readonly Prisma.Sql[] = [],
  ): Promise<Connection<PolicyVersionRow>> {
    const reader = this.#database.readerFor(context.principal);
    const visible = [...where, ...visibleTo(policyVersions, context.principal)];
    return readChildList(context, reader, productId, { entity: policyVersions, by: 'productId' }, visible, request);
  }

  /** One version of a product's policy, by default the newest; asked for many products, likewise. */
  async version(
    context: { readonly principal: Principal },
    productId: string,
    version: number | null | undefined,
    wanted: Wanted,
  ): Promise<PolicyVersionRow | null> {
    const selection = { wanted, paged: true, counted: false };
    const request = { order: newestFirst, paging: { first: 1 }, selection };
    const { edges } = await this.listOfProduct(
      context,
      productId,
      request,
      isGiven(version) ? [sql`t.version = ${version}`] : [],
    );
    return edges[0]?.node ?? null;
  }

  /** Replaces the policy as a whole. */
  set(scope: CommandScope, { policy, ...change }: ChangePolicy): Promise<Change<PolicyAnswer>> {
    return this.#change(scope, { ...change, values: () => wholePolicy(policy) });
  }

  /** Changes what the patch names. */
  update(scope: CommandScope, { policy, ...change }: ChangePolicy): Promise<Change<PolicyAnswer>> {
    return this.#change(scope, {
      ...change,
      values: (product) => ({ ...policyValuesOf(product), ...policyPatch(policy) }),
    });
  }

  /** Sets the values of an earlier version again, as a new version. */
  revert(scope: CommandScope, { version, ...change }: RevertPolicy): Promise<Change<PolicyAnswer>> {
    return this.#change(scope, {
      ...change,
      revertedFrom: version,
      values: async (product) => {
        const earlier = await scope.transaction.prisma.productPolicyVersion.findUnique({
          where: { productId_version: { productId: product.id, version } },
        });
        if (earlier === null) throw new NotFoundError('version of the policy', ['version']);
        return policyValuesOf(earlier);
      },
    });
  }

  async #change(scope: CommandScope, change: PolicyChange): Promise<Change<PolicyAnswer>> {
    const { transaction, now } = scope;
    const { dryRun, revertedFrom = null } = change;
    const before = await this.#products.holdForChange(scope, change);
    const values = await change.values(before);
    const isChange = differs(before, values);
    const policyVersion = isChange ? before.policyVersion + 1 : before.policyVersion;
    const answer = {
      policy: { ...values, version: policyVersion },
      exceedingEngineCount: await this.#exceeding(scope, before.id, values),
      dryRun,
    };
    if (!isChange || dryRun) return unchanged({ ...answer, product: before });
    const product = await transaction.prisma.product.update({
      where: { id: before.id },
      data: { ...values, policyVersion, revision: { increment: 1 }, updatedAt: now },
    });
    await keepVersion(scope, product, revertedFrom);
    return {
      payload: { ...answer, policy: policyOf(product), product },
      changed: { ...aboutProduct(product), before: describeProduct(before), after: describeProduct(product) },
    };
  }

  /** How many engines more there are than a policy allows. */
  async #exceeding({ transaction }: CommandScope, productId: string, { maxEngines }: PolicyValues): Promise<number> {
    if (maxEngines === null) return 0;
    return Math.max(0, (await this.#products.countEngines(transaction, productId)) - maxEngines);
  }
}
