import type { JsonObject } from '../../graph/audit.ts';
import type { ChangedRow } from '../../graph/commands/definition.ts';
import { encodeId } from '../../graph/ids.ts';
import { describeLimits } from '../limits/limits.ts';
import type { ProductRow } from './entity.ts';
import { describePolicy, type Policy, policyValuesOf } from './policy.ts';

/** The policy that a product has now. */
export const policyOf = (product: ProductRow): Policy => ({
  ...policyValuesOf(product),
  version: product.policyVersion,
});

/** A product in the words of the graph, for the audit log. */
export const describeProduct = (product: ProductRow): JsonObject => ({
  slug: product.slug,
  displayName: product.displayName,
  tenantId: encodeId('Tenant', product.tenantId),
  status: product.status,
  policy: describePolicy(policyOf(product)),
  limits: describeLimits(product),
  revision: product.revision,
});

/** Where the audit log finds a product. */
export const aboutProduct = ({ id, tenantId }: ProductRow): ChangedRow => ({
  target: { type: 'Product', id },
  tenantId,
});
