import type { CommandScope } from '../../graph/commands/definition.ts';
import { newId } from '../../graph/ids.ts';
import type { ProductRow } from './entity.ts';
import { policyValuesOf } from './policy.ts';

/** Keeps the policy that a product has now as a version of its own, with who set it and when. */
export async function keepVersion(
  { transaction, principal, now }: CommandScope,
  product: ProductRow,
  revertedFrom: number | null,
): Promise<void> {
  await transaction.prisma.productPolicyVersion.create({
    data: {
      ...policyValuesOf(product),
      id: newId(),
      tenantId: product.tenantId,
      productId: product.id,
      version: product.policyVersion,
      revertedFrom,
      createdAt: now,
      createdById: principal.credentialId,
      createdByName: principal.name,
    },
    select: { id: true },
  });
}
