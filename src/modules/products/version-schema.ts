import { builder, requires } from '../../graph/builder.ts';
import { listComplexity } from '../../graph/connections.ts';
import { listRequest } from '../../graph/lists.ts';
import { loadNodes } from '../../graph/nodes.ts';
import { wantedColumns } from '../../graph/selection.ts';
import { type PolicyVersionRow, policyVersions } from './entity.ts';
import { ProductPolicyType } from './policy-schema.ts';
import { Product } from './schema.ts';

const PolicyAuthor = builder.objectRef<PolicyVersionRow>('PolicyAuthor').implement({
  description: 'Who set a policy, as they were called at that time.',
  fields: (t) => ({
    credentialId: t.exposeString('createdById', { description: 'The credential that was used, never its secret.' }),
    name: t.exposeString('createdByName', { description: 'The name of that credential.' }),
  }),
});

const ProductPolicyVersion = builder.objectRef<PolicyVersionRow>('ProductPolicyVersion');

builder.node(ProductPolicyVersion, {
  description: 'A policy that a product has or had. It never changes.',
  id: { resolve: (version) => version.id },
  loadMany: loadNodes('ProductPolicyVersion', [['products:read']], ({ services, principal }, ids) =>
    services.productPolicies.byIds(principal, ids),
  ),
  fields: (t) => ({
    version: t.exposeInt('version', { description: 'Counts the policies of the product, from 1.' }),
    product: t.expose('product', { type: Product, description: 'The product.' }),
    policy: t.field({ type: ProductPolicyType, description: 'What it allowed.', resolve: (version) => version }),
    revertedFrom: t.exposeInt('revertedFrom', {
      nullable: true,
      description: 'The version whose values it brought back; null: it was set in another way.',
    }),
    createdAt: t.expose('createdAt', { type: 'DateTime', description: 'When it was set.' }),
    createdBy: t.field({ type: PolicyAuthor, description: 'Who set it.', resolve: (version) => version }),
  }),
});

const ProductPolicyVersionConnection = builder.connectionObject(
  { type: ProductPolicyVersion, name: 'ProductPolicyVersionConnection', description: 'A page of policy versions.' },
  { name: 'ProductPolicyVersionEdge', description: 'A policy version in a list.' },
);

const newestFirst = { by: 'version', direction: 'DESC' } as const;

builder.objectFields(Product, (t) => ({
  policyVersions: t.field({
    ...requires(['products:read']),
    type: ProductPolicyVersionConnection,
    description: 'Every policy that it has had, the newest first.',
    complexity: listComplexity,
    args: t.arg.connectionArgs(),
    resolve: (product, list, context, info) =>
      context.services.productPolicies.listOfProduct(
        context,
        product.id,
        listRequest(policyVersions, list, newestFirst, info),
      ),
  }),
  policyVersion: t.field({
    ...requires(['products:read']),
    type: ProductPolicyVersion,
    nullable: true,
    description: 'One policy that it has or had; null when it never had that version.',
    args: { version: t.arg.int({ description: 'Which version, from 1. Default: the newest.' }) },
    resolve: (product, { version }, context, info) =>
      context.services.productPolicies.version(context, product.id, version, wantedColumns(policyVersions, info)),
  }),
}));
